"""A story in steps, each of them one thing that one service does in one process: the ground that crashes are tried on.

Every step begins with the database as the steps before it left it, and handles what they published. What the steps
are, `acts` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from laurel.contracts.topics import BY_NAME, CATALOG, Message, Topic
from laurel.runtime.record import Record
from support.crash import Life, Point, Published, Rows, Turn, dump, restore
from support.places import End
from support.system import ADMIN_TOKEN
from support.world import EPOCH, World

Run = Callable[[Life], Awaitable[None]]
Build = Callable[[str, str, Mapping[str, Any]], Callable[..., FastAPI]]
"""Makes a service's application on a database's name, with some settings changed."""
REMEMBERS_NOTHING = {("verifier", "announcer")}
"""Loops to which the rule does not apply: what the verifier tells of verifications is told at most once, and stored
nowhere (see there)."""
BETWEEN_LIVES = timedelta(hours=2)
"""How much later a process is that follows one that died; the hour of a time tells in which life it was drawn. Five
that follow the first, at noon, still live on its day."""


@dataclass(frozen=True)
class Step:
    """Something that one process does, and what came of it undisturbed."""

    service: str
    name: str
    run: Run
    at: datetime
    catalog: Sequence[Record]
    before: Rows
    settings: Mapping[str, Any] = field(default_factory=dict)
    between_lives: timedelta = BETWEEN_LIVES
    meanwhile: Run | None = None
    """What another process of the service does while this one is about to publish for the first time."""
    after: Rows = field(default_factory=dict)
    undisturbed: Life = field(default_factory=lambda: Life("", EPOCH))

    @property
    def over_http(self) -> bool:
        """Whether somebody asks for it over HTTP."""
        return self.name.startswith("asked")

    @property
    def places(self) -> set[End]:
        """The places in the source that it comes by on its way to something that lasts."""
        return {place.end for effect in self.undisturbed.effects for place in effect.at}


@dataclass
class Story:
    """Plays steps, and keeps what each service has and what was published."""

    world: World
    build: Build
    client: Any
    url: str = ""
    steps: list[Step] = field(default_factory=list)
    subscribed: set[tuple[str, str]] = field(default_factory=set)
    looping: set[tuple[str, str]] = field(default_factory=set)
    states: dict[str, Rows] = field(default_factory=dict)
    topics: defaultdict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _read: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    # What there is to do

    async def flow(self, at: datetime, *services: str) -> None:
        """Have every handler and every loop of these services do what there is to do, until there is nothing."""
        for _ in range(5):
            for service in services:
                wired = await self._wired(service)
                await self.handle(service, *(BY_NAME[name] for name in wired.handlers), at=at)
                for name in wired.loops:
                    await self.loop(service, name, at)
            if all(self._read[each] == len(self.topics[each[1]]) for each in self.subscribed if each[0] in services):
                return
        raise AssertionError("the services never come to rest")

    async def handle(self, service: str, *topics: Topic, at: datetime, **more: Any) -> None:
        """Have what a service has not read of these topics handled."""
        for topic in topics:
            self.subscribed.add((service, topic.name))
            if records := self.unread(service, topic):
                self._read[service, topic.name] += len(records)
                await self.do(service, f"handles {topic.name}", handles(topic, records), at, **more)

    async def loop(self, service: str, name: str, at: datetime, **more: Any) -> None:
        """Have a loop do what there is to do."""
        if (service, name) not in REMEMBERS_NOTHING:
            self.looping.add((service, name))
            await self.do(service, f"runs {name}", loops(name), at, **more)

    def unread(self, service: str, topic: Topic) -> list[Record]:
        """What a service has not read of a topic."""
        return self.topics[topic.name][self._read[service, topic.name] :]

    # How it is done

    async def do(
        self, service: str, name: str, run: Run, at: datetime = EPOCH, *, has_catalog: bool = True, **more: Any
    ) -> None:
        """Do something undisturbed, and keep it as a step if it changes something, or comes by a new place on the way
        to something that lasts: more heartbeats would show nothing more."""
        step = self._step(service, name, run, at, has_catalog=has_catalog, **more)
        life, self.states[service] = await self._played(step)
        self._append(life.published)
        step = replace(step, after=self.states[service], undisturbed=life)
        if step.after != step.before or step.places - {place for each in self.steps for place in each.places}:
            self.steps.append(step)

    async def kill(
        self, service: str, name: str, run: Run, at: datetime = EPOCH, *, after: str, times: int = 1, **more: Any
    ) -> None:
        """Have a process die after it has done something for the so manyth time. Nothing is tried on that: it is what
        the next step begins with."""
        step = self._step(service, name, run, at, **more)
        effects = (await self._played(step))[0].effects
        number = [number for number, effect in enumerate(effects) if effect.what == after][times - 1]
        life, self.states[service] = await self._played(step, Point(number, effects[number].parts))
        self._append(life.published)

    def send(self, *messages: Message | Record) -> None:
        """Publish as somebody outside does."""
        for each in messages:
            if isinstance(each, Record):
                self.topics[each.topic].append(replace(each, offset=len(self.topics[each.topic])))
            else:
                self._append([Published.of(each)])

    async def live(
        self, step: Step, database: str, *, number: int = 0, crash: Point | None = None, turn: Turn | None = None,
        earlier: Iterable[Published] = (),
    ) -> Life:  # fmt: skip
        """One process that does a step, the `number`-th since the first; it ends, or dies at its point."""
        life = Life(step.service, step.at + number * step.between_lives, crash, has_http=step.over_http)
        life.turn, life.earlier = turn or self._meeting(step, life, database), tuple(earlier)
        try:
            await self._begin(step, life, database)
            await step.run(life)
        except BaseException:
            if not life.dead:
                raise
        return life

    def database(self, service: str, name: str) -> Any:
        """A service's own database among those of a name."""
        return self.client[f"{name}-{service}"]

    def _step(
        self, service: str, name: str, run: Run, at: datetime, *, has_catalog: bool = True, **more: Any
    ) -> Step:  # fmt: skip
        catalog = list(self.topics[CATALOG.name]) if has_catalog else []
        return Step(service, name, run, at, catalog, self.states.get(service, {}), **more)

    async def _played(self, step: Step, crash: Point | None = None) -> tuple[Life, Rows]:
        """A step in a database of its own, and what that is in the end."""
        name = f"story-{uuid4().hex[:12]}"
        await restore(self.database(step.service, name), step.before)
        life = await self.live(step, name, crash=crash)
        after = await dump(self.database(step.service, name))
        await self.client.drop_database(self.database(step.service, name))
        return life, after

    async def _begin(self, step: Step, life: Life, database: str) -> None:
        await life.begin(self.build(step.service, database, step.settings), step.catalog)

    def _meeting(self, step: Step, life: Life, database: str) -> Turn:
        """Lets another process act when this one is about to publish for the first time."""
        met = step.meanwhile is None

        async def turn() -> None:
            nonlocal met
            if not met and life.effects[-1].what.startswith("publish"):
                met = True
                other = Life(step.service, life.now, has_http=False)
                await self._begin(step, other, database)
                assert step.meanwhile is not None
                await step.meanwhile(other)

        return turn

    async def _wired(self, service: str) -> Life:
        life = Life(service, EPOCH, has_http=False)
        life.wire(self.build(service, f"story-{service}", {}))
        return life

    def _append(self, published: Sequence[Published]) -> None:
        for each in [each for each in published if each.type != "status.heartbeat"]:
            topic = self.topics[each.topic]
            topic.append(each.record(len(topic)))


# What a process does


def calls(
    method: str, path: str, body: Any = None, token: str = ADMIN_TOKEN, *, statuses: Collection[int] = range(200, 300)
) -> Run:
    """Answers somebody over HTTP, with one of these statuses."""
    return lambda life: life.call(method, path, body, token, statuses)


def handles(topic: Topic, records: Sequence[Record]) -> Run:
    """Handles a batch."""
    return lambda life: life.handle(topic, records)


def loops(name: str) -> Run:
    """Runs a loop until it says something else than that there is more to do at once."""

    async def run(life: Life) -> None:
        while (pause := await life.loops[name].run_once()) == 0.0 and isinstance(pause, float):
            pass

    return run


def hears(topic: Topic, run: Run) -> Run:
    """Does something, and in between handles what it and those before it published on a topic."""

    async def heard(life: Life) -> None:
        life.hears = topic
        await life.hear()
        await run(life)

    return heard


def one_after_the_other(*runs: Run) -> Run:
    """Does several things."""

    async def run(life: Life) -> None:
        for each in runs:
            await each(life)

    return run


def refused(refuse: Callable[[Published], Exception | None], run: Run) -> Run:
    """Does something while the brokers refuse what they are given."""

    async def tried(life: Life) -> None:
        life.refuses = refuse
        await run(life)
        life.refuses = lambda _: None

    return tried
