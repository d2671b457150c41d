"""Verifications that wait hold no thread, have a deadline, and are bounded in number."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from laurel.contracts.errors import Code, Rejected
from laurel.credentials.document_cache import Document
from laurel.credentials.errors import Unavailable
from support.waiting import eventually
from support.world import EPOCH
from verifier.trampoline import MOST_ABROAD, Trampoline, ask


class Shelf:
    """Documents that are handed out once the shelf is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked: list[str] = []

    async def get(self, url: str, accept: str, newer_than: datetime | None = None) -> Document:
        self.asked.append(url)
        await self.open.wait()
        if "missing" in url:
            raise Unavailable("It is missing.")
        return Document(url.encode(), EPOCH, EPOCH)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, thread_name_prefix="worker") as made:
        yield made


async def reading(*urls: str) -> tuple[bytes, ...]:
    """Bodies, in the order asked for; each stretch of work takes place in a worker."""
    bodies = []
    for url in urls:
        bodies.append((await ask(url, "any")).body)
        assert threading.current_thread().name.startswith("worker")
    return tuple(bodies)


async def failing(url: str) -> None:
    await ask(url, "any")
    raise ZeroDivisionError


async def test_what_is_asked_for_is_fetched_between_stretches_of_work(pool: ThreadPoolExecutor) -> None:
    shelf = Shelf()
    shelf.open.set()
    trampoline = Trampoline(pool, shelf.get, 30)
    assert await trampoline.run(reading()) == ()
    assert await trampoline.run(reading("a", "b")) == (b"a", b"b")
    assert shelf.asked == ["a", "b"]


async def test_waiting_holds_no_thread(pool: ThreadPoolExecutor) -> None:
    shelf = Shelf()
    trampoline = Trampoline(pool, shelf.get, 30)
    waiting = [asyncio.create_task(trampoline.run(reading(str(number)))) for number in range(MOST_ABROAD)]

    async def all_asked() -> bool:
        return len(shelf.asked) == MOST_ABROAD

    assert await eventually(all_asked, what="all wait")
    assert await trampoline.run(reading()) == ()
    with pytest.raises(Rejected) as refusal:
        await trampoline.run(reading("one too many"))
    assert refusal.value.code is Code.NOT_READY
    shelf.open.set()
    assert await asyncio.gather(*waiting) == [(str(number).encode(),) for number in range(MOST_ABROAD)]
    assert await trampoline.run(reading("now")) == (b"now",)
    assert "one too many" not in shelf.asked


async def test_what_is_not_there_in_time_is_unavailable_and_the_work_goes_on(pool: ThreadPoolExecutor) -> None:
    shelf = Shelf()

    async def patient() -> list[str]:
        reasons = []
        for url in ("a", "b", "c"):
            try:
                await ask(url, "any")
            except Unavailable as error:
                reasons.append(error.detail)
        return reasons

    reasons = await Trampoline(pool, shelf.get, 0.05).run(patient())
    assert reasons == [f"{url} was not fetched within 0.05 s." for url in "abc"]


async def test_errors_come_out_as_they_are_and_leave_no_place_taken(pool: ThreadPoolExecutor) -> None:
    shelf = Shelf()
    shelf.open.set()
    trampoline = Trampoline(pool, shelf.get, 30)
    for _ in range(MOST_ABROAD + 1):
        with pytest.raises(Unavailable, match="missing"):
            await trampoline.run(reading("missing"))
        with pytest.raises(ZeroDivisionError):
            await trampoline.run(failing("a"))


async def test_one_that_is_given_up_leaves_its_place(pool: ThreadPoolExecutor) -> None:
    shelf = Shelf()
    trampoline = Trampoline(pool, shelf.get, 30)
    left: list[str] = []

    async def leaving(url: str) -> None:
        try:
            await ask(url, "any")
        finally:
            left.append(url)

    tasks = [asyncio.create_task(trampoline.run(leaving(str(number)))) for number in range(MOST_ABROAD)]

    async def all_asked() -> bool:
        return len(shelf.asked) == MOST_ABROAD

    assert await eventually(all_asked, what="all wait")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(left) == MOST_ABROAD
    shelf.open.set()
    assert await trampoline.run(reading("a")) == (b"a",)


async def test_one_that_is_given_up_at_work_is_let_finish_its_stretch(pool: ThreadPoolExecutor) -> None:
    shelf, working, finish = Shelf(), threading.Event(), threading.Event()

    async def busy() -> None:
        working.set()
        assert finish.wait(30)
        await ask("never", "any")

    task = asyncio.create_task(Trampoline(pool, shelf.get, 30).run(busy()))

    async def at_work() -> bool:
        return working.is_set()

    assert await eventually(at_work, what="the work")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    finish.set()
    shelf.open.set()
    assert await Trampoline(pool, shelf.get, 30).run(reading("a")) == (b"a",)
    assert shelf.asked == ["a"]
