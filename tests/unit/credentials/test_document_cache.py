"""What was fetched is used again for as long as it may be, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from laurel.credentials.document_cache import BRIEFLY, DocumentCache
from laurel.credentials.errors import Unavailable
from support.web import Web
from support.world import EPOCH

URL = "https://badges.example.org/list"
JSON = "application/json"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def web() -> Web:
    return Web(EPOCH, {URL: b"{}"})


async def test_a_document_nobody_has_found_good_is_kept_briefly(web: Web) -> None:
    for seconds, fetches in ((0, 1), (9.9, 1), (0.1, 2)):
        web.forward(seconds)
        assert (await web.cache.get(URL, JSON)).body == b"{}"
        assert len(web.asked) == fetches
    assert timedelta(seconds=10) == BRIEFLY


async def test_whoever_finds_it_good_decides_how_long_it_is_kept(web: Web) -> None:
    document = await web.cache.get(URL, JSON)
    document.until = web.now + MINUTE
    document.verified = "found good"
    web.forward(59)
    assert (await web.cache.get(URL, JSON)).verified == "found good"
    web.forward(1)
    assert (await web.cache.get(URL, JSON)).verified is None
    assert web.asked == [URL, URL]


@pytest.mark.parametrize("step", [-86400, -30, 30, 86400])
async def test_setting_the_clock_keeps_nothing_for_longer(web: Web, step: float) -> None:
    document = await web.cache.get(URL, JSON)
    document.until = web.now + MINUTE
    web.set_clock(step)
    web.forward(60)
    await web.cache.get(URL, JSON)
    assert web.asked == [URL, URL]


async def test_a_failure_is_kept_briefly_too(web: Web) -> None:
    del web.documents[URL]
    for _ in range(2):
        with pytest.raises(Unavailable, match="404"):
            await web.cache.get(URL, JSON)
    assert web.asked == [URL]
    web.serve(URL, b"{}")
    web.forward(10)
    assert (await web.cache.get(URL, JSON)).body == b"{}"


async def test_what_must_be_newer_is_fetched_again(web: Web) -> None:
    first = await web.cache.get(URL, JSON)
    first.until = web.now + MINUTE
    web.forward(1)
    second = await web.cache.get(URL, JSON, first.fetched)
    assert second.fetched == web.now
    assert await web.cache.get(URL, JSON, first.fetched) is second
    assert await web.cache.get(URL, JSON) is second
    assert web.asked == [URL, URL]


class Gate:
    """Fetches that last until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()

    async def fetch(self, url: str, accept: str) -> bytes:
        self.asked.append(url)
        await self.open.wait()
        return url.encode()


async def test_many_who_ask_at_once_wait_for_one_fetch_also_when_the_first_gives_up() -> None:
    gate = Gate()
    cache = DocumentCache(gate.fetch, lambda: EPOCH, timedelta)
    asking = [asyncio.create_task(cache.get(URL, JSON)) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    gate.open.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {id(each) for each in answers[1:]} == {id(await cache.get(URL, JSON))}
    assert gate.asked == [URL]


async def test_closing_gives_up_what_is_being_fetched() -> None:
    gate = Gate()
    cache = DocumentCache(gate.fetch, lambda: EPOCH, timedelta)
    asking = asyncio.create_task(cache.get(URL, JSON))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def asked_again(cache: DocumentCache, web: Web, names: Sequence[str]) -> list[str]:
    web.asked.clear()
    for name in names:
        await cache.get(name, JSON)
    return web.asked


async def test_the_longest_unused_goes_first_when_there_are_too_many(web: Web) -> None:
    cache = DocumentCache(web.fetch, lambda: EPOCH, timedelta, most=3)
    web.documents |= dict.fromkeys("abcd", b"{}")
    assert await asked_again(cache, web, "abcad") == ["a", "b", "c", "d"]
    assert await asked_again(cache, web, "acd") == []
    assert await asked_again(cache, web, "b") == ["b"]


async def test_the_longest_unused_goes_first_when_they_take_too_much_memory(web: Web) -> None:
    cache = DocumentCache(web.fetch, lambda: EPOCH, timedelta, most_bytes=13_000)
    web.documents |= {"a": b"x" * 2000, "b": b"x" * 2000, "large": b"x" * 3000}
    assert await asked_again(cache, web, ["a", "b", "a", "large"]) == ["a", "b", "large"]
    assert await asked_again(cache, web, ["large", "a"]) == []
    assert await asked_again(cache, web, ["b"]) == ["b"]


async def test_what_is_fetched_anew_takes_the_place_of_what_was_there(web: Web) -> None:
    cache = DocumentCache(web.fetch, lambda: web.now, lambda: web.passed, most_bytes=5_000)
    web.documents |= {"a": b"x" * 1000, "b": b"x" * 100}
    for _ in range(5):
        await cache.get("a", JSON)
        web.forward(60)
    await cache.get("a", JSON)
    assert await asked_again(cache, web, "ba") == ["b"]
