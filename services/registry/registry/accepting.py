"""Storing the status requests that come in at the same time together."""

from __future__ import annotations

import asyncio

from registry.requests import Requests
from registry.rows import StoredRequest

_AT_ONCE = 100
PACE_SECONDS = 0.1
"""How long, at least, from one write to the next. What is stored together is published and handled together, and a
batch costs nearly the same whatever its size. With 100 requests a second and all of Laurel on two cores, verifiers had
half of the changes 140 ms after their acceptance; without this, small batches queued for each other, and it was 350."""


class Acceptor:
    """Stores what has come in since the write before with one write, which costs little more than the write of one: a
    request is answered when it is safely stored, and safely storing is what takes time. A request that comes by itself
    has not to wait for others.

    One task writes for all, and each caller waits for an answer of its own: callers that took turns with a lock would
    queue for it once more when all that they wanted is done.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._offers: list[tuple[StoredRequest, asyncio.Future[StoredRequest]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._next_at = 0.0

    async def accept(self, request: StoredRequest) -> StoredRequest:
        """Store the request unless its id is taken; returns what stands under the id."""
        stored: asyncio.Future[StoredRequest] = asyncio.get_running_loop().create_future()
        self._offers.append((request, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await stored

    async def _write_all(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._offers:
            await asyncio.sleep(max(0.0, self._next_at - clock()))
            self._next_at = clock() + PACE_SECONDS
            offers, self._offers = self._offers[:_AT_ONCE], self._offers[_AT_ONCE:]
            # Who went away meanwhile has no more use for an answer.
            try:
                rows = await self._requests.accept([request for request, _ in offers])
            except BaseException as error:
                for _, stored in offers:
                    if not stored.done():
                        stored.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, stored), row in zip(offers, rows, strict=True):
                    if not stored.done():
                        stored.set_result(row)
