"""How much is taken in at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from laurel.contracts.errors import Code, Rejected
from laurel.runtime.metrics import REQUESTS_SHED

RETRY_AFTER_SECONDS = 2


class Shedding:
    """Has places for `limit` requests at once to `path`. A caller takes one before the body is read, and after its key
    was looked at: nobody else may hold places."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._in_hand = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises Rejected(TOO_BUSY) when all are taken."""
        if self._in_hand >= self._limit:
            REQUESTS_SHED.labels(self._path).inc()
            detail = f"There is too much to do: send the same again in {RETRY_AFTER_SECONDS} seconds."
            raise Rejected(Code.TOO_BUSY, "", detail)
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
