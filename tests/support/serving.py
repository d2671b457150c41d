"""An application behind the services' own HTTP server, and callers that take their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI

from laurel.runtime.settings import ServiceSettings
from laurel.runtime.web import server_of
from support.waiting import eventually


@asynccontextmanager
async def served(app: FastAPI, settings: ServiceSettings) -> AsyncIterator[int]:
    """Serve the application on a free port of this machine, which is given."""
    server = server_of(app, settings.model_copy(update={"http_port": 0}))
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or serving.done(), what="the server's start")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@dataclass
class Caller:
    """A connection on which whatever one likes is sent, whenever one likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def dial(cls, port: int) -> Caller:
        """Connect, and say nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def announce(self, path: str, length: int, headers: Mapping[str, str]) -> None:
        """Send the head of a POST with a body of so many bytes, and none of them."""
        fields = {"Host": "tester", "Content-Type": "application/json", "Content-Length": str(length), **headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, raw: bytes) -> None:
        """Send these bytes."""
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """The answer's status, its headers in lower case, and the JSON in its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(fields["content-length"]))
        return int(head[0].split()[1]), fields, orjson.loads(body)

    async def is_closed(self) -> bool:
        """Wait until the server has closed; False where it says something first."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def hang_up(self) -> None:
        """Close it from this side."""
        self.writer.close()
