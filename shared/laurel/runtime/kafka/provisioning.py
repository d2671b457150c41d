"""Topics made from the catalogue, and waiting for a broker or database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from laurel.contracts.topics import BY_NAME, TOPICS, Topic
from laurel.runtime.failures import Backoff
from laurel.runtime.faults import is_transient
from laurel.runtime.health import Health
from laurel.runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

_TOPIC_EXISTS = 36


async def provision(settings: KafkaSettings, topics: Sequence[Topic] = TOPICS) -> None:
    """Create the catalogue's topics that are missing.

    Raises:
        KafkaError: the broker is away or refuses.
        RuntimeError: a topic exists with another number of partitions, so that keys would be spread differently.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=10_000)
    await admin.start()
    try:
        answer = await admin.create_topics([_new_topic(topic, settings.kafka_replication) for topic in topics])
        for name, code, *_ in answer.topic_errors:
            if code not in (0, _TOPIC_EXISTS):
                raise for_code(code)(f"creating {name}")
        described = await admin.describe_topics([topic.name for topic in topics])
        for found in described:
            wanted = BY_NAME[found["topic"]].partitions
            if found["partitions"] and len(found["partitions"]) != wanted:
                raise RuntimeError(
                    f"topic {found['topic']} has {len(found['partitions'])} partitions, the catalogue says {wanted}"
                )
    finally:
        await admin.close()


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    config = {"cleanup.policy": "compact"}
    if topic.retention is not None:
        config = {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention.total_seconds() * 1000))}
    if replication >= 3:
        config["min.insync.replicas"] = "2"
    return NewTopic(topic.name, topic.partitions, replication, topic_configs=config)


async def until_answered(what: str, attempt: Callable[[], Any], health: Health) -> None:
    """Wait for a broker or database that is away, visibly: in the log and in readiness."""
    backoff, tries = Backoff(first=0.1, cap=5.0), 0
    while True:
        try:
            await attempt()
        except Exception as error:
            if not is_transient(error):
                raise
            tries += 1
            health.waiting(what, f"{what} does not answer: {type(error).__name__}")
            log.warning("waiting", on=what, tries=tries, error=str(error)[:200])
            await asyncio.sleep(backoff.wait(tries, lambda: 0.5))
        else:
            health.done(what)
            return
