"""JSON-LD safe mode: nothing in a document may be dropped on its way into the signature, or read in two ways.

JSON-LD processors silently drop what no context defines, so a signature would not cover it while every reader
of the JSON would see it. This module walks a document with the active context, contexts of nodes, types and
properties included (JSON-LD 1.1 §4.1, expansion algorithm in JSON-LD API §5.1), and refuses whatever would be
dropped or read differently. What it does not understand it refuses too.

Whether a document is signed as RDF or as JSON (JCS, JWT), its terms must be defined. A few values only fail to
survive the way into RDF, or come out of it differently from one processor to the next; those are refused for
documents that are signed as RDF alone.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import takewhile
from typing import Any, NoReturn

from laurel.credentials import contexts
from laurel.credentials.active_context import ABSENT, ActiveContext, Path, Term, check_language, root_context
from laurel.credentials.documents import MAX_NESTING
from laurel.credentials.errors import MalformedCredential, UnsupportedCredential
from laurel.credentials.values import is_absolute_iri, parse_datetime, pointer

# Term definitions in contexts that the document brings along.
MAX_DEFINITIONS = 200

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_BEYOND_BMP_ORDER = re.compile(r"[\ue000-\U0010ffff]")
_MAX_SAFE_INTEGER = 2**53 - 1
_STRING = "http://www.w3.org/2001/XMLSchema#string"
_DOUBLE = "http://www.w3.org/2001/XMLSchema#double"
_NATIVE_TYPES = {
    bool: "http://www.w3.org/2001/XMLSchema#boolean",
    int: "http://www.w3.org/2001/XMLSchema#integer",
    float: _DOUBLE,
}
_CREDENTIALS = "https://www.w3.org/2018/credentials#"
_VALUE_KEYWORDS = {"@value", "@type", "type", "@language", "@direction"}


def context_urls(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The document's context URLs in order. Raises MalformedCredential if they are anything but URLs."""
    declared = _declared_contexts(document)
    for index, url in enumerate(declared):
        if not isinstance(url, str):
            raise MalformedCredential(
                "Each context must be the URL of a published context.", pointer=pointer("@context", index)
            )
    return tuple(declared)


def check_terms(document: Mapping[str, Any], *, rdf: bool = True) -> None:
    """Raise MalformedCredential, with a pointer, at the first thing JSON-LD would drop or misread.

    `rdf` says whether the document is signed as RDF, so that its values have to survive that, too.
    """
    declared = _declared_contexts(document)
    _check_proof_contexts(document, declared)
    walk = _Walk(rdf, document.get("id", document.get("@id")) if rdf else None)
    walk.node(document, walk.root(declared), ())


def _declared_contexts(document: Mapping[str, Any]) -> list[Any]:
    declared = document.get("@context")
    entries = declared if isinstance(declared, list) else [declared]
    if declared is None or not 1 <= len(entries) <= contexts.MAX_REFERENCES:
        raise MalformedCredential(
            f"The document must name its contexts, at most {contexts.MAX_REFERENCES} of them.", pointer="/@context"
        )
    return entries


def _check_proof_contexts(document: Mapping[str, Any], declared: list[Any]) -> None:
    """A proof may repeat the contexts that the document had when it was made (EdDSA Cryptosuites 1.0 §3.3.2)."""
    proofs = document.get("proof")
    for index, proof in enumerate(proofs if isinstance(proofs, list) else [proofs]):
        if not isinstance(proof, dict) or "@context" not in proof:
            continue
        repeated = proof["@context"] if isinstance(proof["@context"], list) else [proof["@context"]]
        if not repeated or declared[: len(repeated)] != repeated:
            here = ("proof", index) if isinstance(proofs, list) else ("proof",)
            _refuse("The proof's @context must be that of the document, or its beginning.", (*here, "@context"))


class _Walk:
    """One walk over a document. `active` is always the context before type-scoped ones, `typed` the one after.

    `subject` is the id of the document where it is signed as RDF, and so of whatever in it has the same id.
    """

    def __init__(self, rdf: bool, subject: Any) -> None:
        self.rdf = rdf
        self.subject = subject
        self.references = 0
        self.definitions = 0

    def root(self, declared: list[Any]) -> ActiveContext:
        """The active context of the document, whose URLs, which come first as a rule, are looked up at once."""
        urls = tuple(takewhile(lambda entry: isinstance(entry, str), declared))
        self.references = len(urls)
        active = root_context(urls)
        for index, entry in enumerate(declared[len(urls) :], len(urls)):
            active = self.local(active, entry, ("@context", index))
        return active

    def local(self, active: ActiveContext, declared: Any, path: Path) -> ActiveContext:
        """`active` with the contexts that a node brings along on top."""
        several = isinstance(declared, list)
        for index, entry in enumerate(declared if several else [declared]):
            here = (*path, index) if several else path
            self.references += 1
            if self.references > contexts.MAX_REFERENCES:
                _refuse(f"The document refers to contexts more than {contexts.MAX_REFERENCES} times.", here)
            if entry is None:
                active = active.without_definitions(here)
            elif isinstance(entry, str):
                active = active.with_published(entry, here)
            elif isinstance(entry, dict):
                self.definitions += _definitions_in(entry, MAX_DEFINITIONS)
                if self.definitions > MAX_DEFINITIONS:
                    _refuse(f"The document defines more than {MAX_DEFINITIONS} terms of its own.", here)
                if self.rdf:
                    _check_unscoped(entry, here)
                active = active.with_definitions(entry, here, published=False)
            else:
                _refuse("A context must be a URL or an object.", here)
        return active

    def node(self, node: Mapping[str, Any], active: ActiveContext, path: Path) -> None:
        if len(path) >= MAX_NESTING:
            _refuse(f"The document is nested deeper than {MAX_NESTING} levels.", path)
        if path and "@context" in node:
            active = self.local(active, node["@context"], (*path, "@context"))
        typed = self.typed(node, active, path)
        terms = typed.terms
        is_subject = bool(path) and self.subject is not None and node.get("id", node.get("@id")) == self.subject
        meanings: set[str] = set()
        for name, value in node.items():
            here = (*path, name)
            term = terms.get(name) or _undeclared(name, typed, here)
            if term.id in meanings:
                # A signature over RDF does not say which of the two names a value stood under.
                _refuse("Another member of the object has the same meaning; keep one of them.", here)
            meanings.add(term.id)
            if is_subject and term.id.startswith(_CREDENTIALS):
                # RDF knows one thing by one id: what is signed at the top could stand here, where nobody looks for it.
                _refuse("This is said of the credential itself, by its id; it belongs at the top.", here)
            if term.id == "@id":
                _check_iri(value, typed, here)
            elif term.id[0] != "@":
                self.member(value, name, term, typed, active, here)

    def typed(self, node: Mapping[str, Any], active: ActiveContext, path: Path) -> ActiveContext:
        """`active` with the contexts of the node's types on top, as the RDF parser takes them where RDF is signed."""
        types = _types(node, active, path)
        typed = active.with_types(types)
        scoped = [name for name in types if name in active.terms and active.terms[name].scope is not ABSENT]
        if not self.rdf or len(scoped) < 2:
            return typed
        # pyoxigraph takes the last one only, and drops without a word what the others define (API §5.1.2 step 11).
        parsed = active.with_types((scoped[-1],))
        for name in node:
            if parsed.terms.get(name) != typed.terms.get(name):
                raise UnsupportedCredential(
                    "The members of objects of these several types cannot be checked under a signature over RDF here.",
                    pointer=pointer(*path, name),
                )
        return parsed

    def member(
        self, value: Any, name: str, term: Term, typed: ActiveContext, active: ActiveContext, path: Path
    ) -> None:
        if term.type == "@json":
            return self.json_literal(value, path)
        if not isinstance(value, list):
            return self.value(value, name, term, typed, active, path)
        if not value and self.rdf and "@list" not in term.containers:
            # Anyone could have put it there.
            _refuse("An empty list leaves no trace in the signature; leave the member out.", path)
        for index, item in enumerate(value):
            self.value(item, name, term, typed, active, (*path, index))
        return None

    def value(self, value: Any, name: str, term: Term, typed: ActiveContext, active: ActiveContext, path: Path) -> None:
        if isinstance(value, dict):
            if "@value" in value:
                return self.value_object(value, term, typed.with_property(name, typed), path)
            if "@graph" in term.containers and not value.keys() - {"id", "@id"}:
                _refuse("An object that states nothing would be dropped here.", path)
            # A type-scoped context ends at the next object (§4.1.8); a property-scoped one begins there.
            return self.node(value, active.with_property(name, typed), path)
        if value is None and not self.rdf:
            return None
        if "@graph" in term.containers:
            _refuse("The value must be an object; anything else would be dropped here.", path)
        scoped = typed.with_property(name, typed)
        if term.type == "@id":
            return _check_iri(value, scoped, path)
        if term.type == "@vocab":
            return _check_vocabulary(value, scoped, path)
        direction = scoped.direction if term.direction is ABSENT else term.direction
        if direction is not None and isinstance(value, str) and term.type is None:
            self.direction(path)
        return self.literal(value, term.type, path)

    def value_object(self, value: Mapping[str, Any], term: Term, typed: ActiveContext, path: Path) -> None:
        """VC Data Model 2.0 §11.1 "Language and Base Direction"; JSON-LD API §5.1.2 step 14."""
        for name in value:
            if name not in _VALUE_KEYWORDS:
                _refuse("A value object can have @value, @type, @language and @direction only.", (*path, name))
        datatypes = [name for name in ("@type", "type") if name in value]
        qualified = [name for name in ("@language", "@direction") if name in value]
        plain = value["@value"]
        if datatypes:
            here = (*path, datatypes[0])
            if len(datatypes) > 1 or qualified or (datatypes == ["type"] and "type" not in typed.terms):
                _refuse("A value has either one type or a language and direction.", here)
            return self.typed_value(plain, value[datatypes[0]], term, typed, path, here)
        if qualified and not isinstance(plain, str):
            _refuse("Only a string can have a language or a direction.", (*path, "@value"))
        if "@language" in value:
            check_language(value["@language"], (*path, "@language"))
        if "@direction" in value:
            if value["@direction"] not in ("ltr", "rtl"):
                _refuse("The direction must be ltr or rtl.", (*path, "@direction"))
            self.direction((*path, "@direction"))
        return self.literal(plain, None, (*path, "@value"))

    def typed_value(self, plain: Any, name: Any, term: Term, typed: ActiveContext, path: Path, here: Path) -> None:
        if name == "@json":
            return self.json_literal(plain, (*path, "@value"))
        datatype = typed.expand(name) if isinstance(name, str) else None
        if datatype is None or not is_absolute_iri(datatype):
            _refuse("The type of a value must be a term or an absolute IRI.", here)
        if datatype in (term.type, _STRING) or (self.rdf and datatype == _native_type(plain)):
            _refuse("The value has this type of itself; write it bare.", path)
        return self.literal(plain, datatype, (*path, "@value"))

    def literal(self, value: Any, datatype: str | None, path: Path) -> None:
        if datatype is not None and datatype.endswith("dateTime"):
            try:
                parse_datetime(value)
            except ValueError as error:
                _refuse(f"The date must be an XSD dateTimeStamp, with a time zone: {error}.", path)
        elif datatype is not None and datatype.endswith("#boolean"):
            if not isinstance(value, bool):
                _refuse("The value must be true or false.", path)
        elif isinstance(value, str):
            if self.rdf and _CONTROL.search(value):
                # Not every canonicaliser escapes them (RDFC-1.0, "Canonical N-Quads"), so elsewhere the proof fails.
                _refuse("The text holds an invisible control character or U+FFFE or U+FFFF; take it out.", path)
            if self.rdf and datatype == _DOUBLE:
                # Some processors rewrite it.
                _refuse("The number must be written as one, not as a string.", path)
        elif isinstance(value, int | float):
            if self.rdf:
                _check_number(value, path)
        else:
            _refuse("The value must be a string, a number, true, false or an object; leave out what is null.", path)

    def direction(self, path: Path) -> None:
        if self.rdf:
            # JSON-LD 1.1 leaves it out of RDF unless told how to put it in (§ "rdfDirection"); RDF 1.2 has it.
            _refuse(
                "A base direction is lost when a document is signed as RDF; leave it out, or sign with a JCS suite"
                " or as a JWT.",
                path,
            )

    def json_literal(self, value: Any, path: Path) -> None:
        """JSON literals enter RDF as JCS (JSON-LD API §8.6), which processors write alike if names sort alike."""
        if len(path) >= MAX_NESTING:
            _refuse(f"The document is nested deeper than {MAX_NESTING} levels.", path)
        if isinstance(value, dict):
            for name, item in value.items():
                if self.rdf and (name == "@context" or _BEYOND_BMP_ORDER.search(name) or _CONTROL.search(name)):
                    _refuse("This member name is not safe in JSON that is signed as RDF.", (*path, name))
                self.json_literal(item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.json_literal(item, (*path, index))
        elif value is not None:
            self.literal(value, None, path)


def _check_unscoped(context: Mapping[str, Any], path: Path) -> None:
    for name, definition in context.items():
        if isinstance(definition, dict) and "@context" in definition:
            # pyoxigraph departs from JSON-LD where they meet those of types, and drops members. The published contexts
            # are held against another processor; no document's own could be.
            raise UnsupportedCredential(
                "A definition with a context of its own cannot be checked under a signature over RDF here.",
                pointer=pointer(*path, name),
            )


def _definitions_in(context: Mapping[str, Any], limit: int) -> int:
    """How many definitions a context makes, those of scoped contexts included; no more than `limit` + 1."""
    count = 0
    stack: list[Any] = [context]
    while stack and count <= limit:
        local = stack.pop()
        if isinstance(local, dict):
            count += len(local)
            stack += [definition.get("@context") for definition in local.values() if isinstance(definition, dict)]
    return count


def _undeclared(name: Any, typed: ActiveContext, path: Path) -> Term:
    """The meaning of a member name that is not a term: a keyword, an IRI, or a word of the vocabulary."""
    if not isinstance(name, str):
        _refuse("A member name must be a string.", path)
    if name in ("@id", "@type", "@context"):
        alias = typed.terms.get(name[1:])
        if alias is not None and alias.id == name:
            # A signature over RDF does not tell them apart, and readers of the JSON look under the alias alone.
            _refuse(f"Write {name} as {name[1:]}, which is what the contexts call it.", path)
        return Term(name)
    if name.startswith("@"):
        _refuse(f"The keyword {name[:100]} is not supported here.", path)
    # Where `id` is a word like any other, whoever reads the JSON would still take it for the id.
    iri = typed.expand(name) if name != "id" else None
    if iri is None:
        _refuse(f"No context defines {name[:100]!r} here; correct its spelling or leave it out.", path)
    return Term(iri)


def _types(node: Mapping[str, Any], active: ActiveContext, path: Path) -> tuple[str, ...]:
    member = "type"
    if "@type" in node:
        if "type" in node:
            _refuse("The object has its types in two members.", (*path, "@type"))
        member = "@type"
    elif "type" not in node:
        return ()
    declared = node[member]
    names = declared if isinstance(declared, list) else [declared]
    if not names:
        _refuse("The type must name at least one type.", (*path, member))
    for index, name in enumerate(names):
        known = active.expand(name) if isinstance(name, str) else None
        if known is None or known.startswith("@"):
            here = (*path, member, index) if isinstance(declared, list) else (*path, member)
            _refuse(f"No context defines the type {str(name)[:100]!r}; correct it or leave it out.", here)
    if member not in active.terms and member == "type":
        _refuse("The contexts do not let 'type' name the types.", (*path, member))
    return tuple(sorted(set(names)))


def _check_vocabulary(value: Any, active: ActiveContext, path: Path) -> None:
    known = active.expand(value) if isinstance(value, str) else None
    if known is None or known.startswith("@"):
        _refuse(f"No context defines the value {str(value)[:100]!r} here.", path)


def _native_type(value: Any) -> str | None:
    """The datatype of a JSON value that has one of itself (JSON-LD API §8.6); a number that is whole is an integer."""
    kind = int if isinstance(value, float) and value.is_integer() else type(value)
    return _NATIVE_TYPES.get(kind)


def _check_number(value: float, path: Path) -> None:
    # JSON-LD API §8.6 has numbers that are not whole written with 16 digits, some processors write all it takes.
    if abs(value) > _MAX_SAFE_INTEGER:
        _refuse("The number is too large to be written exactly; write it as a string.", path)
    if isinstance(value, float) and (Decimal(repr(value)) != Decimal(f"{value:.15E}") or str(value) == "-0.0"):
        _refuse("The number has too many digits to have one spelling; write it as a string.", path)


def _check_iri(value: Any, active: ActiveContext, path: Path) -> None:
    if not is_absolute_iri(value):
        _refuse("The value must be an absolute IRI such as https://example.org/1 or urn:uuid:….", path)
    prefix, _, rest = value.partition(":")
    term = active.terms.get(prefix)
    if term is not None and term.prefix and not rest.startswith("//"):
        _refuse(f"The IRI must be written out, without the prefix {prefix!r}.", path)


def _refuse(detail: str, path: Path) -> NoReturn:
    raise MalformedCredential(detail, pointer=pointer(*path))
