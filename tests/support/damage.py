"""Damage to the rows of a system at rest, each generated from the rows as they stand, and what reconciling says of it.

What the log cannot tell, or what is nobody's to read, is listed with the reason, and must really go unseen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from laurel.reconciliation import Facts, Sources, compare
from laurel.reconciliation.databases import read_issuer, read_notifier, read_registry
from laurel.reconciliation.topics import read_progress, read_topics
from laurel.runtime.clock import utc_now
from laurel.runtime.mongo import Collection, Mongo

Row = dict[str, Any]
COLLECTIONS = {
    "issuer": ("intents", "rejections", "status_list_families"),
    "registry": ("catalog", "credentials", "statuses", "status_requests", "status_lists"),
    "notifier": ("recipients", "deliveries"),
}
"""The rows that are held to the log."""

_SIGNING = "what the issuer signs with, or signed; the signed document is compared"
_ONLY_HERE = "stands nowhere in the log but, for operators to read, in the audit"
_PERSONAL = "personal data is not read"
_IN_HAND = "tells of work in hand, or helps with it; where nothing is missing, it does nothing"
NOT_COMPARED = {
    "intents.digest": "of the partner's event; decides only whether another one under its id is a repeat",
    "intents.document": _SIGNING, "intents.multikey": _SIGNING, "intents.verification_method": _SIGNING,
    "intents.cryptosuite": _SIGNING, "intents.address": _SIGNING, "intents.trace": _ONLY_HERE,
    "intents.requested_by": _ONLY_HERE, "rejections.at": "the body has it too, which is compared",
    "status_list_families.issuer": _SIGNING, "status_list_families.seal": _SIGNING,
    "status_list_families.changed_at": _IN_HAND, "status_list_families.versions": _IN_HAND,
    "status_list_families.published": _IN_HAND, "catalog.url": "the log does not have the consortium's address",
    "status_requests.trace": _ONLY_HERE, "status_requests.operator": _ONLY_HERE,
    "status_requests.achievements": "what a key was good for when the request was accepted, only the registry knows",
    "status_requests.acceptedAt of partner": "when one that changed nothing was accepted, only the registry knows",
    "status_requests.refused": "why it was refused " + _ONLY_HERE,
    "recipients.name": _PERSONAL, "recipients.email": _PERSONAL, "recipients.language": _PERSONAL,
    "recipients.expires_at": "the notifier's setting, which is not in the log",
    "deliveries.channel": "there is one", "deliveries.wording": "what a mail says is not compared",
    "deliveries.reason": "what a mail says is not compared", "deliveries.trace": _IN_HAND,
    "deliveries.created_at": _IN_HAND, "deliveries.waiting_for": _IN_HAND,
}  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """The three databases, and what the topics say of them."""

    databases: dict[str, Mongo]
    log: Facts

    async def discrepancies(self) -> list[str]:
        """Each as a line, with the rows as they now stand."""
        facts = deepcopy(self.log)
        for name, read in (("issuer", read_issuer), ("registry", read_registry), ("notifier", read_notifier)):
            await read(self.databases[name], facts, lambda _: None)
        return [f"{each.kind} {each.subject} {each.detail}" for each in compare(facts).discrepancies]


@asynccontextmanager
async def rows_at_rest(sources: Sources) -> AsyncIterator[Rows]:
    """The rows of a system of which nothing runs."""
    facts = Facts(utc_now())
    await read_progress(sources.kafka, facts, lambda _: None)
    await read_topics(sources.kafka, facts, lambda _: None)
    async with AsyncExitStack() as stack:
        databases = {"issuer": Mongo(sources.issuer), "registry": Mongo(sources.registry),
                     "notifier": Mongo(sources.notifier)}  # fmt: skip
        for mongo in databases.values():
            stack.push_async_callback(mongo.close)
        yield Rows(databases, facts)


async def assert_damaged_rows_are_named(sources: Sources) -> None:
    """Delete, double and alter a row of each collection and shape, one after the other, and put it back each time."""
    async with rows_at_rest(sources) as rows:
        assert await rows.discrepancies() == []
        surprises = list[str]()
        # What these rows say of their status counts no more: that of the other collection lies over it.
        changed = {row["_id"] async for row in rows.databases["registry"].collection("statuses").find({}, {"_id": 1})}
        for service, collections in COLLECTIONS.items():
            for name in collections:
                collection = rows.databases[service].collection(name)
                over = changed if name == "credentials" else ()
                found = [row async for row in collection.find({}) if row["_id"] not in over]
                assert found, f"nothing to damage in {name}"
                for row in {_shape(row): row for row in found}.values():
                    surprises += [each async for each in _surprises(rows, collection, name, row)]
        assert not surprises, "\n".join(surprises)
        assert await rows.discrepancies() == []


async def _surprises(rows: Rows, collection: Collection, name: str, row: Row) -> AsyncIterator[str]:
    """What of the damage to a row is not named, and what is, though it is said not to be compared."""
    await collection.delete_one({"_id": row["_id"]})
    if not _is_named(row, told := await rows.discrepancies()):
        yield f"{name} without {row['_id']}: {told}"
    await collection.insert_one(row)
    copy = row | {"_id": f"{row['_id']}2"} | ({"token": f"{row['token']}2"} if "token" in row else {})
    await collection.insert_one(copy)
    if not _is_named(copy, told := await rows.discrepancies()):
        yield f"{name} with {row['_id']} twice: {told}"
    await collection.delete_one({"_id": copy["_id"]})
    for field, altered in _alterations(row):
        await collection.replace_one({"_id": row["_id"]}, row | {field: altered})
        if _is_named(row, told := await rows.discrepancies()) is _is_excepted(f"{name}.{field}", row):
            yield f"{name}.{field} of {row['_id']}, {row[field]!r}, became {altered!r}: {told}"
        await collection.replace_one({"_id": row["_id"]}, row)


def _shape(row: Row) -> tuple[str, ...]:
    """Rows of one shape differ in their values alone."""
    return (*row, str(row.get("kind")), str(row.get("occasion")), str(row.get("partner") is None))


def _is_excepted(field: str, row: Row) -> bool:
    return field in NOT_COMPARED or (row.get("partner") is not None and f"{field} of partner" in NOT_COMPARED)


def _is_named(row: Row, told: list[str]) -> bool:
    names = (str(row["_id"]), str(row.get("credential", row["_id"])), str(row.get("record") or row["_id"]))
    return any(name in line for name in names for line in told)


def _alterations(row: Row) -> Iterator[tuple[str, Any]]:
    for field, value in row.items():
        if field != "_id" and value is not None:
            yield field, _another(value)


def _another(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() | bytes() if value[:1] in ("{", b"{"):
            document = orjson.dumps(_another(orjson.loads(value)))
            return document if isinstance(value, bytes) else document.decode()
        case str() if value.endswith("Z"):  # a time stays one, and a digest
            return f"{value[:-2]}{'1' if value[-2] == '0' else '0'}Z"
        case str():
            return f"{value[:-1]}{'1' if value.endswith('0') else '0'}"
        case bytes():
            return bytes([*value[:-1], value[-1] ^ 1])
        case datetime():
            return value + timedelta(days=1)
        case dict() if value:
            first = next(iter(value))
            return value | {first: _another(value[first])}
        case list() if value:
            return value[:-1]
        case _:
            return "x"
