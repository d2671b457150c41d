"""The reconciliation after a run: that of `laurel reconcile` with the mailbox, and both against the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from chaos.load import body_of, event_id
from chaos.mails import Mail, arrivals_of, astray, not_the_same
from chaos.plan import Kind, Route, Submission
from chaos.repeats import Cause, explained, repeats_of
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter
from laurel.contracts.status import State
from laurel.contracts.topics import DEAD_LETTERS, REJECTED_COMPLETIONS, Topic
from laurel.reconciliation import Facts, Report, Sources, collect, compare
from laurel.runtime.kafka import scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings, MongoSettings

_SHOWN = 5
_SENT, _SUPERSEDED = "sent", "superseded"


@dataclass
class Balance:
    """The figures, what there is to say of them, and a sentence for everything that is not in balance."""

    figures: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def must_not_be(self, what: str, offenders: Iterable[object]) -> None:
        """Record that there should have been none of these."""
        found = [str(each) for each in offenders]
        if found:
            self.wrong.append(f"{what}: {len(found)}, such as {', '.join(found[:_SHOWN])}")


async def read(settings: KafkaSettings, topic: Topic) -> list[Record]:
    """All records of a topic."""
    return [record for number in range(topic.partitions) async for record in scan(settings, topic, number)]


def sources(settings: KafkaSettings, database_url: str) -> Sources:
    """Where the run's topics and databases are."""

    def database(service: str) -> MongoSettings:
        return MongoSettings(mongo_url=SecretStr(database_url), mongo_database=f"laurel_{service}")

    return Sources(settings, database("issuer"), database("registry"), database("notifier"))


@dataclass
class Evidence:
    """All that is compared: the facts of `laurel reconcile`, the rejections, why letters are dead, and the mails."""

    facts: Facts
    rejections: list[CompletionRejected]
    dead_letters: list[str]
    mails: list[Mail]


async def gather(settings: KafkaSettings, database_url: str, mails: list[Mail]) -> Evidence:
    """Read topics and databases; `mails` are those that arrived."""
    facts = await collect(sources(settings, database_url))
    rejections = {
        event[0].id: event[1]
        for record in await read(settings, REJECTED_COMPLETIONS)
        if (event := read_event(record)) and isinstance(event[1], CompletionRejected)
    }
    letters = [
        event[1].reason
        for record in await read(settings, DEAD_LETTERS)
        if (event := read_event(record)) and isinstance(event[1], DeadLetter)
    ]
    return Evidence(facts, list(rejections.values()), letters, mails)


def balance_of(evidence: Evidence, submissions: Sequence[Submission], causes: Sequence[Cause]) -> Balance:
    """The evidence against itself and against the plan. Pure. `causes` are the faults that can have repeated a mail,
    one each."""
    arrivals = arrivals_of(evidence.mails)
    facts = replace(evidence.facts, mailbox={delivery: len(times) for delivery, times in arrivals.items()})
    report = compare(facts)
    balance = Balance(_figures(report))
    balance.wrong += [f"{each.kind.value} {each.subject}: {each.detail}" for each in report.discrepancies]
    unfinished = (f"{each.stage} ({each.why.value}) {each.subject}" for each in report.unfinished)
    balance.must_not_be("not finished", unfinished)
    balance.must_not_be("dead letters", evidence.dead_letters)
    _against_the_plan(balance, facts, submissions, evidence.rejections)
    _no_mail_but_the_right_one(balance, facts, evidence.mails, submissions)
    repeats = repeats_of(arrivals)
    laid_to = list(zip(repeats, explained(repeats, causes), strict=True))
    balance.notes += [f"mail {each.delivery} came again: {cause.what}" for each, cause in laid_to if cause]
    balance.figures["faults that can repeat a mail"] = len(causes)
    unexplained = (f"{each.delivery} at {each.unnoted:%H:%M:%S}" for each, cause in laid_to if cause is None)
    balance.must_not_be("mails repeated that no fault of their own explains", unexplained)
    return balance


def _no_mail_but_the_right_one(
    balance: Balance, facts: Facts, mails: Sequence[Mail], submissions: Sequence[Submission]
) -> None:
    """Each delivery has its mail, unless the credential was revoked before its learner heard of it."""
    revoked = {name for name, status in facts.statuses.items() if status.state is State.REVOKED}
    superseded = {
        name for name, row in facts.deliveries.items() if row.state == _SUPERSEDED and row.credential in revoked
    }
    arrived = {mail.delivery for mail in mails}
    balance.figures["mails that a revocation made needless"] = len(superseded - arrived)
    unsent = {name for name, row in facts.deliveries.items() if row.state != _SENT} - superseded
    balance.must_not_be("deliveries that were not sent", sorted(unsent))
    balance.must_not_be("deliveries without a mail", sorted(facts.deliveries.keys() - arrived - superseded))
    learners = {event_id(each): body_of(each).learner for each in submissions if each.kind is Kind.GOOD}
    balance.must_not_be("mails that went astray", astray(mails, facts, learners))
    balance.must_not_be("mails that came again and were not the same", not_the_same(mails))


def _figures(report: Report) -> dict[str, int]:
    found: Any = report.balance
    return {
        "published": found.published, "issued": found.issued, "rejected": found.rejected,
        "duplicates": found.duplicates, "lost": found.lost, "registered": found.registered,
        "status indexes": found.indexes, "mails": found.mailbox, "mails repeated": found.repeated,
    }  # fmt: skip


def _against_the_plan(
    balance: Balance, facts: Facts, submissions: Sequence[Submission], rejections: Sequence[CompletionRejected]
) -> None:
    """Each good completion earned one credential, nothing else did, and each bad one was refused for what is bad."""
    good = {event_id(each) for each in submissions if each.kind is Kind.GOOD}
    earned = Counter(intent.event[2] for intent in facts.intents.values())
    balance.must_not_be("good completions without a credential", sorted(good - earned.keys()))
    balance.must_not_be("credentials that nothing good earned", sorted(earned.keys() - good))
    balance.must_not_be("completions with more than one credential", (each for each, n in earned.items() if n > 1))
    told = Counter((each.event_id, each.code) for each in rejections if each.event_id is not None)
    # What cannot be read has no event id that could be told. What the intake refuses is never published.
    wanted = Counter(
        (event_id(each), each.kind.value)
        for each in submissions
        if each.kind not in (Kind.GOOD, Kind.MALFORMED) and not (each.kind is Kind.UNKNOWN and each.route is Route.HTTP)
    )
    balance.must_not_be("completions not refused for what is wrong with them", (wanted - told).elements())
    unreadable = sum(each.code is Code.MALFORMED_EVENT for each in rejections)
    sent_unreadable = sum(each.kind is Kind.MALFORMED for each in submissions)
    if unreadable < sent_unreadable:
        balance.wrong.append(f"unreadable completions refused: {unreadable} of {sent_unreadable}")
    # What was sent again after a doubt comes twice and is told twice; a good one is then a duplicate of itself.
    extra = {each for each in told if each not in wanted and each[1] is not Code.DUPLICATE_EVENT}
    balance.must_not_be(
        "refusals for what is not wrong", (each for each in extra if each[1] is not Code.MALFORMED_EVENT)
    )
