"""Status requests in the database, and what became of each.

Only refusals are stored with a request: what was carried out stands in the credential's history, under the request's
id. Which requests may have changed something that is not on the topic yet is kept in one row, so that closing a batch
of them is one short write and not one for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from laurel.contracts.status import StatusRecorded
from laurel.runtime.mongo import Mongo, UpdateOne, insert_missing, rows_by_ids
from registry.database import Row
from registry.domain import application
from registry.rows import StoredRequest
from registry.statuses import Statuses

_OWED = "owed"


class Requests:
    """The collection status_requests, and the row of notes about those whose change is yet to be published."""

    def __init__(self, mongo: Mongo) -> None:
        self._requests = mongo.collection("status_requests")
        self._statuses = Statuses(mongo)
        self._notes = mongo.collection("notes")

    async def ensure_indexes(self) -> None:
        """Make the indexes that are missing."""
        await self._requests.create_index("batch", sparse=True)

    async def accept(self, requests: Sequence[StoredRequest]) -> list[StoredRequest]:
        """Store those whose ids are not taken; returns what stands under each id, in the order given."""
        held: dict[str, StoredRequest] = {}
        if not await insert_missing(self._requests, [_row(each) for each in requests]):
            held = await self.with_outcomes(each.id for each in requests)
        return [held.get(each.id, each) for each in requests]

    async def accepted(self, ids: Iterable[str]) -> dict[str, StoredRequest]:
        """The requests with these ids that there are, as they were accepted: whether one was carried out, the
        credential's history tells."""
        return {row["_id"]: _read(row) for row in await rows_by_ids(self._requests, ids)}

    async def with_outcomes(self, ids: Iterable[str]) -> dict[str, StoredRequest]:
        """The requests with these ids that there are. One that has an outcome has it on the topic, too."""
        return await self._decided(await rows_by_ids(self._requests, ids))

    async def of_batch(self, batch: str) -> dict[str, StoredRequest]:
        """The requests of a bulk change's batch, with their outcomes."""
        return await self._decided(await self._requests.find({"batch": batch}).to_list(None))

    async def refuse(self, requests: Sequence[StoredRequest]) -> None:
        """Store the refusals of these requests, of which none has one yet."""
        writes = [
            UpdateOne(
                {"_id": each.id, "refused": {"$exists": False}},
                {"$set": {"refused": each.refused.model_dump(mode="json", by_alias=True)}},
            )
            for each in requests
            if each.refused is not None
        ]  # fmt: skip
        if writes:
            await self._requests.bulk_write(writes, ordered=False)

    async def restore(self, request: StoredRequest) -> None:
        """Put a request and its outcome over whatever stands under its id."""
        row = _row(request.model_copy(update={"applied": None}))
        await self._requests.replace_one({"_id": request.id}, row, upsert=True)

    async def is_empty(self) -> bool:
        """Whether none was ever accepted."""
        return await self._requests.find_one({}) is None

    # --- what is yet to be published ---

    async def owe(self, ids: Iterable[str]) -> None:
        """Note that these may change something from here on, and that it has to be published."""
        await self._notes.update_one({"_id": _OWED}, {"$addToSet": {"requests": {"$each": list(ids)}}}, upsert=True)

    async def settle(self, ids: Iterable[str]) -> None:
        """Whatever these changed is on the topic."""
        await self._notes.update_one({"_id": _OWED}, {"$pullAll": {"requests": list(ids)}})

    async def owed(self) -> set[str]:
        """The requests that may have changed something that is not on the topic."""
        row = await self._notes.find_one({"_id": _OWED})
        return set(row["requests"]) if row else set()

    async def _decided(self, rows: Sequence[Row]) -> dict[str, StoredRequest]:
        requests = [_read(row) for row in rows]
        found = await self._statuses.of({each.credential for each in requests}, {"history": 1})
        histories = {id_: [StatusRecorded.model_validate(entry) for entry in row["history"]]
                     for id_, row in found.items()}  # fmt: skip
        # Looked at after the histories: a request is owed before it is carried out, until that is published.
        owed = await self.owed() if histories else set()
        decided = {}
        for each in requests:
            applied = None if each.id in owed else application(histories.get(each.credential, ()), each.id)
            decided[each.id] = each.model_copy(update={"applied": applied, "refused": None}) if applied else each
        return decided


def _row(request: StoredRequest) -> Row:
    row: Row = request.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"_id": request.id, **row}


def _read(row: Row) -> StoredRequest:
    return StoredRequest.model_validate(row)
