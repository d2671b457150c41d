"""One process of a service, run without a broker until it ends or is killed at a chosen point.

A service acts in two ways that last: it writes to its database, and it publishes. Everything that it is wired with
stays real but for these two: the collections that `laurel.runtime.mongo` hands out count their writes, and
`Kafka.publish` counts and keeps its messages. The third, a mail that is handed over, is counted too. At any of these
effects a process can be killed: before it, after it, or, where it has parts (the messages of one publish, the rows of
one insert), between any two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from laurel.contracts.envelope import encode
from laurel.contracts.topics import Message, Topic
from laurel.runtime.backoff import Backoff
from laurel.runtime.catalog import CatalogView
from laurel.runtime.failures import FailurePolicy, Handler
from laurel.runtime.kafka import Kafka
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.mongo import Mongo
from laurel.runtime.record import Record
from notifier.smtp import Answer, MailServer
from registry import bulk_rows
from registry.outcomes import Outcomes

READS = frozenset({"find", "find_one", "count_documents", "estimated_document_count", "distinct"})
"""Whatever else is called on a collection counts as a write."""

_NO_WAIT = Backoff(first=0, cap=0)


class Crashed(BaseException):
    """The process is killed here. Not an Exception, so that no `except Exception` survives it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that lasts, as it was begun."""

    what: str
    parts: int


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process is killed: at its `effect`-th effect, when `parts` of that effect's parts are done."""

    effect: int
    parts: int

    def described(self, effects: Sequence[Effect]) -> str:
        """In words."""
        effect = effects[self.effect]
        return f"effect {self.effect} ({effect.what}), after {self.parts} of {effect.parts}"


def points(effects: Sequence[Effect]) -> list[Point]:
    """Every point at which a process with these effects can be killed: before the first, after each, and, where one
    has many parts, after the first of them, about half, and all but the last.

    Before an effect is where after the one before it is: what lasts is the same.
    """
    first = [Point(0, 0)] if effects else []
    return first + [
        Point(number, parts)
        for number, effect in enumerate(effects)
        for parts in sorted({1, effect.parts // 2, effect.parts - 1, effect.parts} - {0})
    ]


@dataclass(frozen=True, slots=True)
class Published:
    """A message as the brokers have it, without its trace context, which is transport."""

    topic: str
    partition: int
    key: str
    id: str
    headers: tuple[tuple[str, bytes], ...]
    value: bytes

    @classmethod
    def of(cls, message: Message) -> Published:
        """A message's record."""
        headers, value = encode(message.event)
        at = message.topic.partition_of(message.key) if message.partition is None else message.partition
        return cls(message.topic.name, at, message.key, message.event.id, tuple(headers), value)

    @property
    def type(self) -> str:
        """The event's type."""
        return dict(self.headers)["ce_type"].decode()


Turn = Callable[[], Awaitable[None]]


async def _at_once() -> None:
    """Where nobody else runs, nobody is waited for."""


@dataclass(eq=False)
class Life:
    """One process of one service."""

    service: str
    now: datetime
    crash: Point | None = None
    turn: Turn = _at_once
    has_http: bool = True
    dead: bool = False
    effects: list[Effect] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    handlers: dict[str, tuple[Kafka, Handler]] = field(default_factory=dict)
    loops: dict[str, Any] = field(default_factory=dict)
    views: list[CatalogView] = field(default_factory=list)
    app: FastAPI | None = None

    async def effect(self, what: str, parts: int, act: Callable[[int], Awaitable[Any]]) -> Any:
        """Do something that lasts, unless the process is killed at it; `act` does so many of its parts."""
        if self.dead:
            raise Crashed
        number = len(self.effects)
        self.effects.append(Effect(what, parts))
        await self.turn()
        if self.crash is None or number != self.crash.effect:
            return await act(parts)
        if self.crash.parts:
            with suppress(Exception):  # nobody is left to see it
                await act(min(self.crash.parts, parts))
        self.dead = True
        raise Crashed

    def wire(self, build: Callable[..., FastAPI]) -> FastAPI:
        """Wire the service."""
        token = _living.set(self)
        try:
            drawn = {"draw": lambda: 0.5} if self.service == "notifier" else {}
            self.app = build(clock=lambda: self.now, **drawn)
        finally:
            _living.reset(token)
        return self.app

    async def begin(self, build: Callable[..., FastAPI], catalog: Sequence[Record]) -> None:
        """Wire the service and start the parts of it that touch its database; it has read the catalog."""
        lifecycle: Lifecycle = self.wire(build).state.lifecycle
        for view in self.views:
            for record in catalog:
                view.apply(record)
        for name, start, _ in lifecycle._parts:
            if name in ("database", "unpublished"):
                await start()
        lifecycle.health.done("start")

    async def handle(self, topic: Topic, records: Sequence[Record]) -> None:
        """Have a batch handled as the subscription would, bad records and all."""
        kafka, handler = self.handlers[topic.name]
        policy = FailurePolicy(self.service, topic.name, kafka._bury, kafka._health, backoff=_NO_WAIT)
        await policy.run(handler, records)

    async def call(self, method: str, path: str, body: Any, token: str) -> None:
        """Ask over HTTP."""
        assert self.app is not None
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, answer.text


_living: ContextVar[Life] = ContextVar("living")


def install(patch: pytest.MonkeyPatch, client: Any) -> None:
    """Let every service that is wired from now on belong to the `Life` that wires it."""
    connect, see = Kafka.__init__, CatalogView.__init__

    def database(self: Any, settings: Any) -> None:
        self.database = _Database(client[settings.mongo_database], _living.get())

    def kafka(self: Any, *args: Any, **options: Any) -> None:
        connect(self, *args, **options)
        self.life = _living.get()

    def subscribe(self: Any, topic: Topic, handler: Handler, **_: Any) -> None:
        self.life.handlers[topic.name] = (self, handler)

    async def publish(self: Any, messages: Sequence[Message]) -> None:
        if messages:
            told = [Published.of(each) for each in messages]

            async def send(count: int) -> None:
                self.life.published += told[:count]

            await self.life.effect(f"publish to {', '.join(sorted({each.topic for each in told}))}", len(told), send)

    def view(self: Any, *args: Any, **options: Any) -> None:
        see(self, *args, **options)
        self.catch_up = _at_once  # it has read all there is
        _living.get().views.append(self)

    def loop(self: Any, name: str, run: Any) -> None:
        _living.get().loops[name] = run.__self__

    add_route = APIRouter.add_api_route

    def route(self: Any, *args: Any, **options: Any) -> None:
        if _living.get().has_http:  # making the routes takes most of the time that wiring takes
            add_route(self, *args, **options)

    hand_over, serve = MailServer.send, MailServer.__init__

    def server(self: Any, settings: Any) -> None:
        serve(self, settings)
        self.life = _living.get()

    async def send(self: Any, recipient: str, content: bytes) -> Answer:
        async def hand(_: int) -> Answer:
            answer = await hand_over(self, recipient, content)
            self.life.mails.append((recipient, content))
            return answer

        answer: Answer = await self.life.effect("mail", 1, hand)
        return answer

    async def nobody_waits(*_: Any) -> None:
        """The outcome comes with a record, which is handled in a step of its own."""

    patch.setattr(Mongo, "__init__", database)
    patch.setattr(Mongo, "ping", lambda _: _at_once())
    patch.setattr(Kafka, "__init__", kafka)
    patch.setattr(Kafka, "subscribe", subscribe)
    patch.setattr(Kafka, "publish", publish)
    patch.setattr(CatalogView, "__init__", view)
    patch.setattr(Lifecycle, "add_loop", loop)
    patch.setattr(APIRouter, "add_api_route", route)
    patch.setattr(MailServer, "__init__", server)
    patch.setattr(MailServer, "send", send)
    patch.setattr(Outcomes, "wait", nobody_waits)
    patch.setattr(bulk_rows, "BATCH", 1)  # so that a small bulk change has several


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

        async def write(*args: Any, **options: Any) -> Any:
            several = name in ("insert_many", "bulk_write")

            async def act(count: int) -> Any:
                return await method(*([args[0][:count], *args[1:]] if several else args), **options)

            return await self._life.effect(f"{self._real.name}.{name}", len(args[0]) if several else 1, act)

        return write

    async def create_index(self, keys: Any, **options: Any) -> None:
        """Without expiry: the database's clock is not the test's."""
        await self._real.create_index(keys, **{name: each for name, each in options.items() if "expire" not in name})


Rows = Mapping[str, Sequence[dict[str, Any]]]
"""A database's rows by collection, each collection's in the order of their ids."""


async def dump(database: Any) -> Rows:
    """All there is in a database."""
    return {
        name: sorted(await database[name].find().to_list(None), key=lambda row: str(row["_id"]))
        for name in sorted(await database.list_collection_names())
    }


async def restore(database: Any, rows: Rows) -> None:
    """Fill an empty database."""
    await asyncio.gather(*(database[name].insert_many(each) for name, each in rows.items() if each))
