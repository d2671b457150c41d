"""PNG and SVG: unbaking them, and baking into them."""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import cache
from random import Random

import orjson

from fuzz.harness import Target
from fuzz.mutation import mutated_bytes
from fuzz.samples import signed, unsigned
from laurel.credentials.baking import bake, unbake
from support.pictures import OB_NAMESPACE, SIGNATURE, SVGS, badge_chunk, chunk, chunks, png, with_chunks

JWT = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"
_TOKENS = (
    b"<", b">", b"/>", b"<svg>", b"</svg>", b"<g>", b"</g>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"&",
    b"&amp;", b"&#0;", b"&#x41;", b"&x;", b"<!DOCTYPE svg", b"<!DOCTYPE svg [", b'<!ENTITY x "&x;">', b"]>", b"'", b'"',
    b"=", b'xmlns="', b'xmlns:openbadges=""', b"xmlns:openbadges='http://openbadges.org' ", b"openbadges:",
    b"\xef\xbb\xbf",
    b"<openbadges:credential/>", b"<openbadges:credential>", b"</openbadges:credential>", b' verify="a.b.c"',
    f' xmlns:o="{OB_NAMESPACE}"'.encode(), b"<o:credential>{}</o:credential>", b'encoding="utf-16"',
)  # fmt: skip


@cache
def _pngs() -> list[bytes]:
    picture, json = png("P", (6, 5), text={"Title": "é"}), orjson.dumps(signed(unsigned()[0])).decode()
    return [
        picture,
        bake(picture, JWT),
        bake(picture, json),
        with_chunks(picture, badge_chunk(json.encode(), compressed=True)),
        with_chunks(picture, badge_chunk(b"{}", keyword=b"openbadges")),
        with_chunks(picture, badge_chunk(bytes(1 << 24), compressed=True)),
    ]


def _draw_png(random: Random) -> bytes:
    sample = random.choice(_pngs())
    if random.random() < 0.2:
        return mutated_bytes(random, sample, _pngs())
    # The checksums are mended, so that what lies behind them is reached.
    pieces = chunks(sample)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(pieces)) if pieces else 0
        match random.randrange(5):
            case 0:
                del pieces[at : at + 1]
            case 1:
                pieces[at:at] = pieces[at : at + 1] * random.choice((1, 2, 30))
            case 2:
                pieces.insert(at, random.choice(chunks(random.choice(_pngs()))))
            case 3:
                random.shuffle(pieces)
            case _ if pieces:
                pieces[at] = _mended(random, pieces[at])
    return SIGNATURE + b"".join(pieces)


def _mended(random: Random, piece: bytes) -> bytes:
    kind, data = piece[4:8], piece[8:-4]
    if data.startswith(b"openbadgecredential\0\1\0\0\0") and random.random() < 0.5:
        with suppress(zlib.error):  # an earlier change may have broken it
            head, text = data[:24], zlib.decompressobj().decompress(data[24:], 1 << 16)
            return chunk(kind, head + zlib.compress(mutated_bytes(random, text)))
    if random.random() < 0.1:
        kind = mutated_bytes(random, kind)[:4].ljust(4, b"x")
    return chunk(kind, mutated_bytes(random, data, tokens=(b"\0", b"openbadgecredential\0", b"openbadges\0", b"{}")))


@cache
def _svgs() -> list[bytes]:
    json = orjson.dumps(signed(unsigned()[0])).decode()
    plain = [svg.encode() for svg in SVGS.values()]
    return [*plain, *(bake(svg, JWT) for svg in plain), *(bake(svg, json) for svg in plain)]


def _draw_svg(random: Random) -> bytes:
    return mutated_bytes(random, random.choice(_svgs()), _svgs(), _TOKENS)


def _run(image: bytes) -> None:
    # What can be baked can be unbaked, and gives what was baked; what can be unbaked can be baked again.
    text = '{"a": "]]>"}'
    try:
        found = unbake(image)
    finally:
        baked = bake(image, text)
        assert unbake(baked) == text
        assert bake(baked, text) == baked
    assert unbake(bake(image, found)) == found


TARGETS = (Target("png", _draw_png, _run), Target("svg", _draw_svg, _run))
