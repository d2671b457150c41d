"""Requests that come in together are stored together, and each caller gets the answer to its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from registry import accepting
from registry.accepting import Acceptor
from registry.requests import Requests
from registry.rows import StoredRequest

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def request(number: int) -> StoredRequest:
    credential = f"https://badges.example/credentials/{number}"
    return StoredRequest(id=f"request-{number}", credential=credential, digest="0" * 64, accepted_at=NOW)


class Writes:
    """What was written together; the first write waits to be let go on."""

    def __init__(self, refused: Collection[str] = ()) -> None:
        self.together: list[list[str]] = []
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._refused = set(refused)

    async def accept(self, requests: Sequence[StoredRequest]) -> list[StoredRequest]:
        self.together.append([each.id for each in requests])
        self.begun.set()
        await self.go_on.wait()
        if self._refused & {each.id for each in requests}:
            raise ConnectionError("away")
        return list(requests)


Callers = list[asyncio.Task[StoredRequest]]


async def offered(writes: Writes, count: int) -> tuple[Acceptor, Callers]:
    """So many callers, of whom the first is being written for while the others come in."""
    acceptor = Acceptor(cast(Requests, writes))
    callers = [asyncio.create_task(acceptor.accept(request(0)))]
    await writes.begun.wait()
    callers += [asyncio.create_task(acceptor.accept(request(number))) for number in range(1, count)]
    await asyncio.sleep(0)
    return acceptor, callers


async def test_what_comes_in_during_a_write_is_stored_by_the_next_and_each_gets_its_own() -> None:
    writes = Writes()
    _, callers = await offered(writes, 250)
    writes.go_on.set()
    assert await asyncio.gather(*callers) == [request(number) for number in range(250)]
    assert [len(each) for each in writes.together] == [1, 100, 100, 49]


async def test_who_comes_alone_has_not_to_wait_and_those_who_follow_soon_are_stored_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepting, "PACE_SECONDS", 1.0)
    writes = Writes()
    writes.go_on.set()
    acceptor, clock = Acceptor(cast(Requests, writes)), asyncio.get_running_loop().time
    begin = clock()
    await acceptor.accept(request(0))
    assert clock() < begin + 1
    callers = []
    for number in (1, 2, 3):
        callers.append(asyncio.create_task(acceptor.accept(request(number))))
        await asyncio.sleep(0.01)
    await asyncio.gather(*callers)
    assert writes.together == [["request-0"], ["request-1", "request-2", "request-3"]]
    assert clock() >= begin + 1


async def test_a_caller_that_goes_away_takes_no_other_along() -> None:
    writes = Writes()
    _, callers = await offered(writes, 3)
    callers[0].cancel()
    await asyncio.sleep(0)
    writes.go_on.set()
    assert await asyncio.gather(*callers[1:]) == [request(1), request(2)]


async def test_a_write_that_fails_fails_for_those_whom_it_was_for() -> None:
    writes = Writes(refused={"request-0"})
    acceptor, (first, second) = await offered(writes, 2)
    writes.go_on.set()
    with pytest.raises(ConnectionError):
        await first
    assert await second == request(1)
    assert await acceptor.accept(request(2)) == request(2)
