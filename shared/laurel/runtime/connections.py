"""A caller's connection, as the HTTP server keeps it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """Is closed when it has no request in hand for `idle_seconds`.

    The server's own limit runs only from an answer to the next byte. A caller that never sends a head, or goes on with
    a body whose request was answered, would keep its connection, one of the process's open files, for ever.
    """

    idle_seconds = 10.0
    _closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the server has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._close_later()

    def on_headers_complete(self) -> None:
        """A request is in hand."""
        self._stay()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next head, unless the next request came before the answer."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._close_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing left to close."""
        self._stay()
        super().connection_lost(exc)

    def _close_later(self) -> None:
        self._stay()
        self._closing = self.loop.call_later(self.idle_seconds, self.transport.close)

    def _stay(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
