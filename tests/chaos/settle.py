"""Waiting until the system has come to rest: every record handled by every service, and no mail left to send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from laurel.contracts.topics import CATALOG, STATUS_CHANGES, TOPICS, Topic
from laurel.runtime.kafka.connecting import client_options
from laurel.runtime.settings import KafkaSettings

GROUPED = ("issuer", "registry", "notifier")
_STILL_SECONDS = 120.0
"""After how long without any progress the wait is given up: the reconciliation then tells what is missing."""

Ends = Mapping[TopicPartition, int]


async def settled(kafka: KafkaSettings, database_url: str, say: Callable[[str], None]) -> bool:
    """Wait; True when all is at rest, False when nothing has moved for two minutes and it is not."""
    progress = Progress()
    behind, mails = dict[str, int](), 0
    moved_at = time.monotonic()
    while time.monotonic() - moved_at < _STILL_SECONDS:
        try:
            before = await ends_of(kafka, TOPICS)
            behind = {name: sum(parts.values()) for name, parts in (await lag(kafka, before)).items()}
            mails, lists = await asyncio.to_thread(left_to_do, database_url)
            after = await ends_of(kafka, TOPICS)
        except (KafkaError, PyMongoError, OSError) as error:
            say(f"cannot look: {type(error).__name__}")
            await asyncio.sleep(0.5)
            continue
        if not any((*behind.values(), mails, lists)) and _events(before) == _events(after):
            return True
        say(f"{sum(behind.values())} records to be handled, {mails} mails and {lists} families of lists to go out")
        if progress.since(behind, (mails, lists, _events(after))):
            moved_at = time.monotonic()
        await asyncio.sleep(0.5)
    say(f"NOTHING MOVES: { ({name: count for name, count in behind.items() if count}) }, open mails {mails}")
    return False


@dataclass
class Progress:
    """Whether anything has moved from one look to the next."""

    _least: dict[str, int] = field(default_factory=dict)
    _others: object = None

    def since(self, behind: Mapping[str, int], others: object) -> bool:
        """Look: has a group that is `behind` come closer than ever, or have the `others` changed?

        Heartbeats keep coming, so who reads nothing falls back further and further, which is no progress.
        """
        least = {name: min(count, self._least.get(name, count)) for name, count in behind.items()}
        moved = (least, others) != (self._least, self._others)
        self._least, self._others = least, others
        return moved


async def ends_of(kafka: KafkaSettings, topics: Sequence[Topic]) -> Ends:
    """Where each partition ends now."""
    async with AIOKafkaConsumer(**client_options(kafka), request_timeout_ms=10_000) as consumer:
        parts = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        found: Ends = await consumer.end_offsets(parts)
        return found


async def lag(kafka: KafkaSettings, ends: Ends) -> dict[str, dict[TopicPartition, int]]:
    """How far each service's group on each topic is behind these ends."""
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=10_000)
    await admin.start()
    try:
        behind = {}
        for topic in TOPICS:
            for service in [each for each in GROUPED if each in topic.readers and topic is not CATALOG]:
                done = await admin.list_consumer_group_offsets(f"laurel-{service}-{topic.name}")
                behind[f"{service} on {topic.name}"] = {
                    part: max(0, end - (done[part].offset if part in done else 0))
                    for part, end in ends.items()
                    if part.topic == topic.name
                }
        return behind
    finally:
        await admin.close()


def left_to_do(database_url: str) -> tuple[int, int]:
    """How many deliveries have something left to do, and how many families of status lists are to be published."""
    client: MongoClient[dict[str, Any]] = MongoClient(database_url, serverSelectionTimeoutMS=5000)
    with client:
        notifier = client["laurel_notifier"]
        claims = notifier["claims"].find_one() or {"held": []}
        deliveries = notifier["deliveries"].count_documents({"due_at": {"$exists": True}}) + len(claims["held"])
        return deliveries, client["laurel_issuer"]["status_list_families"].count_documents({"unpublished": True})


def _events(ends: Ends) -> dict[TopicPartition, int]:
    """Without the topic that heartbeats come on without an end."""
    return {part: end for part, end in ends.items() if part.topic != STATUS_CHANGES.name}
