"""CloudEvents over Kafka: what goes out, what comes in, and each reason for refusing a record."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.envelope import (
    ATTRIBUTE_LIMIT,
    EVENT_SIZE_LIMIT,
    HEADER_COUNT_LIMIT,
    Envelope,
    decode,
    derived_id,
    encode,
    event_type_of,
)
from laurel.contracts.errors import Code, Rejected

Pairs = list[tuple[str, bytes]]
BINARY: Pairs = [
    ("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"urn:x"), ("ce_type", b"t"),
    ("content-type", b"application/json"),
]  # fmt: skip
STRUCTURED: Pairs = [("content-type", b"application/cloudevents+json")]
MOMENT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def changed(**headers: bytes | None) -> Pairs:
    """The binary headers with some replaced, added, or (None) left out; `_` stands for `-` in none of ours."""
    merged: dict[str, bytes | None] = {**dict(BINARY), **headers}
    return [(name, raw) for name, raw in merged.items() if raw is not None]


def structured(**members: Any) -> bytes:
    document = {"specversion": "1.0", "id": "e-1", "source": "urn:x", "type": "t", "data": {"a": 1}} | members
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def test_a_record_goes_out_in_binary_mode_with_its_headers_in_a_fixed_order() -> None:
    event = Envelope(
        id="e-1",
        source="urn:x",
        type="t",
        data=b'{"a":1}',
        time=MOMENT,
        subject="s",
        extensions={"zone": "z", "jws": "j"},
    )
    headers, value = encode(event)
    assert headers == [
        ("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"urn:x"), ("ce_type", b"t"),
        ("ce_time", b"2026-06-01T12:00:00Z"), ("ce_subject", b"s"), ("content-type", b"application/json"),
        ("ce_jws", b"j"), ("ce_zone", b"z"),
    ]  # fmt: skip
    assert value == b'{"a":1}'


def test_what_has_no_value_is_no_header() -> None:
    headers, _ = encode(Envelope(id="e", source="s", type="t", data=b"{}"))
    assert {name for name, _ in headers} == {"ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"}


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=120)
ENVELOPES = st.builds(
    Envelope,
    id=TEXT, source=TEXT, type=TEXT, data=st.binary(min_size=1, max_size=500),
    time=st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
                                  min_value=datetime(1900, 1, 2), max_value=datetime(2900, 12, 30)),  # noqa: DTZ001
    subject=st.none() | TEXT,
    datacontenttype=st.sampled_from(["application/json", "application/json; charset=utf-8", "application/ld+json"]),
    extensions=st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True).filter(
            lambda name: name not in {"specversion", "id", "source", "type", "time", "subject", "datacontenttype"}
        ),
        TEXT, max_size=5,
    ),
)  # fmt: skip


@settings(deadline=None)
@given(ENVELOPES)
def test_what_goes_out_comes_back_the_same(event: Envelope) -> None:
    assert decode(*encode(event)) == event


@settings(deadline=None)
@given(ENVELOPES)
def test_the_same_event_gives_the_same_record(event: Envelope) -> None:
    headers, value = encode(event)
    assert encode(decode(headers, value)) == (headers, value)
    assert decode(list(reversed(headers)), value) == event, "the order of headers says nothing"


def test_header_names_are_read_in_any_case_and_others_headers_are_left_alone() -> None:
    headers = [(name.upper(), raw) for name, raw in BINARY] + [("traceparent", b"00-1-2-01"), ("x", b"y")]
    event = decode(headers, b"{}")
    assert event == Envelope(id="e-1", source="urn:x", type="t", data=b"{}")


def test_an_attribute_name_outside_the_specification_is_dropped() -> None:
    event = decode([*BINARY, ("ce_jws", b"j"), ("ce_not-a-name", b"x"), ("ce_" + "a" * 33, b"x")], b"{}")
    assert event.extensions == {"jws": "j"}


def test_a_missing_content_type_means_json() -> None:
    assert decode([pair for pair in BINARY if pair[0] != "content-type"], b"{}").datacontenttype == "application/json"


def test_structured_mode_is_read_with_data_as_json_or_base64() -> None:
    event = decode(STRUCTURED, structured(time="2026-06-01T14:00:00+02:00", subject="s", jws="j"))
    assert event == Envelope(
        id="e-1", source="urn:x", type="t", data=b'{"a":1}', time=MOMENT, subject="s", extensions={"jws": "j"}
    )
    exact = b'{ "a" : 1 }'
    assert decode(STRUCTURED, structured(data=None, data_base64=b64encode(exact).decode())).data == exact


def test_the_type_is_told_by_the_header_alone() -> None:
    assert event_type_of(BINARY) == "t"
    assert event_type_of(STRUCTURED) is None
    assert event_type_of([("ce_type", b"\xff")]) == "�"


REFUSALS: list[tuple[str, Pairs, bytes | None, Code, str, str]] = [
    ("no body", BINARY, None, Code.MALFORMED_EVENT, "", "has no body"),
    ("an empty body", BINARY, b"", Code.MALFORMED_EVENT, "", "has no body"),
    ("a body too large", BINARY, b"x" * (EVENT_SIZE_LIMIT + 1), Code.EVENT_TOO_LARGE, "", f"under {EVENT_SIZE_LIMIT}"),
    ("a header too many", BINARY + [(f"h{n}", b"") for n in range(HEADER_COUNT_LIMIT - len(BINARY) + 1)], b"{}",
     Code.EVENT_TOO_LARGE, "", f"more than {HEADER_COUNT_LIMIT} headers"),
    ("a header too long", [*BINARY, ("x", b"y" * (ATTRIBUTE_LIMIT + 1))], b"{}", Code.EVENT_TOO_LARGE, "",
     f"over {ATTRIBUTE_LIMIT} bytes"),
    ("a header that is no text", changed(ce_id=b"\xff\xfe"), b"{}", Code.MALFORMED_EVENT, "", "'ce_id' is not UTF-8"),
    *((f"no {name}", changed(**{f"ce_{name}": None}), b"{}", Code.MALFORMED_EVENT, "", f"{name} (header ce_{name})")
      for name in ("specversion", "id", "source", "type")),
    *((f"an empty {name}", changed(**{f"ce_{name}": b""}), b"{}", Code.MALFORMED_EVENT, "", f"ce_{name}) is missing")
      for name in ("specversion", "id", "source", "type")),
    *((f"a long {name}", changed(**{f"ce_{name}": b"x" * 501}), b"{}", Code.MALFORMED_EVENT, "",
       f"{name} is longer than 500") for name in ("id", "source", "type")),
    ("another specversion", changed(ce_specversion=b"0.3"), b"{}", Code.MALFORMED_EVENT, "", "must be 1.0"),
    ("a body that is not JSON", changed(**{"content-type": b"text/plain"}), b"{}", Code.MALFORMED_EVENT, "",
     "content-type must be application/json"),
    ("a time without an offset", changed(ce_time=b"2026-06-01T12:00:00"), b"{}", Code.MALFORMED_EVENT, "",
     "RFC 3339 with an offset"),
    ("a time that is none", changed(ce_time=b"yesterday"), b"{}", Code.MALFORMED_EVENT, "", "RFC 3339 with an offset"),
    ("structured, not JSON", STRUCTURED, b"{", Code.MALFORMED_EVENT, "", "is not JSON"),
    ("structured, not an object", STRUCTURED, b"[]", Code.MALFORMED_EVENT, "", "not a JSON object"),
    ("structured without data", STRUCTURED, structured(data=None), Code.MALFORMED_EVENT, "/data", "has no data"),
    ("structured with bad base64", STRUCTURED, structured(data_base64="!"), Code.MALFORMED_EVENT, "/data_base64",
     "is not base64"),
    ("structured with base64 of no text", STRUCTURED, structured(data_base64=7), Code.MALFORMED_EVENT, "/data_base64",
     "is not base64"),
    ("structured with a number for an id", STRUCTURED, structured(id=7), Code.MALFORMED_EVENT, "/id", "must be a text"),
    ("structured with an object for an extension", STRUCTURED, structured(x={"y": 1}), Code.MALFORMED_EVENT, "/x",
     "must be a text"),
    ("structured with a long attribute", STRUCTURED, structured(subject="s" * (ATTRIBUTE_LIMIT + 1)),
     Code.MALFORMED_EVENT, "/subject", f"at most {ATTRIBUTE_LIMIT}"),
    ("structured without an id", STRUCTURED, structured(id=None), Code.MALFORMED_EVENT, "", "ce_id) is missing"),
    ("structured, data not JSON", STRUCTURED, structured(datacontenttype="text/xml"), Code.MALFORMED_EVENT, "",
     "content-type must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "value", "code", "pointer", "says"), [pytest.param(*rest, id=name) for name, *rest in REFUSALS]
)
def test_a_record_that_is_no_event_is_refused(
    headers: Pairs, value: bytes | None, code: Code, pointer: str, says: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        decode(headers, value)
    assert (refusal.value.code, refusal.value.pointer) == (code, pointer)
    assert says in refusal.value.detail


def test_the_largest_record_and_the_longest_header_are_taken() -> None:
    headers = [*changed(ce_id=b"i" * 500), ("ce_jws", b"j" * ATTRIBUTE_LIMIT)]
    headers += [(f"h{n}", b"") for n in range(HEADER_COUNT_LIMIT - len(headers))]
    assert decode(headers, b"1" * EVENT_SIZE_LIMIT).extensions["jws"] == "j" * ATTRIBUTE_LIMIT


HEADERS = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=8)


@settings(deadline=None)
@given(HEADERS, st.none() | st.binary(max_size=200))
def test_whatever_comes_is_an_event_or_a_refusal(headers: Pairs, value: bytes | None) -> None:
    for each in (headers, STRUCTURED + headers, BINARY + headers):
        with suppress(Rejected):
            assert isinstance(decode(each, value), Envelope)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["specversion", "id", "source", "type", "time", "datacontenttype", "data", "data_base64", "x"]
)


@settings(deadline=None)
@given(st.dictionaries(MEMBERS, JSON_VALUES))
def test_whatever_comes_in_structured_mode_is_an_event_or_a_refusal(members: dict[str, Any]) -> None:
    with suppress(Rejected):
        assert isinstance(decode(STRUCTURED, json.dumps(members).encode()), Envelope)


def test_a_derived_id_is_the_same_for_the_same_cause_and_no_other() -> None:
    assert (
        derived_id("urn:x", "e-1", "credential.issued") == sha256(b"5:urn:x3:e-117:credential.issued").hexdigest()[:32]
    )
    base = derived_id("a", "b", "c")
    assert len({base, derived_id("ab", "", "c"), derived_id("", "ab", "c"), derived_id("a", "bc", ""),
                derived_id("b", "a", "c"), derived_id("1:a", "b", "c")}) == 6  # fmt: skip


@settings(deadline=None)
@given(st.tuples(TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT))
def test_two_causes_never_share_a_derived_id(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) is (one == other)


def test_structured_data_that_is_nested_too_deeply_is_refused() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"x","type":"completion.recorded","data":%s1%s}'
    with pytest.raises(Rejected) as refused:
        decode([("content-type", b"application/cloudevents+json")], body % (b"[" * 300, b"]" * 300))
    assert (refused.value.code, refused.value.pointer) == (Code.MALFORMED_EVENT, "/data")
