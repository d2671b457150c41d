"""What the demo and its summary know of a run: counted from the topics, as an operator would count it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from laurel.contracts.base import Contract
from laurel.contracts.completions import CompletionRecorded, CompletionRejected
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter, DeliveryFailed, DeliverySucceeded, Occasion
from laurel.contracts.status import State, StatusChanged, StatusListSigned
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    DEAD_LETTERS,
    DELIVERIES,
    REJECTED_COMPLETIONS,
    STATUS_CHANGES,
    STATUS_LISTS,
)
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

Tell = Callable[[Contract], None]


@dataclass
class Tally:
    """Counts of a run. A credential is counted once, however often its event is published."""

    completions: int = 0
    issued: dict[str, CredentialIssued] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    rejected: list[CompletionRejected] = field(default_factory=list)
    mails: Counter[Occasion] = field(default_factory=Counter)
    mail_failures: int = 0
    dead_letters: list[DeadLetter] = field(default_factory=list)
    lists: dict[str, int] = field(default_factory=dict)

    @property
    def duplicates(self) -> int:
        """How many records repeated an event that was there before."""
        return sum(each.code is Code.DUPLICATE_EVENT for each in self.rejected)

    @property
    def rejected_by_code(self) -> dict[str, int]:
        """Rejections by code, without the duplicates."""
        codes = Counter(each.code.value for each in self.rejected if each.code is not Code.DUPLICATE_EVENT)
        return dict(sorted(codes.items()))


class Watcher:
    """Reads the topics and keeps the tally; `tell` hears of each event that a person would want to see."""

    def __init__(self, settings: KafkaSettings, tell: Tell = lambda _: None) -> None:
        self.tally = Tally()
        self._tell = tell
        topics = [
            COMPLETIONS,
            CREDENTIALS,
            REJECTED_COMPLETIONS,
            STATUS_CHANGES,
            STATUS_LISTS,
            DELIVERIES,
            DEAD_LETTERS,
        ]
        reader = TableReader(settings, "watcher", topics, self._apply, Health())
        self.start = reader.start
        self.stop = reader.stop

    def _apply(self, record: Record) -> None:
        if record.topic == COMPLETIONS.name:
            # Not decoded: one of them is malformed on purpose, and none of it is ours to show.
            self.tally.completions += 1
            return
        read = read_event(record)
        if read is not None and self._count(read[1]):
            self._tell(read[1])

    def _count(self, body: Contract) -> bool:
        """Take one event into the tally; False where it repeats one."""
        tally = self.tally
        match body:
            case CredentialIssued():
                if body.id in tally.issued:
                    return False
                tally.issued[body.id] = body
            case CompletionRejected():
                tally.rejected.append(body)
            case StatusChanged():
                if body.state is State.ACTIVE and body.version == 1:
                    tally.registered.add(body.credential)
            case StatusListSigned():
                tally.lists[body.list_id] = body.version
            case DeliverySucceeded():
                tally.mails[body.occasion] += 1
            case DeliveryFailed():
                tally.mail_failures += 1
            case DeadLetter():
                tally.dead_letters.append(body)
            case CompletionRecorded() | _:
                return False
        return True
