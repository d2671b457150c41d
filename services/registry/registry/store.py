"""All of the registry's database access. Every write that could meet another is conditional, but those of `restore_*`,
which fill a database that nobody else writes to.

Times are stored as the text that is published: the database would cut them to milliseconds, and a replay must
publish the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from laurel.contracts.base import Contract
from laurel.contracts.catalog import AchievementPublished, Consortium, IssuerPublished, PartnerPublished
from laurel.contracts.operators import OperatorPublished
from laurel.runtime.mongo import BulkWriteError, Collection, DuplicateKeyError, Mongo, UpdateOne, duplicates_only
from registry.catalog import Kind, StoredEntry, entry_key
from registry.rows import StoredAction, StoredCredential, StoredList, StoredRequest

Stored = TypeVar("Stored", bound=Contract)
Row = dict[str, Any]
_IDS_AT_ONCE = 100  # longer lists of ids make the embedded database slow
_CONSORTIUM = "consortium"
_UNTIL_PUBLISHED = {"publishedVersion", "appliedBy", "trace"}
_HISTORIES = "histories-published"


class Overtaken(Exception):  # noqa: N818 - names what happened
    """Somebody else changed the row between reading and writing it."""


class Store:
    """The registry's collections: catalog, credentials, status_requests, status_lists, audit, notes."""

    def __init__(self, mongo: Mongo) -> None:
        self._catalog = mongo.collection("catalog")
        self._credentials = mongo.collection("credentials")
        self._requests = mongo.collection("status_requests")
        self._lists = mongo.collection("status_lists")
        self._audit = mongo.collection("audit")
        self._notes = mongo.collection("notes")

    async def ensure_indexes(self) -> None:
        """Make the indexes that are missing."""
        await self._credentials.create_index("token", unique=True)
        await self._catalog.create_index("kind")
        await self._catalog.create_index("owner", sparse=True)
        await self._catalog.create_index("kids", sparse=True)
        await self._catalog.create_index("tokens", sparse=True)
        await self._requests.create_index("open", sparse=True)
        await self._audit.create_index("place")

    # --- catalog ---

    async def consortium(self) -> Consortium | None:
        """Who runs this registry; None before the first catalog."""
        row = await self._catalog.find_one({"_id": _CONSORTIUM})
        return None if row is None else Consortium.model_validate(row)

    async def set_consortium(self, consortium: Consortium) -> None:
        """Replace who runs this registry."""
        await self._catalog.replace_one({"_id": _CONSORTIUM}, _row(consortium), upsert=True)

    async def entries(self, kind: Kind | None = None) -> dict[str, StoredEntry]:
        """The catalog's entries by key, of one kind or all."""
        wanted: Row = {"kind": kind.value} if kind is not None else {"kind": {"$in": [each.value for each in Kind]}}
        rows = await self._catalog.find(wanted).to_list(None)
        return {row["_id"]: StoredEntry.model_validate(row) for row in rows}

    async def achievements_of(self, issuer: str, limit: int) -> list[AchievementPublished]:
        """A member's achievements, at most `limit`."""
        rows = await self._catalog.find({"owner": issuer}).limit(limit).to_list(None)
        return [AchievementPublished.model_validate_json(row["body"]) for row in rows]

    async def issuer(self, slug: str) -> IssuerPublished | None:
        """The member with this id."""
        row = await self._catalog.find_one({"_id": entry_key(Kind.ISSUER, slug)})
        return None if row is None else IssuerPublished.model_validate_json(row["body"])

    async def issuers(self, slugs: Iterable[str]) -> dict[str, IssuerPublished | None]:
        """The members with these ids; None for one that the catalog does not have."""
        return {slug: await self.issuer(slug) for slug in sorted(set(slugs))}

    async def achievement(self, slug: str) -> AchievementPublished | None:
        """The achievement with this id."""
        row = await self._catalog.find_one({"_id": entry_key(Kind.ACHIEVEMENT, slug)})
        return None if row is None else AchievementPublished.model_validate_json(row["body"])

    async def partner_of_key(self, kid: str) -> PartnerPublished | None:
        """The partner that registered the key `kid`, retired or not."""
        row = await self._catalog.find_one({"kids": kid})
        return None if row is None else PartnerPublished.model_validate_json(row["body"])

    async def operator_of_token(self, digest: str) -> OperatorPublished | None:
        """The operator that has, or had, a token of this SHA-256."""
        row = await self._catalog.find_one({"tokens": digest})
        return None if row is None else OperatorPublished.model_validate_json(row["body"])

    async def put_entries(self, changed: Sequence[StoredEntry]) -> None:
        """Store each entry over the version before it.

        Raises:
            Overtaken: somebody else stored one of them meanwhile; the others are stored.
        """
        if not changed:
            return
        # No row has version 0, so that a first version can only be inserted, and is refused where a row stands.
        writes = [
            UpdateOne(
                {"_id": entry.key, "version": entry.version - 1}, {"$set": {**_row(entry), **_lookups(entry)}},
                upsert=entry.version == 1,
            )
            for entry in changed
        ]  # fmt: skip
        try:
            result = await self._catalog.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if not duplicates_only(error):
                raise
            raise Overtaken("catalog") from None
        if result.matched_count + result.upserted_count < len(writes):
            raise Overtaken("catalog")

    async def mark_published(self, entries: Sequence[StoredEntry]) -> None:
        """Note that these versions are on the topic; a version stored meanwhile stays unpublished."""
        if entries:
            await self._catalog.bulk_write(
                [
                    UpdateOne({"_id": entry.key, "version": entry.version},
                              {"$set": {"publishedVersion": entry.version},
                               "$unset": {"appliedBy": "", "trace": ""}})
                    for entry in entries
                ],
                ordered=False,
            )  # fmt: skip

    # --- credentials ---

    async def register(self, credentials: Sequence[StoredCredential]) -> list[StoredCredential]:
        """Store those that are new; returns what stands under each id or address, in the order given."""
        rows = [{"_id": each.id, **_row(each)} for each in credentials]
        held: dict[str, StoredCredential] = {}
        try:
            await self._credentials.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            if not duplicates_only(error):
                raise
            doubled = [credentials[finding["index"]] for finding in (error.details or {})["writeErrors"]]
            held = await self.credentials(each.id for each in doubled)
            for each in doubled:
                if each.id not in held:  # its address is another's
                    there = await self.credential_of_token(each.token)
                    assert there is not None  # credentials are never deleted
                    held[each.id] = there
        return [held.get(each.id, each) for each in credentials]

    async def credential(self, id_: str) -> StoredCredential | None:
        """The credential with this id."""
        return _read(StoredCredential, await self._credentials.find_one({"_id": id_}))

    async def credential_of_token(self, token: str) -> StoredCredential | None:
        """The credential with this token."""
        return _read(StoredCredential, await self._credentials.find_one({"token": token}))

    async def credentials(self, ids: Iterable[str]) -> dict[str, StoredCredential]:
        """The credentials with these ids that there are."""
        rows = await self._by_ids(self._credentials, list(dict.fromkeys(ids)), {})
        return {row["_id"]: StoredCredential.model_validate(row) for row in rows}

    async def risen(self, versions: Mapping[str, int]) -> list[StoredCredential]:
        """Of these credentials, those that by now have a higher version than the one given."""
        least = min(versions.values(), default=0)
        rows = await self._by_ids(self._credentials, list(versions), {"version": {"$gt": least}})
        return [StoredCredential.model_validate(row) for row in rows if row["version"] > versions[row["_id"]]]

    @staticmethod
    async def _by_ids(collection: Collection, ids: Sequence[str], condition: Row) -> list[Row]:
        chunks = [ids[at : at + _IDS_AT_ONCE] for at in range(0, len(ids), _IDS_AT_ONCE)]
        found = await asyncio.gather(
            *(collection.find({"_id": {"$in": chunk}, **condition}).to_list(None) for chunk in chunks)
        )
        return [row for rows in found for row in rows]

    async def advance(self, changes: Sequence[tuple[StoredCredential, StoredCredential]]) -> None:
        """Store the newest history entries of each second one if nothing was changed since the first.

        Raises:
            Overtaken: somebody else changed one of them meanwhile; the others are stored.
        """
        if not changes:
            return
        writes = []
        for before, after in changes:
            news = [_row(entry) for entry in after.history[len(before.history) :]]
            writes.append(
                UpdateOne(
                    {"_id": before.id, "version": before.version,
                     "history.request": {"$nin": [entry["request"] for entry in news]}},
                    {"$set": {"state": after.state.value, "version": after.version},
                     "$push": {"history": {"$each": news}}},
                )
            )  # fmt: skip
        if (await self._credentials.bulk_write(writes, ordered=False)).matched_count < len(writes):
            raise Overtaken("credentials")

    # --- status requests ---

    async def accept(self, request: StoredRequest) -> StoredRequest:
        """Store the request unless its id is taken; returns what stands under the id."""
        try:
            await self._requests.insert_one({"_id": request.id, "open": True, **_row(request)})
        except DuplicateKeyError:
            held = await self.request(request.id)
            assert held is not None  # requests are never deleted
            return held
        return request

    async def request(self, id_: str) -> StoredRequest | None:
        """The request with this id."""
        return _read(StoredRequest, await self._requests.find_one({"_id": id_}))

    async def requests(self, ids: Iterable[str]) -> dict[str, StoredRequest]:
        """The requests with these ids that there are."""
        rows = await self._by_ids(self._requests, list(dict.fromkeys(ids)), {})
        return {row["_id"]: StoredRequest.model_validate(row) for row in rows}

    async def decide(self, requests: Sequence[StoredRequest]) -> None:
        """Store the outcomes of requests that have none yet."""
        writes = []
        for request in requests:
            outcome = {name: value for name, value in _row(request).items() if name in ("applied", "refused")}
            writes.append(UpdateOne({"_id": request.id, "open": True}, {"$set": outcome, "$unset": {"open": ""}}))
        if writes:
            await self._requests.bulk_write(writes, ordered=False)

    async def undecided(self) -> list[StoredRequest]:
        """The requests without an outcome."""
        rows = await self._requests.find({"open": True}).to_list(None)
        return [StoredRequest.model_validate(row) for row in rows]

    # --- status lists ---

    async def put_list(self, signed: StoredList) -> StoredList:
        """Store the list if its version rises; returns what stands after."""
        row = _row(signed)
        try:
            await self._lists.insert_one({"_id": signed.list_id, **row})
        except DuplicateKeyError:
            await self._lists.update_one(
                {"_id": signed.list_id, "issuer": signed.issuer, "version": {"$lt": signed.version}}, {"$set": row}
            )
        held = await self.status_list(signed.list_id)
        assert held is not None  # lists are never deleted
        return held

    async def status_list(self, list_id: str) -> StoredList | None:
        """The newest version of the list."""
        return _read(StoredList, await self._lists.find_one({"_id": list_id}))

    # --- audit ---

    async def enter(self, actions: Sequence[StoredAction]) -> None:
        """Keep the entries that are new; what is there stays as it is."""
        if not actions:
            return
        try:
            await self._audit.insert_many([{"_id": each.id, **_row(each)} for each in actions], ordered=False)
        except BulkWriteError as error:
            if not duplicates_only(error):
                raise

    async def actions(self, wanted: Mapping[str, Any], before: int | None, limit: int) -> list[StoredAction]:
        """The newest entries with these values, at most `limit`, of those before a place."""
        where = {**wanted, **({} if before is None else {"place": {"$lt": before}})}
        rows = await self._audit.find(where).sort("place", -1).limit(limit).to_list(limit)
        return [StoredAction.model_validate(row) for row in rows[:limit]]

    # --- what the log has of this database ---

    async def histories_are_published(self) -> bool:
        """Whether every status change on the topic is known to carry its history."""
        return await self._notes.find_one({"_id": _HISTORIES}) is not None

    async def note_histories_published(self) -> None:
        """From here on, every status change on the topic carries its history."""
        await self._notes.replace_one({"_id": _HISTORIES}, {"published": True}, upsert=True)

    async def changed_credentials(self, at_once: int) -> AsyncIterator[list[StoredCredential]]:
        """The credentials whose status was ever changed, some at once."""
        chunk: list[StoredCredential] = []
        async for row in self._credentials.find({"version": {"$gt": 1}}):
            chunk.append(StoredCredential.model_validate(row))
            if len(chunk) == at_once:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    async def contents(self) -> AsyncIterator[tuple[str, Row]]:
        """Every row of the public record under a name, with those of its fields that the log determines. Rows are
        given as they stand, readable or not."""
        for name, collection, model in (
            ("catalog", self._catalog, StoredEntry), ("credentials", self._credentials, StoredCredential),
            ("status-lists", self._lists, StoredList),
        ):  # fmt: skip
            fields = {field.alias or key for key, field in model.model_fields.items()} - _UNTIL_PUBLISHED
            async for row in collection.find({"_id": {"$ne": _CONSORTIUM}}):
                yield f"{name}/{row['_id']}", {key: value for key, value in row.items() if key in fields}

    async def is_empty(self) -> bool:
        """Whether nothing is stored at all."""
        collections = (self._catalog, self._credentials, self._requests, self._lists, self._audit, self._notes)
        return all([await each.find_one({}) is None for each in collections])

    async def restore_entries(self, entries: Sequence[StoredEntry]) -> None:
        """Put entries over whatever stands under their keys."""
        for entry in entries:
            await self._catalog.replace_one({"_id": entry.key}, {**_row(entry), **_lookups(entry)}, upsert=True)

    async def restore_statuses(self, credentials: Sequence[StoredCredential]) -> None:
        """Put statuses and histories over older ones."""
        if credentials:
            await self._credentials.bulk_write(
                [
                    UpdateOne(
                        {"_id": each.id, "version": {"$lte": each.version}},
                        {"$set": {"state": each.state.value, "version": each.version,
                                  "history": [_row(entry) for entry in each.history]}},
                    )
                    for each in credentials
                ]
            )  # fmt: skip

    async def restore_request(self, request: StoredRequest) -> None:
        """Put a request and its outcome over whatever stands under its id."""
        await self._requests.replace_one({"_id": request.id}, _row(request), upsert=True)


def _row(model: Contract) -> Row:
    row: Row = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return row


def _read(model: type[Stored], row: Row | None) -> Stored | None:
    return None if row is None else model.model_validate(row)


def _lookups(entry: StoredEntry) -> Row:
    """What entries are found by, besides their key."""
    match entry.published():
        case PartnerPublished() as partner:
            return {"kids": [key.kid for key in partner.keys]}
        case AchievementPublished() as achievement:
            return {"owner": achievement.issuer}
        case OperatorPublished() as operator:
            return {"tokens": [token.sha256 for token in operator.token_hashes]}
    return {}
