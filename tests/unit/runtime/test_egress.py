"""The guarded client, against a server on this machine that misbehaves on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from laurel.runtime.egress import Answer, Egress, Refused
from laurel.runtime.faults import Transient, is_transient

LIMIT = 1000


@dataclass
class Server:
    """Answers by path, and remembers what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.rstrip().split("\r\n")
        self.asked.append(line.rsplit(" ", 1)[0])
        self.headers += headers
        path = line.split(" ")[1]
        if path == "/slow":
            await self.release.wait()
        elif path != "/hangup":
            writer.write(self.answer(path))
            await writer.drain()
        writer.close()

    def answer(self, path: str) -> bytes:
        if path == "/redirect":
            return b"HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n"
        if path == "/endless":
            part = b"100\r\n" + b"x" * 256 + b"\r\n"
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + part * 8
        if path == "/nonsense":
            return b"good morning\r\n\r\n"
        status = path.removeprefix("/status/") if path.startswith("/status/") else "200"
        body = b"x" * int(path.removeprefix("/size/")) if path.startswith("/size/") else b'{"a":1}'
        return b"HTTP/1.1 %s X\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    made.release.set()
    listening.close()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    client = Egress(allow_loopback=True, timeout=5, limit=LIMIT)
    yield client
    await client.close()


async def test_a_good_answer_is_its_body(server: Server, egress: Egress) -> None:
    assert await egress.get(server.url("/good"), accept="application/vc") == b'{"a":1}'
    assert server.asked == ["GET /good"]
    assert "Accept: application/vc" in server.headers


async def test_a_redirect_is_not_followed(server: Server, egress: Egress) -> None:
    with pytest.raises(Refused, match="302"):
        await egress.get(server.url("/redirect"))
    assert await egress.request("GET", server.url("/redirect")) == Answer(302, b"")
    assert server.asked == ["GET /redirect", "GET /redirect"]


@pytest.mark.parametrize("path", [f"/size/{LIMIT + 1}", "/size/2000000", "/endless"])
async def test_an_answer_over_the_limit_is_refused(server: Server, egress: Egress, path: str) -> None:
    with pytest.raises(Refused, match=f"more than {LIMIT} bytes"):
        await egress.get(server.url(path))


async def test_an_answer_at_the_limit_is_taken(server: Server, egress: Egress) -> None:
    assert await egress.get(server.url(f"/size/{LIMIT}")) == b"x" * LIMIT


@pytest.mark.parametrize("status", [400, 401, 404, 410, 204])
async def test_any_other_answer_is_refused(server: Server, egress: Egress, status: int) -> None:
    with pytest.raises(Refused, match=str(status)):
        await egress.get(server.url(f"/status/{status}"))


@pytest.mark.parametrize("path", ["/status/500", "/status/503", "/hangup", "/nonsense"])
async def test_a_server_in_trouble_is_tried_again(server: Server, egress: Egress, path: str) -> None:
    with pytest.raises(Transient) as failure:
        await egress.get(server.url(path))
    assert is_transient(failure.value)


async def test_a_server_that_is_away_or_slow_is_tried_again(server: Server) -> None:
    egress = Egress(allow_loopback=True, timeout=0.2)
    with pytest.raises(Transient, match="ReadTimeout"):
        await egress.get(server.url("/slow"))
    with pytest.raises(Transient, match="ConnectError"):
        await egress.get("http://127.0.0.1:1/")
    await egress.close()


async def test_whatever_is_answered_can_be_had(server: Server, egress: Egress) -> None:
    answer = await egress.request("POST", server.url("/status/409"), body=b"{}", headers={"X-Y": "z"})
    assert answer == Answer(409, b'{"a":1}')
    assert server.asked == ["POST /status/409"]
    assert "X-Y: z" in server.headers


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "[::1]"])
async def test_this_machine_is_refused_unless_it_is_allowed(server: Server, host: str) -> None:
    egress = Egress()
    for url in (server.url("/good", host), server.url("/good", host).replace("http:", "https:")):
        with pytest.raises(Refused, match="on this machine"):
            await egress.get(url)
    assert server.asked == []
    await egress.close()


@pytest.mark.parametrize("url", [
    "http://example.org/", "HTTP://example.org/", "ftp://example.org/", "file:///etc/passwd", "example.org", "",
    "//example.org", "gopher://example.org", "javascript:alert(1)",
])  # fmt: skip
async def test_what_is_not_https_is_refused(egress: Egress, url: str) -> None:
    with pytest.raises(Refused, match="is not https"):
        await egress.get(url)


@pytest.mark.parametrize("url", ["https://[x", "https://\u2100.example/", "https://", "https:///x", "https://a:b/"])
async def test_what_is_no_url_is_refused(egress: Egress, url: str) -> None:
    with pytest.raises(Refused, match="is not a URL"):
        await egress.get(url)


async def test_proxies_in_the_environment_are_not_used(
    server: Server, egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    fresh = Egress(allow_loopback=True)
    assert await fresh.get(server.url("/good")) == b'{"a":1}'
    await fresh.close()
