"""A second opinion: the CloudEvents project's own SDK reads what we write, and we read what it writes."""

from __future__ import annotations

import json

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_kafka, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat

from contract.samples import GoldenRecord, golden_records
from laurel.contracts.envelope import decode

RECORDS = [pytest.param(each, id=each.event_type) for each in golden_records()]
FORMAT = JSONFormat()


def as_message(golden: GoldenRecord) -> KafkaMessage:
    return KafkaMessage(dict(golden.headers), None, golden.body)


@pytest.mark.parametrize("golden", RECORDS)
def test_the_sdk_reads_our_records(golden: GoldenRecord) -> None:
    ours = decode(golden.headers, golden.body)
    theirs = from_binary(as_message(golden), FORMAT)
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_id() == ours.id
    assert theirs.get_source() == ours.source
    assert theirs.get_type() == ours.type
    assert theirs.get_time() == ours.time
    assert theirs.get_subject() == ours.subject
    assert theirs.get_datacontenttype() == ours.datacontenttype
    assert theirs.get_extension("jws") == ours.extensions.get("jws")
    assert theirs.get_data() == json.loads(golden.body)


@pytest.mark.parametrize("golden", RECORDS)
def test_we_read_what_the_sdk_makes_of_it_in_binary_mode(golden: GoldenRecord) -> None:
    made = to_binary(from_kafka(as_message(golden), FORMAT), FORMAT)
    ours, back = decode(golden.headers, golden.body), decode(made.headers.items(), made.value)
    assert json.loads(back.data) == json.loads(ours.data)
    assert (back.id, back.source, back.type, back.time, back.subject, back.extensions) == (
        ours.id, ours.source, ours.type, ours.time, ours.subject, ours.extensions,
    )  # fmt: skip


@pytest.mark.parametrize("golden", RECORDS)
def test_we_read_what_the_sdk_makes_of_it_in_structured_mode(golden: GoldenRecord) -> None:
    made = to_structured(from_kafka(as_message(golden), FORMAT), FORMAT)
    ours, back = decode(golden.headers, golden.body), decode(made.headers.items(), made.value)
    assert json.loads(back.data) == json.loads(ours.data)
    assert (back.id, back.source, back.type, back.time, back.subject, back.extensions) == (
        ours.id, ours.source, ours.type, ours.time, ours.subject, ours.extensions,
    )  # fmt: skip
