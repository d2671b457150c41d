"""Whoever sends slowly, or not at all, takes nobody else's place at the intake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from integration.issuer.running import at_epoch, completions_of
from integration.issuer.test_intake import BEARER, client_of, completion, intake
from issuer.app import build
from issuer.config import IssuerSettings
from laurel.contracts.errors import Code
from laurel.runtime.lifecycle import Lifecycle
from support.log import publish
from support.serving import Caller, served
from support.waiting import eventually
from support.world import World

AT_ONCE = 4
A_MOMENT = 5.0


@asynccontextmanager
async def serving(settings: IssuerSettings, world: World) -> AsyncIterator[tuple[int, httpx.AsyncClient]]:
    """An issuer behind its server, with few places; its port, and a client."""
    await publish(settings, world.catalog_messages())
    app: FastAPI = build(settings.model_copy(update={"intake_requests_at_once": AT_ONCE}), clock=at_epoch)
    lifecycle: Lifecycle = app.state.lifecycle
    async with served(app, settings) as port:
        await eventually(lambda: not lifecycle.health.not_ready(), what="a ready issuer")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield port, client


async def announced(port: int, headers: dict[str, str]) -> Caller:
    caller = await Caller.dial(port)
    await caller.announce("/completions", 1000, headers)
    return caller


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody's"}], ids=["no key", "wrong key"])
async def test_without_a_key_a_body_that_never_comes_holds_nothing(
    settings: IssuerSettings, world: World, headers: dict[str, str]
) -> None:
    async with serving(settings, world) as (port, client):
        slow = [await announced(port, headers) for _ in range(5 * AT_ONCE)]
        for each in slow:
            status, _, told = await asyncio.wait_for(each.answer(), A_MOMENT)
            assert (status, told["code"]) == (401, Code.UNAUTHORIZED)
        async with asyncio.timeout(A_MOMENT):
            good = await client.post("/completions", json=completion("h-1"), headers=BEARER)
        assert good.status_code == 202, good.text


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_with_a_key_a_place_is_lent_for_as_long_as_a_body_may_take(
    settings: IssuerSettings, world: World
) -> None:
    async with serving(settings, world) as (port, client):

        async def good() -> httpx.Response:
            return await client.post("/completions", json=completion("h-1"), headers=BEARER)

        slow = [await announced(port, BEARER) for _ in range(AT_ONCE)]
        shed = await eventually(lambda: _is(good(), 429), what="a 429")
        assert (shed.json()["code"], shed.headers["Retry-After"]) == (Code.TOO_BUSY, "2")
        for each in slow:
            status, _, told = await asyncio.wait_for(each.answer(), 20)
            assert (status, told["code"]) == (408, Code.BODY_TOO_SLOW)
            assert await asyncio.wait_for(each.is_closed(), A_MOMENT)
        assert (await good()).status_code == 202


async def _is(asked: object, status: int) -> httpx.Response | None:
    answer = await asked  # type: ignore[misc]
    return answer if answer.status_code == status else None


async def test_strangers_look_at_the_catalog_together(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong key may be one that was registered just now, but a look for each would keep partners waiting."""
    async with intake(settings, world) as (app, _), client_of(app) as client:
        reader = completions_of(app).catalog._reader
        looks = 0
        look = reader.catch_up

        async def counted() -> None:
            nonlocal looks
            looks += 1
            await look()

        monkeypatch.setattr(reader, "catch_up", counted)
        answers = await asyncio.gather(
            *(client.post("/completions", json={}, headers={"Authorization": f"Bearer wrong-{number}"})
              for number in range(100))
        )  # fmt: skip
    assert {each.status_code for each in answers} == {401}
    assert 1 <= looks <= 10
