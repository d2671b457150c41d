"""Dead letters as records: reading them, and what they say."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from laurel.cli.exits import Refused, Unreachable
from laurel.contracts.base import utc_text
from laurel.contracts.operations import DeadLetter
from laurel.contracts.topics import DEAD_LETTERS
from laurel.runtime.faults import Poison, is_refusal, is_transient
from laurel.runtime.kafka import LoginRefused, scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

TIMEOUT_SECONDS = 120.0
T = TypeVar("T")


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
    def place(self) -> str:
        """Where the record lies, as topic/partition/offset."""
        where = self.body.record
        return f"{where.topic}/{where.partition}/{where.offset}"

    @property
    def reason_line(self) -> str:
        """The reason's first line, short enough for a table."""
        return (self.body.reason.splitlines() or [""])[0][:120]

    @property
    def row(self) -> tuple[str, ...]:
        """The letter as a row of a table: the beginning of its id is enough to name it."""
        at = utc_text(self.body.at.replace(microsecond=0))
        return self.id[:10], at, self.body.service, self.body.code.value, self.place, self.reason_line

    @property
    def is_empty(self) -> bool:
        """Whether the letter names a record of which nothing could be read."""
        body = self.body
        return body.key is None and body.value is None and not body.headers and not body.omitted

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
        return {
            "id": self.id, "at": utc_text(self.body.at), "service": self.body.service, "code": self.body.code.value,
            "record": self.place, "attempts": self.body.attempts, "reason": self.body.reason,
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
