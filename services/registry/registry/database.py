"""What the registry's modules of database access share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from laurel.runtime.mongo import BulkWriteError, Collection, duplicates_only

Row = dict[str, Any]
_IDS_AT_ONCE = 100  # longer lists of ids make the embedded database slow
_LOOKS_AT_ONCE = 4


class Overtaken(Exception):  # noqa: N818 - names what happened
    """Somebody else changed the row between reading and writing it."""


async def rows_by_ids(
    collection: Collection, ids: Iterable[str], where: Row | None = None, fields: Mapping[str, int] | None = None
) -> list[Row]:
    """The rows with these ids that there are and that fulfil the condition, in no order."""
    wanted = list(dict.fromkeys(ids))
    at_once = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(chunk: Sequence[str]) -> list[Row]:
        async with at_once:
            return await collection.find({"_id": {"$in": chunk}, **(where or {})}, fields).to_list(None)

    chunks = [wanted[at : at + _IDS_AT_ONCE] for at in range(0, len(wanted), _IDS_AT_ONCE)]
    return [row for rows in await asyncio.gather(*(look(chunk) for chunk in chunks)) for row in rows]


async def insert_missing(collection: Collection, rows: Sequence[Row]) -> bool:
    """Insert those whose ids are not taken; tells whether none was."""
    try:
        if rows:
            await collection.insert_many(rows, ordered=False)
    except BulkWriteError as error:
        if not duplicates_only(error):
            raise
        return False
    return True
