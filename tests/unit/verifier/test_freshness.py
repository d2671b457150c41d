"""However the clocks go, a view never passes for younger than it is by more than the clocks differed at reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration.verifier.samples import Watch
from support.world import EPOCH
from verifier.freshness import CLOCK_TOLERANCE, Freshness

LIMIT = timedelta(seconds=15)
INSTANT = timedelta(0)


def fresh_at(watch: Watch, partitions: int = 1) -> Freshness:
    return Freshness(partitions, watch, watch.steady)


def heard(watch: Watch, seconds_ago: float = 0.0) -> Freshness:
    """One partition, of which a heartbeat of so long ago was read just now."""
    freshness = fresh_at(watch)
    freshness.beat(0, watch.now - timedelta(seconds=seconds_ago))
    return freshness


@pytest.mark.parametrize(("age", "fresh"), [(0.0, True), (15.0, True), (15.1, False), (86400.0, False)])
def test_how_old_is_too_old(age: float, fresh: bool) -> None:
    watch = Watch()
    at_reading, passed = heard(watch, age), heard(watch)
    assert (at_reading.staleness(LIMIT) is None) == fresh
    watch.forward(age)
    assert (passed.staleness(LIMIT) is None) == fresh


def test_what_was_never_heard_of_is_of_no_known_age() -> None:
    watch = Watch()
    freshness = fresh_at(watch, partitions=2)
    freshness.beat(0, watch.now)
    assert (freshness.age(), freshness.as_of()) == (None, None)
    assert "has not said yet" in (freshness.staleness(LIMIT) or "")
    freshness.beat(1, watch.now - timedelta(seconds=4))
    assert (freshness.age(), freshness.as_of()) == (timedelta(seconds=4), EPOCH - timedelta(seconds=4))


@pytest.mark.parametrize("step", [-86400.0, -20.0, -1.0, 0.0, 1.0, 20.0, 86400.0])
def test_setting_the_clock_makes_nothing_younger(step: float) -> None:
    watch = Watch()
    freshness = heard(watch, 5.0)
    watch.forward(10.1)
    watch.set_clock(step)
    assert freshness.staleness(LIMIT) is not None
    # It is told by the clock as it goes now, and is never in the future.
    as_of = freshness.as_of()
    assert as_of is not None
    assert as_of <= watch.now - timedelta(seconds=15)


def test_a_machine_that_was_paused_with_its_clocks_knows_it_once_its_clock_is_set() -> None:
    watch = Watch()
    freshness = heard(watch)
    watch.set_clock(600.0)
    assert freshness.age() == timedelta(seconds=600)


def test_a_heartbeat_a_little_ahead_counts_from_its_reading_and_one_far_ahead_not_at_all() -> None:
    watch = Watch()
    freshness = heard(watch, -CLOCK_TOLERANCE.total_seconds())
    assert freshness.age() == INSTANT
    for _ in range(2):
        freshness.beat(0, watch.now + CLOCK_TOLERANCE + timedelta(seconds=1))
        assert freshness.age() is None
        assert "6 s ahead" in (freshness.staleness(LIMIT) or "")
    freshness.beat(0, watch.now - timedelta(seconds=1))
    assert freshness.age() == timedelta(seconds=1)


def test_heartbeats_of_long_ago_prove_nothing_when_their_clock_is_known_to_be_ahead() -> None:
    """Ten minutes ahead, silent for five: what it wrote ten minutes ago looks like now, and what follows tells."""
    watch = Watch()
    freshness = fresh_at(watch)
    for minutes_ago in range(20, 4, -1):
        freshness.beat(0, watch.now + timedelta(minutes=10 - minutes_ago))
    assert freshness.staleness(LIMIT) is not None


def test_an_older_heartbeat_behind_a_newer_one_changes_nothing() -> None:
    watch = Watch()
    freshness = heard(watch, 1.0)
    freshness.beat(0, watch.now - timedelta(seconds=9))
    assert freshness.age() == timedelta(seconds=1)


# --- Whatever happens ------------------------------------------------------------------------------------------

PASSING = st.one_of(st.integers(0, 20), st.floats(0, 3600)).map(lambda seconds: timedelta(seconds=seconds))
SECONDS = st.tuples(PASSING, st.booleans()).map(lambda step: -step[0] if step[1] else step[0])
EVENTS = st.one_of(
    st.tuples(st.just("pass"), PASSING),
    st.tuples(st.just("set the verifier's clock"), SECONDS),
    st.tuples(st.just("set the registry's clock"), SECONDS),
    st.tuples(st.just("read a heartbeat that was written so long ago"), PASSING),
)


@dataclass
class Truth:
    """What really is: when it is, how far the registry's clock is ahead, and the newest heartbeat that counts."""

    now: timedelta = INSTANT
    skew: timedelta = INSTANT
    written: timedelta = timedelta(days=-1)


@given(st.lists(EVENTS, max_size=30), SECONDS)
def test_fresh_is_never_older_than_the_limit_and_the_clocks_difference(
    events: list[tuple[str, timedelta]], ahead: timedelta
) -> None:
    watch, truth, differed = Watch(), Truth(skew=ahead), INSTANT
    freshness = fresh_at(watch)
    for what, by in events:
        if what == "pass":
            truth.now += by
            watch.forward(by.total_seconds())
        elif what == "set the verifier's clock":
            watch.now += by
            truth.skew -= by
        elif what == "set the registry's clock":
            truth.skew += by
        else:
            freshness.beat(0, watch.now + truth.skew - by)
            if truth.skew - by <= CLOCK_TOLERANCE:
                differed = max(differed, truth.skew)
                truth.written = max(truth.written, truth.now - by)
        if freshness.staleness(LIMIT) is None:
            assert truth.now - truth.written <= LIMIT + differed + timedelta(milliseconds=1)


@given(PASSING, st.floats(5.001, 3600), st.floats(0, 5), st.floats(0, 3600))
def test_a_verifier_whose_clock_is_wrong_says_less_and_never_more(
    elapsed: timedelta, behind: float, little: float, ahead: float
) -> None:
    """Heartbeats come live, so the true age is what has passed since the last one."""
    for off, most in ((-behind, None), (-little, LIMIT), (ahead, LIMIT - timedelta(seconds=ahead))):
        watch = Watch()
        registry = watch.now
        watch.set_clock(off)
        freshness = fresh_at(watch)
        freshness.beat(0, registry)
        watch.forward(elapsed.total_seconds())
        if freshness.staleness(LIMIT) is None:
            assert most is not None
            assert elapsed <= most + timedelta(milliseconds=1)
