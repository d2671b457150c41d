"""A small HTTP server on this machine, whose answers a test decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from typing import Any


@dataclass
class Site:
    """Answers by method and path, and the requests that came. What is `held` is answered once `holding` is set."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    holding: Event = field(default_factory=Event)
    held: set[str] = field(default_factory=set)

    def serve(self, path: str, document: Any, *, method: str = "GET", status: int = 200) -> None:
        """Answer a request for `path` with `document` as JSON."""
        self.answers[method, path] = (status, document)

    @property
    def bodies(self) -> list[Any]:
        """The bodies that came, as JSON."""
        return [json.loads(body) for *_, body in self.requests]

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for _, path, *_ in self.requests]


@contextmanager
def serving(tls: SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    """A server on this machine, by the name `host` and behind TLS if wanted; what it does not know is 404."""
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append((self.command, self.path, dict(self.headers.items()), body))
            if self.path in state.held:
                state.holding.wait()
            if self.path in state.redirects:
                self.send_response(302)
                self.send_header("Location", state.redirects[self.path])
                self.end_headers()
                return
            status, document = state.answers.get((self.command, self.path), (404, {"detail": "Nothing is here."}))
            raw = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"{'http' if tls is None else 'https'}://{host}:{server.server_port}"
    yield state
    state.holding.set()
    server.shutdown()
    server.server_close()
    thread.join()
