"""Reading and writing topics directly, as the tests' own outside view of Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from aiokafka import AIOKafkaConsumer, TopicPartition

from laurel.contracts.topics import Message, Topic
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings


async def publish(settings: KafkaSettings, messages: Sequence[Message]) -> None:
    """Send messages with a producer of the tests' own; the catalogue's topics are made if they are missing."""
    kafka = Kafka(settings, "tests", Health())
    await kafka.start()
    try:
        await kafka.publish(messages)
    finally:
        await kafka.stop()


async def read_topic(settings: KafkaSettings, topic: Topic) -> list[Record]:
    """Every record of a topic, partition by partition, as it stands now."""
    return (await read_topics(settings, [topic]))[topic.name]


async def read_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> dict[str, list[Record]]:
    """Every record of each topic by its name, partition by partition, as they stand now."""
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        parts = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        records: dict[str, list[Record]] = {topic.name: [] for topic in topics}
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, batch in (await consumer.getmany(timeout_ms=200)).items():
                records[part.topic] += [
                    Record(r.topic, r.partition, r.offset, r.key, tuple(r.headers), r.value) for r in batch
                ]
        by_place = attrgetter("partition", "offset")
        return {name: sorted(found, key=by_place) for name, found in records.items()}
