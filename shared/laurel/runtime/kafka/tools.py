"""For operators' tools: reading a partition once, and sending records again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from laurel.contracts.topics import Topic
from laurel.runtime.kafka.consumer import Consumer
from laurel.runtime.kafka.records import MAX_REQUEST, record_of
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings


async def scan(settings: KafkaSettings, topic: Topic, partition: int, offset: int = 0) -> AsyncIterator[Record]:
    """The records of a partition from `offset` to what is its end now, without a group. For operators' tools.

    Raises:
        KafkaError: the broker is away, or has no such topic.
    """
    consumer = Consumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=4 * MAX_REQUEST,
    )  # fmt: skip
    part = TopicPartition(topic.name, partition)
    try:
        await consumer.start()
        if topic.name not in await consumer.topics():
            raise UnknownTopicOrPartitionError(f"there is no topic {topic.name}")
        consumer.assign([part])
        begin, end = (await consumer.beginning_offsets([part]))[part], (await consumer.end_offsets([part]))[part]
        consumer.seek(part, max(offset, begin))
        while await consumer.position(part) < end:
            for raw in (await consumer.getmany(part, timeout_ms=500)).get(part, []):
                if raw.offset < end:
                    yield record_of(raw)
    finally:
        await consumer.stop()


async def resend(settings: KafkaSettings, records: Sequence[Record]) -> None:
    """Publish records again just as they were, each to its own topic and partition, and wait for the brokers.

    Raises:
        KafkaError: not all was confirmed; some may have been.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=settings.kafka_idempotence,
        max_request_size=MAX_REQUEST,
    )  # fmt: skip
    try:
        await producer.start()
        for each in records:
            await producer.send_and_wait(
                each.topic, each.value, key=each.key, partition=each.partition, headers=list(each.headers)
            )
    finally:
        await producer.stop()
