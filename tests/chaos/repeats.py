"""Mails that came more than once, each laid to the one fault that can have repeated it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chaos.faults import LEASE_SECONDS, SESSION_SECONDS, Injected
from chaos.plan import Fault

BEFORE = timedelta(seconds=LEASE_SECONDS / 2)
"""How long a notifier holds on to the note of a mail that went out, when the database is slow or away."""
AFTER = timedelta(seconds=2)
"""How much later the mail server may take a mail that is on its way to it."""
_STOPS = frozenset({Fault.KILL_SERVICE, Fault.FREEZE_SERVICE})


@dataclass(frozen=True, slots=True)
class Cause:
    """A fault by which a notifier cannot note what it has sent, and when a mail arrived that was in hand then."""

    what: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Repeat:
    """A mail that came again, after one that arrived then and of which no note was made."""

    delivery: str
    unnoted: datetime
    again: datetime


def causes_of(injected: Sequence[Injected]) -> list[Cause]:
    """One for each time that a notifier, or the database under it, was stopped where it stood."""
    causes = []
    for each in injected:
        step = each.step
        if step.fault is Fault.KILL_DATABASE or (step.fault in _STOPS and step.target.startswith("notifier")):
            lasted = timedelta(seconds=SESSION_SECONDS + step.hold if step.fault is Fault.FREEZE_SERVICE else 0)
            what = f"{step.target} {'frozen' if lasted else 'killed'} at {each.at:%H:%M:%S}"
            causes.append(Cause(what, each.at - BEFORE, each.at + lasted + AFTER))
    return causes


def repeats_of(arrivals: Mapping[str, Sequence[datetime]]) -> list[Repeat]:
    """Every copy of a mail but the first."""
    return [
        Repeat(delivery, earlier, later)
        for delivery, times in arrivals.items()
        for earlier, later in zip(sorted(times)[:-1], sorted(times)[1:], strict=True)
    ]


def explained(repeats: Sequence[Repeat], causes: Sequence[Cause]) -> list[Cause | None]:
    """For each of the repeats the cause that it is laid to: as many as can be have one, and each one of its own."""
    # By number, since two copies that arrived within the same second are equal, and need two causes all the same.
    taken: dict[int, int] = {}

    def find(repeat: int, tried: set[int]) -> bool:
        # A cause that is taken is free again if its repeat has another one.
        for number, cause in enumerate(causes):
            if number in tried or not cause.begin <= repeats[repeat].unnoted <= cause.end:
                continue
            tried.add(number)
            if number not in taken or find(taken[number], tried):
                taken[number] = repeat
                return True
        return False

    for repeat in range(len(repeats)):
        find(repeat, set())
    laid_to = {repeat: causes[number] for number, repeat in taken.items()}
    return [laid_to.get(repeat) for repeat in range(len(repeats))]
