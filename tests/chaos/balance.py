"""The reconciliation after a run: what was sent against topics, databases and mailbox."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pymongo import MongoClient

from chaos.load import Sent, event_id
from chaos.plan import Kind, Submission
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter
from laurel.contracts.status import StatusChanged
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    DEAD_LETTERS,
    REJECTED_COMPLETIONS,
    STATUS_CHANGES,
    Topic,
)
from laurel.runtime.kafka import scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

_SHOWN = 5


@dataclass
class Balance:
    """The figures, and a sentence for everything that is not in balance."""

    figures: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, what: str, offenders: Iterable[object]) -> None:
        """Record that there should have been none of these."""
        found = [str(each) for each in offenders]
        if found:
            self.wrong.append(f"{what}: {len(found)}, such as {', '.join(found[:_SHOWN])}")

    def equal(self, what: str, left: int, right: int) -> None:
        """Record that these should have been equal."""
        if left != right:
            self.wrong.append(f"{what}: {left} against {right}")


async def read(settings: KafkaSettings, topic: Topic) -> list[Record]:
    """All records of a topic."""
    return [record for number in range(topic.partitions) async for record in scan(settings, topic, number)]


async def reconcile(
    settings: KafkaSettings, database_url: str, submissions: Sequence[Submission], sent: Sent,
    message_ids: Sequence[str], repeats_allowed: int,
) -> Balance:  # fmt: skip
    """Count everything and compare it. `repeats_allowed` is how many mails the faults can have repeated."""
    balance = Balance()
    completions = await read(settings, COMPLETIONS)
    issued = _credentials(await read(settings, CREDENTIALS), balance)
    rejected = _rejections(await read(settings, REJECTED_COMPLETIONS), balance)
    status = _statuses(await read(settings, STATUS_CHANGES), balance)
    letters = [event[1] for record in await read(settings, DEAD_LETTERS) if (event := read_event(record))]
    with _client(database_url) as client:
        intents = {row["_id"]: row for row in client["laurel_issuer"]["intents"].find()}
        stored_rejections = {row["_id"] for row in client["laurel_issuer"]["rejections"].find({}, {"_id": 1})}
        registry = {row["_id"]: row for row in client["laurel_registry"]["credentials"].find()}
        deliveries = {row["_id"]: row for row in client["laurel_notifier"]["deliveries"].find()}
    duplicates = sum(each.code is Code.DUPLICATE_EVENT for each in rejected.values())
    balance.figures |= {
        "completions sent": sent.confirmed, "sent again": sent.sent_again, "published": len(completions),
        "issued": len(intents), "rejected": len(rejected) - duplicates, "duplicates": duplicates,
        "registered": len(registry), "dead letters": len(letters), "mails": len(message_ids),
    }  # fmt: skip

    # 1. Every record was decided once: it earned a credential, or was rejected.
    places = {f"{each.topic}/{each.partition}/{each.offset}" for each in completions}
    decided = Counter(_place(key) for key in [*(row["record"] for row in intents.values()), *stored_rejections])
    balance.equal("published = issued + rejected + duplicates", len(completions), len(intents) + len(rejected))
    balance.must("records that nothing was decided on", sorted(places - decided.keys()))
    balance.must("records that more than one thing was decided on", (each for each, n in decided.items() if n > 1))
    balance.equal("rejections stored and published", len(stored_rejections), len(rejected))
    _against_the_plan(balance, submissions, intents.values(), rejected.values())

    # 2. One credential, one index, one registration with the same content, one status for each.
    balance.must("credentials stored and not published", sorted(intents.keys() ^ issued.keys()))
    positions = Counter((row["position"]["family"], row["position"]["index"]) for row in intents.values())
    balance.must("status indexes used twice", (each for each, count in positions.items() if count > 1))
    balance.must("credentials in the log or the registry alone", sorted(issued.keys() ^ registry.keys()))
    log_documents = {name: body.credential for name, body in issued.items()}
    balance.must(
        "registered with other content than in the log",
        (name for name, row in registry.items() if name in issued and not _same(row["document"], log_documents[name])),
    )
    balance.must("statuses in the log or the registry alone", sorted(status.keys() ^ registry.keys()))
    balance.must(
        "another status in the log than in the registry",
        (
            name
            for name, row in registry.items()
            if name in status and (status[name].version, status[name].state) != (row["version"], row["state"])
        ),
    )

    # 3. One mail for each, but for those that a kill may have repeated.
    owed = {f"<{name}@" for name, row in deliveries.items() if row["state"] == "sent"}
    balance.must("deliveries that were not sent", (n for n, row in deliveries.items() if row["state"] != "sent"))
    balance.equal("one delivery a credential", len(deliveries), len(registry))
    mails = Counter(message_ids)
    arrived = {f"{each.partition('@')[0]}@" for each in mails}
    balance.must("mails that did not arrive", sorted(owed - arrived))
    balance.must("mails that nobody owed", sorted(arrived - owed))
    repeated = sum(mails.values()) - len(mails)
    balance.figures["mails repeated"] = repeated
    if repeated > repeats_allowed:
        balance.wrong.append(f"mails repeated: {repeated}, and at most {repeats_allowed} faults can have repeated one")
    balance.must("dead letters", (f"{each.reason}" for each in letters if isinstance(each, DeadLetter)))
    return balance


def _credentials(records: Sequence[Record], balance: Balance) -> dict[str, CredentialIssued]:
    values: dict[str, set[bytes | None]] = defaultdict(set)
    found: dict[str, CredentialIssued] = {}
    for record in records:
        event = read_event(record)
        assert event is not None
        assert isinstance(event[1], CredentialIssued)
        values[event[1].id].add(record.value)
        found[event[1].id] = event[1]
    balance.must("credentials published with other bytes", (name for name, each in values.items() if len(each) > 1))
    return found


def _rejections(records: Sequence[Record], balance: Balance) -> dict[str, CompletionRejected]:
    values: dict[str, set[bytes | None]] = defaultdict(set)
    found: dict[str, CompletionRejected] = {}
    for record in records:
        event = read_event(record)
        assert event is not None
        assert isinstance(event[1], CompletionRejected)
        values[event[0].id].add(record.value)
        found[event[0].id] = event[1]
    balance.must("rejections published with other bytes", (name for name, each in values.items() if len(each) > 1))
    return found


def _statuses(records: Sequence[Record], balance: Balance) -> dict[str, StatusChanged]:
    values: dict[tuple[str, int], set[bytes | None]] = defaultdict(set)
    found: dict[str, StatusChanged] = {}
    for record in records:
        event = read_event(record)
        if event is not None and isinstance(event[1], StatusChanged):
            values[event[1].credential, event[1].version].add(record.value)
            found[event[1].credential] = event[1]
    balance.must("statuses published with other bytes", (name for name, each in values.items() if len(each) > 1))
    return found


def _against_the_plan(
    balance: Balance, submissions: Sequence[Submission], intents: Iterable[Mapping[str, Any]],
    rejected: Iterable[CompletionRejected],
) -> None:  # fmt: skip
    """Each good completion earned a credential, nothing else did, and each bad one was refused for what is bad."""
    good = {event_id(each) for each in submissions if each.kind is Kind.GOOD}
    earned = Counter(row["event"]["id"] for row in intents)
    balance.must("good completions without a credential", sorted(good - earned.keys()))
    balance.must("credentials that nothing good earned", sorted(earned.keys() - good))
    balance.must("completions with more than one credential", (each for each, count in earned.items() if count > 1))
    told = Counter((each.event_id, each.code) for each in rejected if each.event_id is not None)
    wanted = Counter(
        (event_id(each), each.kind.value)
        for each in submissions
        if each.kind.value is not None and each.kind is not Kind.MALFORMED and not _refused_at_the_door(each)
    )
    balance.must("completions not refused for what is wrong with them", sorted(f"{e} {c}" for e, c in wanted - told))
    extra = [f"{name} {code}" for (name, code) in told - wanted if code is not Code.DUPLICATE_EVENT]
    bad = {event_id(each) for each in submissions if each.kind is not Kind.GOOD}
    balance.must("refusals that nothing bad earned", (each for each in extra if each.partition(" ")[0] not in bad))


def _refused_at_the_door(each: Submission) -> bool:
    return each.kind is Kind.UNKNOWN and each.route.name == "HTTP"


def _same(document: str, credential: Mapping[str, Any]) -> bool:
    return bool(orjson.loads(document) == credential)


def _place(key: str) -> str:
    return key.rpartition("/")[0]


def _client(database_url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(database_url)
