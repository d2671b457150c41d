"""The notifier's database: `recipients`, which is personal and forgets, and `deliveries`, which is neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from laurel.contracts.operations import Occasion
from laurel.runtime.mongo import BulkWriteError, Mongo, UpdateOne, duplicates_only
from notifier.domain import (
    Attempt,
    Delivery,
    DeliveryState,
    Missing,
    Outcome,
    Recipient,
    Wording,
    delivery_id,
)

Document = dict[str, Any]
_IDS_AT_ONCE = 50


class Store:
    """Every write is conditional on what its writer saw; a method that returns False changed nothing."""

    def __init__(self, mongo: Mongo) -> None:
        self._recipients = mongo.collection("recipients")
        self._deliveries = mongo.collection("deliveries")

    async def prepare(self) -> None:
        """Make the indexes. The database itself deletes recipients whose time is over."""
        await self._recipients.create_index("expires_at", expireAfterSeconds=0)
        await self._deliveries.create_index("due_at", sparse=True)  # rows with nothing left to do are not in it
        await self._deliveries.create_index("created_at")
        await self._deliveries.create_index([("state", 1), ("created_at", -1)])

    async def add_recipients(self, recipients: Sequence[Recipient]) -> None:
        """Keep contact data; what is there stays as it is."""
        documents = [{"_id": each.credential, **_fields(each, "credential")} for each in recipients]
        await self._insert_missing(self._recipients, documents)

    async def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Open deliveries; what is there, open or closed, stays as it is."""
        await self._insert_missing(self._deliveries, [_document(each) for each in deliveries])

    @staticmethod
    async def _insert_missing(collection: Any, documents: Sequence[Document]) -> None:
        if not documents:
            return
        try:
            await collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not duplicates_only(error):
                raise

    async def recipient(self, credential: str) -> Recipient | None:
        """Whom to tell about a credential."""
        found = await self._recipients.find_one({"_id": credential})
        return None if found is None else _recipient(found)

    async def recipients(self, credentials: Sequence[str]) -> dict[str, Recipient]:
        """Whom to tell about each of at most a hundred credentials."""
        found = await self._recipients.find({"_id": {"$in": list(credentials)}}).to_list(None)
        return {document["_id"]: _recipient(document) for document in found}

    async def delivery(self, row_id: str) -> Delivery | None:
        """One delivery."""
        found = await self._deliveries.find_one({"_id": row_id})
        return None if found is None else _delivery(found)

    async def due(self, before: datetime, limit: int) -> list[Delivery]:
        """The deliveries with something to do before a moment, the longest due first."""
        query = self._deliveries.find({"due_at": {"$lte": before}}).sort("due_at", 1).limit(limit)
        return [_delivery(document) for document in await query.to_list(None)]

    async def newest(
        self, credential: str | None, state: DeliveryState | None, limit: int, *,
        issuers: Sequence[str] | None = None, achievements: Sequence[str] | None = None,
    ) -> list[Delivery]:  # fmt: skip
        """The newest deliveries, of one credential, in one state, or of some members and achievements."""
        asked: Document = {} if state is None else {"state": state.value}
        if credential is not None:
            asked["_id"] = {"$in": [delivery_id(credential, occasion) for occasion in Occasion]}
        if issuers is not None:
            asked["issuer"] = {"$in": list(issuers)}
        if achievements is not None:
            asked["achievement"] = {"$in": list(achievements)}
        query = self._deliveries.find(asked).sort("created_at", -1).limit(limit)
        return [_delivery(document) for document in await query.to_list(None)]

    async def arrived(self, missing: Missing, row_ids: Sequence[str], now: datetime) -> None:
        """Make those of the rows due that wait for what is now there."""
        await self._make_due(row_ids, {"waiting_for": missing.value}, now)

    async def revoked(self, issued_row_ids: Sequence[str], now: datetime) -> None:
        """Make open rows due that nobody has in hand, so that a revoked credential's are closed at once."""
        await self._make_due(issued_row_ids, {"in_hand": False, "unreported": False}, now)

    async def _make_due(self, row_ids: Sequence[str], condition: Document, now: datetime) -> None:
        """Few rows meet the condition, as a rule, and a look costs much less than a write. A row that meets it only
        after the look is not forgotten: every open row has a time at which it is looked at again."""
        open_row = {"state": DeliveryState.OPEN.value, **condition}
        for start in range(0, len(row_ids), _IDS_AT_ONCE):
            asked = {"_id": {"$in": list(row_ids[start : start + _IDS_AT_ONCE])}, **open_row}
            found = await self._deliveries.find(asked, {"_id": 1}).to_list(None)
            if found:
                changes = [UpdateOne({"_id": row["_id"], **open_row}, {"$set": {"due_at": now}}) for row in found]
                await self._deliveries.bulk_write(changes, ordered=False)

    async def lease(self, seen: Delivery, wording: Wording, now: datetime, until: datetime) -> bool:
        """Take a row in hand and record that an attempt begins, unless somebody else was faster."""
        attempt = _attempt_document(Attempt(at=now))
        change = {
            "$set": {"due_at": until, "in_hand": True, "waiting_for": None, "wording": asdict(wording)},
            "$inc": {"tries": 1},
            "$push": {"attempts": attempt},
        }
        return await self._change(self._unchanged(seen), change)

    async def finish(self, row_id: str, number: int, attempt: Attempt, state: DeliveryState, until: datetime) -> bool:
        """Record how the attempt in hand ended. The row stays due until that is reported (`settle`)."""
        in_hand = {"_id": row_id, "state": DeliveryState.OPEN.value, "tries": number, "in_hand": True}
        change = {"in_hand": False, "unreported": True, "state": state.value, "due_at": until,
                  f"attempts.{number - 1}": _attempt_document(attempt)}  # fmt: skip
        return await self._change(in_hand, {"$set": change})

    async def settle(self, reported: Delivery) -> bool:
        """The last attempt's outcome is published: the row is due when the next attempt is, or never again."""
        condition = {"_id": reported.id, "tries": len(reported.attempts), "unreported": True}
        then = reported.attempts[-1].next_at
        due: Document = {"$unset": {"due_at": ""}} if then is None else {"$set": {"due_at": then}}
        due["$set"] = due.get("$set", {}) | {"unreported": False}
        return await self._change(condition, due)

    async def postpone(self, seen: Delivery, missing: Missing, until: datetime) -> bool:
        """Look at a row again later."""
        return await self._change(self._unchanged(seen), {"$set": {"due_at": until, "waiting_for": missing.value}})

    async def close(self, seen: Delivery, state: DeliveryState) -> bool:
        """Decide that nothing will be sent."""
        change = {"$set": {"state": state.value, "waiting_for": None}, "$unset": {"due_at": ""}}
        return await self._change(self._unchanged(seen), change)

    async def defer(self, seen: Delivery, until: datetime) -> bool:
        """Leave a row that is being reported to whoever does so, until then."""
        return await self._change(self._unchanged(seen), {"$set": {"due_at": until}})

    @staticmethod
    def _unchanged(seen: Delivery) -> Document:
        return {"_id": seen.id, "due_at": seen.due_at, "tries": len(seen.attempts), "state": seen.state.value}

    async def _change(self, condition: Document, change: Document) -> bool:
        return (await self._deliveries.update_one(condition, change)).matched_count == 1


def _fields(value: Any, *without: str) -> Document:
    return {name: each for name, each in asdict(value).items() if name not in without}


def _recipient(found: Document) -> Recipient:
    return Recipient(found["_id"], found["name"], found["email"], found["language"], found["expires_at"])


def _attempt_document(attempt: Attempt) -> Document:
    return _fields(attempt) | {"outcome": attempt.outcome and attempt.outcome.value}


def _document(row: Delivery) -> Document:
    return {
        "_id": row.id, "credential": row.credential, "occasion": row.occasion.value, "channel": "mail",
        "issuer": row.issuer, "achievement": row.achievement, "since": row.since, "reason": row.reason,
        "created_at": row.created_at, "due_at": row.due_at, "trace": dict(row.trace), "state": row.state.value,
        "tries": 0, "attempts": [], "in_hand": False, "unreported": False, "waiting_for": None, "wording": None,
    }  # fmt: skip


def _delivery(found: Document) -> Delivery:
    return Delivery(
        id=found["_id"], credential=found["credential"], occasion=Occasion(found["occasion"]), issuer=found["issuer"],
        achievement=found["achievement"], since=found["since"], reason=found["reason"],
        created_at=found["created_at"], due_at=found.get("due_at"), trace=found["trace"],
        state=DeliveryState(found["state"]), unreported=found["unreported"],
        attempts=tuple(
            Attempt(each["at"], each["outcome"] and Outcome(each["outcome"]), each["detail"], each["ended_at"],
                    each["next_at"])
            for each in found["attempts"]
        ),
        waiting_for=found["waiting_for"] and Missing(found["waiting_for"]),
        wording=found["wording"] and Wording(**found["wording"]),
    )  # fmt: skip
