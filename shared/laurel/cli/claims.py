"""Who sends a record again: of all who claim it in the audit, the first in the log's order.

Whoever wants to send enters a claim, reads the audit up to it, and sends if the claim before all others is this one.
Then it is entered that it was sent. The broker puts what several write at once into one order that all read alike, and
so there is no other lock. A claim of which nothing came holds others up for a while only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from laurel.cli.entries import SOURCE
from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.topics import AUDIT
from laurel.runtime.faults import Poison
from laurel.runtime.kafka import scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

CLAIM = "letter.claim"
SENT = "letter.replay"
VOID_AFTER = timedelta(minutes=5)
"""How old a claim is when another takes its place. A command stops long before (`laurel.cli.letters.TIMEOUT_SECONDS`);
the rest is for clocks that differ."""

_OURS = ("ce_source", SOURCE.encode())


@dataclass(frozen=True, slots=True)
class _Claim:
    id: str
    at: datetime


class Claims:
    """What the audit says of the records that were sent again, by their places (topic/partition/offset)."""

    def __init__(self) -> None:
        self._next = 0
        self._sent: set[str] = set()
        self._held: dict[str, _Claim] = {}

    async def read_on(self, settings: KafkaSettings) -> None:
        """Take what has come since the last time, to at least what is the audit's end now.

        Raises:
            KafkaError: the broker is away.
        """
        async for record in scan(settings, AUDIT, 0, self._next):
            self._next = record.offset + 1
            if _OURS in record.headers:  # others' are nearly all of the audit, and need not be decoded
                self._read(record)

    def _read(self, record: Record) -> None:
        try:
            read = read_event(record)
        except Poison:
            return
        if read is not None and isinstance(read[1], AdminActionRecorded):
            self.take(read[0].id, read[1])

    def take(self, event_id: str, entry: AdminActionRecorded) -> None:
        """Take the next entry, in the log's order."""
        if entry.action == SENT:
            self._sent.add(entry.target)
        elif entry.action == CLAIM:
            held = self._held.get(entry.target)
            # A claim that lost is nobody's hindrance: only the age of the one that holds counts.
            if held is None or entry.at - held.at >= VOID_AFTER:
                self._held[entry.target] = _Claim(event_id, entry.at)

    def was_sent(self, place: str) -> bool:
        """Whether the record at this place was sent again, and that was entered."""
        return place in self._sent

    def is_held(self, place: str, now: datetime) -> bool:
        """Whether somebody may be sending it at this moment."""
        held = self._held.get(place)
        return held is not None and now - held.at < VOID_AFTER

    def is_for(self, place: str, event_id: str) -> bool:
        """Whether the claim with this event id is the one that may send."""
        held = self._held.get(place)
        return not self.was_sent(place) and held is not None and held.id == event_id
