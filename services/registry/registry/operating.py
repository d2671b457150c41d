"""What operators do to a registry's database as a whole; the commands are in `commands.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from laurel.contracts import audit_entries
from laurel.contracts.addresses import Addresses
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.topics import Message
from laurel.runtime.clock import utc_now
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka
from laurel.runtime.mongo import Mongo
from laurel.runtime.settings import KafkaSettings, MongoSettings, PublicUrl
from registry.announcer import Announcer
from registry.contents import content_hash, contents, differing
from registry.domain import SOURCE
from registry.rebuilding import SERVICE, Progress, Rebuild, Rebuilt
from registry.store import Store


class DatabaseSettings(MongoSettings):
    """Where the database server is; which database, each call says."""

    mongo_database: str = "laurel_registry"


class OperatingSettings(KafkaSettings, DatabaseSettings):
    """The registry's own settings, as far as its database and the log are concerned."""

    public_url: PublicUrl


class NotEmpty(Exception):  # noqa: N818 - names what was found
    """A database that is to be filled has something in it."""


@dataclass(frozen=True)
class Report:
    """A rebuilt database: what came of it, its hash, and the hash of the one it was compared with."""

    rebuilt: Rebuilt
    hash: str
    compared: str | None = None
    differing: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the database is whole and, where it was compared, equal."""
        return self.rebuilt.whole and self.compared in (None, self.hash)

    def facts(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "records": self.rebuilt.records, "refused": self.rebuilt.refused, "incomplete": self.rebuilt.incomplete,
            "hash": self.hash, "compared": self.compared, "differing": self.differing,
        }  # fmt: skip


@asynccontextmanager
async def _store(settings: DatabaseSettings, database: str) -> AsyncIterator[Store]:
    mongo = Mongo(settings.model_copy(update={"mongo_database": database}))
    try:
        yield Store(mongo)
    finally:
        await mongo.close()


async def hash_of(settings: DatabaseSettings, database: str) -> tuple[str, int]:
    """A database's content hash, and how many rows it is over."""
    async with _store(settings, database) as store:
        rows = await contents(store)
    return content_hash(rows), len(rows)


async def rebuild(settings: OperatingSettings, database: str, compare: str | None, progress: Progress) -> Report:
    """Fill an empty database from the log and, where asked, compare it with another.

    Raises:
        NotEmpty: there is something in it.
    """
    async with _store(settings, database) as store:
        if not await store.is_empty():
            raise NotEmpty(f"The database {database} is not empty")
        rebuilt = await Rebuild(settings, store, Addresses(settings.public_url), utc_now, progress).run()
        ours = await contents(store)
    if compare is None:
        return Report(rebuilt, content_hash(ours))
    async with _store(settings, compare) as store:
        theirs = await contents(store)
    return Report(rebuilt, content_hash(ours), content_hash(theirs), differing(ours, theirs))


async def republish(settings: OperatingSettings, database: str, operator: str) -> int:
    """Publish every changed credential's status again, after entering in the audit that `operator` does so; returns
    how many there are."""
    kafka = Kafka(settings, SERVICE, Health())
    async with _store(settings, database) as store:
        await kafka.start()
        try:
            await kafka.publish([_entered(operator, database)])
            return await Announcer(store, kafka.publish, utc_now).announce_all_changed()
        finally:
            await kafka.stop()


def _entered(operator: str, database: str) -> Message:
    body = AdminActionRecorded(operator=operator, action="status.republish", target=f"database/{database}",
                               outcome=AuditOutcome.DONE, at=utc_now())  # fmt: skip
    return audit_entries.entry(SOURCE, f"republish/{uuid4()}", body)
