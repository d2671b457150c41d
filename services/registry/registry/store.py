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
from laurel.runtime.mongo import (
    BulkWriteError,
    DuplicateKeyError,
    Mongo,
    UpdateOne,
    duplicates_only,
    insert_missing,
    rows_by_ids,
)
from registry.catalog import Kind, StoredEntry, entry_key
from registry.database import AT_ONCE, Overtaken, Row, chunks
from registry.requests import Requests
from registry.rows import StoredAction, StoredCredential, StoredList
from registry.statuses import Statuses

Stored = TypeVar("Stored", bound=Contract)
_CONSORTIUM = "consortium"
_UNTIL_PUBLISHED = {"publishedVersion", "appliedBy", "trace"}
_HISTORIES = "histories-published"


class Store:
    """The registry's collections: catalog, credentials, statuses, status_lists, audit, notes; and `requests`."""

    def __init__(self, mongo: Mongo) -> None:
        self._catalog = mongo.collection("catalog")
        self._credentials = mongo.collection("credentials")
        self._statuses = Statuses(mongo)
        self.requests = Requests(mongo)
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
        await self.requests.ensure_indexes()
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

    async def partners_of_keys(self, kids: Iterable[str]) -> dict[str, PartnerPublished]:
        """The partners that registered these keys, by key, retired or not."""
        wanted = set(kids)
        if not wanted:
            return {}
        rows = await self._catalog.find({"kids": {"$in": sorted(wanted)}}).to_list(None)
        return {
            kid: PartnerPublished.model_validate_json(row["body"]) for row in rows for kid in wanted & set(row["kids"])
        }

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
        return await self._credential({"_id": id_})

    async def credential_of_token(self, token: str) -> StoredCredential | None:
        """The credential with this token."""
        return await self._credential({"token": token})

    async def _credential(self, where: Row) -> StoredCredential | None:
        row = await self._credentials.find_one(where)
        return None if row is None else StoredCredential.model_validate((await self._statuses.put_over([row]))[0])

    async def credentials(self, ids: Iterable[str]) -> dict[str, StoredCredential]:
        """The credentials with these ids that there are."""
        wanted = list(ids)
        rows, newer = await asyncio.gather(rows_by_ids(self._credentials, wanted), self._statuses.of(wanted))
        return {row["_id"]: StoredCredential.model_validate(row | newer.get(row["_id"], {})) for row in rows}

    async def risen(self, versions: Mapping[str, int]) -> list[StoredCredential]:
        """Of these credentials, those whose status by now has a higher version than the one given."""
        return list((await self.credentials(await self._statuses.higher(versions))).values())

    async def advance(self, changes: Sequence[tuple[StoredCredential, StoredCredential]]) -> None:
        """Store the status of each second one if nothing was changed since the first.

        Raises:
            Overtaken: somebody else changed one of them meanwhile; the others are stored.
        """
        await self._statuses.advance(changes)

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
        await insert_missing(self._audit, [{"_id": each.id, **_row(each)} for each in actions])

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

    async def changed_credentials(self) -> AsyncIterator[list[StoredCredential]]:
        """The credentials whose status was ever changed, some at once."""
        changed = [id_ async for id_ in self._statuses.changed()]
        # As earlier releases kept them.
        changed += [row["_id"] async for row in self._credentials.find({"version": {"$gt": 1}}, {"_id": 1})]
        for at in range(0, len(changed), AT_ONCE):
            yield list((await self.credentials(changed[at : at + AT_ONCE])).values())

    async def contents(self) -> AsyncIterator[tuple[str, Row]]:
        """Every row of the public record under a name, with those of its fields that the log determines. Rows are
        given as they stand, readable or not; a credential's with its status."""
        for name, collection, model in (
            ("catalog", self._catalog, StoredEntry), ("credentials", self._credentials, StoredCredential),
            ("status-lists", self._lists, StoredList),
        ):  # fmt: skip
            fields = {field.alias or key for key, field in model.model_fields.items()} - _UNTIL_PUBLISHED
            async for some in chunks(collection.find({"_id": {"$ne": _CONSORTIUM}})):
                rows = await self._statuses.put_over(some) if collection is self._credentials else some
                for row in rows:
                    yield f"{name}/{row['_id']}", {key: value for key, value in row.items() if key in fields}

    async def is_empty(self) -> bool:
        """Whether nothing is stored at all."""
        collections = (self._catalog, self._credentials, self._lists, self._audit, self._notes)
        apart = await self._statuses.is_empty() and await self.requests.is_empty()
        return apart and all([await each.find_one({}) is None for each in collections])

    async def restore_entries(self, entries: Sequence[StoredEntry]) -> None:
        """Put entries over whatever stands under their keys."""
        for entry in entries:
            await self._catalog.replace_one({"_id": entry.key}, {**_row(entry), **_lookups(entry)}, upsert=True)

    async def restore_statuses(self, credentials: Sequence[StoredCredential]) -> None:
        """Put statuses and histories over those that stand."""
        await self._statuses.restore(credentials)


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
