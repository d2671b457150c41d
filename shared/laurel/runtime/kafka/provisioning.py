"""Topics made from the catalogue, and waiting for a broker or database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from laurel.contracts.topics import TOPICS, Topic
from laurel.runtime.backoff import Retries
from laurel.runtime.faults import Transient, is_transient
from laurel.runtime.health import Health
from laurel.runtime.kafka.connecting import LoginRefused, client_options, telling_refusals
from laurel.runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

_TOPIC_EXISTS = 36
_SHOWN_SECONDS = 30.0
_NOT_ALLOWED = (29, 31)  # on the topic, and on the cluster


class NotProvisioned(Transient):
    """A topic is missing or not to be seen, and this user may not make it: an operator has to."""


async def provision(settings: KafkaSettings, topics: Sequence[Topic] = TOPICS) -> tuple[str, ...]:
    """Create those of the topics that are missing; their names.

    Raises:
        KafkaError: the broker is away or refuses.
        NotProvisioned: some are missing for this user, who has no right to create them.
        RuntimeError: a topic exists with another number of partitions, so that keys would be spread differently.
    """
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)
    async with telling_refusals(settings):
        await admin.start()
    try:
        made: tuple[str, ...] = ()
        retries = Retries("topics")
        async with asyncio.timeout(_SHOWN_SECONDS):
            while missing := await _missing(admin, [topic for topic in topics if topic.name not in made]):
                made += await _create(admin, missing, settings.kafka_replication)
                if not {topic.name for topic in missing} <= set(made):
                    # What somebody else has made this moment has to be looked at, too, once this broker shows it.
                    await asyncio.sleep(retries.after_failure())
        return made
    finally:
        await admin.close()


async def _missing(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> list[Topic]:
    """Those that the broker does not show; raises RuntimeError for one with other partitions."""
    if not topics:
        return []
    # All that this user may see. Asked for one by one, a broker may make them, with partitions of its choice.
    there = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    for topic in topics:
        if there.get(topic.name, 0) not in (0, topic.partitions):
            raise RuntimeError(
                f"topic {topic.name} has {there[topic.name]} partitions, the catalogue says {topic.partitions}"
            )
    return [topic for topic in topics if topic.name not in there]


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> tuple[str, ...]:
    answer = await admin.create_topics([_new_topic(topic, replication) for topic in topics])
    codes: dict[str, int] = {name: code for name, code, *_ in answer.topic_errors}
    refused = [name for name, code in codes.items() if code in _NOT_ALLOWED]
    if refused:
        raise NotProvisioned(
            f"this user neither sees nor may create {', '.join(refused)}; `laurel kafka apply` makes topics and rules"
        )
    for name, code in codes.items():
        if code not in (0, _TOPIC_EXISTS):
            raise for_code(code)(f"creating {name}")
    return tuple(name for name, code in codes.items() if code == 0)


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    config = {"cleanup.policy": "compact"}
    if topic.retention is not None:
        config = {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention.total_seconds() * 1000))}
    if replication >= 3:
        config["min.insync.replicas"] = "2"
    return NewTopic(topic.name, topic.partitions, replication, topic_configs=config)


async def until_answered(what: str, attempt: Callable[[], Any], health: Health) -> None:
    """Wait for a broker or database that is away, visibly: in the log and in readiness."""
    retries = Retries("start")
    while True:
        try:
            await attempt()
        except Exception as error:
            if not is_transient(error):
                raise
            told = f"{what}: {error}" if isinstance(error, NotProvisioned) else None
            told = error.sentence if isinstance(error, LoginRefused) else told
            health.waiting(what, told or f"{what} does not answer: {type(error).__name__}")
            seconds = retries.after_failure()
            log.warning("waiting", on=what, tries=retries.failures, error=str(error)[:200])
            await asyncio.sleep(seconds)
        else:
            health.done(what)
            return
