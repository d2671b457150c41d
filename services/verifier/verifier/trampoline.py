"""Verifications that wait for other people's servers, without holding a thread while they do.

A verification computes in a worker thread until it needs a document from elsewhere. There it is suspended, the
document is fetched on the event loop, and the next stretch runs in whichever thread is free. A server that drips its
answer so costs a place among the waiting, and nobody's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from laurel.contracts.errors import Code, Rejected
from laurel.credentials.document_cache import Document
from laurel.credentials.errors import Unavailable
from laurel.credentials.resolving import Get

T = TypeVar("T")

MOST_ABROAD = 50
"""Verifications that may wait for other people's servers at a time, so that the rest find a place."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a suspended verification waits for: the arguments of `DocumentCache.get`."""

    url: str
    accept: str
    newer_than: datetime | None

    def __await__(self) -> Generator[Asked, Document, Document]:
        return (yield self)


async def ask(url: str, accept: str, newer_than: datetime | None = None) -> Document:
    """`laurel.credentials.resolving.Get` for coroutines that a trampoline runs. Raises Unavailable."""
    return await Asked(url, accept, newer_than)


@dataclass(frozen=True, slots=True)
class _Done:
    value: Any


class Trampoline:
    """Runs coroutines whose only wait is `ask`: their stretches of work in `pool`, their fetches by `get`.

    From its first fetch on, a coroutine has `seconds` for all of them; whatever is not there by then is Unavailable.
    """

    def __init__(self, pool: Executor, get: Get, seconds: float) -> None:
        self._pool = pool
        self._get = get
        self._seconds = seconds
        self._abroad = 0

    async def run(self, coroutine: Coroutine[Asked, Document, T]) -> T:
        """What the coroutine returns.

        Raises what it raises, and Rejected(NOT_READY) where too many already wait for other people's servers.
        """
        try:
            reached = await self._stretch(partial(coroutine.send, None))  # type: ignore[arg-type]
            done = reached if isinstance(reached, _Done) else await self._abroad_from(coroutine, reached)
            result: T = done.value
            return result
        finally:
            # Still at work in a thread if this was cancelled; it then ends at its next wait.
            with suppress(ValueError):
                coroutine.close()

    async def _abroad_from(self, coroutine: Coroutine[Asked, Document, T], asked: Asked) -> _Done:
        if self._abroad >= MOST_ABROAD:
            detail = "Too many credentials of other issuers are being verified; try again in a few seconds."
            raise Rejected(Code.NOT_READY, "", detail)
        self._abroad += 1
        try:
            deadline = asyncio.get_running_loop().time() + self._seconds
            while True:
                reached = await self._stretch(await self._fetched(coroutine, asked, deadline))
                if isinstance(reached, _Done):
                    return reached
                asked = reached
        finally:
            self._abroad -= 1

    async def _fetched(
        self, coroutine: Coroutine[Asked, Document, T], asked: Asked, deadline: float
    ) -> Callable[[], Asked]:
        """How the coroutine goes on: with the document, or with the reason why there is none."""
        try:
            async with asyncio.timeout_at(deadline):
                return partial(coroutine.send, await self._get(asked.url, asked.accept, asked.newer_than))
        except Unavailable as error:
            return partial(coroutine.throw, error)
        except TimeoutError:
            return partial(
                coroutine.throw, Unavailable(f"{asked.url[:200]} was not fetched within {self._seconds:g} s.")
            )

    async def _stretch(self, resume: Callable[[], Asked]) -> Asked | _Done:
        return await asyncio.get_running_loop().run_in_executor(self._pool, _advance, resume)


def _advance(resume: Callable[[], Asked]) -> Asked | _Done:
    try:
        return resume()
    except StopIteration as done:
        return _Done(done.value)
