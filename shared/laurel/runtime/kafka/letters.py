"""Dead letters: a record that was given up on, kept whole where it is not too large."""

from __future__ import annotations

from base64 import b64encode

from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter
from laurel.contracts.topics import DEAD_LETTERS, Message, message
from laurel.runtime.clock import Clock
from laurel.runtime.record import Record

# A dead letter holds its record in base64, and the trace, and must itself stay under the size of an event.
_LETTER_LIMIT = 64 * 1024
_HEADER_OVERHEAD = 8  # what an empty header takes in the letter's JSON


def dead_letter(
    service: str, record: Record, code: Code, reason: str, *, trace: str, attempts: int, clock: Clock
) -> Message:
    """The dead letter for a record: the same record and service always give the same event id."""
    origin = f"{record.topic}/{record.partition}/{record.offset}"
    omitted = _size(record) > _LETTER_LIMIT
    body = DeadLetter(
        service=service, code=code, reason=reason, trace=trace, attempts=attempts, record=record.coordinates,
        key=None if record.key is None or omitted else b64encode(record.key).decode(),
        value=None if record.value is None or omitted else b64encode(record.value).decode(),
        headers=() if omitted else tuple((name, b64encode(raw).decode()) for name, raw in record.headers),
        omitted=True if omitted else None, at=clock(),
    )  # fmt: skip
    key = record.key.decode(errors="replace") if record.key and not omitted else origin
    source = f"urn:laurel:{service}"
    event_id = derived_id(source, origin, "dead-letter.recorded")
    return message(DEAD_LETTERS, body, key=key, event_id=event_id, source=source, time=body.at)


def _size(record: Record) -> int:
    headers = sum(len(name) + len(raw) + _HEADER_OVERHEAD for name, raw in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
