"""Statuses in the database: a row for each credential whose status was ever changed, in a collection of their own.

A change thereby writes one short row that has no index but its id, and leaves the credential's row, with the document
and all that it is found by, as it was registered. A credential without a row here has the status of its registration.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from laurel.runtime.mongo import BulkWriteError, Mongo, UpdateOne, duplicates_only, insert_missing, rows_by_ids
from registry.database import Overtaken, Row
from registry.rows import StoredCredential

_FIELDS = ("state", "version", "history")


class Statuses:
    """The collection statuses."""

    def __init__(self, mongo: Mongo) -> None:
        self._statuses = mongo.collection("statuses")

    async def of(self, ids: Iterable[str], fields: Mapping[str, int] | None = None) -> dict[str, Row]:
        """What to lay over the rows of those of these credentials that have a row here: `fields` of it, or all."""
        return {row["_id"]: row for row in await rows_by_ids(self._statuses, ids, fields=fields)}

    async def put_over(self, credentials: Sequence[Row], fields: Mapping[str, int] | None = None) -> list[Row]:
        """The credentials' rows with the status that each has now; `fields` of it, or the whole."""
        newer = await self.of((row["_id"] for row in credentials), fields)
        return [row | newer.get(row["_id"], {}) for row in credentials]

    async def higher(self, versions: Mapping[str, int]) -> list[str]:
        """Of these credentials' ids, those whose status by now has a higher version than the one given."""
        least = min(versions.values(), default=0)
        rows = await rows_by_ids(self._statuses, versions, {"version": {"$gt": least}}, {"version": 1})
        return [row["_id"] for row in rows if row["version"] > versions[row["_id"]]]

    async def advance(self, changes: Sequence[tuple[StoredCredential, StoredCredential]]) -> None:
        """Store the status of each second one if nothing was changed since the first, which was read from here.

        Raises:
            Overtaken: somebody else changed one of them meanwhile; the others are stored.
        """
        # Nearly all changes are a credential's first, and what is inserted together costs a tenth of single writes.
        first = [{"_id": after.id, **_status(after)} for before, after in changes if before.version == 1]
        later = [
            # Where only the credential's own row has the version, as earlier releases kept it, this makes the row;
            # where the version is another, it is refused for the id.
            UpdateOne({"_id": before.id, "version": before.version}, {"$set": _status(after)}, upsert=True)
            for before, after in changes
            if before.version > 1
        ]
        stored = [await insert_missing(self._statuses, first), await self._replace(later)]
        if not all(stored):
            raise Overtaken("statuses")

    async def _replace(self, writes: Sequence[UpdateOne]) -> bool:
        """Whether no row stood in the way of another under its id."""
        try:
            if writes:
                await self._statuses.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if not duplicates_only(error):
                raise
            return False
        return True

    async def changed(self) -> AsyncIterator[str]:
        """The ids of the credentials that have a row."""
        async for row in self._statuses.find({}, {"_id": 1}):
            yield row["_id"]

    async def is_empty(self) -> bool:
        """Whether no status was ever changed."""
        return await self._statuses.find_one({}) is None

    async def restore(self, credentials: Sequence[StoredCredential]) -> None:
        """Put the statuses that were ever changed over whatever stands there."""
        changed = [each for each in credentials if each.version > 1]
        writes = [UpdateOne({"_id": each.id}, {"$set": _status(each)}, upsert=True) for each in changed]
        if writes:
            await self._statuses.bulk_write(writes)


def _status(credential: StoredCredential) -> Row:
    row: Row = credential.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_FIELDS))
    return row
