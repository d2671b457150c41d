"""Badges in SVG: the credential is the element `openbadges:credential` (Open Badges 3.0 §5.3.2; XML 1.0).

The parser is expat, without a document tree; nothing of the picture is interpreted, run or fetched. Documents that
declare entities are turned away before expat sees them: an exception raised in a handler ends the parsing only at
the end of the input at hand. So are those with more tags and attributes than expat could take in bounded time.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from laurel.credentials.baking.carried import carried, is_jws
from laurel.credentials.baking.errors import BakingError, damaged, nothing_baked, older_baked, several_baked

NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
PREFIX = "openbadges"
_CREDENTIAL = f"{NAMESPACE} credential"
_OLDER = frozenset(f"{namespace} assertion" for namespace in ("http://openbadges.org", "https://openbadges.org"))
# Without a namespace no browser shows it, but a badge is a badge.
_ROOTS = frozenset(("http://www.w3.org/2000/svg svg", "svg"))

_MAX_MARKUP = 100_000
"""How many `<`, and how many `=`, the document may have; each takes expat up to 2 µs and 300 bytes."""

_MAX_DEPTH = 256
"""As libxml2 and others have it, so that what is baked here can be read elsewhere."""

# XML 1.0 §2.8: what may come before a document type declaration, and one with declarations of its own. A bare one, as
# older drawing programs write, declares nothing, and what it refers to is never fetched.
_DECLARATIONS = re.compile(
    rb"""(?:\xef\xbb\xbf)?(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE(?:[^\["'>]++|"[^"]*+"|'[^']*+')*+\[""", re.DOTALL
)
_TAG = re.compile(rb"""<([^\s/>]++)(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
# What JSON may hold as it is and XML may not (§2.2); in JSON it can stand in strings only.
_NOT_XML = {ord(character): f"\\u{ord(character):04x}" for character in "\ufffe\uffff"}


@dataclass(slots=True)
class _Badge:
    """A credential element: where it is in the bytes, and what it holds."""

    start: int
    end: int
    verify: str
    text: list[str] = field(default_factory=list)


def bake(image: bytes, text: str) -> bytes:
    """`image` with `text` in an element right after the root's tag; its other bytes stay. Raises BakingError."""
    drawing = _Drawing(image)
    tag = _tag(image, drawing.root)
    name, attributes = tag[1], image[tag.end(1) : tag.end() - 1]
    on_root = on_element = b""
    declaration = f' xmlns:{PREFIX}="{NAMESPACE}"'.encode()
    if PREFIX not in drawing.prefixes:
        on_root = declaration
    elif drawing.prefixes[PREFIX] != NAMESPACE:
        on_element = declaration  # The root's prefix is an older badge's.
    close = b""
    if attributes.endswith(b"/"):
        attributes, close = attributes[:-1], b"</" + name + b">"
    opened = image[: tag.end(1)] + on_root + attributes + b">"
    rest = image[tag.end() :]
    if drawing.badge is not None:
        rest = image[tag.end() : drawing.badge.start] + image[drawing.badge.end :]
    return opened + _element(text, on_element) + close + rest


def unbake(image: bytes) -> str:
    """The credential in the one element for it. Raises BakingError."""
    drawing = _Drawing(image)
    if drawing.badge is None:
        raise older_baked() if drawing.has_older else nothing_baked()
    verify, text = drawing.badge.verify.strip(), "".join(drawing.badge.text).strip()
    if verify and text:
        raise BakingError("The badge in the SVG has a JWS and text as well, so it is not clear which is meant.")
    return carried(verify or text)


class _Drawing:
    """What baking needs to know of an SVG. Raises BakingError for one that is malformed, or too much to read."""

    def __init__(self, image: bytes) -> None:
        _check_bounds(image)
        self.root = -1
        self.prefixes: dict[str | None, str | None] = {}
        self.badge: _Badge | None = None
        self.has_older = False
        self._depth = 0
        self._inside = False
        self._image = image
        self._parser = parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declared
        parser.StartNamespaceDeclHandler = self._prefix
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.SkippedEntityHandler = self._skipped
        try:
            parser.Parse(image, True)
        except expat.ExpatError as error:
            reason = f"{expat.ErrorString(error.code)}, line {error.lineno}"
            raise damaged(f"The SVG is not well-formed XML: {reason}.") from error

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise BakingError("The SVG is not in UTF-8; save it as UTF-8.")

    def _prefix(self, prefix: str | None, namespace: str | None) -> None:
        if self._depth == 0:
            self.prefixes[prefix] = namespace

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        position = self._parser.CurrentByteIndex
        if self._depth == 0:
            if name not in _ROOTS:
                raise damaged("The image is XML, but not SVG.")
            self.root = position
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BakingError(f"The SVG is nested more than {_MAX_DEPTH} deep.")
        if self._inside:
            raise damaged("The badge in the SVG holds elements; JSON or a JWS is due.")
        if name == _CREDENTIAL:
            if self.badge is not None:
                raise several_baked()
            end = _tag(self._image, position).end()
            self.badge = _Badge(position, end, attributes.get("verify", ""))
            self._inside = True
        self.has_older = self.has_older or name in _OLDER

    def _end(self, _name: str) -> None:
        badge = self.badge
        if self._inside and badge is not None:  # It holds no elements, so this is its own end.
            if not self._image.startswith(b"/>", badge.end - 2):
                badge.end = self._image.index(b">", self._parser.CurrentByteIndex) + 1
            self._inside = False
        self._depth -= 1

    def _characters(self, text: str) -> None:
        if self._inside and self.badge is not None:
            self.badge.text.append(text)

    def _skipped(self, _name: str, _is_parameter: bool) -> None:
        raise damaged("The SVG uses an entity that it does not define.")


def _check_bounds(image: bytes) -> None:
    if image.count(b"<") > _MAX_MARKUP or image.count(b"=") > _MAX_MARKUP:
        raise BakingError("The SVG has too many elements or attributes.")
    if _DECLARATIONS.match(image):
        raise BakingError("The SVG declares entities or other parts of a DTD; remove them, no picture needs them.")


def _tag(image: bytes, start: int) -> re.Match[bytes]:
    """The start tag at `start`, of which expat has said that it is one."""
    tag = _TAG.match(image, start)
    assert tag is not None
    return tag


def _element(text: str, declaration: bytes) -> bytes:
    if is_jws(text):
        return f'<{PREFIX}:credential verify="{text}"'.encode() + declaration + b"/>"
    # A section cannot hold its own end, so it ends within it and another begins (§2.7).
    held = text.translate(_NOT_XML).replace("]]>", "]]]]><![CDATA[>")
    opened = f"<{PREFIX}:credential".encode() + declaration + b">"
    return opened + f"<![CDATA[{held}]]></{PREFIX}:credential>".encode()
