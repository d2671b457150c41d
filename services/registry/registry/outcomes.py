"""Waiting for what became of a status request."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from registry.requests import Requests
from registry.rows import StoredRequest

# As a rule this process decides and tells. Only what another one decided has to be looked for.
_LOOK_SECONDS = 0.5
_LOOKED_FOR = 50


class Outcomes:
    """Tells the callers that wait in this process; what another process decided is found in the database."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._expected: defaultdict[str, set[asyncio.Future[StoredRequest]]] = defaultdict(set)
        self._looking = asyncio.Lock()
        self._looked_at = 0.0

    def tell(self, request: StoredRequest) -> None:
        """The request has its outcome."""
        for outcome in self._expected.get(request.id, ()):
            if not outcome.done():
                outcome.set_result(request)

    @contextmanager
    def expected(self, request_id: str) -> Iterator[asyncio.Future[StoredRequest]]:
        """What is told of the request from here on, which has to be before anybody can decide it."""
        outcome: asyncio.Future[StoredRequest] = asyncio.get_running_loop().create_future()
        self._expected[request_id].add(outcome)
        try:
            yield outcome
        finally:
            self._expected[request_id].discard(outcome)
            if not self._expected[request_id]:
                del self._expected[request_id]

    async def wait(self, outcome: asyncio.Future[StoredRequest], seconds: float) -> StoredRequest | None:
        """The request with its outcome, or None if there is none after `seconds`."""
        give_up_at = asyncio.get_running_loop().time() + seconds
        while (left := give_up_at - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait({outcome}, timeout=min(_LOOK_SECONDS, left))
            if not outcome.done():
                await self._look()
            if outcome.done():
                return outcome.result()
        return None

    async def _look(self) -> None:
        """Look for some of what is expected, and for more while that finds any, unless somebody has just done so:
        hundreds of callers that looked each for their own would keep the database from what they wait for."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at < _LOOK_SECONDS:
                return
            self._looked_at = now
            while await self._found_some():
                pass

    async def _found_some(self) -> bool:
        waiting = [id_ for id_, outcomes in self._expected.items() if not all(each.done() for each in outcomes)]
        drawn = random.sample(waiting, min(_LOOKED_FOR, len(waiting)))
        decided = [each for each in (await self._requests.with_outcomes(drawn)).values() if each.decided]
        for each in decided:
            self.tell(each)
        return bool(decided)
