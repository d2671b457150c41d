"""The issuer's database: intents, rejections, sequence numbers and status list families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from issuer.index_versions import IndexVersions
from laurel.contracts.catalog import DEFAULT_CRYPTOSUITE, Cryptosuite
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.credentials import StatusPosition
from laurel.runtime.mongo import (
    Collection,
    Database,
    DuplicateKeyError,
    ReturnDocument,
    insert_missing,
    rows_by_ids,
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What was decided to be signed, and what of it was drawn: `created` and the status position.

    `digest` and `record` tell which event and which record of it made it; signing it again gives the same bytes.
    What was asked for through the VC-API comes from no record, partner or achievement; its `digest` is of the
    credential as it was asked for, it has an `address` where it was given an id of another kind, and `requested_by` and
    `trace` are for the audit.
    """

    credential_id: str
    event_source: str
    event_id: str
    digest: str
    issuer: str
    position: StatusPosition
    multikey: str
    verification_method: str
    cryptosuite: Cryptosuite
    created: datetime
    document: dict[str, Any]
    record: str | None = None
    partner: str | None = None
    achievement: str | None = None
    address: str | None = None
    requested_by: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """What else a version's signed lists depend on, chosen once and stored before they are published."""

    multikey: str
    valid_until: datetime
    ttl_ms: int
    cryptosuite: Cryptosuite = DEFAULT_CRYPTOSUITE


@dataclass(frozen=True, slots=True)
class Family:
    """A family of status lists: the encoded bits by purpose, and the version that set each index (`IndexVersions`).

    `seal` is absent until this version is about to be published. `published` is the newest version known to be
    on the topic; a crash between publishing and noting it only publishes the same bytes again.
    """

    name: str
    issuer: str
    version: int
    changed_at: datetime
    bits: dict[str, str]
    versions: bytes
    published: int
    seal: Seal | None = None

    def next(self, changed_at: datetime, **changes: Any) -> Family:
        """The version after this one, not yet sealed."""
        return replace(self, version=self.version + 1, changed_at=changed_at, seal=None, **changes)


class Store:
    """All of the issuer's database access."""

    def __init__(self, database: Database) -> None:
        self._intents: Collection = database["intents"]
        self._rejections: Collection = database["rejections"]
        self._sequences: Collection = database["sequences"]
        self._families: Collection = database["status_list_families"]

    async def ensure_indexes(self) -> None:
        """Make the indexes that look-ups need; safe to repeat."""
        await self._families.create_index("unpublished", sparse=True)
        await self._intents.create_index("unpublished", sparse=True)

    # Intents

    async def intents(self, ids: Sequence[str]) -> dict[str, Intent]:
        """The intents there are for these credential ids, by id."""
        return {row["_id"]: _intent(row) for row in await rows_by_ids(self._intents, ids)}

    async def add_intents(self, intents: Sequence[Intent]) -> dict[str, Intent]:
        """Store new intents; where another instance was first, its intent stands. Returns what stands, by id."""
        if not await insert_missing(self._intents, [_intent_row(each) for each in intents]):
            return await self.intents([each.credential_id for each in intents])
        return {each.credential_id: each for each in intents}

    async def add_request(self, intent: Intent) -> Intent:
        """Store what was asked for through the VC-API, as yet unpublished; what stood there before stands."""
        try:
            await self._intents.insert_one({**_intent_row(intent), "unpublished": True})
        except DuplicateKeyError:
            return (await self.intents([intent.credential_id]))[intent.credential_id]
        return intent

    async def published(self, credential_id: str) -> None:
        """Note that an intent's credential is on the topic."""
        await self._intents.update_one({"_id": credential_id}, {"$unset": {"unpublished": ""}})

    async def unpublished_requests(self) -> list[Intent]:
        """Intents whose credential may not be on the topic, and for which no record comes back."""
        return [_intent(row) async for row in self._intents.find({"unpublished": True})]

    async def reserve(self, issuer: str, count: int) -> int:
        """The first of `count` sequence numbers of an issuer that nobody else gets; abandoned ones stay unused."""
        row = await self._sequences.find_one_and_update(
            {"_id": issuer}, {"$inc": {"next": count}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert row is not None
        return int(row["next"]) - count

    # Rejections, by the rejected record's coordinates

    async def rejections(self, keys: Sequence[str]) -> dict[str, CompletionRejected]:
        """The rejections that were decided for these records before, by record."""
        rows = await rows_by_ids(self._rejections, keys)
        return {row["_id"]: CompletionRejected.model_validate_json(row["body"]) for row in rows}

    async def add_rejections(self, rejections: dict[str, CompletionRejected]) -> dict[str, CompletionRejected]:
        """Store new rejections by record; where one was stored before, it stands. Returns what stands."""
        rows = [{"_id": key, "body": body.to_bytes(), "at": body.rejected_at} for key, body in rejections.items()]
        if not await insert_missing(self._rejections, rows):
            return rejections | await self.rejections(list(rejections))
        return rejections

    # Status list families

    async def family(self, name: str) -> Family | None:
        """A family by its name."""
        row = await self._families.find_one({"_id": name})
        return None if row is None else _family(row)

    async def put_family(self, family: Family) -> bool:
        """Store the next version of a family, unsealed; False when another instance stored that version first."""
        row = {
            "issuer": family.issuer, "version": family.version, "changed_at": family.changed_at, "bits": family.bits,
            "versions": family.versions, "published": family.published, "seal": None, "unpublished": True,
        }  # fmt: skip
        if family.version == 1:
            return await insert_missing(self._families, [{"_id": family.name, **row}])
        result = await self._families.update_one({"_id": family.name, "version": family.version - 1}, {"$set": row})
        return result.matched_count == 1

    async def seal(self, name: str, version: int, seal: Seal) -> None:
        """Seal a version, unless it was sealed before or is no longer the newest."""
        await self._families.update_one(
            {"_id": name, "version": version, "seal": None},
            {"$set": {"seal": asdict(seal) | {"cryptosuite": seal.cryptosuite.value}}},
        )

    async def mark_published(self, name: str, version: int) -> bool:
        """Note that `version` is on the topic; False when it is no longer the newest."""
        result = await self._families.update_one(
            {"_id": name, "version": version}, {"$set": {"published": version}, "$unset": {"unpublished": ""}}
        )
        return result.matched_count == 1

    async def unpublished(self, changed_by: datetime) -> list[str]:
        """The families whose newest version may not be on the topic, though it was stored by then."""
        rows = self._families.find({"unpublished": True}, {"_id": 1, "changed_at": 1})
        return [row["_id"] async for row in rows if row["changed_at"] <= changed_by]

    async def family_names(self) -> list[str]:
        """All families there are."""
        return [row["_id"] async for row in self._families.find({}, {"_id": 1})]


def _intent_row(intent: Intent) -> dict[str, Any]:
    return {
        "_id": intent.credential_id, "event": {"source": intent.event_source, "id": intent.event_id},
        "digest": intent.digest, "record": intent.record, "partner": intent.partner,
        "issuer": intent.issuer, "achievement": intent.achievement, "address": intent.address,
        "position": intent.position.model_dump(), "multikey": intent.multikey,
        "verification_method": intent.verification_method, "cryptosuite": intent.cryptosuite.value,
        "created": intent.created, "requested_by": intent.requested_by, "trace": intent.trace,
        # As text: a database has its own ideas about the names of members, and about numbers.
        "document": orjson.dumps(intent.document).decode(),
    }  # fmt: skip


def _intent(row: dict[str, Any]) -> Intent:
    return Intent(
        credential_id=row["_id"], event_source=row["event"]["source"], event_id=row["event"]["id"],
        digest=row["digest"], record=row["record"], partner=row["partner"],
        issuer=row["issuer"], achievement=row["achievement"], address=row.get("address"),
        requested_by=row.get("requested_by"), trace=row.get("trace"),
        position=StatusPosition(**row["position"]), multikey=row["multikey"],
        verification_method=row["verification_method"], cryptosuite=_suite(row), created=row["created"],
        document=orjson.loads(row["document"]) if isinstance(row["document"], str) else row["document"],
    )  # fmt: skip


def _versions(stored: bytes | dict[str, int]) -> bytes:
    # As earlier releases stored them.
    return IndexVersions.from_mapping(stored).pack() if isinstance(stored, dict) else stored


def _suite(row: dict[str, Any]) -> Cryptosuite:
    """What it is signed with; before there was a choice, nothing was stored."""
    return Cryptosuite(row.get("cryptosuite", DEFAULT_CRYPTOSUITE))


def _family(row: dict[str, Any]) -> Family:
    return Family(
        name=row["_id"], issuer=row["issuer"], version=row["version"], changed_at=row["changed_at"],
        bits=row["bits"], versions=_versions(row["versions"]), published=row["published"],
        seal=None if row["seal"] is None else Seal(**row["seal"] | {"cryptosuite": _suite(row["seal"])}),
    )  # fmt: skip
