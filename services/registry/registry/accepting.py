"""Storing the status requests that come in at the same time together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from registry.requests import Requests
from registry.rows import StoredRequest

_AT_ONCE = 100


@dataclass
class _Offer:
    request: StoredRequest
    stored: StoredRequest | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        return self.stored is not None or self.error is not None


class Acceptor:
    """Stores what has come in while the write before was under way with one write, which costs little more than the
    write of one: a request is answered when it is safely stored, and safely storing is what takes time."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._offers: list[_Offer] = []
        self._writing = asyncio.Lock()

    async def accept(self, request: StoredRequest) -> StoredRequest:
        """Store the request unless its id is taken; returns what stands under the id."""
        offer = _Offer(request)
        self._offers.append(offer)
        while not offer.answered:
            async with self._writing:
                if not offer.answered:
                    await self._write()
        if offer.error is not None:
            raise offer.error
        assert offer.stored is not None
        return offer.stored

    async def _write(self) -> None:
        offers, self._offers = self._offers[:_AT_ONCE], self._offers[_AT_ONCE:]
        try:
            stored = await self._requests.accept([each.request for each in offers])
        except Exception as error:
            for each in offers:
                each.error = error
        except BaseException:  # the caller who writes for all goes away
            self._offers = offers + self._offers
            raise
        else:
            for each, held in zip(offers, stored, strict=True):
                each.stored = held
