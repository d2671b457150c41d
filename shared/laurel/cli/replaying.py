"""Sending dead letters' originals again, where that does no harm and has not been done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from laurel.cli.claims import CLAIM, SENT, Claims
from laurel.cli.entries import as_record, done, enter
from laurel.cli.letters import Letter
from laurel.contracts.access import REPLAYED
from laurel.contracts.topics import Message, Topic
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.kafka import resend, scan
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings


class Outcome(StrEnum):
    """What became of one letter's replay, or would."""

    SENT = "sent again"
    ALREADY = "not sent: the same record has come again since, by a replay or from its sender"
    REPLAYED = "not sent: it was sent again before, as the audit says"
    CLAIMED = "not sent: another replay is sending it, or broke off; try again in 5 minutes"
    SUPERSEDED = "not sent: a newer record with its key has come since"
    NO_TOPIC = "not sent: nothing is sent again to its topic, by anybody"
    GONE = "not sent: it was too large for its dead letter, and its topic has it no more"
    UNREADABLE = "not sent: no client library can read it, so its letter has nothing of it"

    @property
    def settled(self) -> bool:
        """Whether the record has come again, now or before."""
        return self in (Outcome.SENT, Outcome.ALREADY, Outcome.REPLAYED)


async def foretell(
    settings: KafkaSettings, letters: Sequence[Letter], claims: Claims | None = None, *, clock: Clock = utc_now
) -> dict[str, tuple[Outcome, Record | None]]:
    """By the letters' ids, what a replay would do, and the originals. Each partition is read once.

    The topics tell what has come again, by whatever way; what they have forgotten since, the audit tells (`claims`).

    Raises:
        KafkaError: the broker is away.
    """
    claims = claims or Claims()
    await claims.read_on(settings)
    told = await _look_everywhere(settings, letters)
    for letter in letters:
        outcome, original = told[letter.id]
        if outcome is Outcome.SENT and claims.was_sent(letter.place):
            told[letter.id] = Outcome.REPLAYED, original
        elif outcome is Outcome.SENT and claims.is_held(letter.place, clock()):
            told[letter.id] = Outcome.CLAIMED, original
    return told


async def _look_everywhere(
    settings: KafkaSettings, letters: Sequence[Letter]
) -> dict[str, tuple[Outcome, Record | None]]:
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
    originals: dict[int, Record] = {}
    by_key: defaultdict[bytes | None, list[Record]] = defaultdict(list)
    outcomes: dict[int, Outcome] = {}

    def keep(original: Record) -> None:
        if original.offset not in originals:  # several services may have a letter on it
            originals[original.offset] = original
            by_key[original.key].append(original)

    for letter in letters:
        if not (letter.body.omitted or letter.is_empty):
            keep(letter.original)
    omitted = {letter.body.record.offset for letter in letters if letter.body.omitted}
    async for record in scan(settings, topic, partition, min(letter.body.record.offset for letter in letters)):
        if record.offset in omitted:  # too large for its letter, and still here
            keep(record)
        for original in [each for each in by_key.get(record.key, ()) if each.offset < record.offset]:
            if (record.value, record.headers) == (original.value, original.headers):
                outcomes.setdefault(original.offset, Outcome.ALREADY)
            elif topic.compacted and record.value != original.value:
                # Compaction keeps a key's last record: an old state sent after a newer one would become the state.
                outcomes[original.offset] = Outcome.SUPERSEDED

    def told(letter: Letter) -> tuple[Outcome, Record | None]:
        offset = letter.body.record.offset
        if offset not in originals:
            return Outcome.GONE if letter.body.omitted else Outcome.UNREADABLE, None
        return outcomes.get(offset, Outcome.SENT), originals[offset]

    return {letter.id: told(letter) for letter in letters}


async def replay_letters(
    settings: KafkaSettings, letters: Sequence[Letter], operator: str, *, clock: Clock = utc_now
) -> dict[str, Outcome]:
    """Send the originals again, in the order they came, but for those where `foretell` says why not; the outcome by
    the letter's id. A record on which several services have a letter is sent once: it reaches them all.

    The operator claims the records in the audit first, and enters each when it is sent: see `laurel.cli.claims`.

    Raises:
        KafkaError: not all was confirmed; doing it again does no harm.
    """
    claims = Claims()
    told = await foretell(settings, letters, claims, clock=clock)
    due = _by_place(letters, told)
    if not due:
        return {name: outcome for name, (outcome, _) in told.items()}
    run = uuid4().hex

    def entry(action: str, place: str) -> Message:
        return done(operator, action, place, clock(), cause=f"{run}/{action}/{place}", detail=due[place].detail)

    mine = {place: entry(CLAIM, place) for place in due}
    await enter(settings, list(mine.values()))
    await claims.read_on(settings)
    won = {place for place, claim in mine.items() if claims.is_for(place, claim.event.id)}
    await resend(
        settings,
        [each for place in due if place in won for each in (due[place].original, as_record(entry(SENT, place)))],
    )
    lost = {
        letter.id: Outcome.REPLAYED if claims.was_sent(place) else Outcome.CLAIMED
        for place in due.keys() - won
        for letter in due[place].letters
    }
    return {name: lost.get(name, outcome) for name, (outcome, _) in told.items()}


@dataclass(frozen=True, slots=True)
class _Due:
    """A record to be sent again, and the letters on it."""

    original: Record
    letters: list[Letter]

    @property
    def detail(self) -> str:
        """The letters, as the audit tells them."""
        return f"dead letter{'s' if len(self.letters) > 1 else ''} {', '.join(each.id for each in self.letters)}"


def _by_place(letters: Sequence[Letter], told: Mapping[str, tuple[Outcome, Record | None]]) -> dict[str, _Due]:
    """What is to be sent, each record once, by its place and in the order in which they came."""
    due: dict[str, _Due] = {}
    for letter in sorted(letters, key=_position):
        outcome, original = told[letter.id]
        if outcome is Outcome.SENT and original is not None:
            due.setdefault(letter.place, _Due(original, [])).letters.append(letter)
    return due


def _position(letter: Letter) -> tuple[str, int, int]:
    where = letter.body.record
    return where.topic, where.partition, where.offset
