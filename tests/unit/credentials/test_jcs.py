"""RFC 8785: the published vectors, and that the fast way writes what the careful one does."""

import hashlib
import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from laurel.credentials.documents import MAX_BYTES, MAX_VALUES, check_size, read_json
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.jcs import canonicalize

VECTORS = Path(__file__).parents[2] / "vectors" / "jcs"
NAMES = ("arrays", "french", "structures", "unicode", "values", "weird")

# RFC 8785, appendix B, "Number Serialization Samples": the bits of a double, and its one spelling.
NUMBERS = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_published_documents(name: str) -> None:
    document = orjson.loads((VECTORS / "input" / f"{name}.json").read_bytes())
    assert canonicalize(document) == (VECTORS / "output" / f"{name}.json").read_bytes()


@pytest.mark.parametrize(("bits", "spelling"), [line.split() for line in NUMBERS.strip().splitlines()])
def test_the_published_numbers(bits: str, spelling: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonicalize([number]) == f"[{spelling}]".encode()


def test_the_vectors_are_the_published_ones() -> None:
    rows = re.findall(r"^\| (\S+\.json) \| \d+ \| ([0-9a-f]{64}) \|$", (VECTORS / "SOURCES.md").read_text(), re.M)
    assert {file: hashlib.sha256((VECTORS / file).read_bytes()).hexdigest() for file, _ in rows} == dict(rows)
    assert len(rows) == 2 * len(NAMES) == len(list(VECTORS.glob("*/*.json")))


# Names on both sides of where UTF-16 and code points sort differently, and everything that is escaped.
NAME = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\\b\t\n\x1f\x7f\u2028\ue000\U0001f600'))
)
LEAF = st.one_of(
    st.none(), st.booleans(), NAME, st.integers(1 - 2**53, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip
VALUE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4))


@settings(max_examples=300, deadline=None)
@given(VALUE)
@example({"\ufb33": 1, "\U0001f600": 2})
@example({"a": "\x7f\u2028/<>&'"})
@example([1.0, {"\U0001f600": 1e21}])
def test_both_ways_write_the_same(value: Any) -> None:
    written = canonicalize(value)
    assert written == rfc8785.dumps(value)
    # RFC 8785 writes large numbers as short as a double allows, so they have to be read as doubles.
    assert json.loads(written, parse_int=float) == value


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        ({"a": [1.5, math.nan]}, "/a/1", "not one that JSON has"),
        ([math.inf], "/0", "not one that JSON has"),
        ({"a": {"b/c": 2**53}}, "/a/b~1c", "too large"),
        ([0.5, -(2**53)], "/1", "too large"),
        ([2**64], "", "not JSON"),
        ({"a": "\ud800"}, "", "not JSON"),
        ({5: "a"}, "", "not JSON"),
        ({"a": (1,)}, "/a", "not one that JSON has"),
        ([Text("a")], "/0", "not one that JSON has"),
        ([b"a"], "", "not JSON"),
        (["x" * MAX_BYTES], "", "bytes"),
        ([1.5] * (MAX_VALUES + 1), "", "values"),
        ([{"a": [None] * 10}] * (MAX_VALUES // 10), "", "values"),
    ],
)
def test_refuses_what_has_no_one_spelling(document: Any, pointer: str, says: str) -> None:
    with pytest.raises(MalformedCredential, match=says) as caught:
        canonicalize(document)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("depth", [65, 200, 300, 10_000])
def test_refuses_deep_nesting(depth: int) -> None:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    with pytest.raises(MalformedCredential):
        canonicalize(value)


def test_takes_as_much_as_is_allowed() -> None:
    value: Any = "x"
    for _ in range(64):
        value = [value]
    assert canonicalize(value) == b"[" * 64 + b'"x"' + b"]" * 64
    check_size([1.5] * MAX_VALUES)
    check_size("x" * (MAX_BYTES - 2))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b" " * (MAX_BYTES + 1), "MALFORMED_VALUE_ERROR"),
        ("x" * 10_000_000, "MALFORMED_VALUE_ERROR"),
        (b"", "PARSING_ERROR"),
        (b"{", "PARSING_ERROR"),
        (b'{"a": 1, "a": 1}', "PARSING_ERROR"),
        (b'{"a": NaN}', "PARSING_ERROR"),
        (b'"\\ud800"', "PARSING_ERROR"),
        (b'"\xff"', "PARSING_ERROR"),
        (b"[" * 10_000 + b"]" * 10_000, "PARSING_ERROR"),
    ],
)  # fmt: skip
def test_reading_refuses(data: bytes | str, code: str) -> None:
    with pytest.raises(MalformedCredential) as caught:
        read_json(data)
    assert caught.value.code == code


def test_reads_bytes_and_text() -> None:
    assert read_json(b'{"a": [1, null]}') == read_json('{"a": [1, null]}') == {"a": [1, None]}
