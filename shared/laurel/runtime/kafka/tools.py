"""For operators' tools: reading a partition once, how far groups are, and sending records again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from laurel.contracts.topics import Topic
from laurel.runtime.kafka.connecting import client_options, telling_refusals
from laurel.runtime.kafka.consumer import Consumer
from laurel.runtime.kafka.records import MAX_REQUEST, group_of, record_of
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings

_SPREADS_SECONDS = 3.0


async def scan(settings: KafkaSettings, topic: Topic, partition: int, offset: int = 0) -> AsyncIterator[Record]:
    """The records of a partition from `offset` to at least what is its end now, without a group.

    The batch that the end lies in is read whole: the embedded broker tells an end inside its last batch.

    Raises:
        KafkaError: the broker is away, or has no such topic.
    """
    consumer = Consumer(
        **client_options(settings), group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=4 * MAX_REQUEST,
        fetch_max_wait_ms=settings.kafka_fetch_wait_ms,
    )  # fmt: skip
    part = TopicPartition(topic.name, partition)
    try:
        async with telling_refusals(settings):
            await consumer.start()
        if not await _is_known(consumer, topic):
            raise UnknownTopicOrPartitionError(f"there is no topic {topic.name}")
        begin, end = (await consumer.beginning_offsets([part]))[part], (await consumer.end_offsets([part]))[part]
        if (start := max(offset, begin)) >= end:
            return
        consumer.assign([part])
        consumer.seek(part, start)
        while await consumer.position(part) < end:
            for raw in (await consumer.getmany(part, timeout_ms=500)).get(part, []):
                yield record_of(raw)
    finally:
        await consumer.stop()


async def is_there(settings: KafkaSettings, topic: Topic) -> bool:
    """Whether the cluster has the topic, as far as this user may see.

    Raises:
        KafkaError: the broker is away.
    """
    consumer = AIOKafkaConsumer(**client_options(settings))
    try:
        async with telling_refusals(settings):
            await consumer.start()
        return await _is_known(consumer, topic)
    finally:
        await consumer.stop()


async def _is_known(consumer: AIOKafkaConsumer, topic: Topic) -> bool:
    """Whether the cluster has the topic. One that was just made is not known to each of its brokers at once."""
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + _SPREADS_SECONDS
    while topic.name not in await consumer.topics():
        if clock() >= give_up_at:
            return False
        await asyncio.sleep(0.1)
    return True


async def begins(settings: KafkaSettings, topic: Topic) -> dict[int, int]:
    """The first offset that each partition still has: retention deletes what is before it.

    Raises:
        KafkaError: the broker is away.
    """
    consumer = AIOKafkaConsumer(**client_options(settings))
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    try:
        async with telling_refusals(settings):
            await consumer.start()
        return {part.partition: offset for part, offset in (await consumer.beginning_offsets(parts)).items()}
    finally:
        await consumer.stop()


async def committed(settings: KafkaSettings, service: str, topic: Topic) -> dict[int, int]:
    """The next offset that a service will handle, by partition; 0 where it has committed none yet. Joins no group.

    Raises:
        KafkaError: the broker is away.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=group_of(service, topic.name), enable_auto_commit=False
    )
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    try:
        async with telling_refusals(settings):
            await consumer.start()
        consumer.assign(parts)
        return {part.partition: await consumer.committed(part) or 0 for part in parts}
    finally:
        await consumer.stop()


async def resend(settings: KafkaSettings, records: Sequence[Record]) -> None:
    """Publish records again just as they were, each to its own topic and partition, and wait for the brokers.

    Raises:
        KafkaError: not all was confirmed; some may have been.
    """
    producer = AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=settings.kafka_idempotence,
        max_request_size=MAX_REQUEST,
    )  # fmt: skip
    try:
        async with telling_refusals(settings):
            await producer.start()
        for each in records:
            await producer.send_and_wait(
                each.topic, each.value, key=each.key, partition=each.partition, headers=list(each.headers)
            )
    finally:
        await producer.stop()
