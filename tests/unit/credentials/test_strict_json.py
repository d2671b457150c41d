"""JSON that every reader reads in the same way, or not at all."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials import strict_json

_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=_VALUES)
def test_json_is_read(value: object) -> None:
    assert strict_json.parse(json.dumps(value)) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "\\u0061": 2}}]', '{"": 1, "x": 2, "": 1}'])
def test_a_member_stands_there_once(text: str) -> None:
    with pytest.raises(ValueError, match="stands twice"):
        strict_json.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "[Infinity]", "{'a': 1}", '"\\ud800"', b'"\xff"', b"\xef\xbb\xbf1", "1 2", "[" * 100_000, "[1,]"],
)
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        strict_json.parse(text)


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.binary(max_size=40), st.text('{}[]":,0ae-', max_size=30)))
def test_nothing_but_a_value_error_comes_of_any_text(text: str | bytes) -> None:
    try:
        strict_json.parse(text)
    except ValueError:
        return
