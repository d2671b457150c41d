"""An HTTP/1.1 client that takes little of the machine: on two cores, what asks for the load also bears on what is
measured. It knows what Laurel's own services answer, and no more of HTTP."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

_IDLE_SECONDS = 3.0
"""Less than after what the services close a connection."""


@dataclass(frozen=True)
class Answer:
    """An answer's status and body, and its headers, all in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        """The body, read. Raises AssertionError where the call failed."""
        assert self.status < 300, f"{self.status}: {self.body[:300]!r}"
        return orjson.loads(self.body)


@dataclass
class Client:
    """Calls one service over connections that it keeps."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    _idle: deque[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=deque)

    async def post(self, path: str, body: bytes) -> Answer:
        """One call with a JSON body."""
        return await self._call("POST", path, body)

    async def get(self, path: str) -> Answer:
        """One call without a body."""
        return await self._call("GET", path, b"")

    async def _call(self, method: str, path: str, body: bytes) -> Answer:
        reader, writer = await self._connection()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}", "Content-Type: application/json",
                 f"Content-Length: {len(body)}",
                 *(f"{name}: {value}" for name, value in self.headers.items())]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        answer = Answer(int(head[0].split()[1]), await reader.readexactly(int(fields["content-length"])), fields)
        self._idle.append((asyncio.get_running_loop().time(), reader, writer))
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, reader, writer = self._idle.pop()
            if now - since < _IDLE_SECONDS:
                return reader, writer
            writer.close()
        split = urlsplit(self.url)
        return await asyncio.open_connection(split.hostname, split.port)

    def close(self) -> None:
        """Let go of the connections."""
        for _, _, writer in self._idle:
            writer.close()
