"""One process of a service, run without a broker until it ends or is killed at a chosen point.

A service acts in two ways that last: it writes to its database, and it publishes. Everything that it is wired with
stays real but for these two: the collections that `laurel.runtime.mongo` hands out count their writes, and
`Kafka.publish` counts and keeps its messages. The third, a mail that is handed over, is counted too. At any of these
effects a process can be killed: before it, after it, or, where it has parts (the messages of one publish, the rows of
one insert), between any two of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from laurel.contracts.envelope import encode
from laurel.contracts.topics import Message, Topic
from laurel.runtime.backoff import Backoff
from laurel.runtime.catalog import CatalogView
from laurel.runtime.failures import FailurePolicy, Handler
from laurel.runtime.kafka import Kafka
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.record import Record
from support.places import Place

_NO_WAIT = Backoff(first=0, cap=0)


class Crashed(BaseException):
    """The process is killed here. Not an Exception, so that no `except Exception` survives it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that lasts, as it was begun, and where in the services' source, the nearest place first."""

    what: str
    parts: int
    at: tuple[Place, ...]

    @property
    def place(self) -> Place:
        """The nearest place in a service itself, if there is one."""
        return next((each for each in self.at if each.file.startswith("services/")), self.at[0])


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process is killed: at its `effect`-th effect, when `parts` of that effect's parts are done."""

    effect: int
    parts: int

    def described(self, effects: Sequence[Effect]) -> str:
        """In words."""
        effect = effects[self.effect]
        return f"{effect.place} (effect {self.effect}, {effect.what}), after {self.parts} of {effect.parts}"


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

    def record(self, offset: int) -> Record:
        """The message as a reader has it."""
        return Record(self.topic, self.partition, offset, self.key.encode(), self.headers, self.value)

    @property
    def type(self) -> str:
        """The event's type."""
        return dict(self.headers)["ce_type"].decode()


Turn = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """Where nobody else runs, nobody is waited for."""


@dataclass(eq=False)
class Life:
    """One process of one service."""

    service: str
    now: datetime
    crash: Point | None = None
    turn: Turn = at_once
    has_http: bool = True
    earlier: Sequence[Published] = ()
    """What the processes before it published."""
    hears: Topic | None = None
    """Of what it and they published, a topic that it reads, too."""
    refuses: Callable[[Published], Exception | None] = lambda _: None
    """What a broker answers instead of taking a message."""
    dead: bool = False
    effects: list[Effect] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    handlers: dict[str, tuple[Kafka, Handler]] = field(default_factory=dict)
    loops: dict[str, Any] = field(default_factory=dict)
    views: list[CatalogView] = field(default_factory=list)
    app: FastAPI | None = None
    _heard: int = 0

    async def effect(self, effect: Effect, act: Callable[[int], Awaitable[Any]]) -> Any:
        """Do something that lasts, unless the process is killed at it; `act` does so many of its parts."""
        if self.dead:
            raise Crashed
        parts, number = effect.parts, len(self.effects)
        self.effects.append(effect)
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
        token = living.set(self)
        try:
            drawn = {"draw": lambda: 0.5} if self.service == "notifier" else {}
            self.app = build(clock=lambda: self.now, **drawn)
        finally:
            living.reset(token)
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
        policy.tries = 2  # what lies between two of them is always the same
        await policy.run(handler, records)

    async def hear(self) -> None:
        """Have handled what there is by now of the topic that it hears."""
        if (topic := self.hears) is None:
            return
        said = [each for each in (*self.earlier, *self.published) if each.topic == topic.name]
        new, self._heard = said[self._heard :], len(said)
        if new:
            await self.handle(topic, [each.record(offset) for offset, each in enumerate(new)])

    async def call(
        self, method: str, path: str, body: Any, token: str, statuses: Collection[int] = range(200, 300)
    ) -> None:
        """Ask over HTTP; the answer has to have one of these statuses."""
        assert self.app is not None
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code in statuses, answer.text


living: ContextVar[Life] = ContextVar("living")
"""Whose process is being wired."""


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
