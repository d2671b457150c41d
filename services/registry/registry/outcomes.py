"""Waiting for what became of a status request."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from laurel.runtime.faults import is_transient
from registry.requests import Requests
from registry.rows import StoredRequest

log = structlog.get_logger(__name__)

# As a rule this process decides and tells. Only what another one decided has to be looked for.
_LOOK_SECONDS = 0.5
_LOOKED_FOR = 50
_RESTS = 4  # times as long as the last look took


class Outcomes:
    """Tells the callers that wait in this process; what another process decided is found in the database."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._expected: defaultdict[str, set[asyncio.Future[StoredRequest]]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._look_at = 0.0

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
            if outcome.done():
                return outcome.result()
            self._look()
        return None

    def _look(self) -> None:
        """Begin a look, which tells what it finds, unless one is under way or was just now: hundreds of callers that
        looked each for their own would keep the database from what they wait for. Raises what the last one raised."""
        if self._looking is not None:
            if not self._looking.done():
                return
            last, self._looking = self._looking, None
            last.result()
        if asyncio.get_running_loop().time() >= self._look_at:
            self._looking = asyncio.create_task(self._find())

    async def _find(self) -> None:
        """Look for some of what is expected, and for more while that finds any. A database that is slow is asked less
        often, and one that is away, later."""
        clock = asyncio.get_running_loop().time
        begin = clock()
        try:
            while await self._found_some():
                pass
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("outcomes not looked for", error=f"{type(error).__name__}: {error}"[:300])
        finally:
            self._look_at = clock() + max(_LOOK_SECONDS, _RESTS * (clock() - begin))

    async def _found_some(self) -> bool:
        waiting = [id_ for id_, outcomes in self._expected.items() if not all(each.done() for each in outcomes)]
        drawn = random.sample(waiting, min(_LOOKED_FOR, len(waiting)))
        decided = [each for each in (await self._requests.with_outcomes(drawn)).values() if each.decided]
        for each in decided:
            self.tell(each)
        return bool(decided)
