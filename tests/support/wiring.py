"""What a service is wired with, as far as a `Life` takes its place: the database's writes, the brokers, the mails."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import pytest
from fastapi import APIRouter

from laurel.contracts.topics import Message, Topic
from laurel.runtime import openapi
from laurel.runtime.catalog import CatalogView
from laurel.runtime.failures import Handler
from laurel.runtime.kafka import Kafka
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.mongo import Mongo
from notifier.smtp import Answer, MailServer
from registry import bulk_rows
from registry.outcomes import Outcomes
from registry.rows import StoredRequest
from support.awaits import READS
from support.crash import Effect, Life, Published, at_once, living
from support.places import under_way


def install(patch: pytest.MonkeyPatch, client: Any) -> None:
    """Let every service that is wired from now on belong to the `Life` that wires it."""
    connect, see = Kafka.__init__, CatalogView.__init__

    def database(self: Any, settings: Any) -> None:
        self.database = _Database(client[settings.mongo_database], living.get())

    def kafka(self: Any, *args: Any, **options: Any) -> None:
        connect(self, *args, **options)
        self.life = living.get()

    def subscribe(self: Any, topic: Topic, handler: Handler, **_: Any) -> None:
        self.life.handlers[topic.name] = (self, handler)

    def publish(self: Any, messages: Sequence[Message]) -> Awaitable[None]:
        at = under_way(sys._getframe(1))

        async def send_all() -> None:
            if not messages:
                return
            told = [Published.of(each) for each in messages]
            for refusal in filter(None, map(self.life.refuses, told)):
                raise refusal

            async def send(count: int) -> None:
                self.life.published += told[:count]

            what = f"publish to {', '.join(sorted({each.topic for each in told}))}"
            await self.life.effect(Effect(what, len(told), at), send)

        return send_all()

    def view(self: Any, *args: Any, **options: Any) -> None:
        see(self, *args, **options)
        self.catch_up = at_once  # it has read all there is
        living.get().views.append(self)

    def loop(self: Any, name: str, run: Any) -> None:
        living.get().loops[name] = run.__self__

    add_route = APIRouter.add_api_route

    def route(self: Any, *args: Any, **options: Any) -> None:
        if living.get().has_http:  # making the routes takes most of the time that wiring takes
            add_route(self, *args, **options)

    patch.setattr(Mongo, "__init__", database)
    patch.setattr(Mongo, "ping", lambda _: at_once())
    patch.setattr(Kafka, "__init__", kafka)
    patch.setattr(Kafka, "subscribe", subscribe)
    patch.setattr(Kafka, "publish", publish)
    patch.setattr(CatalogView, "__init__", view)
    patch.setattr(Lifecycle, "add_loop", loop)
    # Nobody reads what routes say of themselves, and putting that together would take most of the time.
    patch.setattr(openapi, "body", lambda _: {})
    patch.setattr(openapi, "answer", lambda *_, **__: {"description": ""})
    patch.setattr(APIRouter, "add_api_route", route)
    patch.setattr(bulk_rows, "BATCH", 1)  # so that a small bulk change has several
    _install_mails(patch)
    _install_outcomes(patch)


def _install_mails(patch: pytest.MonkeyPatch) -> None:
    hand_over, serve = MailServer.send, MailServer.__init__

    def server(self: Any, settings: Any) -> None:
        serve(self, settings)
        self.life = living.get()

    def send(self: Any, recipient: str, content: bytes) -> Awaitable[Answer]:
        async def hand(_: int) -> Answer:
            answer = await hand_over(self, recipient, content)
            self.life.mails.append((recipient, content))
            return answer

        return cast(Awaitable[Answer], self.life.effect(Effect("mail", 1, under_way(sys._getframe(1))), hand))

    patch.setattr(MailServer, "__init__", server)
    patch.setattr(MailServer, "send", send)


def _install_outcomes(patch: pytest.MonkeyPatch) -> None:
    remember = Outcomes.__init__

    def outcomes(self: Any, requests: Any) -> None:
        remember(self, requests)
        self.life = living.get()

    async def told(self: Any, outcome: asyncio.Future[StoredRequest], _: float) -> StoredRequest | None:
        """Nobody waits: what this process decides itself it has decided by now, and all else has a step of its own."""
        await self.life.hear()
        return outcome.result() if outcome.done() else None

    patch.setattr(Outcomes, "__init__", outcomes)
    patch.setattr(Outcomes, "wait", told)


class _Database:
    """A database whose collections count their writes."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real = real
        self._life = life

    def __getitem__(self, name: str) -> _Collection:
        return _Collection(self._real[name], self._life)

    def get_collection(self, name: str, **options: Any) -> _Collection:
        return _Collection(self._real.get_collection(name, **options), self._life)


class _Collection:
    def __init__(self, real: Any, life: Life) -> None:
        self._real = real
        self._life = life

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name in READS:
            return method

        def write(*args: Any, **options: Any) -> Awaitable[Any]:
            several = name in ("insert_many", "bulk_write")

            async def act(count: int) -> Any:
                return await method(*([args[0][:count], *args[1:]] if several else args), **options)

            parts = len(args[0]) if several else 1
            return self._life.effect(Effect(f"{self._real.name}.{name}", parts, under_way(sys._getframe(1))), act)

        return write

    async def create_index(self, keys: Any, **options: Any) -> None:
        """Without expiry: the database's clock is not the test's."""
        await self._real.create_index(keys, **{name: each for name, each in options.items() if "expire" not in name})
