"""Waits grow, are capped, are drawn, and are told."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from laurel.runtime.backoff import Backoff, Retries


@settings(deadline=None)
@given(
    st.floats(0.001, 10), st.floats(0.001, 100), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.data()
)
def test_a_wait_is_between_half_its_ceiling_and_its_ceiling(
    first: float, cap: float, attempt: int, drawn: float, data: st.DataObject
) -> None:
    backoff = Backoff(first, cap)
    wait = backoff.wait(attempt, lambda: drawn)
    ceiling = min(cap, first * 2 ** min(attempt - 1, 30))
    assert ceiling / 2 <= wait <= ceiling <= cap
    assert backoff.wait(attempt + 1, lambda: drawn) >= wait
    assert backoff.wait(attempt, lambda: data.draw(st.floats(drawn, 1))) >= wait


def told(loop: str, what: str) -> float:
    return REGISTRY.get_sample_value(f"laurel_loop_wait_seconds_{what}", {"loop": loop}) or 0.0


def test_a_loops_waits_grow_until_it_succeeds_and_each_is_told() -> None:
    retries = Retries("tested", Backoff(first=1, cap=6), draw=lambda: 0.5)
    waits = [retries.after_failure() for _ in range(5)]
    assert waits == [0.75, 1.5, 3.0, 4.5, 4.5]
    assert retries.failures == 5
    retries.succeeded()
    assert retries.after_failure() == 0.75
    assert (told("tested", "count"), told("tested", "sum")) == (6, sum(waits) + 0.75)


def test_two_processes_that_failed_together_do_not_come_back_together() -> None:
    one, other = Retries("tested"), Retries("tested")
    assert {one.after_failure() for _ in range(20)}.isdisjoint(other.after_failure() for _ in range(20))
