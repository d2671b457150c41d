"""The runtime on a real broker: at least once, a bad record never in the way, views that catch up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.producer import message_accumulator, producer
from aiokafka.record import default_records

from laurel.cli.letters import Letter, read_letters
from laurel.cli.replaying import Outcome, replay_letters
from laurel.contracts.errors import Code
from laurel.contracts.topics import CATALOG, COMPLETIONS, DEAD_LETTERS
from laurel.runtime.backoff import Backoff
from laurel.runtime.catalog import CatalogView
from laurel.runtime.failures import FailurePolicy
from laurel.runtime.faults import Poison, Transient
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka, bus, provision, resend, scan, tools
from laurel.runtime.kafka.consumer import Consumer
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import World

QUICK = Backoff(first=0.001, cap=0.01)


async def test_a_batch_is_handled_and_committed_once_it_returns(kafka_settings: KafkaSettings, world: World) -> None:
    seen: list[int] = []

    async def handler(records: Sequence[Record]) -> None:
        seen.extend(record.offset for record in records)

    await publish(kafka_settings, [world.completion(f"e{n}", learner=n) for n in range(20)])
    for _ in range(2):
        kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
        kafka.subscribe(COMPLETIONS, handler)
        await kafka.start()
        await kafka.consume()
        await eventually(lambda: len(seen) >= 20)
        await kafka.stop()
    assert len(seen) == 20, "the second run found the offsets committed"


async def test_a_poisonous_record_is_dead_lettered_and_those_around_it_are_handled(
    kafka_settings: KafkaSettings, world: World
) -> None:
    seen: set[bytes | None] = set()

    async def handler(records: Sequence[Record]) -> None:
        for record in records:
            if record.key == b"learner-3":
                raise Poison(Code.UNREADABLE_RECORD, "not to be read")
            if record.key == b"learner-4":
                raise ZeroDivisionError("nobody foresaw this")
            seen.add(record.key)

    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    await kafka.publish([world.completion(f"e{n}", learner=n) for n in range(8)])
    await kafka.consume()
    await eventually(lambda: len(seen) == 6)
    letters = await eventually(lambda: _letters(kafka_settings, 2))
    await kafka.stop()
    by_code = {letter["code"]: letter for letter in letters}
    assert by_code["LRL-4004"]["attempts"] == 1
    assert by_code["LRL-4001"]["attempts"] == 5
    assert "nobody foresaw this" in by_code["LRL-4001"]["reason"]
    assert "ZeroDivisionError" in by_code["LRL-4001"]["trace"]


async def _letters(settings: KafkaSettings, count: int) -> list[dict[str, Any]]:
    letters = [orjson.loads(record.value or b"") for record in await read_topic(settings, DEAD_LETTERS)]
    return letters if len(letters) >= count else []


async def test_a_transient_failure_holds_the_partition_and_loses_nothing(
    kafka_settings: KafkaSettings, world: World
) -> None:
    calls = 0
    seen: list[bytes | None] = []

    async def handler(records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        if calls < 10:
            raise Transient("the database is away")
        seen.extend(record.key for record in records)

    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    await kafka.publish([world.completion(f"e{n}", learner=n) for n in range(5)])
    await kafka.consume()
    await eventually(lambda: len(seen) == 5)
    await kafka.stop()
    assert await read_topic(kafka_settings, DEAD_LETTERS) == []


async def test_what_is_held_for_too_long_is_delivered_again_whole_and_in_order(
    kafka_settings: KafkaSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[tuple[int, int]]] = []

    async def handler(records: Sequence[Record]) -> None:
        batches.append([(record.partition, record.offset) for record in records])
        if len(batches) < 12:
            raise Transient("the database is away")

    monkeypatch.setattr(FailurePolicy, "hold_seconds", -1.0)
    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    await kafka.publish([world.completion(f"e{n}", learner=n) for n in range(20)])
    await kafka.consume()
    ends = {(record.partition, record.offset) for record in await read_topic(kafka_settings, COMPLETIONS)}
    await eventually(lambda: ends <= {place for batch in batches[11:] for place in batch}, what="all of it")
    await kafka.stop()
    handled = [place for batch in batches[11:] for place in batch]
    assert sorted(handled) == sorted(ends), "each once, after what was away came back"
    for partition in range(COMPLETIONS.partitions):
        offsets = [offset for where, offset in handled if where == partition]
        assert offsets == sorted(offsets)
    assert await read_topic(kafka_settings, DEAD_LETTERS) == []


async def test_all_that_came_while_a_batch_was_handled_is_in_the_next_one(
    kafka_settings: KafkaSettings, world: World
) -> None:
    """Not only what came first, which is fetched meanwhile and keeps the rest from being fetched."""
    batches: list[list[int]] = []
    finish = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        batches.append([record.offset for record in records])
        await finish.wait()

    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    await kafka.consume()

    async def fetched_to(offset: int) -> None:
        consumer = kafka._subscriptions[0].subscriber.consumer
        await eventually(lambda: any((consumer.highwater(part) or 0) > offset for part in consumer.assignment()))

    await kafka.publish([world.completion("e0")])
    await eventually(lambda: batches)
    await kafka.publish([world.completion("e1")])
    await fetched_to(1)
    for number in range(2, 6):
        await kafka.publish([world.completion(f"e{number}")])
    finish.set()
    await eventually(lambda: sum(map(len, batches)) == 6)
    await kafka.stop()
    assert batches == [[0], [1, 2, 3, 4, 5]]


async def test_records_that_wait_and_are_not_handled_fail_liveness_though_none_was_handled_before(
    kafka_settings: KafkaSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sticks(self: Consumer, *partitions: object, **options: object) -> dict[object, list[object]]:
        return {}

    async def handler(records: Sequence[Record]) -> None:
        pass

    def waiting() -> bool:
        return any(state.subscriber.consumer.waiting for state in kafka._subscriptions)

    await publish(kafka_settings, [world.completion(f"e{n}", learner=n) for n in range(20)])
    health = Health()
    kafka = Kafka(kafka_settings, "tester", health, backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    with monkeypatch.context() as patch:
        patch.setattr(Consumer, "getmany", sticks)
        patch.setattr(bus, "_STUCK_SECONDS", 0.0)
        await kafka.consume()
        reasons = await eventually(health.not_live, what="a consumer that sticks")
        assert "records are waiting" in reasons["kafka"]
    await eventually(lambda: not waiting(), what="the records handled, once it reads again")
    assert health.not_live() == {}
    await kafka.stop()


async def test_many_unexpected_failures_in_a_row_stop_the_service_instead_of_emptying_the_topic(
    kafka_settings: KafkaSettings, world: World
) -> None:
    async def handler(records: Sequence[Record]) -> None:
        raise ZeroDivisionError("a bad deployment")

    health = Health()
    kafka = Kafka(kafka_settings, "tester", health, backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    await kafka.publish([world.completion(f"e{n}", learner=n) for n in range(30)])
    await kafka.consume()
    await eventually(health.not_live)
    await kafka.stop()
    assert "in a row" in health.not_live()["failure"]
    assert len(await read_topic(kafka_settings, DEAD_LETTERS)) == 4


async def test_a_view_holds_all_that_was_published_before_it_calls_itself_ready(
    kafka_settings: KafkaSettings, world: World
) -> None:
    await publish(kafka_settings, world.catalog_messages())
    health = Health()
    view = CatalogView(kafka_settings, "tester", health)
    await asyncio.wait_for(view.start(), 30)
    assert set(view.issuers) == {"north", "south", "east"}
    assert set(view.achievements) == {"welding", "first-aid", "python", "robotics"}
    found = view.partner_of_key("campus-1")
    assert found is not None
    assert found[0].id == "campus"
    await view.stop()
    assert health.not_ready() == {}


async def test_what_was_published_comes_back_byte_for_byte(kafka_settings: KafkaSettings, world: World) -> None:
    messages = world.catalog_messages()
    await publish(kafka_settings, messages)
    records = await read_topic(kafka_settings, CATALOG)
    assert [record.value for record in records] == [each.event.data for each in messages]
    assert [dict(record.headers)["ce_id"].decode() for record in records] == [each.event.id for each in messages]


async def test_a_record_too_large_for_a_dead_letter_is_named_in_one_and_replayed_from_where_it_lies(
    kafka_settings: KafkaSettings, world: World
) -> None:
    handled: list[Record] = []

    async def handler(records: Sequence[Record]) -> None:
        handled.extend(records)
        if len(handled) <= 2:  # in its batch, and alone
            raise Poison(Code.UNREADABLE_RECORD, "too much of it")

    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    huge = Record(COMPLETIONS.name, 0, 0, b"k", (("note", b"x" * 1000),), b"y" * 800_000)
    await resend(kafka_settings, [huge])
    await kafka.consume()
    letters, unreadable = await eventually(lambda: _read_letters(kafka_settings))
    assert unreadable == 0
    assert letters[0].body.omitted is True
    outcomes = await replay_letters(kafka_settings, letters, "desk")
    assert list(outcomes.values()) == [Outcome.SENT]
    again = await eventually(lambda: handled[-1] if len(handled) > 2 else None)
    await kafka.stop()
    assert (again.key, again.headers, again.value) == (huge.key, huge.headers, huge.value)


class _NotUtf8(str):
    """A header name that goes out as bytes which are no UTF-8."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


@pytest.mark.parametrize(
    "header", [("note", None), ("note", b"\xff\xfe"), (_NotUtf8("??"), b"x")], ids=["no value", "value", "name"]
)
async def test_a_header_that_cannot_be_decoded_takes_no_other_record_with_it(
    kafka_settings: KafkaSettings, header: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The compiled record builder insists on plain text for a header's name; a sender in another language does not.
    for module in (message_accumulator, producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", default_records._DefaultRecordBatchBuilderPy)

    seen: list[bytes | None] = []

    async def handler(records: Sequence[Record]) -> None:
        seen.extend(record.value for record in records)

    kafka = Kafka(kafka_settings, "tester", Health(), backoff=QUICK)
    kafka.subscribe(COMPLETIONS, handler)
    await kafka.start()
    good = [Record(COMPLETIONS.name, 0, 0, b"k", (), b"%d" % number) for number in range(6)]
    for record in (*good[:3], replace(good[0], headers=(header,), value=b"bad"), *good[3:]):
        await resend(kafka_settings, [record])  # each in a batch of its own, as another sender's is
    await kafka.consume()
    await eventually(lambda: {each.value for each in good} <= set(seen), what="the good records")
    if isinstance(header[0], _NotUtf8):
        (letter,) = await eventually(lambda: _letters(kafka_settings, 1))
        assert letter["record"] == {"topic": COMPLETIONS.name, "partition": 0, "offset": 3}
        assert "not UTF-8" in letter["reason"]
    else:
        assert b"bad" in seen
    await kafka.stop()


async def _read_letters(settings: KafkaSettings) -> tuple[list[Letter], int] | None:
    letters, unreadable = await read_letters(settings)
    return (letters, unreadable) if letters or unreadable else None


@pytest.mark.parametrize("topic", [COMPLETIONS])
async def test_a_topic_with_other_partitions_is_refused(kafka_settings: KafkaSettings, topic: object) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(COMPLETIONS.name, 1, 1)])
    await admin.close()
    with pytest.raises(RuntimeError, match="6"):
        await provision(kafka_settings)


async def test_a_scan_waits_for_a_topic_that_is_not_known_everywhere_yet(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scanned() -> list[Record]:
        return [record async for record in scan(kafka_settings, CATALOG, 0)]

    scanning = asyncio.create_task(scanned())
    await asyncio.sleep(0.5)
    assert not scanning.done()
    await provision(kafka_settings)
    assert await scanning == []

    monkeypatch.setattr(tools, "_SPREADS_SECONDS", 0.2)
    with pytest.raises(UnknownTopicOrPartitionError):
        [record async for record in scan(kafka_settings, replace(CATALOG, name="never-made.v1"), 0)]
