"""The demo's fifty completions: forty-four right ones and six that must not become credentials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle, islice

from laurel.contracts.completions import CompletionEvidence, CompletionRecorded, Learner
from laurel.contracts.errors import Code
from laurel.contracts.topics import Message
from laurel.partner import PartnerClient

NAMES = (
    "Amélie Laurent", "Jonas Huber", "Zeynep Yılmaz", "Tomasz Kowalczyk", "Ingrid Solberg", "Mateo García",  # noqa: RUF001
    "Nadia Haddad", "Lukas Brunner", "Chiara Rossi", "Oluwaseun Adeyemi", "Katarzyna Nowak", "Sven Lindqvist",
    "Priya Raghavan", "Elena Petrova", "Hannah Müller", "João Pereira", "Mei Tanaka", "Fatima El Amrani",
    "Viktor Novák", "Sofia Papadopoulou", "Liam O’Connor", "Anneliese Gruber",  # noqa: RUF001
)  # fmt: skip
GOOD = 44
TOTAL = 50
GERMAN = frozenset({"Jonas Huber", "Lukas Brunner", "Hannah Müller", "Anneliese Gruber"})
COURSES = {
    "campus": ("python-foundations", "sql-for-analysts", "spreadsheets-at-work", "project-basics"),
    "lernhub": ("machine-learning-intro", "reading-a-balance-sheet"),
}
EXPECTED_REJECTIONS = {
    Code.MALFORMED_EVENT: 1,
    Code.UNKNOWN_ACHIEVEMENT: 1,
    Code.SIGNATURE_WRONG: 1,
    Code.ACHIEVEMENT_NOT_ALLOWED: 1,
    Code.DATE_IN_FUTURE: 1,
}
EXPECTED_DUPLICATES = 1


@dataclass(frozen=True)
class Batch:
    """What one partner publishes."""

    partner: str
    messages: list[Message]


def completions(campus: PartnerClient, lernhub: PartnerClient, now: datetime, run: str) -> list[Batch]:
    """The fifty, the bad ones in between. `run` makes the event ids of this run its own."""
    clients = {"campus": campus, "lernhub": lernhub}
    good: dict[str, list[Message]] = {"campus": [], "lernhub": []}
    for number, name in enumerate(islice(cycle(NAMES), GOOD)):
        partner = "campus" if number % 3 else "lernhub"
        courses = COURSES[partner]
        body = _completion(name, number, courses[number % len(courses)], now - timedelta(hours=7 * number + 1))
        good[partner].append(clients[partner].build(body, event_id=f"{run}-{number:03}"))
    bad = _bad(campus, good["campus"][3], now, run)
    mixed = good["campus"]
    for place, message in enumerate(bad):
        mixed.insert(5 + 4 * place, message)
    return [Batch("campus", mixed), Batch("lernhub", good["lernhub"])]


def _completion(name: str, number: int, achievement: str, completed_at: datetime) -> CompletionRecorded:
    learner = Learner(
        reference=f"s-{1000 + number}", name=name, email=f"s-{1000 + number}@learner.example.org",
        language="de" if name in GERMAN else "en",
    )  # fmt: skip
    evidence = (
        (CompletionEvidence(url=f"https://portfolio.example.org/{1000 + number}", name="Project report"),)
        if number % 5 == 0
        else ()
    )
    return CompletionRecorded(
        achievement=achievement, learner=learner, completed_at=completed_at.replace(microsecond=0),
        score=f"{72 + number % 28} %" if number % 2 else None, evidence=evidence,
    )  # fmt: skip


def _bad(campus: PartnerClient, sent_before: Message, now: datetime, run: str) -> list[Message]:
    """One of each: repeated, malformed, unknown achievement, wrong signature, another's achievement, the future."""

    def build(kind: str, achievement: str, completed_at: datetime) -> Message:
        body = _completion("Casey Example", 900, achievement, completed_at)
        return campus.build(body, event_id=f"{run}-{kind}")

    yesterday = now - timedelta(days=1)
    malformed = build("malformed", "python-foundations", yesterday)
    forged = build("forged", "python-foundations", yesterday)
    forged_data = forged.event.data.replace(b"Casey Example", b"Mallory Forge")
    return [
        sent_before,
        replace(malformed, event=replace(malformed.event, datacontenttype="text/plain", data=b"completed: yes")),
        build("unknown", "underwater-basket-weaving", yesterday),
        replace(forged, event=replace(forged.event, data=forged_data)),
        build("foreign", "machine-learning-intro", yesterday),
        build("future", "python-foundations", now + timedelta(days=30)),
    ]
