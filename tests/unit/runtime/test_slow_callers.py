"""Callers that are slow, or say nothing at all, behind the services' own HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from structlog.typing import EventDict

from laurel.contracts.errors import Code, Rejected
from laurel.runtime.connections import Connection
from laurel.runtime.health import Health
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.settings import ServiceSettings
from laurel.runtime.web import create_app
from support.serving import Caller, served
from support.waiting import eventually

PATIENCE = 0.5
LONG = 10.0  # for what should have happened by then, however busy the machine is
SETTINGS = ServiceSettings(kafka_bootstrap="127.0.0.1:1", public_url="http://127.0.0.1:1", http_port=0)


@pytest.fixture
def app() -> FastAPI:
    app = create_app("Tester", Lifecycle("tester", Health()), body_seconds=PATIENCE)
    app.state.failed = []

    @app.post("/hand")
    async def by_hand(request: Request) -> int:
        try:
            return len(await request.body())
        except Exception as error:
            app.state.failed.append(type(error).__name__)
            raise

    @app.post("/declared")
    async def declared(given: dict[str, Any]) -> int:
        return len(given)

    @app.post("/door")
    async def door() -> None:
        raise Rejected(Code.UNAUTHORIZED, "", "Send a key.")

    @app.post("/late")
    async def late(request: Request) -> int:
        await asyncio.wait_for(app.state.go_on.wait(), LONG)
        return len(await request.body())

    @app.post("/busy")
    async def busy(request: Request) -> bool:
        await request.body()
        await asyncio.wait_for(app.state.go_on.wait(), LONG)
        return await request.is_disconnected()

    return app


@pytest.fixture
async def port(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    app.state.go_on = asyncio.Event()
    monkeypatch.setattr(Connection, "idle_seconds", PATIENCE)
    async with served(app, SETTINGS) as port:
        yield port


async def closed(caller: Caller) -> bool:
    return await asyncio.wait_for(caller.is_closed(), LONG)


async def trickle(caller: Caller, drop: bytes) -> None:
    while True:
        await caller.send(drop)
        await asyncio.sleep(PATIENCE / 10)


@pytest.mark.parametrize("path", ["/hand", "/declared"])
@pytest.mark.parametrize("drop", [None, b" "], ids=["nothing", "drop by drop"])
async def test_a_body_that_does_not_arrive_is_a_408_and_the_connection_closes(
    port: int, path: str, drop: bytes | None
) -> None:
    caller = await Caller.dial(port)
    await caller.announce(path, 100_000, {})
    trickling = asyncio.create_task(trickle(caller, drop)) if drop else None
    status, headers, told = await asyncio.wait_for(caller.answer(), LONG)
    assert (status, told["code"], headers["connection"]) == (408, Code.BODY_TOO_SLOW, "close")
    assert "within 0.5 seconds" in told["detail"]
    assert await closed(caller)
    if trickling:
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)


async def test_the_time_for_a_body_begins_when_the_service_wants_it(app: FastAPI, port: int) -> None:
    caller = await Caller.dial(port)
    await caller.announce("/late", 2, {})
    await asyncio.sleep(2 * PATIENCE)  # time is what this is about
    app.state.go_on.set()
    await caller.send(b"{}")
    assert (await asyncio.wait_for(caller.answer(), LONG))[::2] == (200, 2)


async def test_it_ends_with_the_body_however_long_the_answer_takes(app: FastAPI, port: int) -> None:
    caller = await Caller.dial(port)
    await caller.announce("/busy", 2, {})
    await caller.send(b"{}")
    await asyncio.sleep(2 * PATIENCE)
    app.state.go_on.set()
    assert (await asyncio.wait_for(caller.answer(), LONG))[::2] == (200, False)


@pytest.mark.parametrize("said", [b"", b"POST /hand HTTP/1.1\r\nHost: tester\r\n"], ids=["nothing", "half a head"])
async def test_a_connection_without_a_request_is_closed(port: int, said: bytes) -> None:
    caller = await Caller.dial(port)
    await caller.send(said)
    assert await closed(caller)


@pytest.mark.parametrize("drop", [b"x", b"\r\n"], ids=["what is left of the body", "empty lines"])
async def test_an_answered_request_keeps_no_connection(port: int, drop: bytes) -> None:
    caller = await Caller.dial(port)
    await caller.announce("/door", 100_000 if drop == b"x" else 0, {})
    assert (await asyncio.wait_for(caller.answer(), LONG))[0] == 401
    trickling = asyncio.create_task(trickle(caller, drop))
    assert await closed(caller)
    trickling.cancel()
    await asyncio.gather(trickling, return_exceptions=True)


async def test_requests_that_come_one_after_the_other_share_a_connection(port: int) -> None:
    caller = await Caller.dial(port)
    for _ in range(3):
        await caller.announce("/hand", 2, {})
        await caller.send(b"{}")
        assert (await asyncio.wait_for(caller.answer(), LONG))[0] == 200
        await asyncio.sleep(PATIENCE / 2)


async def test_requests_that_come_before_the_answer_are_answered(app: FastAPI, port: int) -> None:
    caller = await Caller.dial(port)
    for path in ("/busy", "/busy"):
        await caller.announce(path, 2, {})
        await caller.send(b"{}")
    await asyncio.sleep(2 * PATIENCE)
    app.state.go_on.set()
    for _ in range(2):
        assert (await asyncio.wait_for(caller.answer(), LONG))[::2] == (200, False)


async def test_a_caller_that_leaves_is_no_failure(app: FastAPI, port: int, logged: list[EventDict]) -> None:
    caller = await Caller.dial(port)
    await caller.announce("/hand", 100, {})
    await caller.send(b"{")
    await caller.hang_up()
    await eventually(lambda: app.state.failed == ["ClientDisconnect"])
    assert [each["event"] for each in logged if each["log_level"] != "info"] == []
