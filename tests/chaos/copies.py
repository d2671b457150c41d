"""How many copies of each topic there are, and how many of them must have a record before it counts."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from laurel.contracts.topics import TOPICS
from laurel.runtime.kafka.connecting import client_options
from laurel.runtime.settings import KafkaSettings

_MIN_INSYNC = "min.insync.replicas"


async def copies(kafka: KafkaSettings) -> dict[str, tuple[int, int]]:
    """By topic: the fewest copies that a partition has, and `min.insync.replicas`."""
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    try:
        names = [topic.name for topic in TOPICS]
        described = await admin.describe_topics(names)
        replicas = {each["topic"]: min(len(part["replicas"]) for part in each["partitions"]) for each in described}
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {_MIN_INSYNC: None}) for name in names]
        )
        found = {}
        for answer in answers:
            for _, _, _, name, entries in answer.resources:
                found[name] = (replicas[name], int(next(entry[1] for entry in entries if entry[0] == _MIN_INSYNC)))
        return found
    finally:
        await admin.close()
