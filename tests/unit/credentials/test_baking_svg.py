"""Badges in SVG: the drawing stays byte for byte, other parsers agree, and nothing hostile gets far."""

import json
import time
import tracemalloc
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from laurel.credentials.baking import MAX_IMAGE_BYTES, BakingError, bake, is_image, unbake
from support.pictures import CREDENTIALS, OB_NAMESPACE, SVGS

JWT = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"
TAG = f"{{{OB_NAMESPACE}}}credential"
CPU_SECONDS = 2
PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


def parsed(image: bytes) -> etree._Element:
    return etree.fromstring(image, PARSER)


def without_badge(root: etree._Element) -> bytes:
    """The drawing in canonical form, namespaces that it does not use left out."""
    copy = deepcopy(root)
    if len(copy) and copy[0].tag == TAG:
        assert copy.text is None
        copy.text = copy[0].tail
        del copy[0]
    canonical: bytes = etree.tostring(copy, method="c14n", exclusive=True)
    return canonical


def drawing(content: str, attributes: str = "") -> bytes:
    return f'<svg xmlns:openbadges="{OB_NAMESPACE}"{attributes}>{content}</svg>'.encode()


def same(first: str, second: str) -> bool:
    """The same credential: the same JWS, or the same JSON."""
    return first == second or json.loads(first) == json.loads(second)


@pytest.mark.parametrize("name", SVGS)
@settings(max_examples=15, deadline=None)
@given(credential=CREDENTIALS)
def test_the_credential_comes_out_as_it_went_in_and_the_drawing_stays(name: str, credential: str) -> None:
    image = SVGS[name].encode()

    baked = bake(image, credential)

    assert is_image(image)
    assert same(unbake(baked), credential)
    if not {"\ufffe", "\uffff"} & set(credential):
        assert unbake(baked) == credential
    after = parsed(baked)
    assert without_badge(after) == without_badge(parsed(image))
    # The JWS is an attribute, the JSON is text; never both.
    badge = after[0]
    assert badge.tag == TAG
    assert [badge.get("verify"), badge.text].count(None) == 1
    assert same(badge.get("verify") or badge.text, credential)


@pytest.mark.parametrize("name", SVGS)
def test_nothing_but_the_declaration_and_the_element_is_added(name: str) -> None:
    image = SVGS[name].encode()

    baked = bake(image, JWT)

    start = baked.index(b"<openbadges:credential")
    rest = baked[:start] + baked[baked.index(b"/>", start) + 2 :]
    rest = rest.replace(f' xmlns:openbadges="{OB_NAMESPACE}"'.encode(), b"", name != "declared")
    assert rest in (image, image.replace(b"/>", b"></svg>"))


@settings(max_examples=40, deadline=None)
@given(first=CREDENTIALS, second=CREDENTIALS, name=st.sampled_from(sorted(SVGS)))
def test_baking_again_replaces(first: str, second: str, name: str) -> None:
    image = SVGS[name].encode()
    assert bake(bake(image, first), second) == bake(image, second)


def test_baking_replaces_a_badge_that_another_program_put_elsewhere() -> None:
    image = drawing(f'<g><o:credential xmlns:o="{OB_NAMESPACE}">\n<![CDATA[ {{}} ]]>\n</o:credential ><a/></g>')

    assert unbake(image) == "{}"
    assert bake(image, JWT) == drawing(f'<openbadges:credential verify="{JWT}"/><g><a/></g>')


def test_the_standards_own_example_reads() -> None:
    # Open Badges 3.0 §5.3.2: white space around the section and within it.
    image = drawing(
        '\n  <openbadges:credential>\n    <![CDATA[\n      {"a": [1]}\n    ]]>\n  </openbadges:credential>\n'
    )
    assert unbake(image) == '{"a": [1]}'
    assert unbake(drawing(f'<openbadges:credential verify="{JWT}"></openbadges:credential>')) == JWT


def test_an_older_badge_is_named_and_stays_where_it_is() -> None:
    image = SVGS["older"].encode()
    with pytest.raises(BakingError, match=r"Open Badges 2\.0 or older"):
        unbake(image)

    baked = bake(image, JWT)

    assert unbake(baked) == JWT
    assert b'<openbadges:assertion verify="a.b.c"/>' in baked
    assert [child.tag for child in parsed(baked)] == [TAG, "{http://openbadges.org}assertion", "g"]


CREDENTIAL = "<openbadges:credential"
BADGES = {
    "none": ("", "no Open Badges 3.0"),
    "several": (f"{CREDENTIAL}/>{CREDENTIAL}/>", "more than one"),
    "one in another": (f"{CREDENTIAL}>{CREDENTIAL}/></openbadges:credential>", "holds elements"),
    "elements": (f"{CREDENTIAL}>{{<a/>}}</openbadges:credential>", "holds elements"),
    "both forms": (f'{CREDENTIAL} verify="a.b.c">{{}}</openbadges:credential>', "not clear which"),
    "empty": (f"{CREDENTIAL}/>", "neither a JSON object nor a compact JWS"),
    "an address": (f'{CREDENTIAL} verify="https://x.example/1"/>', "neither a JSON object nor a compact JWS"),
    "another namespace": ('<o:credential xmlns:o="https://x.example" verify="a.b.c"/>', "no Open Badges 3.0"),
}


@pytest.mark.parametrize("name", BADGES)
def test_a_badge_that_is_none_is_refused_by_name(name: str) -> None:
    content, reason = BADGES[name]
    with pytest.raises(BakingError, match=reason):
        unbake(drawing(content))


@pytest.mark.parametrize("name", ["several", "one in another", "elements"])
def test_what_cannot_be_replaced_is_not_baked_over(name: str) -> None:
    content, reason = BADGES[name]
    with pytest.raises(BakingError, match=reason):
        bake(drawing(content), JWT)


BADGE = f'<openbadges:credential xmlns:openbadges="{OB_NAMESPACE}" verify="a.b.c"/>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE svg [<!ENTITY l0 "lol">{LAUGHS}]><svg>&l11;{BADGE}</svg>',
    "quadratic": f'<!DOCTYPE svg [<!ENTITY a "{"a" * 100_000}">]><svg>{"&a;" * 100_000}{BADGE}</svg>',
    "external entity": f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;{BADGE}</svg>',
    "external entity in a badge": '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    f'<svg xmlns:openbadges="{OB_NAMESPACE}"><openbadges:credential>{{&a;}}</openbadges:credential></svg>',
    "parameter entity": f'<!DOCTYPE svg [<!ENTITY % a SYSTEM "http://127.0.0.1/"> %a;]><svg>{BADGE}</svg>',
    "defaulted badge": '<!DOCTYPE svg [<!ATTLIST svg a CDATA "b">]><svg/>',
    "declarations behind comments": '<?xml version="1.0"?><!-- <!DOCTYPE --><?a ?>\n<!DOCTYPE svg SYSTEM "[" [ ]>'
    f"<svg>{BADGE}</svg>",
    "undefined entity": f'<!DOCTYPE svg SYSTEM "http://127.0.0.1/x.dtd"><svg>&a;{BADGE}</svg>',
    "deep": "<svg>" + "<g>" * 10_000 + BADGE + "</g>" * 10_000 + "</svg>",
    "deeper": "<svg>" + "<g>" * 3_000_000,
    "many elements": "<svg>" + "<g/>" * 2_500_000 + "</svg>",
    "many attributes": "<svg " + " ".join(f'a{n}=""' for n in range(900_000)) + "/>",
    "many namespaces": "<svg " + " ".join(f'xmlns:a{n}="u"' for n in range(500_000)) + "/>",
    "long attribute": f'<svg a="{"a" * 10_000_000}/>',
    "long name": f"<svg {'a' * 10_000_000}",
    "long text": f'<svg xmlns:openbadges="{OB_NAMESPACE}"><openbadges:credential>' + "{\n" * 5_000_000,
    "references": f'<svg xmlns:openbadges="{OB_NAMESPACE}"><openbadges:credential>{"&#123;" * 1_700_000}'
    "</openbadges:credential></svg>",
    "long comment": "<!--" + '<!DOCTYPE"[' * 900_000 + "<svg ",
    "space": " " * 10_000_000 + "<svg ",
    "quotes": "<!DOCTYPE svg " + '"a"' * 3_000_000 + "<svg ",
    "names": "<" + "a" * 5_000_000 + "<svg " + "<" + ":" * 5_000_000,
    "cut off": f"<svg>{BADGE}",
    "two roots": f"<svg>{BADGE}</svg><svg/>",
    "unbound prefix": "<svg><openbadges:credential/></svg>",
    "attribute twice": f'<svg a="" a="">{BADGE}</svg>',
    "not SVG": f"<html><svg/>{BADGE}</html>",
    "another encoding": f'<?xml version="1.0" encoding="ISO-8859-1"?><svg>{BADGE}</svg>',
    "an encoding that runs code": f'<?xml version="1.0" encoding="unicode_escape"?><svg>{BADGE}</svg>',
    "no character": f"<svg>\x01{BADGE}</svg>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_drawing_is_refused_within_bounds(name: str) -> None:
    image = HOSTILE[name].encode()
    assert len(image) <= MAX_IMAGE_BYTES
    tracemalloc.start()
    started = time.process_time()

    with pytest.raises(BakingError, match=r"\.$"):
        unbake(image)
    if name != "references":  # There, what is wrong is replaced.
        with pytest.raises(BakingError, match=r"\.$"):
            bake(image, JWT)

    assert time.process_time() - started < CPU_SECONDS
    assert tracemalloc.get_traced_memory()[1] < 8 * MAX_IMAGE_BYTES
    tracemalloc.stop()


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    for image in (f"<svg>{BADGE}</svg>".encode("utf-16"), b"<svg>\xff" + BADGE.encode() + b"</svg>"):
        with pytest.raises(BakingError):
            unbake(image)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_changed_byte_gives_a_badge_or_a_refusal(data: st.DataObject) -> None:
    baked = bytearray(bake(SVGS["tricky"].encode(), '{"a": "]]>"}'))
    where = data.draw(st.integers(0, len(baked) - 1))
    baked[where] = data.draw(st.integers(0, 255))

    try:
        text = unbake(bytes(baked))
    except BakingError:
        return
    assert text.startswith("{")
    assert parsed(bytes(baked)).find(f".//{TAG}") is not None
