"""MongoDB through Motor or PyMongo's asynchronous client, chosen by one setting.

The two have the same calls; only `aggregate`, `watch` and `close` differ in being awaited, and the stores use
none of these. Everything is therefore typed as PyMongo's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, cast

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    WriteConcernError,
    WTimeoutError,
)

from laurel.runtime.settings import MongoSettings

__all__ = [
    "TRANSIENT",
    "BulkWriteError",
    "Collection",
    "Database",
    "DuplicateKeyError",
    "Mongo",
    "ReturnDocument",
    "UpdateOne",
    "duplicates_only",
    "insert_missing",
    "is_away",
    "rows_by_ids",
]

Document = dict[str, Any]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]

TRANSIENT: tuple[type[Exception], ...] = (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    WriteConcernError,
    WTimeoutError,
)
_DUPLICATE_KEY = 11000
_IDS_AT_ONCE = 100  # longer lists of ids make the embedded database slow
_LOOKS_AT_ONCE = 4
# What a member of a replica set answers while another takes its place, or while it goes down: the codes on which the
# drivers' specification ("Retryable Writes", Terms) lets a write be tried again.
_REPLICA_SET = frozenset({6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})


class Mongo:
    """One service's own database; no other service reads it."""

    def __init__(self, settings: MongoSettings) -> None:
        options: dict[str, Any] = {
            "serverSelectionTimeoutMS": 5000,
            "connectTimeoutMS": 5000,
            "socketTimeoutMS": 20000,
            "retryWrites": False,  # our writes are conditional and replayed by us
            "w": "majority",
            "tz_aware": True,
            "tzinfo": UTC,
        }
        url = settings.mongo_url.get_secret_value()
        if settings.mongo_driver == "motor":
            self._motor: AsyncIOMotorClient[Document] | None = AsyncIOMotorClient(url, **options)
            self._pymongo: AsyncMongoClient[Document] | None = None
            self.database = cast(Database, self._motor[settings.mongo_database])
        else:
            self._motor = None
            self._pymongo = AsyncMongoClient(url, **options)
            self.database = self._pymongo[settings.mongo_database]

    def collection(self, name: str) -> Collection:
        """A collection that reads its times as aware UTC times."""
        codec = CodecOptions[Document](tz_aware=True, tzinfo=UTC)
        return self.database.get_collection(name, codec_options=codec)

    async def ping(self) -> None:
        """Raises one of `TRANSIENT` when the database does not answer."""
        await self.database.command("ping")

    async def close(self) -> None:
        """Let go of the connections."""
        if self._motor is not None:
            self._motor.close()
        if self._pymongo is not None:
            await self._pymongo.close()


def is_away(error: BaseException) -> bool:
    """Whether the failure lies with the database or the way to it, and may mend itself."""
    if isinstance(error, BulkWriteError):
        # Among keys that were there already, too: the next try finds them again.
        found = _codes(error, "writeErrors")
        members = bool(_codes(error, "writeConcernErrors")) or bool(found & _REPLICA_SET)
        return members and found <= _REPLICA_SET | {_DUPLICATE_KEY}
    return isinstance(error, TRANSIENT) or (isinstance(error, OperationFailure) and error.code in _REPLICA_SET)


def duplicates_only(error: BulkWriteError) -> bool:
    """Whether a bulk insert failed for nothing but keys that were already there, and the rest of it is safe: what
    too few members have may still be lost."""
    return _codes(error, "writeErrors") == {_DUPLICATE_KEY} and not _codes(error, "writeConcernErrors")


async def insert_missing(collection: Collection, rows: Sequence[Document]) -> bool:
    """Insert those whose ids are not taken; tells whether none was. Raises what the driver raises for all else."""
    try:
        if rows:
            await collection.insert_many(rows, ordered=False)
    except BulkWriteError as error:
        if not duplicates_only(error):
            raise
        return False
    return True


async def rows_by_ids(
    collection: Collection, ids: Iterable[str], where: Mapping[str, Any] | None = None,
    fields: Mapping[str, int] | None = None,
) -> list[Document]:  # fmt: skip
    """The rows with these ids that there are and that fulfil the condition, in no order; `fields` of them, or all."""
    wanted = list(dict.fromkeys(ids))
    at_once = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(chunk: Sequence[str]) -> list[Document]:
        async with at_once:
            return await collection.find({"_id": {"$in": chunk}, **(where or {})}, fields).to_list(None)

    chunks = [wanted[at : at + _IDS_AT_ONCE] for at in range(0, len(wanted), _IDS_AT_ONCE)]
    return [row for rows in await asyncio.gather(*(look(chunk) for chunk in chunks)) for row in rows]


def _codes(error: BulkWriteError, findings: str) -> set[int]:
    return {finding.get("code", 0) for finding in (error.details or {}).get(findings, [])}
