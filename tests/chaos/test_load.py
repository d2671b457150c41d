"""Completions are sent for as long as a fault lasts, also where that is longer than expected."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chaos.load import due

NUMBERS = st.integers(1, 1000)
SECONDS = st.integers(1, 60)


@given(NUMBERS, SECONDS)
def test_half_is_sent_in_the_time_expected_and_the_first_at_once(number: int, seconds: float) -> None:
    assert due(number, 0, seconds) == 1
    assert due(number, seconds, seconds) == 1 + number // 2


@given(NUMBERS, SECONDS, st.lists(st.floats(0, 600), min_size=2))
def test_what_was_due_stays_due(number: int, seconds: float, passed: list[float]) -> None:
    sent = [due(number, each, seconds) for each in sorted(passed)]
    assert sent == sorted(sent)


@given(st.integers(50, 1000), SECONDS)
def test_something_is_left_for_every_expected_time_up_to_the_fifth(number: int, seconds: float) -> None:
    sent = [due(number, seconds * times, seconds) for times in range(6)]
    assert all(after > before for before, after in pairwise(sent))
    assert sent[-1] < number
