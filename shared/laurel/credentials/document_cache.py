"""What was fetched and may be used again: bounded in number and in bytes, one fetch at a time for each address."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from laurel.credentials.errors import Unavailable

Fetch = Callable[[str, str], Awaitable[bytes]]
"""The body at a URL, for an `Accept` header. Raises Unavailable."""

BRIEFLY = timedelta(seconds=10)
"""How long a failure is kept, and whatever nobody has found to be good yet."""

_MAX_DOCUMENTS = 1024
_MAX_BYTES = 32 * 1024 * 1024
# What a document takes besides its body.
_OVERHEAD = 1024


@dataclass(slots=True)
class Document:
    """What was found at an address, and when. Whoever finds it good moves `until`, the end of its use, further away.

    `since` is when it was fetched by the clock that nobody sets. `verified` keeps what took work to establish. Several
    threads may set `until` and `verified`: they come to the same.
    """

    body: bytes
    fetched: datetime
    until: datetime
    failure: str | None = None
    since: timedelta = timedelta(0)
    verified: Any = None

    @property
    def size(self) -> int:
        """Bytes of memory, with what `verified` may come to hold: the same once more."""
        return 2 * len(self.body) + _OVERHEAD


class DocumentCache:
    """Documents by address and media type. It lives on one event loop.

    `clock` says what time it is, `steady` how much has passed since some moment: setting the clock back must not keep
    anybody's revocations from being seen for longer.
    """

    def __init__(
        self, fetch: Fetch, clock: Callable[[], datetime], steady: Callable[[], timedelta],
        *, most: int = _MAX_DOCUMENTS, most_bytes: int = _MAX_BYTES,
    ) -> None:  # fmt: skip
        self._fetch = fetch
        self._clock = clock
        self._steady = steady
        self._most = most
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[str, str], Document] = OrderedDict()
        self._bytes = 0
        self._flights: dict[tuple[str, str], asyncio.Task[Document]] = {}

    async def get(self, url: str, accept: str, newer_than: datetime | None = None) -> Document:
        """What is at `url`: as it was fetched lately, after `newer_than` if that is given, or fetched now.

        Raises Unavailable, also if that is how it was lately.
        """
        key = (url, accept)
        document = self._usable(key, newer_than)
        if document is None:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = asyncio.create_task(self._fly(key))
            # Others may be waiting for it too, so it is not given up with the one that began it.
            document = await asyncio.shield(flight)
        if document.failure is not None:
            raise Unavailable(document.failure)
        return document

    async def close(self) -> None:
        """Give up what is being fetched."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _usable(self, key: tuple[str, str], newer_than: datetime | None) -> Document | None:
        document = self._held.get(key)
        if document is None or document.fetched + self._age(document) >= document.until:
            return None
        if newer_than is not None and document.fetched <= newer_than:
            return None
        self._held.move_to_end(key)
        return document

    def _age(self, document: Document) -> timedelta:
        return max(self._clock() - document.fetched, self._steady() - document.since)

    async def _fly(self, key: tuple[str, str]) -> Document:
        try:
            document = await self._fetched(*key)
            self._keep(key, document)
        finally:
            del self._flights[key]
        return document

    async def _fetched(self, url: str, accept: str) -> Document:
        body, failure = b"", None
        try:
            body = await self._fetch(url, accept)
        except Unavailable as error:
            failure = error.detail
        now = self._clock()
        return Document(body, now, now + BRIEFLY, failure, self._steady())

    def _keep(self, key: tuple[str, str], document: Document) -> None:
        former = self._held.pop(key, None)
        self._bytes += document.size - (former.size if former else 0)
        self._held[key] = document
        while len(self._held) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._held.popitem(last=False)[1].size
