"""The database access of bulk status changes. Every write that could meet another is conditional.

Their requests are rows among the other status requests, so that each is admitted, decided and found like any other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from laurel.contracts.base import utc_text
from laurel.contracts.status import State
from laurel.runtime.mongo import DuplicateKeyError, Mongo, insert_missing, rows_by_ids
from registry.bulk_rows import REFUSALS_SHOWN, Batch, StoredBulk, Tally, tally_of
from registry.database import Row
from registry.requests import Requests
from registry.rows import StoredRequest
from registry.selection import Candidate, Selection, Target, text_bounds
from registry.statuses import Statuses

_BATCHES_AT_ONCE = 20
_SEEN_OF_STATUS = dict.fromkeys(("state", "version", "history.request"), 1)
_SEEN = dict.fromkeys(("token", "issuer", "achievement", "partner", "issuedAt"), 1) | _SEEN_OF_STATUS


class BulkStore:
    """The collections bulk_changes and bulk_batches, and what bulk changes need of credentials, statuses and
    requests."""

    def __init__(self, mongo: Mongo) -> None:
        self._credentials = mongo.collection("credentials")
        self._statuses = Statuses(mongo)
        self._requests = Requests(mongo)
        self._bulks = mongo.collection("bulk_changes")
        self._batches = mongo.collection("bulk_batches")

    async def ensure_indexes(self) -> None:
        """Make the indexes that are missing."""
        for field in ("achievement", "partner", "issuedAt"):
            await self._credentials.create_index(field)
        await self._batches.create_index("of")
        await self._bulks.create_index("open", sparse=True)
        await self._bulks.create_index("acceptedAt")

    # --- selecting ---

    async def candidates(self, selection: Selection) -> list[Candidate]:
        """The credentials that a selection may mean: all that it does, and perhaps some more."""
        if selection.credentials is not None:
            return await self._with_ids(set(selection.credentials))
        if selection.bulk is not None:
            return await self._with_ids({each.id for each in await self.targets(selection.bulk)})
        wanted: Row = {
            name: value
            for name, value in (("achievement", selection.achievement), ("partner", selection.partner))
            if value is not None
        }
        if bounds := text_bounds(selection):
            wanted["issuedAt"] = bounds
        # One cursor and not a page at a time: the embedded database sorts everything again for each page.
        return await self._candidates([row async for row in self._credentials.find(wanted, _SEEN)])

    async def _with_ids(self, ids: Iterable[str]) -> list[Candidate]:
        return await self._candidates(await rows_by_ids(self._credentials, sorted(ids), fields=_SEEN))

    async def _candidates(self, rows: Sequence[Row]) -> list[Candidate]:
        return [_candidate(row) for row in await self._statuses.put_over(rows, _SEEN_OF_STATUS)]

    # --- bulk changes ---

    async def accept(self, bulk: StoredBulk, batches: Sequence[Batch]) -> StoredBulk:
        """Store it with its targets unless its id is taken; returns what stands under the id.

        The batches go first, under names that follow from their content: the one write that counts is the last.
        """
        rows = [
            {"_id": each.id, "of": bulk.batches, "open": True, "targets": [[t.id, t.token, t.version]
                                                                            for t in each.targets]}
            for each in batches
        ]  # fmt: skip
        for at in range(0, len(rows), _BATCHES_AT_ONCE):
            await insert_missing(self._batches, rows[at : at + _BATCHES_AT_ONCE])
        try:
            await self._bulks.insert_one({"_id": bulk.id, "open": True, **_row(bulk)})
        except DuplicateKeyError:
            held = await self.bulk(bulk.id)
            assert held is not None  # they are never deleted
            return held
        return bulk

    async def bulk(self, id_: str) -> StoredBulk | None:
        """The bulk change with this id."""
        row = await self._bulks.find_one({"_id": id_})
        return None if row is None else StoredBulk.model_validate(row)

    async def newest(self, limit: int) -> list[StoredBulk]:
        """The bulk changes accepted last, the newest first."""
        rows = await self._bulks.find({}).sort("acceptedAt", -1).limit(limit).to_list(None)
        return [StoredBulk.model_validate(row) for row in rows[:limit]]

    async def unfinished(self) -> list[StoredBulk]:
        """The bulk changes that are not finished, the oldest first."""
        rows = await self._bulks.find({"open": True}).to_list(None)
        return sorted((StoredBulk.model_validate(row) for row in rows), key=lambda each: each.accepted_at)

    async def lease(self, bulk: StoredBulk, runner: str, now: datetime, until: datetime) -> bool:
        """Take it in hand, or keep it; False where another runner has it in hand, or it is finished."""
        free = {"$or": [{"runner": runner}, {"runner": None}, {"leasedUntil": {"$lt": utc_text(now)}}]}
        change = {"$set": {"runner": runner, "leasedUntil": utc_text(until)}}
        return (await self._bulks.update_one({"_id": bulk.id, "open": True, **free}, change)).matched_count == 1

    async def release(self, bulk: StoredBulk, runner: str) -> None:
        """Leave it to whoever looks next."""
        change = {"$unset": {"runner": "", "leasedUntil": ""}}
        await self._bulks.update_one({"_id": bulk.id, "open": True, "runner": runner}, change)

    async def finish(self, bulk: StoredBulk, now: datetime) -> None:
        """Each of its requests has its outcome."""
        change: Row = {"$set": {"finishedAt": utc_text(now)}, "$unset": {"open": "", "runner": "", "leasedUntil": ""}}
        await self._bulks.update_one({"_id": bulk.id, "open": True}, change)

    # --- batches ---

    async def open_batches(self, bulk: StoredBulk) -> AsyncIterator[Batch]:
        """The batches that are not settled, in their order."""
        rows = await self._batches.find({"of": bulk.batches, "open": True}, {"_id": 1}).to_list(None)
        for id_ in sorted(row["_id"] for row in rows):
            row = await self._batches.find_one({"_id": id_})
            assert row is not None  # they are never deleted
            yield _batch(row)

    async def targets(self, id_: str) -> list[Target]:
        """All that a bulk change was to change."""
        bulk = await self.bulk(id_)
        if bulk is None:
            return []
        rows = await self._batches.find({"of": bulk.batches}).to_list(None)
        return [target for row in rows for target in _batch(row).targets]

    async def store_requests(self, requests: Sequence[StoredRequest]) -> set[str]:
        """Store those that are not there yet; returns the ids of those that have no outcome."""
        return {each.id for each in await self._requests.accept(requests) if not each.decided}

    async def mark_published(self, batch: Batch) -> None:
        """The batch's requests are on the topic."""
        await self._batches.update_one({"_id": batch.id}, {"$set": {"published": True}})

    async def tally(self, batch: str) -> Tally:
        """How many of a batch's requests have which outcome."""
        return tally_of((await self._requests.of_batch(batch)).values())

    async def settle(self, batch: Batch, tally: Tally) -> None:
        """Each of its requests has its outcome."""
        await self._batches.update_one(
            {"_id": batch.id, "open": True},
            {"$set": {"applied": tally.applied, "refused": tally.refused}, "$unset": {"open": ""}},
        )

    async def progress(self, bulk: StoredBulk) -> tuple[Tally, list[StoredRequest]]:
        """The outcomes so far, and some of the requests that were refused."""
        total, refused = Tally(), list[StoredRequest]()
        for row in await self._batches.find({"of": bulk.batches}, {"targets": 0}).to_list(None):
            if not row.get("open"):
                tally = Tally(row["applied"], row["refused"])
            else:  # of a batch that is not out, nothing has an outcome
                tally = await self.tally(row["_id"]) if row.get("published") else Tally()
            total += tally
            if tally.refused and len(refused) < REFUSALS_SHOWN:
                found = await self._requests.of_batch(row["_id"])
                refused += [each for each in found.values() if each.refused is not None]
        return total, refused[:REFUSALS_SHOWN]


def _row(model: StoredBulk) -> Row:
    row: Row = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return row


def _batch(row: Row) -> Batch:
    return Batch(row["_id"], tuple(Target(*target) for target in row["targets"]), row.get("published", False))


def _candidate(row: Row) -> Candidate:
    return Candidate(
        id=row["_id"], token=row["token"], issuer=row["issuer"], achievement=row.get("achievement"),
        partner=row.get("partner"), issued_at=datetime.fromisoformat(row["issuedAt"]), state=State(row["state"]),
        version=row["version"], last_request=row["history"][-1]["request"],
    )  # fmt: skip
