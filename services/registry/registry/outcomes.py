"""Waiting for what became of a status request."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from registry.rows import StoredRequest
from registry.store import Store

_LOOK_EVERY = 0.02


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
                while True:
                    request = await self._store.request(request_id)
                    if request is not None and request.decided:
                        return request
                    # Not wait_for: before Python 3.12, it can swallow the outer timeout.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_EVERY):
                            await event.wait()
        except TimeoutError:
            return None
        finally:
            self._waiting[request_id].discard(event)
            if not self._waiting[request_id]:
                del self._waiting[request_id]
