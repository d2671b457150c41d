"""Starting in order, stopping in reverse, and telling health what is the matter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from laurel.runtime.health import Health
from laurel.runtime.lifecycle import Lifecycle
from support.waiting import eventually


class Parts:
    """Parts that write down when they start and stop."""

    def __init__(self) -> None:
        self.health = Health()
        self.lifecycle = Lifecycle("tester", self.health)
        self.log: list[str] = []

    def step(self, what: str, fails: Exception | None = None) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            self.log.append(what)
            if fails is not None:
                raise fails

        return run

    def add(self, name: str, fails: Exception | None = None) -> None:
        self.lifecycle.add(name, self.step(f"+{name}", fails), self.step(f"-{name}"))


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_parts_start_in_order_and_stop_in_reverse(parts: Parts) -> None:
    for name in ("database", "kafka", "loop"):
        parts.add(name)
    assert "start" in parts.health.not_ready()
    async with parts.lifecycle:
        assert parts.log == ["+database", "+kafka", "+loop"]
        assert parts.health.not_ready() == {}
    assert parts.log[3:] == ["-loop", "-kafka", "-database"]


async def test_readiness_tells_which_part_is_starting(parts: Parts) -> None:
    gate = asyncio.Event()
    parts.add("database")
    parts.lifecycle.add("kafka", lambda: wait_for(gate))
    parts.lifecycle.start_in_background()
    await eventually(lambda: parts.health.not_ready() == {"start": "starting kafka"})
    assert parts.health.not_live() == {}, "a service that starts slowly is not to be restarted"
    gate.set()
    await eventually(lambda: parts.health.not_ready() == {})
    await parts.lifecycle.stop()


async def wait_for(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_a_start_that_fails_fails_liveness_and_stops_what_had_started(parts: Parts) -> None:
    given_up = asyncio.Event()
    parts.lifecycle.on_failure = given_up.set
    parts.add("database")
    parts.add("kafka", RuntimeError("topic x has 3 partitions"))
    parts.add("loop")
    parts.lifecycle.start_in_background()
    await asyncio.wait_for(given_up.wait(), 10)
    assert parts.health.not_live() == {"failure": "start failed: RuntimeError: topic x has 3 partitions"}
    await parts.lifecycle.stop()
    assert parts.log == ["+database", "+kafka", "-database"]


async def test_a_start_that_fails_in_a_test_raises_and_stops_what_had_started(parts: Parts) -> None:
    parts.add("database")
    parts.add("kafka", RuntimeError("no"))
    with pytest.raises(RuntimeError, match="no"):
        async with parts.lifecycle:
            pass
    assert parts.log == ["+database", "+kafka", "-database"]


async def test_stopping_while_starting_stops_what_had_started(parts: Parts) -> None:
    parts.add("database")
    parts.lifecycle.add("kafka", lambda: wait_for(asyncio.Event()), parts.step("-kafka"))
    parts.lifecycle.start_in_background()
    await eventually(lambda: parts.health.not_ready() == {"start": "starting kafka"})
    await parts.lifecycle.stop()
    assert parts.log == ["+database", "-database"]


async def test_a_part_that_cannot_stop_does_not_keep_the_others_from_it(parts: Parts) -> None:
    parts.add("database")
    parts.lifecycle.add("kafka", parts.step("+kafka"), parts.step("-kafka", RuntimeError("stuck")))
    await parts.lifecycle.start()
    with pytest.raises(RuntimeError, match="stuck"):
        await parts.lifecycle.stop()
    assert parts.log[-1] == "-database"


async def test_a_loop_runs_until_the_service_stops(parts: Parts) -> None:
    ended: list[str] = []

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("loop")

    parts.lifecycle.add_loop("heartbeat", run)
    async with parts.lifecycle:
        await asyncio.sleep(0)
        assert ended == []
    assert ended == ["loop"]
    assert parts.health.not_live() == {}, "being stopped is not a failure"


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (ZeroDivisionError("oops"), "the loop heartbeat failed: ZeroDivisionError: oops"),
        (None, "the loop heartbeat ended"),
    ],
)
async def test_a_loop_that_ends_or_fails_fails_liveness(parts: Parts, failure: Exception | None, says: str) -> None:
    parts.lifecycle.add_loop("heartbeat", parts.step("beat", failure))
    async with parts.lifecycle:
        await eventually(parts.health.not_live)
        assert parts.health.not_live() == {"failure": says}
        assert parts.health.not_ready() == {"failure": says}


async def test_a_loop_that_swallows_a_cancellation_is_stopped_all_the_same(parts: Parts) -> None:
    swallowed = 0

    async def run() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    parts.lifecycle.add_loop("stubborn", run)
    async with parts.lifecycle:
        await asyncio.sleep(0)
    assert swallowed == 2


async def test_a_loop_that_never_started_can_be_stopped(parts: Parts) -> None:
    parts.lifecycle.add_loop("heartbeat", parts.step("beat"))
    await parts.lifecycle.stop()
    assert parts.log == []


def test_health_is_a_set_of_named_reasons() -> None:
    health = Health()
    assert (health.not_live(), health.not_ready()) == ({}, {})
    health.waiting("Kafka", "does not answer")
    health.waiting("MongoDB", "does not answer")
    health.done("Kafka")
    health.done("never waited for")
    assert (health.not_live(), health.not_ready()) == ({}, {"MongoDB": "does not answer"})


def test_the_first_failure_stands() -> None:
    health = Health()
    health.fail("first")
    health.fail("second")
    assert health.not_live() == {"failure": "first"}
    assert health.not_ready() == {"failure": "first"}, "what does not live is not ready"


def test_checks_are_asked_each_time() -> None:
    health = Health()
    answers: dict[str, str | None] = {"live": None, "ready": None}
    health.check_live("kafka", lambda: answers["live"])
    health.check_ready("view", lambda: answers["ready"])
    assert (health.not_live(), health.not_ready()) == ({}, {})
    answers["ready"] = "too old"
    assert (health.not_live(), health.not_ready()) == ({}, {"view": "too old"})
    answers["live"] = "stuck"
    assert (health.not_live(), health.not_ready()) == ({"kafka": "stuck"}, {"kafka": "stuck", "view": "too old"})
    answers.update(live=None, ready=None)
    assert (health.not_live(), health.not_ready()) == ({}, {})
