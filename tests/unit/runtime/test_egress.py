"""The guarded client, against a server on this machine that misbehaves on request."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from laurel.runtime.egress import Answer, Egress, Refused
from laurel.runtime.faults import Transient, is_transient
from support.tls import Authority
from support.waiting import eventually

LIMIT = 1000
OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "/drip/headers": (OK, b"X-More: " + b"x" * 80 + b"\r\n"),
    "/drip/one-header": (OK + b"X-Long: ", b"x" * 80),
    "/drip/hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "/drip/chunk-extension": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;e=", b"x" * 80),
    "/drip/small-chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;e=" + b"x" * 800 + b"\r\nx\r\n"),
    "/drip/trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: y\r\n"),
}


@dataclass
class Server:
    """Answers by path, and remembers what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    elsewhere: str = ""
    under_way: int = 0
    hung_up: int = 0
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
            self.under_way += 1
            await self.release.wait()
            writer.write(self.answer(path))
        elif path in DRIPS:
            await self.drip(writer, *DRIPS[path])
        elif path != "/hangup":
            writer.write(self.answer(path))
            await writer.drain()
        writer.close()

    async def drip(self, writer: asyncio.StreamWriter, head: bytes, part: bytes) -> None:
        """Send `part` again and again, until the other side has had enough."""
        writer.write(head)
        try:
            while not writer.is_closing():
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        self.hung_up += 1

    def answer(self, path: str) -> bytes:
        if path.startswith("/jump/"):
            left = int(path.removeprefix("/jump/"))
            to = b"/jump/%d" % (left - 1) if left > 1 else b"/good"
            return b"HTTP/1.1 307 Jump\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % to
        if path == "/elsewhere":
            return b"HTTP/1.1 301 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % self.elsewhere.encode()
        if path == "/bomb":
            bomb = gzip.compress(bytes(1_000_000))
            return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(bomb), bomb)
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
    await listening.wait_closed()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    client = Egress(allow_loopback=True, timeout=5, limit=LIMIT)
    yield client
    await client.close()


async def test_a_good_answer_is_its_body(server: Server, egress: Egress) -> None:
    assert await egress.get(server.url("/good"), accept="application/vc") == b'{"a":1}'
    assert server.asked == ["GET /good"]
    assert "Accept: application/vc" in server.headers


async def test_a_redirect_on_the_same_host_is_followed_three_times(server: Server, egress: Egress) -> None:
    assert await egress.get(server.url("/redirect")) == b'{"a":1}'
    assert await egress.get(server.url("/jump/3")) == b'{"a":1}'
    with pytest.raises(Refused, match="more than 3 times"):
        await egress.get(server.url("/jump/4"))


@pytest.mark.parametrize("to", [
    "http://127.0.0.2:{port}/good", "http://localhost:{port}/good", "https://127.0.0.1:{port}/good",
    "http://127.0.0.1:1/good", "//127.0.0.2:{port}/good", "https://example.org/", "file:///etc/passwd", "http://[x",
    "http://u:p@127.0.0.1:{port}/good", "//xn--a/", "http:////[x",
])  # fmt: skip
async def test_a_redirect_elsewhere_is_refused(server: Server, egress: Egress, to: str) -> None:
    server.elsewhere = to.format(port=server.port)
    with pytest.raises(Refused):
        await egress.get(server.url("/elsewhere"))
    assert server.asked == ["GET /elsewhere"]


async def test_a_redirect_is_an_answer_like_any_other_to_a_request(server: Server, egress: Egress) -> None:
    assert await egress.request("GET", server.url("/redirect")) == Answer(302, b"")
    assert server.asked == ["GET /redirect"]


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


@pytest.mark.parametrize("url", [
    "https://[x", "https://\u2100.example/", "https://", "https:///x", "https://a:b/", "https://xn--a/",
])  # fmt: skip
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


@pytest.mark.parametrize("path", DRIPS)
async def test_an_answer_without_end_is_cut_off(server: Server, egress: Egress, path: str) -> None:
    with pytest.raises((Refused, Transient), match=r"more than can be taken|RemoteProtocolError"):
        await egress.get(server.url(path))

    async def hung_up() -> bool:
        return server.hung_up == 1

    assert await eventually(hung_up, what="the connection is closed")


async def test_content_that_was_compressed_all_the_same_is_refused(server: Server, egress: Egress) -> None:
    with pytest.raises(Refused, match="compressed"):
        await egress.get(server.url("/bomb"))
    assert "Accept-Encoding: identity" in server.headers


async def test_an_exchange_as_a_whole_has_a_deadline(server: Server) -> None:
    egress = Egress(allow_loopback=True, timeout=60, deadline=0.2)
    for path in ("/slow", "/slow"):
        with pytest.raises(Transient, match=r"within 0\.2 s"):
            await egress.get(server.url(path))
    await egress.close()


async def test_a_name_server_that_hangs_counts_towards_the_deadline() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        return []

    egress = Egress(lookup=lookup, timeout=60, deadline=0.2)
    with pytest.raises(Transient):
        await egress.get("https://example.org/")
    await egress.close()


async def test_a_slow_host_fills_its_own_places_only(server: Server) -> None:
    egress = Egress(allow_loopback=True)
    fetches = [asyncio.create_task(egress.get(server.url("/slow"))) for _ in range(9)]

    async def full() -> bool:
        return server.under_way == 4

    assert await eventually(full, what="four fetches from one host")
    assert await egress.get(server.url("/good", "localhost")) == b'{"a":1}'
    assert server.under_way == 4
    server.release.set()
    assert await asyncio.gather(*fetches) == [b'{"a":1}'] * 9
    await egress.close()


async def test_a_user_is_not_named_in_a_public_address(egress: Egress) -> None:
    with pytest.raises(Refused, match="names a user") as refusal:
        await egress.get("https://me:secret@example.org/")
    assert "secret" not in str(refusal.value)


async def test_an_address_without_end_is_refused(egress: Egress) -> None:
    with pytest.raises(Refused, match="is not a URL"):
        await egress.get("https://example.org/" + "x" * 5000)


@dataclass
class Names:
    """A name server whose answers change from one question to the next."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Secure:
    """A server behind TLS, and what its clients took it for."""

    port: int
    authority: Authority
    called: list[str | None]
    server: Server

    def url(self, path: str = "/good", host: str = "badges.example.org") -> str:
        return f"https://{host}:{self.port}{path}"

    def egress(self, names: Names, **more: bool) -> Egress:
        return Egress(lookup=names, trust=self.authority.trust(), timeout=5, limit=LIMIT, **more)


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    authority, made = Authority(), Server()
    context = authority.server(tmp_path, "badges.example.org")
    called: list[str | None] = []
    context.sni_callback = lambda connection, name, context: called.append(name)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    yield Secure(listening.sockets[0].getsockname()[1], authority, called, made)
    made.release.set()
    listening.close()
    await listening.wait_closed()


async def test_the_certificate_is_held_against_the_host_and_not_the_address(secure: Secure) -> None:
    names = Names([["127.0.0.1"]])
    egress = secure.egress(names, allow_loopback=True)
    assert await egress.get(secure.url()) == b'{"a":1}'
    assert secure.called == ["badges.example.org"]
    assert f"Host: badges.example.org:{secure.port}" in secure.server.headers
    assert names.asked == ["badges.example.org"]
    with pytest.raises(Transient, match="ConnectError"):
        await egress.get(secure.url(host="other.example.org"))
    await egress.close()
    stranger = Egress(lookup=names, allow_loopback=True, trust=Authority().trust())
    with pytest.raises(Transient, match="ConnectError"):
        await stranger.get(secure.url())
    await stranger.close()
    assert secure.server.asked == ["GET /good"]


async def test_a_name_that_points_to_this_machine_is_refused(secure: Secure) -> None:
    for found in (["127.0.0.1"], ["::1"], ["10.1.2.3"], ["2000::1", "127.0.0.1"]):
        egress = secure.egress(Names([found]))
        with pytest.raises(Refused, match=r"on this machine|not at a public"):
            await egress.get(secure.url())
        await egress.close()
    assert secure.called == []


async def test_the_address_that_was_judged_is_the_one_connected_to(secure: Secure) -> None:
    # The first answer is public, and nobody is there; whoever asks again is sent to this machine.
    names = Names([["2000::1"], ["127.0.0.1"]])
    egress = Egress(lookup=names, trust=secure.authority.trust(), timeout=0.3)
    with pytest.raises(Transient):
        await egress.get(secure.url())
    assert names.asked == ["badges.example.org"]
    with pytest.raises(Refused, match="on this machine"):
        await egress.get(secure.url())
    assert secure.called == []
    await egress.close()


async def test_a_redirect_does_not_lead_around_the_check(secure: Secure) -> None:
    names = Names([["127.0.0.1"], ["10.0.0.1"]])
    egress = secure.egress(names, allow_loopback=True)
    with pytest.raises(Refused, match="not at a public address"):
        await egress.get(secure.url("/redirect"))
    assert secure.server.asked == ["GET /redirect"]
    await egress.close()


async def test_the_next_address_is_tried_when_one_does_not_answer(secure: Secure) -> None:
    egress = secure.egress(Names([["127.0.0.99", "127.0.0.1"]]), allow_loopback=True)
    assert await egress.get(secure.url()) == b'{"a":1}'
    await egress.close()


async def test_a_handshake_without_end_is_given_up_and_hung_up_on() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        gone.set()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    egress = Egress(allow_loopback=True, timeout=60, deadline=0.2)
    with pytest.raises(Transient):
        await egress.get(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")
    await asyncio.wait_for(gone.wait(), 30)
    listening.close()
    await egress.close()


async def test_a_list_as_long_as_they_come_passes(server: Server) -> None:
    egress = Egress(allow_loopback=True, limit=2_000_000)
    assert len(await egress.get(server.url("/size/2000000"))) == 2_000_000
    await egress.close()
