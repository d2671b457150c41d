"""Reading records: events, what is skipped, what is poison, dead letters, and a view that goes on past a bad one."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY
from structlog.typing import EventDict

from laurel.contracts.envelope import encode
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter
from laurel.contracts.topics import CATALOG, DEAD_LETTERS, Message
from laurel.runtime.catalog import CatalogView
from laurel.runtime.faults import Poison
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader, dead_letter, until_answered
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings
from support.world import EPOCH, World

SETTINGS = KafkaSettings(kafka_bootstrap="127.0.0.1:1")


def record_of(outgoing: Message, **changes: bytes) -> Record:
    """The record of a message, with a header (or as `value` the body) replaced."""
    headers, value = encode(outgoing.event)
    changed = tuple((name, changes.get(name, raw)) for name, raw in headers)
    return Record(outgoing.topic.name, 0, 0, outgoing.key.encode(), changed, changes.get("value", value))


def test_a_record_of_our_own_is_its_event_and_body(world: World) -> None:
    outgoing = world.catalog_messages()[0]
    read = read_event(record_of(outgoing))
    assert read == (outgoing.event, world.published()[0])


def test_a_tombstone_and_an_unknown_event_type_are_skipped(world: World) -> None:
    outgoing = world.catalog_messages()[0]
    assert read_event(Record(CATALOG.name, 0, 0, b"k", (), None)) is None
    assert read_event(record_of(outgoing, ce_type=b"new.published", value=b"\xff")) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": b"{"}, "Invalid JSON"), ({"value": b"{}"}, "7 findings: Field required"),
        ({"value": b"[]"}, "1 findings"), ({"value": b""}, "has no body"), ({"ce_id": b""}, "attribute id"),
        ({"ce_specversion": b"9"}, "must be 1.0"), ({"ce_time": b"noon"}, "RFC 3339"),
        ({"content-type": b"text/plain"}, "content-type"), ({"ce_source": b"\xff"}, "not UTF-8"),
    ],
)  # fmt: skip
def test_a_record_of_our_own_that_cannot_be_read_is_poison(world: World, changes: dict[str, bytes], says: str) -> None:
    with pytest.raises(Poison) as poison:
        read_event(record_of(world.catalog_messages()[0], **changes))
    assert poison.value.code is Code.UNREADABLE_RECORD
    assert says in str(poison.value)


def test_a_record_knows_where_it_lies() -> None:
    where = Record("catalog.v1", 2, 7, None, (), None).coordinates
    assert (where.topic, where.partition, where.offset) == ("catalog.v1", 2, 7)


@pytest.mark.parametrize(
    ("key", "value"), [(b"k\xff", b"\x00\xff"), (None, b"{}"), (b"k", None), (b"", b""), (None, None)]
)
def test_a_dead_letter_holds_the_record_whole_and_can_be_read_again(key: bytes | None, value: bytes | None) -> None:
    original = Record("completions.v1", 3, 41, key, (("ce_type", b"\xff"), ("ce_type", b"")), value)
    letter = dead_letter(
        "issuer", original, Code.UNEXPECTED_FAILURE, "why", trace="where", attempts=5, clock=lambda: EPOCH
    )
    assert letter.topic is DEAD_LETTERS
    assert letter.key == ((key or b"").decode(errors="replace") or "completions.v1/3/41")
    read = read_event(record_of(letter))
    assert read is not None
    body = read[1]
    assert isinstance(body, DeadLetter)
    assert body.key == (None if key is None else b64encode(key).decode())
    assert body.value == (None if value is None else b64encode(value).decode())
    assert body.headers == (("ce_type", b64encode(b"\xff").decode()), ("ce_type", ""))
    assert (body.code, body.reason, body.trace, body.attempts) == (Code.UNEXPECTED_FAILURE, "why", "where", 5)
    assert body.record == original.coordinates


def test_the_same_record_gives_the_same_dead_letter_and_another_service_another() -> None:
    def letter(service: str, offset: int) -> Message:
        original = Record("completions.v1", 0, offset, b"k", (), b"{}")
        return dead_letter(service, original, Code.UNREADABLE_RECORD, "r", trace="", attempts=1, clock=lambda: EPOCH)

    assert letter("issuer", 1) == letter("issuer", 1)
    assert len({letter(service, n).event.id for service in ("issuer", "registry") for n in (1, 2)}) == 4


@dataclass
class Raw:
    """A record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


class Consumer:
    """Stands in for aiokafka's consumer: what there is comes in batches of two."""

    def __init__(self, raws: list[Raw]) -> None:
        self.waiting = raws
        self.at = 0
        self.stopped = False

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Raw]]:
        batch, self.waiting = self.waiting[:2], self.waiting[2:]
        self.at += len(batch)
        await asyncio.sleep(0)
        return {TopicPartition(CATALOG.name, 0): batch} if batch else {}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(CATALOG.name, 0)}

    async def end_offsets(self, parts: set[TopicPartition]) -> dict[TopicPartition, int]:
        return {part: self.at + len(self.waiting) for part in parts}

    async def position(self, part: TopicPartition) -> int:
        return self.at

    async def stop(self) -> None:
        self.stopped = True


def raws_of(world: World) -> list[Raw]:
    """The catalog's records, and among them a tombstone, one of an unknown type, and three that are broken."""
    records = [record_of(each) for each in world.catalog_messages()]
    first = world.catalog_messages()[0]
    odd = [
        record_of(first, value=b"{"), Record(CATALOG.name, 0, 0, b"k", (), None), record_of(first, value=b"{}"),
        record_of(first, ce_type=b"new.published"), record_of(first, ce_specversion=b"7"),
    ]  # fmt: skip
    mixed = [record for pair in zip(records, odd, strict=False) for record in reversed(pair)] + records[len(odd) :]
    return [Raw(each.topic, 0, n, each.key, each.headers, each.value) for n, each in enumerate(mixed)]


def skipped() -> float:
    return (
        REGISTRY.get_sample_value("laurel_view_records_skipped_total", {"service": "tester", "topic": CATALOG.name})
        or 0
    )


async def test_a_view_goes_on_past_what_it_cannot_read_and_counts_it(world: World, logged: list[EventDict]) -> None:
    view = CatalogView(SETTINGS, "tester", Health())
    reader = TableReader(SETTINGS, "tester", [CATALOG], view.apply, Health())
    consumer = Consumer(raws_of(world))
    reader._consumer = cast(Any, consumer)
    before = skipped()
    while consumer.waiting:
        await reader.run_once()
    assert set(view.issuers) == {"north", "south", "east"}
    assert set(view.partners) == {"campus", "forge"}
    assert set(view.achievements) == {"welding", "first-aid", "python", "robotics"}
    assert skipped() == before + 3
    assert [(entry["event"], entry["offset"]) for entry in logged] == [("view skips a record", n) for n in (0, 4, 8)]


async def test_catching_up_waits_for_all_that_there_was(world: World) -> None:
    applied: list[int] = []
    reader = TableReader(SETTINGS, "tester", [CATALOG], lambda record: applied.append(record.offset), Health())
    consumer = Consumer(raws_of(world))
    reader._consumer = cast(Any, consumer)
    catching_up = asyncio.create_task(reader.catch_up())
    await asyncio.sleep(0.01)
    assert not catching_up.done()
    total = len(consumer.waiting)
    while consumer.waiting:
        await reader.run_once()
    await asyncio.wait_for(catching_up, 10)
    assert applied == list(range(total))
    await reader.stop()
    assert consumer.stopped


async def test_waiting_for_a_broker_shows_in_readiness_and_ends_when_it_answers() -> None:
    health, seen = Health(), []

    async def attempt() -> None:
        seen.append(dict(health.not_ready()))
        if len(seen) < 3:
            raise KafkaConnectionError

    await asyncio.wait_for(until_answered("Kafka", attempt, health), 10)
    reason = {"Kafka": "Kafka does not answer: KafkaConnectionError"}
    assert seen == [{}, reason, reason]
    assert health.not_ready() == {}


async def test_what_is_wrong_for_good_is_not_waited_for() -> None:
    async def attempt() -> None:
        raise RuntimeError("topic x has 3 partitions")

    with pytest.raises(RuntimeError):
        await until_answered("Kafka", attempt, Health())
