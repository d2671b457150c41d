"""Dead letters as records: reading them, and sending the originals again where that does no harm."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from laurel.cli.exits import Refused, Unreachable
from laurel.contracts import audit_entries
from laurel.contracts.access import REPLAYED
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.base import utc_text
from laurel.contracts.envelope import encode
from laurel.contracts.operations import DeadLetter
from laurel.contracts.operators import ANYBODY
from laurel.contracts.topics import AUDIT, DEAD_LETTERS, Topic
from laurel.runtime.clock import utc_now
from laurel.runtime.faults import Poison, is_refusal, is_transient
from laurel.runtime.kafka import LoginRefused, resend, scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

SOURCE = "urn:laurel:operator"
TIMEOUT_SECONDS = 120.0
T = TypeVar("T")


class Outcome(StrEnum):
    """What became of one letter's replay, or would."""

    SENT = "sent again"
    ALREADY = "not sent: the same record has come again since, by a replay or from its sender"
    SUPERSEDED = "not sent: a newer record with its key has come since"
    NO_TOPIC = "not sent: nothing is sent again to its topic, by anybody"
    GONE = "not sent: it was too large for its dead letter, and its topic has it no more"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; None leaves that open."""

    service: str | None = None
    code: str | None = None
    topic: str | None = None
    since: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it takes every letter."""
        return self == Filter()

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is one of those."""
        body = letter.body
        return (
            self.service in (None, body.service)
            and self.code in (None, body.code.value)
            and self.topic in (None, body.record.topic)
            and (self.since is None or body.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and the id of its event."""

    id: str
    body: DeadLetter

    @property
    def reason_line(self) -> str:
        """The reason's first line, short enough for a table."""
        return (self.body.reason.splitlines() or [""])[0][:120]

    @property
    def row(self) -> tuple[str, ...]:
        """The letter as a row of a table: the beginning of its id is enough to name it."""
        where, at = self.body.record, self.body.at.replace(microsecond=0)
        record = f"{where.topic}/{where.partition}/{where.offset}"
        return self.id[:10], utc_text(at), self.body.service, self.body.code.value, record, self.reason_line

    @property
    def original(self) -> Record:
        """The record that the service gave up on. Raises ValueError when it is not there whole."""
        key = None if self.body.key is None else b64decode(self.body.key, validate=True)
        value = None if self.body.value is None else b64decode(self.body.value, validate=True)
        headers = tuple((name, b64decode(raw, validate=True)) for name, raw in self.body.headers)
        where = self.body.record
        return Record(where.topic, where.partition, where.offset, key, headers, value)

    def facts(self) -> dict[str, Any]:
        """What can be listed without naming anybody."""
        where = self.body.record
        return {
            "id": self.id, "at": utc_text(self.body.at), "service": self.body.service, "code": self.body.code.value,
            "record": f"{where.topic}/{where.partition}/{where.offset}", "attempts": self.body.attempts,
            "reason": self.body.reason,
        }  # fmt: skip

    def details(self, *, with_body: bool) -> dict[str, Any]:
        """Headers and trace; the key and the body only where they are asked for."""
        original = self.original
        told: dict[str, Any] = {"headers": [(name, _text(raw)) for name, raw in original.headers]}
        if self.body.omitted:
            told["omitted"] = "The record is too large for its dead letter; it is still in its topic."
        if self.body.trace:
            told["trace"] = self.body.trace
        if with_body:
            told |= {"key": _text(original.key), "body": _text(original.value)}
        return told


async def read_letters(settings: KafkaSettings) -> tuple[list[Letter], int]:
    """The dead letters, the newest last and each id once, and how many records could not be read.

    Raises:
        KafkaError: the broker is away.
    """
    found: dict[str, Letter] = {}
    unreadable = 0
    for partition in range(DEAD_LETTERS.partitions):
        async for record in scan(settings, DEAD_LETTERS, partition):
            try:
                read = read_event(record)
                if read is not None and isinstance(read[1], DeadLetter):
                    letter = Letter(read[0].id, read[1])
                    _ = letter.original
                    found[letter.id] = letter
            except (Poison, ValueError):
                unreadable += 1
    return sorted(found.values(), key=lambda letter: letter.body.at), unreadable


async def foretell(settings: KafkaSettings, letters: Sequence[Letter]) -> dict[str, tuple[Outcome, Record | None]]:
    """By the letters' ids, what a replay would do, and the originals. Each partition is read once.

    Raises:
        KafkaError: the broker is away.
    """
    places: defaultdict[tuple[str, int], list[Letter]] = defaultdict(list)
    for letter in letters:
        places[letter.body.record.topic, letter.body.record.partition].append(letter)
    told: dict[str, tuple[Outcome, Record | None]] = {}
    for (name, partition), here in places.items():
        topic = next((each for each in REPLAYED if each.name == name), None)
        if topic is None or partition >= topic.partitions:
            told |= {letter.id: (Outcome.NO_TOPIC, None) for letter in here}
        else:
            told |= await _look(settings, topic, partition, here)
    return told


async def _look(
    settings: KafkaSettings, topic: Topic, partition: int, letters: Sequence[Letter]
) -> dict[str, tuple[Outcome, Record | None]]:
    """What has become of one partition since the letters' records lay there."""
    originals: dict[str, Record] = {}
    by_key: defaultdict[bytes | None, list[Record]] = defaultdict(list)
    outcomes: dict[int, Outcome] = {}

    def keep(letter: Letter, original: Record) -> None:
        originals[letter.id] = original
        by_key[original.key].append(original)

    for letter in letters:
        if not letter.body.omitted:
            keep(letter, letter.original)
    omitted = {letter.body.record.offset: letter for letter in letters if letter.body.omitted}
    async for record in scan(settings, topic, partition, min(letter.body.record.offset for letter in letters)):
        if record.offset in omitted:  # too large for its letter, and still here
            keep(omitted[record.offset], record)
        for original in [each for each in by_key.get(record.key, ()) if each.offset < record.offset]:
            if (record.value, record.headers) == (original.value, original.headers):
                outcomes.setdefault(original.offset, Outcome.ALREADY)
            elif topic.compacted and record.value != original.value:
                # Compaction keeps a key's last record: an old state sent after a newer one would become the state.
                outcomes[original.offset] = Outcome.SUPERSEDED
    return {
        letter.id: (outcomes.get(letter.body.record.offset, Outcome.SENT), originals[letter.id])
        if letter.id in originals
        else (Outcome.GONE, None)
        for letter in letters
    }


async def replay_letters(settings: KafkaSettings, letters: Sequence[Letter]) -> dict[str, Outcome]:
    """Send the originals again, in the order they came, but for those where `foretell` says why not; the outcome by
    the letter's id. Each is entered in the audit first: sent and not entered would be worse than the other way round,
    and doing it again makes the same entry.

    Raises:
        KafkaError: not all was confirmed; doing it again does no harm.
    """
    told = await foretell(settings, letters)
    sent = [
        (original, letter.id)
        for letter in letters
        for outcome, original in [told[letter.id]]
        if outcome is Outcome.SENT and original is not None
    ]
    sent.sort(key=lambda each: (each[0].topic, each[0].partition, each[0].offset))
    if sent:
        await resend(
            settings, [record for original, id_ in sent for record in (_entry(settings, id_, original), original)]
        )
    return {name: outcome for name, (outcome, _) in told.items()}


def _entry(settings: KafkaSettings, letter: str, original: Record) -> Record:
    """The audit's entry on sending a record again, by the user as whom Kafka knows us."""
    place = f"{original.topic}/{original.partition}/{original.offset}"
    body = AdminActionRecorded(
        operator=settings.kafka_username or ANYBODY, action="letter.replay", target=place, outcome=AuditOutcome.DONE,
        detail=f"dead letter {letter}", at=utc_now(),
    )  # fmt: skip
    made = audit_entries.entry(SOURCE, letter, body)
    headers, value = encode(made.event)
    return Record(AUDIT.name, 0, 0, made.key.encode(), tuple(headers), value)


async def bounded(call: Awaitable[T], bootstrap: str) -> T:
    """Raises Unreachable for whatever is wrong with the broker, and Refused where this user lacks a right."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await call
    except Exception as error:
        if isinstance(error, LoginRefused):
            raise Refused(error.sentence) from None
        if is_refusal(error):
            raise Refused(f"Kafka does not let this user do that ({type(error).__name__}).") from None
        if not is_transient(error):
            raise
        raise Unreachable(f"The broker at {bootstrap} did not answer as it should ({type(error).__name__}).") from None


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")
