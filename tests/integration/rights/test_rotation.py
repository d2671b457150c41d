"""Every key that lets somebody in is changed while it is in use, and nobody is refused who should not be.

Two instances of the registry stand behind what would be a load balancer: a caller who finds one gone, or not ready yet,
asks the other.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from laurel.contracts.catalog import Catalog, PartnerKey
from laurel.contracts.completions import CompletionRecorded, Learner
from laurel.contracts.operators import Operator, Right, TokenHash
from laurel.contracts.topics import CREDENTIALS, REJECTED_COMPLETIONS
from laurel.credentials.keys import SigningKey
from laurel.partner import PartnerClient
from laurel.runtime.settings import KafkaSettings
from support.log import read_topic
from support.waiting import eventually
from support.world import World

pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
PACE_SECONDS = 0.05
ENOUGH = 5
"""How many requests are to be answered under each state of the keys."""


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


@dataclass
class Caller:
    """Somebody who asks again and again, each time with the key of the moment."""

    ask: Callable[[str], Awaitable[int]]
    """One request with this key; the answer's status."""
    key: str
    answered: int = 0
    refused: list[str] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            status = await self.ask(self.key)
            self.answered += 1
            if status >= 300:
                self.refused.append(f"{status} to request {self.answered}")
            await asyncio.sleep(PACE_SECONDS)

    async def some_more(self) -> None:
        """Until enough requests have been answered that were made from now on."""
        until = self.answered + ENOUGH + 1  # one is on its way
        await eventually(lambda: self.answered >= until, what="requests that are answered")


class Instance:
    """One instance of a service. It is given no request while it is stopped, as by a load balancer."""

    def __init__(self, build: Callable[[], FastAPI]) -> None:
        self.build = build
        self._stack = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None
        self._in_hand = 0

    async def start(self) -> None:
        app = self.build()
        await self._stack.enter_async_context(app.state.lifecycle)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://it", timeout=30)
        self._client = await self._stack.enter_async_context(client)

    async def stop(self) -> None:
        """Finish what is in hand, and end."""
        client, self._client = self._client, None
        await eventually(lambda: self._in_hand == 0, what="an instance with nothing in hand")
        assert client is not None
        await self._stack.aclose()

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> httpx.Response | None:
        """Its answer; None while it is stopped, or not ready yet."""
        if self._client is None:
            return None
        self._in_hand += 1
        try:
            answer = await self._client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        finally:
            self._in_hand -= 1
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer


@dataclass(frozen=True)
class Running:
    """One issuer and two registries."""

    issuer: Instance
    registries: tuple[Instance, Instance]

    async def either(self, method: str, path: str, token: str, body: Any = None) -> httpx.Response:
        """What a registry answers."""
        while True:
            for registry in self.registries:
                if (answer := await registry.ask(method, path, token, body)) is not None:
                    return answer
            await asyncio.sleep(PACE_SECONDS)

    async def apply(self, catalog: Catalog, token: str) -> None:
        body = catalog.model_dump(mode="json", by_alias=True, exclude_none=True)
        answer = await self.either("PUT", "/admin/catalog", token, body)
        assert answer.status_code == 200, answer.text

    async def call_as_operator(self, token: str) -> int:
        return (await self.either("GET", "/admin/status-changes", token)).status_code

    async def call_as_consortium(self, token: str) -> int:
        return (await self.either("GET", "/admin/catalog", token)).status_code

    async def hand_in(self, api_key: str) -> int:
        body = {"id": secrets.token_hex(8), "data": a_completion().model_dump(mode="json", by_alias=True)}
        answer = await self.issuer.ask("POST", "/completions", api_key, body)
        return 503 if answer is None else answer.status_code

    async def restart_with(self, *keys: str) -> None:
        """Give each registry these keys of the consortium's, one instance after the other."""
        for registry in self.registries:
            await registry.stop()
            registry.build = with_admin_keys(registry.build, *keys)
            await registry.start()


def with_admin_keys(build: Callable[[], FastAPI], *keys: str) -> Callable[[], FastAPI]:
    """The same registry, told of these keys of the consortium's as their hashes."""
    assert isinstance(build, partial)
    (settings,) = build.args
    told = {"admin_token": None, "admin_token_hashes": tuple(map(digest, keys))}
    return partial(build.func, settings.model_copy(update=told))


def a_completion() -> CompletionRecorded:
    learner = Learner(reference="s-1", name="Ana Lima", email="ana@learner.example.org")
    return CompletionRecorded(
        achievement="python", completed_at=datetime.now(UTC).replace(microsecond=0), learner=learner
    )


def with_keys(catalog: Catalog, api_keys: list[str], signing: list[PartnerKey], tokens: list[str]) -> Catalog:
    """The catalog with these keys of the partner campus, and these tokens of the operator."""
    campus, *others = catalog.partners
    assert campus.id == "campus"
    renewed = campus.model_copy(
        update={"api_key_hashes": tuple(map(digest, api_keys)), "keys": (*campus.keys[1:], *signing)}
    )
    desk = Operator(id="desk", name="The desk", rights=(Right.STATUS,),
                    token_hashes=tuple(TokenHash(sha256=digest(token)) for token in tokens))  # fmt: skip
    return catalog.model_copy(update={"partners": (renewed, *others), "operators": (desk,)})


@asynccontextmanager
async def brought_up(builds: dict[str, Any], admin: str) -> AsyncIterator[Running]:
    registry = with_admin_keys(builds["registry"], admin)
    running = Running(Instance(builds["issuer"]), (Instance(registry), Instance(registry)))
    instances = (*running.registries, running.issuer)
    async with AsyncExitStack() as stack:
        for each in instances:
            await each.start()
            stack.push_async_callback(each.stop)
        yield running


async def test_keys_are_changed_under_those_who_use_them(
    builds: dict[str, Any], world: World, kafka_settings: KafkaSettings
) -> None:
    names = ("api key", "token", "admin")
    old, new = ({name: f"laurel_{which}_{secrets.token_urlsafe(32)}" for name in names} for which in ("old", "new"))
    secret = {number: SigningKey.from_seed(secrets.token_bytes(32)) for number in (1, 2)}
    signing = {
        number: PartnerKey(kid=f"campus-r{number}", public_key_multibase=key.public.to_multibase())
        for number, key in secret.items()
    }
    async with brought_up(builds, old["admin"]) as running, AsyncExitStack() as clients:
        catalog = world.catalog
        await running.apply(with_keys(catalog, [old["api key"]], [signing[1]], [old["token"]]), old["admin"])
        partners = {
            str(number): await clients.enter_async_context(partner_of(world, kafka_settings, f"campus-r{number}", key))
            for number, key in secret.items()
        }

        async def publish(number: str) -> int:
            await partners[number].publish([partners[number].build(a_completion(), event_id=secrets.token_hex(8))])
            return 200

        callers = {
            "api key": Caller(running.hand_in, old["api key"]), "signing key": Caller(publish, "1"),
            "token": Caller(running.call_as_operator, old["token"]),
            "admin": Caller(running.call_as_consortium, old["admin"]),
        }  # fmt: skip
        work = [asyncio.create_task(each.run()) for each in callers.values()]

        async def all_answered() -> None:
            for task in work:
                assert not task.done(), task
            await asyncio.gather(*[each.some_more() for each in callers.values()])

        await all_answered()

        # 1. What stands in the catalog: both, then the new one in use at once, then the old one is gone.
        both = with_keys(
            catalog, [old["api key"], new["api key"]], [signing[1], signing[2]], [old["token"], new["token"]]
        )
        await running.apply(both, old["admin"])
        for name in ("api key", "token"):
            callers[name].key = new[name]
        callers["signing key"].key = "2"
        assert await running.hand_in(old["api key"]) == 202
        assert await running.call_as_operator(old["token"]) == 200
        await all_answered()
        # What the old key signed is to be handled before it is retired.
        await every_event_earned_a_credential(kafka_settings, callers["api key"], callers["signing key"])
        now = datetime.now(UTC).replace(microsecond=0)
        retired = signing[1].model_copy(update={"retired": now})
        await running.apply(with_keys(catalog, [new["api key"]], [retired, signing[2]], [new["token"]]), old["admin"])
        await all_answered()
        assert await running.call_as_operator(old["token"]) == 401

        # 2. What stands in the settings: both, one instance after the other, then the new one alone.
        await running.restart_with(old["admin"], new["admin"])
        await all_answered()
        callers["admin"].key = new["admin"]
        await all_answered()
        await running.restart_with(new["admin"])
        await all_answered()
        assert await running.call_as_consortium(old["admin"]) == 401

        async def old_api_key_is_out() -> bool:
            return await running.hand_in(old["api key"]) == 401

        await eventually(old_api_key_is_out, what="the old API key's end")
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        assert {name: each.refused for name, each in callers.items()} == {name: [] for name in callers}
        await every_event_earned_a_credential(kafka_settings, callers["api key"], callers["signing key"])


def partner_of(world: World, kafka: KafkaSettings, kid: str, key: SigningKey) -> PartnerClient:
    source = world.catalog.partners[0].sources[0]
    return PartnerClient(kafka.kafka_bootstrap, source, kid, key, idempotence=kafka.kafka_idempotence, timeout=30)


async def every_event_earned_a_credential(kafka: KafkaSettings, *senders: Caller) -> None:
    """The log tells of no refusal, and of a credential for each."""
    asked = sum(each.answered for each in senders)

    async def issued() -> bool:
        return len(await read_topic(kafka, CREDENTIALS)) >= asked

    await eventually(issued, what="a credential for each event", timeout=60)
    assert [json.loads(each.value or b"{}") for each in await read_topic(kafka, REJECTED_COMPLETIONS)] == []
