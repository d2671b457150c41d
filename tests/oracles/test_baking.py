"""Baked badges: what one bakes, the other unbakes."""

from __future__ import annotations

import pytest
from openbadgeslib import baking as theirs

from laurel.credentials.baking import bake, unbake
from support.pictures import SVGS, png

JWT = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"
JSON = '{"name": "né ]]> <x>&amp;", "proof": {}}'
# It puts its element only into a root without prefix.
PLAIN_ROOTS = sorted(SVGS.keys() - {"prefixed"})


@pytest.mark.parametrize("credential", [JWT, JSON])
def test_png(credential: str) -> None:
    keyword = theirs.ITXT_KEYWORD_OB3
    assert theirs.extract_png(bake(png(), credential), keyword=keyword) == credential
    assert unbake(theirs.bake_png(png(), credential, keyword=keyword)) == credential


@pytest.mark.parametrize("credential", [JWT, JSON])
@pytest.mark.parametrize("name", SVGS)
def test_they_unbake_what_we_bake_into_svg(name: str, credential: str) -> None:
    baked = bake(SVGS[name].encode(), credential)
    assert theirs.extract_svg(baked, element=theirs.SVG_ELEMENT_OB3, text_fallback=True) == credential


@pytest.mark.parametrize("credential", [JWT, JSON])
@pytest.mark.parametrize("name", PLAIN_ROOTS)
def test_we_unbake_what_they_bake_into_svg(name: str, credential: str) -> None:
    baked = theirs.bake_svg(
        SVGS[name].encode(), credential,
        element=theirs.SVG_ELEMENT_OB3, namespace=theirs.SVG_NS_OB3, as_text=credential == JSON,
    )  # fmt: skip
    assert unbake(baked) == credential
