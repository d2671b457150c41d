"""A notifier on a real broker, database and mail catcher, and the events it lives on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from laurel.contracts.credentials import CredentialIssued, RecipientRecorded, StatusPosition
from laurel.contracts.operations import DeliveryFailed, DeliverySucceeded
from laurel.contracts.status import State, StatusChanged, StatusHeartbeat
from laurel.contracts.topics import CREDENTIALS, DELIVERIES, RECIPIENTS, STATUS_CHANGES, Message, message
from laurel.runtime.clock import utc_now
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from notifier.app import build
from notifier.config import NotifierSettings
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import World

TOKEN = "operators-token-0123456789-abcdefghij"
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
POSITION = StatusPosition(family="north-1", index=7)


@dataclass
class Events:
    """What the other services would publish about one credential."""

    credential: str
    world: World
    issued_at: datetime

    def issued(self) -> Message:
        body = CredentialIssued(
            id=self.credential, credential={"id": self.credential}, issuer="north", achievement="welding",
            partner="campus", status=POSITION, issued_at=self.issued_at,
        )  # fmt: skip
        return self._message(CREDENTIALS, body, self.issued_at)

    def recipient(self, *, email: str = "ana@learner.example", language: str = "en", at: datetime | None = None,
                  name: str = "Ana Ångström") -> Message:  # fmt: skip
        body = RecipientRecorded(credential=self.credential, name=name, email=email, language=language)
        return self._message(RECIPIENTS, body, at or self.issued_at)

    def status(self, state: State = State.REVOKED, version: int = 2) -> Message:
        body = StatusChanged(
            credential=self.credential, issuer="north", achievement="welding", status=POSITION, state=state,
            version=version, reason="Issued in error", changed_at=self.issued_at + timedelta(seconds=version),
        )  # fmt: skip
        return self._message(STATUS_CHANGES, body, body.changed_at, partition=1)

    def heartbeat(self) -> Message:
        return self._message(STATUS_CHANGES, StatusHeartbeat(partition=1, at=self.issued_at), self.issued_at,
                             partition=1)  # fmt: skip

    def _message(self, topic: Any, body: Any, time: datetime, partition: int | None = None) -> Message:
        made = message(topic, body, key=self.credential, event_id=f"{type(body).__name__} {self.credential}",
                       source="urn:laurel:issuer", time=time, partition=partition)  # fmt: skip
        return replace(made, trace=TRACE)


async def get(app: FastAPI, path: str, token: str | None = TOKEN) -> httpx.Response:
    """Ask an application that is running, or only built."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as client:
        return await client.get(path, headers=headers)


@dataclass
class Running:
    """Notifiers that are running, seen from outside."""

    settings: NotifierSettings
    mailbox: Mailbox
    app: FastAPI

    async def publish(self, *messages: Message) -> None:
        await publish(self.settings, messages)

    async def get(self, path: str) -> httpx.Response:
        return await get(self.app, path)

    async def rows(self, credential: str) -> list[dict[str, Any]]:
        """The delivery log's rows of a credential, the newest first."""
        answer = await self.get("/deliveries?" + str(httpx.QueryParams(credential=credential)))
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["deliveries"]
        return rows

    async def row_when(
        self, credential: str, condition: Callable[[dict[str, Any]], bool], occasion: str = "issued"
    ) -> dict[str, Any]:
        """A credential's row as soon as the condition holds for it."""

        async def there() -> dict[str, Any]:
            rows = [row for row in await self.rows(credential) if row["occasion"] == occasion]
            return next(filter(condition, rows), {})

        return await eventually(there, what=f"{occasion} row")

    async def closed(self, credential: str, state: str, occasion: str = "issued") -> dict[str, Any]:
        """A credential's row as soon as it is in a state and nothing is left to do."""
        return await self.row_when(credential, lambda row: row["state"] == state and "dueAt" not in row, occasion)

    async def reports(self) -> list[DeliverySucceeded | DeliveryFailed]:
        """What was published about deliveries."""
        read = [read_event(record) for record in await read_topic(self.settings, DELIVERIES)]
        return [each[1] for each in read if each and isinstance(each[1], DeliverySucceeded | DeliveryFailed)]


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def local_settings(database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World) -> NotifierSettings:
    """A notifier's settings where no broker is needed: there is none."""
    return NotifierSettings.model_validate({
        "kafka_bootstrap": "127.0.0.1:1", "mongo_url": database.url, "mongo_database": database_name,
        "public_url": world.public_url, "smtp_host": "127.0.0.1", "smtp_port": 1,
        "smtp_security": "none", "mail_from": "Laurel <badges@laurel.example>", "admin_token": TOKEN,
        "retry_seconds": (0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2), "lease_seconds": 10,
    })  # fmt: skip


@pytest.fixture
def notifier_settings(
    kafka_settings: KafkaSettings, local_settings: NotifierSettings, mailbox: Mailbox
) -> NotifierSettings:
    """A notifier's settings."""
    return local_settings.model_copy(update=kafka_settings.model_dump() | {"smtp_port": mailbox.smtp_port})


@pytest.fixture
def events(world: World) -> Events:
    return Events(f"{world.public_url}/credentials/4uQeVj5tqViQh7yrWGStvkEG1Zmhx6uasJtWCJziofM", world, utc_now())


@pytest.fixture
async def start(notifier_settings: NotifierSettings, mailbox: Mailbox, world: World) -> AsyncIterator[Start]:
    """Start one notifier, or another; all are stopped at the end. The catalog is published before the first."""
    async with AsyncExitStack() as stack:
        first = True

        async def begin(*, catalog: bool = True, **changes: Any) -> Running:
            nonlocal first
            settings = notifier_settings.model_copy(update=changes)
            if first and catalog:
                await publish(settings, world.catalog_messages())
            first = False
            app = build(settings, draw=lambda: 0.5)
            await stack.enter_async_context(app.state.lifecycle)
            return Running(settings, mailbox, app)

        yield begin
