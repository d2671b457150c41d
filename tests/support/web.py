"""The web as far as the credential core sees it: documents by their address, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from laurel.credentials.document_cache import DocumentCache
from laurel.credentials.errors import Unavailable
from laurel.credentials.resolving import WebSources


@dataclass
class Web:
    """What is where, what was asked for, what time it is, and how much has passed."""

    now: datetime
    documents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    passed: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.cache = DocumentCache(self.fetch, lambda: self.now, lambda: self.passed)

    def serve(self, url: str, document: Any) -> None:
        """Publish `document` as JSON, or bytes as they are."""
        self.documents[url] = document if isinstance(document, bytes) else json.dumps(document).encode()

    async def fetch(self, url: str, accept: str) -> bytes:
        """The body at `url`."""
        self.asked.append(url)
        if url not in self.documents:
            raise Unavailable(f"{url} answered 404.")
        return self.documents[url]

    def sources(self) -> WebSources:
        """The sources of a verification that takes place now, with the cache that all have in common."""
        return WebSources(self.cache.get, self.now)

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.passed += timedelta(seconds=seconds)

    def set_clock(self, seconds: float) -> None:
        """Set the clock forward or back, without any time passing."""
        self.now += timedelta(seconds=seconds)
