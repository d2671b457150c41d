"""A fault counts as met at work only if completions were accepted in every part of its time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from chaos.faults import Injected
from chaos.plan import Fault, Step
from chaos.traffic import accepted_in_parts, silences

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def each(seconds: Iterable[float]) -> list[datetime]:
    return [at(second) for second in seconds]


def roll(seconds: float) -> Injected:
    return Injected(Step(1, 0, Fault.ROLL), at(0), at(seconds))


def test_what_is_accepted_counts_in_the_part_in_which_it_was() -> None:
    assert accepted_in_parts(roll(12), each([-1, 0, 2, 3.9, 4, 11, 12])) == [3, 1, 1]
    assert accepted_in_parts(roll(10), each([0, 4.9, 5, 9.9])) == [2, 2], "parts are equal, and none is shorter"


def test_a_burst_at_the_beginning_does_not_speak_for_the_rest() -> None:
    (told,) = silences([roll(30)], each(number / 93.3 for number in range(500)))
    assert told.endswith("[400, 100, 0, 0, 0, 0, 0]")
    assert list(silences([roll(30)], each(range(30)))) == []


def test_a_process_that_was_started_again_at_once_has_a_part_too() -> None:
    kill = Injected(Step(1, 0, Fault.KILL_SERVICE, "issuer"), at(0), at(0.1))
    assert list(silences([kill], each([3.5]))) == []
    assert len(list(silences([kill], each([-0.1, 4.5])))) == 1


def test_while_a_leader_is_elected_nothing_need_be_accepted() -> None:
    kill = Injected(Step(1, 0, Fault.KILL_BROKER, "broker-1"), at(0), at(4))
    assert accepted_in_parts(kill, each([0.1, 14])) == [2]
