"""Pictures to bake badges into, as drawing programs write them, and the pieces to build hostile ones from."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import orjson
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
OB_NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"

JWS = st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{0,90}", fullmatch=True)
# What ends a CDATA section, and what XML cannot hold, come up often enough.
_TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("]>\uffff\ufffe<&"), max_size=40) | st.just("]]>")
JSON = st.dictionaries(_TEXT, _TEXT | st.integers(-(2**53), 2**53) | st.lists(_TEXT, max_size=4), max_size=6).map(
    lambda value: orjson.dumps(value).decode()
)
CREDENTIALS = JWS | JSON

SVGS = {
    "plain": f'<svg xmlns="{SVG_NAMESPACE}" viewBox="0 0 9 9"><rect width="9" height="9" fill="#06c"/></svg>',
    "empty": f'<svg xmlns="{SVG_NAMESPACE}"/>',
    "bare": "<svg><g/></svg>",
    "prefixed": f'<s:svg xmlns:s="{SVG_NAMESPACE}" width="5"><s:circle r="2"/></s:svg>\n',
    "spread": f"<?xml version='1.0' encoding='utf-8'?>\n<svg\n  xmlns='{SVG_NAMESPACE}'\n  width = '5'\n>\n</svg >\n",
    "marked": f'\ufeff<svg xmlns="{SVG_NAMESPACE}"><title>Prüfung\U0001f393</title></svg>',
    "tricky": f'<!-- <svg a="> --><?x <svg> ?><svg data-a="&quot;/>" xmlns="{SVG_NAMESPACE}" '
    "data-b='\">'>]]&gt;</svg><!-- > -->",
    "typed": '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n'
    f'<svg xmlns="{SVG_NAMESPACE}"><g/></svg>',
    "script": f'<svg xmlns="{SVG_NAMESPACE}" onload="a()"><script><![CDATA[ if (a<b && c) ]]></script></svg>',
    "older": '<svg xmlns:openbadges="http://openbadges.org"><openbadges:assertion verify="a.b.c"/><g/></svg>',
    "declared": f'<svg xmlns="{SVG_NAMESPACE}" xmlns:openbadges="{OB_NAMESPACE}" xmlns:ob="{OB_NAMESPACE}"/>',
}


def png(mode: str = "RGB", size: tuple[int, int] = (12, 9), *, text: dict[str, str] | None = None) -> bytes:
    """A PNG by Pillow: a gradient, with text chunks, a resolution and, in palettes, transparency."""
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    information = PngInfo()
    for keyword, value in (text or {}).items():
        information.add_itxt(keyword, value)
    file = BytesIO()
    extra = {"transparency": 0} if mode in {"P", "L", "1"} else {}
    picture.save(file, "PNG", pnginfo=information, dpi=(96, 96), **extra)
    return file.getvalue()


def animated_png() -> bytes:
    """A PNG with frames, whose chunks stand between header and pixels and after them."""
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    file = BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks(image: bytes) -> list[bytes]:
    """The chunks of a sound PNG, each whole."""
    found, position = [], len(SIGNATURE)
    while position < len(image):
        end = position + 12 + int.from_bytes(image[position : position + 4])
        found.append(image[position:end])
        position = end
    return found


def with_chunks(image: bytes, *added: bytes) -> bytes:
    """The PNG with these chunks right after its header."""
    header, *rest = chunks(image)
    return SIGNATURE + b"".join((header, *added, *rest))


def badge_chunk(text: bytes, *, keyword: bytes = b"openbadgecredential", compressed: bool = False) -> bytes:
    """An iTXt chunk."""
    flags = b"\1\0" if compressed else b"\0\0"
    return chunk(b"iTXt", keyword + b"\0" + flags + b"\0\0" + (zlib.compress(text, 9) if compressed else text))
