"""A mail that came again is laid to a fault that can have done it, and no fault to two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chaos.faults import LEASE_SECONDS, Injected
from chaos.plan import Fault, Step
from chaos.repeats import Cause, Repeat, causes_of, explained, repeats_of

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def fault(seconds: float, fault: Fault = Fault.KILL_SERVICE, target: str = "notifier", hold: float = 0.0) -> Injected:
    return Injected(Step(1, 0, fault, target, hold), at(seconds), at(seconds + hold))


def repeat(unnoted: float, name: str = "mail") -> Repeat:
    return Repeat(name, at(unnoted), at(unnoted + 20))


def laid(repeats: list[Repeat], causes: list[Cause]) -> int:
    """To how many of the repeats a cause is found."""
    return sum(cause is not None for cause in explained(repeats, causes))


def test_every_copy_but_the_first_is_a_repeat() -> None:
    assert repeats_of({"once": [at(0)]}) == []
    assert repeats_of({"thrice": [at(40), at(0), at(20)]}) == [repeat(0, "thrice"), repeat(20, "thrice")]


def test_only_what_stops_a_notifier_or_its_database_repeats_mails() -> None:
    innocent = [
        fault(0, target="issuer"), fault(0, Fault.KILL_BROKER, "broker-1"), fault(0, Fault.ROLL, ""),
        fault(0, Fault.FREEZE_SERVICE, "registry-2"),
    ]  # fmt: skip
    assert causes_of(innocent) == []
    guilty = [
        fault(0), fault(0, target="notifier-3"), fault(0, Fault.FREEZE_SERVICE),
        fault(0, Fault.KILL_DATABASE, "database"),
    ]  # fmt: skip
    assert len(causes_of(guilty)) == 4


def test_a_mail_that_was_in_hand_when_it_was_killed_is_explained_and_no_other() -> None:
    causes = causes_of([fault(100)])
    for unnoted, told in ((100, True), (101, True), (96, True), (100 - LEASE_SECONDS, False), (104, False)):
        assert laid([repeat(unnoted)], causes) == told, unnoted


def test_one_that_was_frozen_may_hand_its_mail_over_when_it_wakes() -> None:
    causes = causes_of([fault(100, Fault.FREEZE_SERVICE, hold=6)])
    assert laid([repeat(110.5)], causes)
    assert not laid([repeat(113)], causes)


def test_a_fault_repeats_one_mail_and_no_second() -> None:
    two = [repeat(99, "one"), repeat(100, "two")]
    assert laid(two, causes_of([fault(100)])) == 1
    assert laid(two, causes_of([fault(100), fault(300)])) == 1
    assert laid(two, causes_of([fault(100), fault(102)])) == 2


def test_faults_are_shared_out_so_that_as_much_as_can_be_is_explained() -> None:
    early, late = fault(100), fault(104)
    # The first could be laid to either, the second to the early one only.
    assert laid([repeat(100, "either"), repeat(96, "early")], causes_of([early, late])) == 2


def test_copies_that_arrived_at_the_same_time_need_a_fault_each() -> None:
    assert laid([repeat(100), repeat(100)], causes_of([fault(100)])) == 1
