"""MongoDB through Motor or PyMongo's asynchronous client, chosen by one setting.

The two have the same calls; only `aggregate`, `watch` and `close` differ in being awaited, and the stores use
none of these. Everything is therefore typed as PyMongo's.
"""

from __future__ import annotations

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
]

Document = dict[str, Any]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]

TRANSIENT: tuple[type[Exception], ...] = (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    WTimeoutError,
)
_DUPLICATE_KEY = 11000


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


def duplicates_only(error: BulkWriteError) -> bool:
    """Whether a bulk insert failed for nothing but keys that were already there."""
    findings = (error.details or {}).get("writeErrors", [])
    return bool(findings) and all(finding.get("code") == _DUPLICATE_KEY for finding in findings)
