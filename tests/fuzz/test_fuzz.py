"""A short run of each target; `make fuzz` has the long ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fuzz.harness import Target, draw, fuzz, shown
from fuzz.targets import TARGETS
from laurel.credentials.errors import MalformedCredential

SECONDS = 2


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_our_errors_comes_out_in_bounded_time(name: str) -> None:
    report = fuzz(TARGETS[name], seed=1, seconds=SECONDS)

    assert not report.findings
    # It is of no use if nothing is accepted, or nothing refused.
    assert 0 < report.refused < report.executions


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_follows_from_its_number(name: str) -> None:
    inputs = [[shown(draw(TARGETS[name], 1, number)) for number in range(20)] for _ in range(2)]
    assert inputs[0] == inputs[1]


def refuse(given: object) -> None:
    raise MalformedCredential("Ours.")


def fail(given: object) -> None:
    raise KeyError("not ours")


def hang(given: object) -> None:
    while True:
        pass


@pytest.mark.parametrize(("run", "found"), [(refuse, []), (fail, ["KeyError"]), (hang, ["TooLongError"])])
def test_the_harness_finds_what_it_is_to_find(run: Callable[[object], None], found: list[str]) -> None:
    report = fuzz(Target("test", lambda random: None, run), seed=1, seconds=0)

    assert report.executions == 1
    assert [finding.what.partition(":")[0] for finding in report.findings.values()] == found
