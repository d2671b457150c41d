"""A running registry and its two sides: HTTP and Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from laurel.contracts.base import Contract
from laurel.contracts.operations import DeadLetter
from laurel.contracts.status import Action
from laurel.contracts.topics import DEAD_LETTERS, Message, Topic
from laurel.runtime.backoff import Backoff
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.record import Record, read_event
from registry.app import build
from registry.config import RegistrySettings
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import World

TOKEN = "an-admin-token-of-32-characters-and-more"


@dataclass
class Registry:
    """A running registry and its two sides: HTTP and Kafka."""

    settings: RegistrySettings
    http: httpx.AsyncClient
    world: World

    async def admin(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> httpx.Response:
        """A call of the admin API."""
        return await self.http.request(method, f"/admin{path}", json=body,
                                       headers={"Authorization": f"Bearer {token}"})  # fmt: skip

    async def apply_catalog(self, body: Contract | None = None) -> dict[str, Any]:
        """Apply the world's catalog, or another."""
        answer = await self.admin("PUT", "/catalog", (body or self.world.catalog).model_dump(mode="json"))
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def change(self, token: str, action: Action, **more: Any) -> httpx.Response:
        """A status request through the admin API."""
        body = {"credential": self.world.addresses.credential(token), "action": action.value, "reason": "a mistake",
                "requestedBy": "registrar", **more}  # fmt: skip
        return await self.admin("POST", "/status-requests", body)

    async def records(self, topic: Topic) -> list[Record]:
        """The topic as it stands."""
        return await read_topic(self.settings, topic)

    async def bodies(self, topic: Topic, kind: type[Contract]) -> list[Any]:
        """The topic's bodies of one kind."""
        read = [read_event(record) for record in await self.records(topic)]
        return [found[1] for found in read if found and isinstance(found[1], kind)]

    async def dead_letters(self) -> list[DeadLetter]:
        """What was given up on."""
        return await self.bodies(DEAD_LETTERS, DeadLetter)

    async def send(self, *messages: Message) -> None:
        """Publish as the issuer or a partner would."""
        await publish(self.settings, messages)

    async def filed(self, token: str) -> dict[str, Any]:
        """The credential's state and history, once the registry has it."""

        async def look() -> httpx.Response | None:
            answer = await self.admin("GET", f"/credentials/{token}")
            return answer if answer.status_code == 200 else None

        answer = await eventually(look, what=f"{token} is filed")
        assert answer is not None
        shown: dict[str, Any] = answer.json()
        return shown

    async def buried(self, count: int) -> list[DeadLetter]:
        """The dead letters, once there are so many."""

        async def look() -> list[DeadLetter]:
            letters = await self.dead_letters()
            return letters if len(letters) >= count else []

        return await eventually(look, what=f"{count} dead letters")


@asynccontextmanager
async def running(settings: RegistrySettings, world: World) -> AsyncIterator[Registry]:
    """A registry, started and stopped."""
    app = build(settings, backoff=Backoff(0.01, 0.05))
    lifecycle: Lifecycle = app.state.lifecycle
    transport = httpx.ASGITransport(app=app)
    async with lifecycle, httpx.AsyncClient(transport=transport, base_url=world.public_url) as http:
        yield Registry(settings, http, world)
