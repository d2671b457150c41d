"""Callers share their looks: few where nothing is decided, and as many as it takes where others decide."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from laurel.contracts.status import State
from registry.outcomes import Outcomes
from registry.requests import Requests
from registry.rows import Applied, StoredRequest

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
IDS = [f"request-{number}" for number in range(300)]


def request(id_: str, *, decided: bool) -> StoredRequest:
    applied = Applied(state=State.REVOKED, version=2, changed_at=NOW) if decided else None
    credential = f"https://badges.example/credentials/{id_}"
    return StoredRequest(id=id_, credential=credential, digest="0" * 64, accepted_at=NOW, applied=applied)


class Looked:
    """What another process has decided, and how often it was looked for."""

    def __init__(self, decided: Iterable[str]) -> None:
        self.decided = set(decided)
        self.looks: list[int] = []

    async def with_outcomes(self, ids: Iterable[str]) -> dict[str, StoredRequest]:
        asked = list(ids)
        self.looks.append(len(asked))
        await asyncio.sleep(0)
        return {id_: request(id_, decided=id_ in self.decided) for id_ in asked}


async def waited(outcomes: Outcomes, id_: str, seconds: float) -> StoredRequest | None:
    with outcomes.expected(id_) as outcome:
        return await outcomes.wait(outcome, seconds)


async def test_callers_for_whom_nothing_is_decided_look_little() -> None:
    looked = Looked([])
    outcomes = Outcomes(cast(Requests, looked))
    found = await asyncio.gather(*(waited(outcomes, id_, 1.2) for id_ in IDS))
    assert found == [None] * len(IDS)
    assert 1 <= len(looked.looks) <= 3
    assert max(looked.looks) <= 50


async def test_what_others_decide_is_found_for_all_by_the_same_look() -> None:
    looked = Looked(IDS[1:])
    outcomes = Outcomes(cast(Requests, looked))
    found = await asyncio.gather(*(waited(outcomes, id_, 5) for id_ in IDS[1:]))
    assert found == [request(id_, decided=True) for id_ in IDS[1:]]
    assert len(looked.looks) <= 12


async def test_who_decides_here_tells_without_a_look() -> None:
    looked = Looked([])
    outcomes = Outcomes(cast(Requests, looked))
    waiting = asyncio.create_task(waited(outcomes, IDS[0], 5))
    await asyncio.sleep(0)
    outcomes.tell(request(IDS[0], decided=True))
    assert await waiting == request(IDS[0], decided=True)
    assert looked.looks == []


async def test_who_waits_is_told_while_a_look_is_under_way() -> None:
    begun = asyncio.Event()

    class Hanging:
        async def with_outcomes(self, _: Iterable[str]) -> dict[str, StoredRequest]:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    outcomes = Outcomes(cast(Requests, Hanging()))
    waiting = [asyncio.create_task(waited(outcomes, id_, 30)) for id_ in IDS[:2]]
    await begun.wait()
    for id_ in IDS[:2]:
        outcomes.tell(request(id_, decided=True))
    assert await asyncio.gather(*waiting) == [request(id_, decided=True) for id_ in IDS[:2]]
