"""The failure policy: hold for what is away, bury what is poison, try the unexpected, and stop when all goes wrong."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError
from jinja2 import TemplateNotFound
from prometheus_client import REGISTRY
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    WriteConcernError,
    WTimeoutError,
)

from laurel.contracts.errors import Code
from laurel.runtime.backoff import Backoff
from laurel.runtime.failures import FailurePolicy
from laurel.runtime.faults import Poison, Transient, is_transient
from laurel.runtime.health import Health
from laurel.runtime.mongo import duplicates_only
from laurel.runtime.record import Record
from support.waiting import eventually


def bulk(*codes: int, concern: int | None = None) -> BulkWriteError:
    """What the driver raises for a bulk write of which these writes failed."""
    return BulkWriteError({
        "writeErrors": [{"index": number, "code": code} for number, code in enumerate(codes)],
        "writeConcernErrors": [] if concern is None else [{"code": concern}],
    })  # fmt: skip


AWAY = [
    Transient("away"), KafkaConnectionError(), ConnectionRefusedError(), TimeoutError(), socket.gaierror(-3, "again"),
    OSError(errno.EHOSTUNREACH, "no route"), OSError("Multiple exceptions: of connecting"), ssl.SSLError("reset"),
    AutoReconnect("away"),
    NetworkTimeout("away"), ExecutionTimeout("slow"), WTimeoutError("slow"), WriteConcernError("too few", 91),
    OperationFailure("stepping down", 189), bulk(10107), bulk(11602, 11000), bulk(concern=64), bulk(11000, concern=91),
]  # fmt: skip
Letter = tuple[int, Code, str, str, int]
Fails = Callable[[int, int], BaseException | None]


def records(count: int) -> list[Record]:
    return [Record("completions.v1", 0, offset, b"k", (), b"{}") for offset in range(count)]


@dataclass
class Rig:
    """A policy with what it did."""

    health: Health = field(default_factory=Health)
    letters: list[Letter] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    away_for: int = 0
    """How many more times the dead letters cannot be written."""

    def policy(self, backoff: Backoff | None = None) -> FailurePolicy:
        async def bury(record: Record, code: Code, reason: str, trace: str, attempts: int) -> None:
            if self.away_for:
                self.away_for -= 1
                raise KafkaConnectionError()
            self.letters.append((record.offset, code, reason, trace, attempts))

        waits = backoff or Backoff(first=0, cap=0)
        return FailurePolicy("tester", "completions.v1", bury, self.health, backoff=waits, draw=lambda: 0.5)

    def handler(
        self, fails: Callable[[int, int], BaseException | None]
    ) -> Callable[[Sequence[Record]], Awaitable[None]]:
        """A handler that asks for each record, with how often it was asked before, whether it fails."""
        asked: dict[int, int] = {}

        async def handle(batch: Sequence[Record]) -> None:
            self.batches.append([record.offset for record in batch])
            for record in batch:
                before = asked.get(record.offset, 0)
                asked[record.offset] = before + 1
                failure = fails(record.offset, before)
                if failure is not None:
                    raise failure
                self.handled.append(record.offset)

        return handle


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_good_batch_is_handled_once(rig: Rig) -> None:
    await rig.policy().run(rig.handler(lambda *_: None), records(3))
    assert (rig.batches, rig.letters) == ([[0, 1, 2]], [])


@pytest.mark.parametrize("away", AWAY, ids=lambda each: type(each).__name__)
async def test_while_something_is_away_the_batch_is_held_and_nothing_buried(rig: Rig, away: Exception) -> None:
    await rig.policy().run(rig.handler(lambda _, before: away if before < 12 else None), records(1))
    assert (len(rig.batches), rig.handled, rig.letters) == (13, [0], [])
    assert rig.health.not_live() == {}


@pytest.mark.parametrize("away", AWAY, ids=lambda each: type(each).__name__)
async def test_what_stays_away_has_the_batch_redelivered(rig: Rig, away: Exception) -> None:
    policy = rig.policy()
    policy.hold_seconds = -1
    with pytest.raises(type(away)):
        await policy.run(rig.handler(lambda *_: away), records(2))
    assert (rig.batches, rig.letters) == ([[0, 1]], [])


async def test_what_goes_away_while_a_record_is_handled_alone_has_the_batch_redelivered(rig: Rig) -> None:
    policy = rig.policy()
    policy.hold_seconds = -1
    with pytest.raises(Transient):
        await policy.run(rig.handler(lambda _, before: Transient("away") if before else ValueError("bad")), records(1))
    assert (rig.batches, rig.letters) == ([[0], [0]], [])


async def test_poison_is_buried_at_once_with_its_code(rig: Rig) -> None:
    poison = Poison(Code.PROOF_REFUSED, "the proof does not verify")
    await rig.policy().run(rig.handler(lambda offset, _: poison if offset == 1 else None), records(3))
    assert rig.letters == [(1, Code.PROOF_REFUSED, "the proof does not verify", "", 1)]
    assert rig.batches == [[0, 1, 2], [0], [1], [2]]
    assert {0, 2} == set(rig.handled)


async def test_the_unexpected_is_tried_five_times_and_buried_with_its_trace(rig: Rig) -> None:
    before = buried("LRL-4001")
    await rig.policy().run(rig.handler(lambda *_: ZeroDivisionError("nobody foresaw this")), records(1))
    ((offset, code, reason, trace, attempts),) = rig.letters
    assert (offset, code, attempts) == (0, Code.UNEXPECTED_FAILURE, 5)
    assert reason == "ZeroDivisionError: nobody foresaw this"
    assert "raise failure" in trace
    assert len(rig.batches) == 1 + 5, "the batch once, then the record alone"
    assert buried("LRL-4001") == before + 1


def buried(code: str) -> float:
    labels = {"service": "tester", "subscription": "completions.v1", "code": code}
    return REGISTRY.get_sample_value("laurel_dead_lettered_total", labels) or 0.0


async def test_the_unexpected_that_passes_is_no_dead_letter(rig: Rig) -> None:
    await rig.policy().run(rig.handler(lambda _, before: KeyError() if before < 5 else None), records(1))
    assert (rig.handled, rig.letters) == ([0], [])


async def test_waiting_for_what_is_away_does_not_use_up_tries(rig: Rig) -> None:
    def fails(_: int, before: int) -> Exception | None:
        return None if before > 16 else (Transient("away") if before % 4 else ValueError("bad"))

    await rig.policy().run(rig.handler(fails), records(1))
    assert rig.letters == []
    assert rig.handled == [0]


@pytest.mark.parametrize("bad", [{0}, {4}, {9}, {2, 3}, {0, 4, 9}, {1, 2, 3, 4}])
async def test_the_good_ones_in_a_batch_with_bad_ones_are_all_handled(rig: Rig, bad: set[int]) -> None:
    def fails(offset: int, _: int) -> Exception | None:
        if offset not in bad:
            return None
        return Poison(Code.UNREADABLE_RECORD, "no") if offset % 2 else ValueError("no")

    await rig.policy().run(rig.handler(fails), records(10))
    assert set(rig.handled) == set(range(10)) - bad
    assert [letter[0] for letter in rig.letters] == sorted(bad)
    assert rig.health.not_live() == {}


async def stops(rig: Rig, running: Coroutine[None, None, None]) -> None:
    """The policy fails liveness, and then neither returns nor raises, so that nothing more commits."""
    task = asyncio.create_task(running)
    await eventually(rig.health.not_live)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_several_in_a_row_stop_the_service_before_the_dead_letters_fill(rig: Rig) -> None:
    await stops(rig, rig.policy().run(rig.handler(lambda *_: ValueError("a bad deployment")), records(20)))
    assert [letter[0] for letter in rig.letters] == [0, 1, 2, 3]
    assert rig.batches[-1] == [4], "nothing after it is touched"
    assert rig.health.not_live() == {
        "failure": "completions.v1: 5 records in a row failed unexpectedly; stopped before offset 4 of completions.v1/0"
    }


async def test_failures_count_across_batches(rig: Rig) -> None:
    policy, handler = rig.policy(), rig.handler(lambda *_: ValueError("a bad deployment"))
    for record in records(4):
        await policy.run(handler, [record])
    await stops(rig, policy.run(handler, records(5)[4:]))
    assert len(rig.letters) == 4


async def test_a_record_that_is_handled_breaks_the_row(rig: Rig) -> None:
    policy = rig.policy()
    await policy.run(rig.handler(lambda offset, _: None if offset == 4 else ValueError("bad")), records(9))
    assert len(rig.letters) == 8
    assert rig.health.not_live() == {}
    await policy.run(rig.handler(lambda *_: None), records(1))
    await policy.run(rig.handler(lambda *_: ValueError("bad")), records(4))
    assert rig.health.not_live() == {}, "a batch that was handled breaks it too"


@pytest.mark.parametrize("failure", [ValueError("bad"), Poison(Code.UNREADABLE_RECORD, "no")], ids=["bad", "poison"])
async def test_a_dead_letter_that_cannot_be_written_is_held_and_the_record_not_tried_again(
    rig: Rig, failure: Exception
) -> None:
    policy = rig.policy()
    rig.away_for = 20
    await policy.run(rig.handler(lambda *_: failure), records(1))
    assert len(rig.letters) == 1
    assert len(rig.batches) == 1 + rig.letters[0][4], "as often as it says"
    assert rig.health.not_live() == {}


async def test_one_record_that_is_delivered_again_and_again_is_one_failure(rig: Rig) -> None:
    policy, handler = rig.policy(), rig.handler(lambda *_: ValueError("bad"))
    policy.hold_seconds = -1
    for _ in range(20):
        rig.away_for = 1
        with pytest.raises(KafkaConnectionError):
            async with asyncio.timeout(10):  # a service that has stopped stays where it is
                await policy.run(handler, records(1))
    assert rig.health.not_live() == {}, "the broker is away, and that is no bad deployment"
    await policy.run(handler, records(1))
    assert len(rig.letters) == 1


async def test_poison_does_not_count_as_unexpected(rig: Rig) -> None:
    await rig.policy().run(rig.handler(lambda *_: Poison(Code.UNREADABLE_RECORD, "no")), records(12))
    assert len(rig.letters) == 12
    assert rig.health.not_live() == {}


async def test_a_dead_letter_is_bounded(rig: Rig) -> None:
    await rig.policy().run(rig.handler(lambda *_: ValueError("x" * 50_000)), records(1))
    await rig.policy().run(rig.handler(lambda *_: Poison(Code.UNREADABLE_RECORD, "y" * 50_000)), records(1))
    assert [len(letter[2]) for letter in rig.letters] == [2000, 2000]
    assert len(rig.letters[0][3]) == 20_000
    assert rig.letters[0][3].endswith("x\n"), "the end of a trace tells most"


async def test_being_stopped_is_not_a_failure(rig: Rig) -> None:
    with pytest.raises(asyncio.CancelledError):
        await rig.policy().run(rig.handler(lambda *_: asyncio.CancelledError()), records(1))
    assert rig.letters == []


async def test_it_waits_between_tries(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("laurel.runtime.failures.asyncio.sleep", sleep)
    await rig.policy(Backoff(first=1, cap=6)).run(rig.handler(lambda *_: ValueError("bad")), records(1))
    assert waited == [0.75, 1.5, 3.0, 4.5], "none after the last"


@pytest.mark.parametrize("failure", AWAY, ids=lambda each: type(each).__name__)
def test_what_may_come_back_is_transient(failure: Exception) -> None:
    assert is_transient(failure)


@pytest.mark.parametrize(
    "failure",
    [ValueError(), KeyError(), Poison(Code.UNREADABLE_RECORD, ""), DuplicateKeyError("x", 11000), AssertionError(),
     FileNotFoundError("a template"), PermissionError("a key"), TemplateNotFound("issued.txt"),
     OperationFailure("not allowed", 13), bulk(11000), bulk(10107, 121), bulk()],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_what_does_not_mend_itself_is_not_transient(failure: Exception) -> None:
    assert not is_transient(failure)


def test_keys_that_were_there_are_duplicates_only_when_the_rest_is_safe() -> None:
    assert duplicates_only(bulk(11000, 11000))
    assert not duplicates_only(bulk(11000, 10107))
    assert not duplicates_only(bulk(11000, concern=64)), "what too few members have may be lost"
    assert not duplicates_only(bulk())


async def test_waits_are_metrics(rig: Rig) -> None:
    labels = {"service": "tester", "subscription": "completions.v1"}

    def waited(kind: str) -> float:
        return REGISTRY.get_sample_value("laurel_retry_wait_seconds_count", labels | {"kind": kind}) or 0.0

    def held() -> float | None:
        return REGISTRY.get_sample_value("laurel_held_attempts", labels)

    seen: list[float | None] = []

    def fails(_: int, before: int) -> Exception | None:
        seen.append(held())
        return Transient("away") if before < 3 else (ValueError("bad") if before < 5 else None)

    before = waited("transient"), waited("unexpected")
    await rig.policy().run(rig.handler(fails), records(1))
    assert (waited("transient") - before[0], waited("unexpected") - before[1]) == (3, 1)
    assert seen[1:4] == [1, 2, 3], "while it is held"
    assert held() == 0
    policy = rig.policy()
    policy.hold_seconds = -1
    with pytest.raises(Transient):
        await policy.run(rig.handler(lambda *_: Transient("away")), records(1))
    assert held() == 1, "given back to be delivered again, it is held still"
