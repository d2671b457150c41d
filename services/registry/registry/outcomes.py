"""Waiting for what became of a status request."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from registry.rows import StoredRequest
from registry.store import Store

# As a rule this process decides and tells. Only what another one decided has to be looked for, less and less often:
# hundreds of callers that looked every moment would keep the database from what they wait for.
_FIRST_LOOK = 0.5
_LAST_LOOK = 1.0


class Outcomes:
    """Tells the callers that wait in this process; what another process decided is found in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expected: defaultdict[str, set[asyncio.Future[StoredRequest]]] = defaultdict(set)

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

    async def wait(
        self, request_id: str, outcome: asyncio.Future[StoredRequest], seconds: float
    ) -> StoredRequest | None:  # fmt: skip
        """The request with its outcome, or None if there is none after `seconds`."""
        give_up_at = asyncio.get_running_loop().time() + seconds
        pause = _FIRST_LOOK
        while (left := give_up_at - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait({outcome}, timeout=min(pause, left))
            if outcome.done():
                return outcome.result()
            request = await self._store.request(request_id)
            if request is not None and request.decided:
                return request
            pause = min(2 * pause, _LAST_LOOK)
        return None
