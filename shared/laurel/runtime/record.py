"""A record as it came from Kafka, and how its event is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from laurel.contracts.base import Contract
from laurel.contracts.completions import RecordCoordinates
from laurel.contracts.envelope import Envelope, decode, event_type_of
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.topics import BY_NAME
from laurel.runtime.faults import Poison

Body = TypeVar("Body", bound=Contract)


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record: its coordinates and its bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None

    @property
    def coordinates(self) -> RecordCoordinates:
        """Where the record lies."""
        return RecordCoordinates(topic=self.topic, partition=self.partition, offset=self.offset)


def read_event(record: Record) -> tuple[Envelope, Contract] | None:
    """The event of a record on one of our own topics; None for a tombstone or an unknown event type, which a
    reader skips (a newer writer may send it).

    Raises:
        Poison: the record does not have its contract's form.
    """
    contracts = BY_NAME[record.topic].events
    named = event_type_of(record.headers)
    if record.value is None or (named is not None and named not in contracts):
        return None
    try:
        event = decode(record.headers, record.value)
        contract = contracts.get(event.type)
        return None if contract is None else (event, contract.model_validate_json(event.data))
    except Rejected as error:
        raise Poison(Code.UNREADABLE_RECORD, error.detail) from None
    except ValidationError as error:
        raise Poison(Code.UNREADABLE_RECORD, f"{error.error_count()} findings: {error.errors()[0]['msg']}") from None


Apply = Callable[[Record], None]
