"""Reading the facts, in an order that suits services at work, and comparing them again where something moved.

How far the groups are is read first, then the databases, then the topics: whatever a group had passed by then is in
a database by now, and what a database has is on a topic by now. A service that works all the while can still be
caught between two writes; such a discrepancy is gone when looked at again, and only those that stay are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from laurel.reconciliation.comparing import compare
from laurel.reconciliation.databases import read_issuer, read_notifier, read_registry
from laurel.reconciliation.facts import Facts
from laurel.reconciliation.report import Report
from laurel.reconciliation.topics import read_progress, read_topics
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.mongo import Mongo
from laurel.runtime.settings import KafkaSettings, MongoSettings

Progress = Callable[[str], None]
RECHECK_SECONDS = 5.0
STUCK_AFTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Sources:
    """Where the topics and the three services' databases are."""

    kafka: KafkaSettings
    issuer: MongoSettings
    registry: MongoSettings
    notifier: MongoSettings


async def collect(
    sources: Sources, *, clock: Clock = utc_now, stuck_after: timedelta = STUCK_AFTER,
    progress: Progress = lambda _: None,
) -> Facts:  # fmt: skip
    """The facts as they stand; `progress` hears the name of what each record or row was read from.

    Raises:
        KafkaError, or one of laurel.runtime.mongo.TRANSIENT: the broker or a database is away.
    """
    facts = Facts(at=clock(), stuck_after=stuck_after)
    await read_progress(sources.kafka, facts, progress)
    readers: tuple[tuple[Callable[[Mongo, Facts, Progress], Awaitable[None]], MongoSettings], ...] = (
        (read_notifier, sources.notifier), (read_registry, sources.registry), (read_issuer, sources.issuer),
    )  # fmt: skip
    for read, settings in readers:
        mongo = Mongo(settings)
        try:
            await read(mongo, facts, progress)
        finally:
            await mongo.close()
    await read_topics(sources.kafka, facts, progress)
    return facts


async def reconcile(
    sources: Sources, *, recheck_seconds: float = RECHECK_SECONDS, stuck_after: timedelta = STUCK_AFTER,
    clock: Clock = utc_now, progress: Progress = lambda _: None,
) -> Report:  # fmt: skip
    """The balance, and every discrepancy that is still there `recheck_seconds` after it was first seen (0: at once).

    Raises:
        KafkaError, or one of laurel.runtime.mongo.TRANSIENT: the broker or a database is away.
    """

    async def look() -> Report:
        return compare(await collect(sources, clock=clock, stuck_after=stuck_after, progress=progress))

    first = await look()
    if first.balanced or recheck_seconds == 0:
        return first
    await asyncio.sleep(recheck_seconds)
    return first.confirmed_by(await look())
