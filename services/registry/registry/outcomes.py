"""Waiting for what became of a status request."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from registry.rows import StoredRequest
from registry.store import Store

# As a rule this process decides and tells. Only what another one decided has to be looked for, less and less often:
# hundreds of callers that looked every moment would keep the database from what they wait for.
_FIRST_LOOK = 0.05
_LAST_LOOK = 0.8


class Outcomes:
    """Wakes the callers that wait in this process; one that another process decided is found in the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, request_id: str) -> None:
        """The request has its outcome."""
        for event in self._waiting.get(request_id, ()):
            event.set()

    async def wait(self, request_id: str, seconds: float) -> StoredRequest | None:
        """The request with its outcome, or None if there is none after `seconds`."""
        event = asyncio.Event()
        self._waiting[request_id].add(event)
        try:
            async with asyncio.timeout(seconds):
                pause = _FIRST_LOOK
                while True:
                    request = await self._store.request(request_id)
                    if request is not None and request.decided:
                        return request
                    # Not wait_for: before Python 3.12, it can swallow the outer timeout.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await event.wait()
                    pause = min(2 * pause, _LAST_LOOK)
        except TimeoutError:
            return None
        finally:
            self._waiting[request_id].discard(event)
            if not self._waiting[request_id]:
                del self._waiting[request_id]
