"""The golden records: what was published once is written the same today, and can be read today."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from contract.samples import GOLDEN, WORLD, GoldenRecord, golden_path, golden_records, samples
from laurel.contracts import signature
from laurel.contracts.base import Contract
from laurel.contracts.envelope import Envelope, decode, encode
from laurel.contracts.reference import header_schema, schemas
from laurel.contracts.topics import BY_NAME, TOPICS, Message
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import ProvenDocument
from laurel.credentials.status_list import decode as decode_list
from laurel.runtime.record import Record, read_event

EVENTS = [(topic.name, event_type) for topic in TOPICS for event_type in topic.events]
SAMPLES = {(each.topic.name, each.event.type): each for each in samples()}
RECORDS = [pytest.param(each, id=each.event_type) for each in golden_records()]


def read(golden: GoldenRecord, body: bytes | None = None) -> tuple[Envelope, Contract] | None:
    value = golden.body if body is None else body
    return read_event(Record(golden.topic.name, 0, 0, golden.key.encode(), golden.headers, value))


def sample_of(golden: GoldenRecord) -> Message:
    return SAMPLES[golden.topic.name, golden.event_type]


@pytest.mark.parametrize(("topic", "event_type"), EVENTS)
def test_every_event_type_has_a_sample_and_a_golden_record(topic: str, event_type: str) -> None:
    assert (topic, event_type) in SAMPLES, "add a sample to tests/contract/samples.py"
    missing = [str(path) for path in golden_path(topic, event_type) if not path.is_file()]
    assert not missing, "PYTHONPATH=tests python tests/contract/samples.py writes them"


def test_no_event_type_that_was_published_is_gone_from_the_catalogue() -> None:
    written = {
        (path.parent.name, path.name.removesuffix(".json").removesuffix(".headers")) for path in GOLDEN.rglob("*.json")
    }
    assert written == set(EVENTS)


@pytest.mark.parametrize("golden", RECORDS)
def test_the_writer_of_today_gives_these_very_bytes(golden: GoldenRecord) -> None:
    made = sample_of(golden)
    headers, body = encode(made.event)
    assert body == golden.body
    assert tuple(headers) == golden.headers
    assert made.key == golden.key


@pytest.mark.parametrize("golden", RECORDS)
def test_the_reader_of_today_reads_them_and_would_write_them_again(golden: GoldenRecord) -> None:
    found = read(golden)
    assert found is not None
    event, body = found
    assert event == sample_of(golden).event
    assert type(body) is golden.topic.events[golden.event_type]
    assert body.to_bytes() == golden.body
    assert encode(event) == (list(golden.headers), golden.body)


@pytest.mark.parametrize("golden", RECORDS)
def test_they_have_the_form_that_the_reference_describes(golden: GoldenRecord) -> None:
    contract = golden.topic.events[golden.event_type]
    payload = {"$ref": f"#/components/schemas/{contract.__name__}", "components": {"schemas": schemas()}}
    Draft7Validator(payload, format_checker=FormatChecker()).validate(json.loads(golden.body))
    headers = {name: raw.decode() for name, raw in golden.headers}
    Draft7Validator(header_schema(golden.topic, golden.event_type)).validate(headers)


def widened(value: Any) -> Any:
    """The same JSON with a field more in each of our own objects, and another order."""
    if isinstance(value, list):
        return [widened(each) for each in value]
    if isinstance(value, dict) and "@context" not in value:
        return {"zzz": {"a": [1]}} | {name: widened(each) for name, each in reversed(value.items())}
    return value


@pytest.mark.parametrize("golden", RECORDS)
def test_a_reader_does_not_see_fields_it_does_not_know(golden: GoldenRecord) -> None:
    found = read(golden, json.dumps(widened(json.loads(golden.body))).encode())
    assert found is not None
    assert found[1].to_bytes() == golden.body


@pytest.mark.parametrize("golden", RECORDS)
@pytest.mark.parametrize("body", [b"\xff not even text", b"{}", None])
def test_a_reader_skips_an_event_type_it_does_not_know_without_looking_inside(
    golden: GoldenRecord, body: bytes | None
) -> None:
    headers = tuple((name, b"something.new" if name == "ce_type" else raw) for name, raw in golden.headers)
    assert read_event(Record(golden.topic.name, 0, 0, None, headers, body)) is None


@pytest.mark.parametrize("golden", RECORDS)
def test_structured_mode_is_read_as_the_same_event(golden: GoldenRecord) -> None:
    attributes = {name.removeprefix("ce_"): raw.decode() for name, raw in golden.headers if name.startswith("ce_")}
    document = {
        **attributes,
        "datacontenttype": "application/json",
        "data_base64": base64.b64encode(golden.body).decode(),
    }
    headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
    assert decode(headers, json.dumps(document).encode()) == decode(golden.headers, golden.body)
    found = read_event(Record(golden.topic.name, 0, 0, None, headers, json.dumps(document).encode()))
    assert found == read(golden)
    unknown = json.dumps(document | {"type": "something.new"}).encode()
    assert read_event(Record(golden.topic.name, 0, 0, None, headers, unknown)) is None


@pytest.mark.parametrize("topic", [name for name, topic in BY_NAME.items() if topic.signed != "none"])
def test_the_signed_ones_carry_a_signature_that_holds(topic: str) -> None:
    signed = [each for each in golden_records() if each.topic.name == topic]
    for golden in signed:
        event = decode(golden.headers, golden.body)
        claimed = signature.read(event)
        assert claimed.kid == "campus-1"
        signature.check(event, claimed, WORLD.partners["campus"].public)


@pytest.mark.parametrize("event_type", ["credential.issued", "status-list.signed"])
def test_the_credentials_in_them_hold(event_type: str) -> None:
    golden = next(each for each in golden_records() if each.event_type == event_type)
    credential = json.loads(golden.body)["credential"]
    member = WORLD.members["north"].public
    method = VerificationMethod(WORLD.verification_method("north"), WORLD.did("north"), member)
    ProvenDocument(credential).verify(credential["proof"], method=method)
    if event_type == "status-list.signed":
        bits = decode_list(credential["credentialSubject"]["encodedList"])
        assert [index for index in (0, 94566, 94567, 131071) if bits.get(index)] == [94567]
