"""Facts from the services' databases, read as the rows stand and not through the services' own code.

A service's mistake in reading would otherwise be repeated here. Nothing is written, and of personal data nothing is
read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from sys import intern
from typing import Any

import orjson

from laurel.contracts.base import utc_text
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.envelope import derived_id
from laurel.contracts.operations import Occasion
from laurel.contracts.status import State
from laurel.contracts.topics import COMPLETIONS
from laurel.credentials.errors import CredentialError
from laurel.credentials.status_list import decode
from laurel.reconciliation.documents import document_digest, history_digest
from laurel.reconciliation.facts import (
    Attempt,
    Change,
    Delivery,
    Facts,
    Family,
    Filing,
    Intent,
    Position,
    Registered,
    Rejection,
    StoredEntry,
    StoredList,
    StoredRequest,
)
from laurel.runtime.mongo import Mongo

Row = dict[str, Any]
Progress = Callable[[str], None]
_CONSORTIUM = "consortium"
_UNKNOWN = "unknown"  # the request of a change that a log from before the histories tells of
_BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError, CredentialError)


async def read_issuer(mongo: Mongo, facts: Facts, progress: Progress) -> None:
    """The issuer's decisions and bits."""

    def intent(row: Row) -> None:
        event = row["event"]
        facts.intents[row["_id"]] = Intent(
            row["record"], (row["partner"], event["source"], event["id"]), _filing(row, row["position"]),
            bool(row.get("unpublished")),
        )  # fmt: skip

    def rejection(row: Row) -> None:
        body = bytes(row["body"])
        told = CompletionRejected.model_validate_json(body)
        event_id = derived_id(COMPLETIONS.name, row["_id"], "completion.rejected")
        facts.rejections[row["_id"]] = Rejection(told.code.value, event_id, sha256(body).digest(), told.rejected_at)

    def family(row: Row) -> None:
        bits = {purpose: decode(encoded).to_bytes() for purpose, encoded in row["bits"].items()}
        facts.families[row["_id"]] = Family(row["version"], bool(row.get("unpublished")), bits)

    await _each(mongo, "intents", intent, facts, progress, without=("document", "multikey", "verification_method"))
    await _each(mongo, "rejections", rejection, facts, progress)
    await _each(mongo, "status_list_families", family, facts, progress, without=("versions",))


async def read_registry(mongo: Mongo, facts: Facts, progress: Progress) -> None:
    """The public record. A status that was ever changed is in a row of its own, over the credential's."""
    statuses: dict[str, Row] = {}

    def status(row: Row) -> None:
        statuses[row["_id"]] = {"state": row["state"], "version": row["version"], "history": row["history"]}

    def credential(registered: Row) -> None:
        row = registered | statuses.pop(registered["_id"], {})
        _agree(row["_id"], row["id"])
        history = row["history"]
        newest, versions = history[-1], [entry["version"] for entry in history]
        facts.registered[row["_id"]] = Registered(
            digest=document_digest(orjson.loads(row["document"])), noted=row["digest"],
            filing=_filing(row, row["position"], row["issuedAt"]), token=row["token"],
            state=State(row["state"]), version=row["version"],
            at=datetime.fromisoformat(newest["at"]), history=history_digest(history),
            consistent=versions == list(range(versions[0], versions[0] + len(versions)))
            and (newest["state"], newest["version"]) == (row["state"], row["version"]),
        )  # fmt: skip
        for entry in history[1:]:
            if (request := entry["request"]) != _UNKNOWN:
                again = request in facts.changes
                facts.changes[request] = Change(row["_id"], datetime.fromisoformat(entry["at"]), again)

    def status_list(row: Row) -> None:
        document = orjson.loads(row["document"])
        _agree(row["_id"], row["listId"])
        _agree(row["ttlMs"], document["credentialSubject"]["ttl"])
        facts.stored_lists[row["_id"]] = StoredList(
            row["issuer"], row["version"], document_digest(document), row["digest"]
        )

    def entry(row: Row) -> None:
        if row["_id"] == _CONSORTIUM:
            facts.consortium = row["name"]
            return
        body = orjson.loads(row["body"])
        _agree((row["_id"], row["version"]), (f"{row['kind']}/{row['id']}", body["version"]))
        owner = [row["owner"]] if "owner" in row else []
        facts.stored_catalog[row["_id"]] = StoredEntry(
            row["version"], document_digest(body), row["digest"],
            datetime.fromisoformat(row["changedAt"]), tuple(row.get("kids", row.get("tokens", owner))),
            row["publishedVersion"],
        )  # fmt: skip

    def request(row: Row) -> None:
        _agree(row["_id"], row["id"])
        facts.requests[row["_id"]] = StoredRequest(
            bytes.fromhex(row["digest"]), intern(row["credential"]), row.get("partner"),
            datetime.fromisoformat(row["acceptedAt"]), "refused" in row,
        )  # fmt: skip

    await _each(mongo, "catalog", entry, facts, progress)
    # Before the histories: what was decided meanwhile then has its outcome.
    await _each(mongo, "status_requests", request, facts, progress)
    await _each(mongo, "statuses", status, facts, progress)
    await _each(mongo, "credentials", credential, facts, progress)
    facts.broken_rows |= {f"{mongo.database.name}.statuses/{id_}" for id_ in statuses}  # of no credential
    await _each(mongo, "status_lists", status_list, facts, progress)


async def read_notifier(mongo: Mongo, facts: Facts, progress: Progress) -> None:
    """What learners were told, and that it is known who they are; not who. What somebody has in hand may not be told of
    yet."""
    claimed: dict[str, datetime] = {}

    def claims(row: Row) -> None:
        claimed.update({each["id"]: claim["until"] for claim in row["held"] for each in claim["rows"]})

    def delivery(row: Row) -> None:
        attempts = row["attempts"]
        _agree(row["tries"], len(attempts))
        facts.deliveries[row["_id"]] = Delivery(
            intern(row["credential"]), Occasion(row["occasion"]), intern(row["issuer"]), intern(row["achievement"]),
            row["since"], row["state"],
            claimed.get(row["_id"], row.get("due_at")), row["_id"] in claimed,
            tuple(Attempt(each["outcome"], each["ended_at"]) for each in attempts),
        )  # fmt: skip

    def recipient(row: Row) -> None:
        facts.recipients[row["_id"]] = row["expires_at"]

    await _each(mongo, "recipients", recipient, facts, progress, only=("expires_at",))
    await _each(mongo, "claims", claims, facts, progress)
    await _each(mongo, "deliveries", delivery, facts, progress, without=("wording", "trace", "reason"))


async def _each(
    mongo: Mongo, collection: str, take: Callable[[Row], None], facts: Facts, progress: Progress,
    *, only: Iterable[str] = (), without: Iterable[str] = (),
) -> None:  # fmt: skip
    what = f"{mongo.database.name}.{collection}"
    fields = dict.fromkeys(only, 1) | dict.fromkeys(without, 0)
    async for row in mongo.collection(collection).find({}, fields or None):
        try:
            # The same ids come from several places, and are held once.
            take(row | {"_id": intern(str(row["_id"]))})
        except _BROKEN:
            facts.broken_rows.add(f"{what}/{row['_id']}")
        progress(what)


def _agree(one: object, other: object) -> None:
    """Raises ValueError where two fields of a row that say the same thing differ."""
    if one != other:
        raise ValueError(f"{one!r} is not {other!r}")


def _filing(row: Row, position: Row, issued_at: str | None = None) -> Filing:
    created = row.get("created")
    at = utc_text(created) if isinstance(created, datetime) else issued_at
    achievement, partner = row.get("achievement"), row.get("partner")
    return Filing(
        intern(row["issuer"]), achievement and intern(achievement), partner and intern(partner),
        Position(intern(position["family"]), position["index"]), at or "",
    )  # fmt: skip
