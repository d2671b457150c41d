"""The notifier's database: `recipients`, which is personal and forgets, and `deliveries`, which is neither.

`claims` is one document, which says who has which deliveries in hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from laurel.contracts.operations import Occasion
from laurel.runtime.mongo import DuplicateKeyError, Mongo, UpdateOne, insert_missing, rows_by_ids
from notifier.claims import Claim, Claimed, Claims
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
_CLAIMS = "claims"
_IDS_AT_ONCE = 50


class Store:
    """Every write is conditional on what its writer saw; a method that returns False changed nothing.

    `record`, `word` and `change_claims` are for whoever has claimed the row; all else anybody may do at any time.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._recipients = mongo.collection("recipients")
        self._deliveries = mongo.collection("deliveries")
        self._claims = mongo.collection("claims")

    async def prepare(self) -> None:
        """Make the indexes. The database itself deletes recipients whose time is over."""
        await self._recipients.create_index("expires_at", expireAfterSeconds=0)
        await self._deliveries.create_index("due_at", sparse=True)  # rows with nothing left to do are not in it
        # For the log of deliveries. One with the state before it would cost a write more for each mail, a tenth of what
        # two cores have at 200 revocations a second, to spare a look that is rarely taken a second.
        await self._deliveries.create_index("created_at")
        if await self._claims.find_one({"_id": _CLAIMS}) is None:
            with suppress(DuplicateKeyError):  # another instance was faster
                await self._claims.insert_one({"_id": _CLAIMS, "changes": 0, "held": []})

    async def add_recipients(self, recipients: Sequence[Recipient]) -> None:
        """Keep contact data; what is there stays as it is."""
        documents = [{"_id": each.credential, **_fields(each, "credential")} for each in recipients]
        await insert_missing(self._recipients, documents)

    async def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Open deliveries; what is there, open or closed, stays as it is."""
        await insert_missing(self._deliveries, [_document(each) for each in deliveries])

    async def recipient(self, credential: str) -> Recipient | None:
        """Whom to tell about a credential."""
        found = await self._recipients.find_one({"_id": credential})
        return None if found is None else _recipient(found)

    async def recipients(self, credentials: Sequence[str]) -> dict[str, Recipient]:
        """Whom to tell about each of these credentials."""
        return {row["_id"]: _recipient(row) for row in await rows_by_ids(self._recipients, credentials)}

    async def delivery(self, row_id: str) -> Delivery | None:
        """One delivery."""
        found = await self._deliveries.find_one({"_id": row_id})
        return None if found is None else _delivery(found)

    async def deliveries(self, row_ids: Sequence[str]) -> dict[str, Delivery]:
        """Those of the deliveries that there are."""
        return {row["_id"]: _delivery(row) for row in await rows_by_ids(self._deliveries, row_ids)}

    async def due(self, before: datetime, limit: int) -> list[Delivery]:
        """The deliveries with something to do before a moment, the longest due first."""
        query = self._deliveries.find({"due_at": {"$lte": before}}).sort("due_at", 1).limit(limit)
        return [_delivery(document) for document in await query.to_list(None)]

    async def claims(self) -> Claims:
        """Who has what in hand."""
        found = await self._claims.find_one({"_id": _CLAIMS})
        assert found is not None, "prepare() makes it"
        return Claims(found["changes"], tuple(_claim(each) for each in found["held"]))

    async def change_claims(self, seen: Claims, held: Sequence[Claim]) -> bool:
        """Put others in the place of the claims that were seen, unless they have changed since."""
        changed = {"changes": seen.changes + 1, "held": [asdict(claim) for claim in held]}
        condition = {"_id": _CLAIMS, "changes": seen.changes}
        return (await self._claims.update_one(condition, {"$set": changed})).matched_count == 1

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
        """Make open rows due, so that a revoked credential's are closed at once."""
        await self._make_due(issued_row_ids, {"due_at": {"$gt": now}}, now)

    async def _make_due(self, row_ids: Sequence[str], condition: Document, now: datetime) -> None:
        """Few rows meet the condition, as a rule, and a look costs much less than a write. A row that meets it only
        after the look is not forgotten: every open row has a time at which it is looked at again."""
        open_row = {"state": DeliveryState.OPEN.value, **condition}
        found = await rows_by_ids(self._deliveries, row_ids, open_row, {"_id": 1})
        changes = [UpdateOne({"_id": row["_id"], **open_row}, {"$set": {"due_at": now}}) for row in found]
        if changes:
            await self._deliveries.bulk_write(changes, ordered=False)

    async def word(self, row_id: str, wording: Wording) -> None:
        """Keep the names that a mail will go out with, where the catalog lacked them when it was planned."""
        await self._deliveries.update_one({"_id": row_id, "wording": None}, {"$set": {"wording": asdict(wording)}})

    async def record(self, seen: Delivery, ended: Delivery) -> bool:
        """Keep what became of a row in hand: its attempts, and whether there is another."""
        change: Document = {"$set": {
            "state": ended.state.value, "tries": len(ended.attempts), "waiting_for": None,
            "attempts": [_attempt_document(each) for each in ended.attempts],
        }}  # fmt: skip
        if ended.due_at is None:
            change["$unset"] = {"due_at": ""}
        else:
            change["$set"]["due_at"] = ended.due_at
        # It may have been made due meanwhile, so when it was due is no condition.
        condition = {"_id": seen.id, "state": DeliveryState.OPEN.value, "tries": len(seen.attempts)}
        return (await self._deliveries.update_one(condition, change)).matched_count == 1

    async def postpone(self, seen: Sequence[Delivery], missing: Missing, until: datetime) -> None:
        """Look again later at rows that were due at the same time."""
        change = {"$set": {"due_at": until, "waiting_for": missing.value}}
        for start in range(0, len(seen), _IDS_AT_ONCE):
            rows = seen[start : start + _IDS_AT_ONCE]
            unchanged = {"due_at": rows[0].due_at, "state": DeliveryState.OPEN.value}
            if len(rows) == 1:
                await self._deliveries.update_one({"_id": rows[0].id, **unchanged}, change)
            else:
                await self._deliveries.update_many({"_id": {"$in": [row.id for row in rows]}, **unchanged}, change)


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
        "tries": 0, "attempts": [], "waiting_for": None, "wording": row.wording and asdict(row.wording),
    }  # fmt: skip


def _delivery(found: Document) -> Delivery:
    return Delivery(
        id=found["_id"], credential=found["credential"], occasion=Occasion(found["occasion"]), issuer=found["issuer"],
        achievement=found["achievement"], since=found["since"], reason=found["reason"],
        created_at=found["created_at"], due_at=found.get("due_at"), trace=found["trace"],
        state=DeliveryState(found["state"]),
        attempts=tuple(
            Attempt(each["at"], each["outcome"] and Outcome(each["outcome"]), each["detail"], each["ended_at"],
                    each["next_at"])
            for each in found["attempts"]
        ),
        waiting_for=found["waiting_for"] and Missing(found["waiting_for"]),
        wording=found["wording"] and Wording(**found["wording"]),
    )  # fmt: skip


def _claim(found: Document) -> Claim:
    rows = tuple(Claimed(each["id"], each["tries"]) for each in found["rows"])
    return Claim(found["id"], found["at"], found["until"], found["at_once"], rows)
