"""A notifier on a real broker, database and mail catcher, and the events it lives on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
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


@dataclass
class Running:
    """Notifiers that are running, seen from outside."""

    settings: NotifierSettings
    mailbox: Mailbox
    app: FastAPI

    async def publish(self, *messages: Message) -> None:
        await publish(self.settings, messages)

    async def mails(self, count: int = 1) -> list[EmailMessage]:
        """The mails in the mailbox as soon as there are that many."""
        return await eventually(
            lambda: found if len(found := self.mailbox.messages()) >= count else [], what=f"{count} mails"
        )

    async def get(self, path: str, token: str | None = TOKEN) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://notifier") as client:
            return await client.get(path, headers=headers)

    async def rows(self, credential: str) -> list[dict[str, Any]]:
        """The delivery log's rows of a credential, the newest first."""
        answer = await self.get("/deliveries?" + str(httpx.QueryParams(credential=credential)))
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["deliveries"]
        return rows

    async def row(self, credential: str, occasion: str = "issued") -> dict[str, Any] | None:
        return next((row for row in await self.rows(credential) if row["occasion"] == occasion), None)

    async def until(self, credential: str, state: str, occasion: str = "issued") -> dict[str, Any]:
        """A credential's row as soon as it is in a state and nothing is left to do."""

        async def there() -> dict[str, Any] | None:
            row = await self.row(credential, occasion)
            return row if row is not None and row["state"] == state and "dueAt" not in row else None

        return await eventually(there, what=f"{occasion} {state}")

    async def reports(self) -> list[DeliverySucceeded | DeliveryFailed]:
        """What was published about deliveries."""
        read = [read_event(record) for record in await read_topic(self.settings, DELIVERIES)]
        return [each[1] for each in read if each and isinstance(each[1], DeliverySucceeded | DeliveryFailed)]


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def notifier_settings(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World
) -> NotifierSettings:
    return NotifierSettings.model_validate({
        **kafka_settings.model_dump(), "mongo_url": database.url, "mongo_database": database_name,
        "public_url": world.public_url, "smtp_host": "127.0.0.1", "smtp_port": mailbox.smtp_port,
        "smtp_security": "none", "mail_from": "Laurel <badges@laurel.example>", "admin_token": TOKEN,
        "retry_seconds": (0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2), "lease_seconds": 10,
    })  # fmt: skip


@pytest.fixture
def events(world: World) -> Iterator[Events]:
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
