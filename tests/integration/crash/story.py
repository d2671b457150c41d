"""A story in steps, each of them one thing that one service does in one process: the ground that crashes are tried on.

Every step begins with the database as the steps before it left it, and handles what they published. So what is tried
is found and not listed: all handlers that the services subscribe and all loops that they add run as often as there is
something for them to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from laurel.contracts.status import Action, State
from laurel.contracts.topics import BY_NAME, CATALOG, COMPLETIONS, CREDENTIALS, STATUS_REQUESTS, Message, Topic
from laurel.runtime.record import Record
from registry.selection import Target, digest
from support.crash import Life, Point, Published, Rows, Turn, dump, restore
from support.system import ADMIN_TOKEN, VC_API_TOKEN
from support.wishes import URN, wish
from support.world import EPOCH, World
from unit.registry.issuing import Issuer

Run = Callable[[Life], Awaitable[None]]
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
    after: Rows
    undisturbed: Life

    @property
    def over_http(self) -> bool:
        """Whether somebody asks for it over HTTP."""
        return self.name.startswith("asked")


@dataclass
class Story:
    """Plays steps; `build` makes a service's application on a database's name."""

    world: World
    build: Callable[[str, str], Callable[..., FastAPI]]
    client: Any
    url: str = ""
    steps: list[Step] = field(default_factory=list)
    subscribed: set[tuple[str, str]] = field(default_factory=set)
    looping: set[tuple[str, str]] = field(default_factory=set)
    _states: dict[str, Rows] = field(default_factory=dict)
    _topics: defaultdict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _read: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    # What there is to do

    async def play(self) -> None:
        """From an empty catalog to a renewed status list, by way of everything that may go wrong without a crash."""
        world = self.world
        catalog = world.catalog.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._do("registry", "asked to apply a catalog", _calls("PUT", "/admin/catalog", catalog))
        await self._do("issuer", "asked to issue",
                       _calls("POST", "/credentials/issue", {"credential": wish(world)}, VC_API_TOKEN))  # fmt: skip
        self._send(*_completions(world))
        await self._flow()
        credentials = sorted({record.key.decode() for record in self._topics[CREDENTIALS.name] if record.key})
        earned = [each for each in credentials if each.startswith(world.public_url)]
        self._send(*_forged(world, self._topics[CREDENTIALS.name]))
        await self._ask(earned[0], Action.REVOKE)
        await self._ask(earned[0], Action.SUSPEND)  # too late: it is revoked
        await self._ask(URN, Action.SUSPEND)
        token = earned[1].rpartition("/")[2]
        partner = Issuer(world)
        self._send(partner.wish(token, Action.SUSPEND), partner.wish(token, Action.REVOKE, event_id="wish-2"),
                   partner.wish(token, Action.REVOKE, event_id="wish-3", signed=False))  # fmt: skip
        await self._flow()
        await self._ask_for_many(Action.REVOKE)
        await self._flow()
        await self._flow(EPOCH + timedelta(days=4))

    async def _ask(self, credential: str, action: Action) -> None:
        body = {"credential": credential, "action": action.value, "reason": "A test says so.",
                "requestedBy": "tester", "requestId": f"{action.value}-{len(self.steps)}"}  # fmt: skip
        await self._do("registry", f"asked to {action.value}", _calls("POST", "/admin/status-requests", body))

    async def _ask_for_many(self, action: Action) -> None:
        """All that are not revoked yet, as a preview would have it."""
        registry = self._states["registry"]
        statuses = {row["_id"]: row for row in registry["statuses"]}
        standing = [row | statuses.get(row["_id"], {}) for row in registry["credentials"]]
        rows = [row for row in standing if row["state"] != State.REVOKED]
        targets = [Target(row["_id"], row["token"], row["version"]) for row in rows]
        assert len(targets) > 1
        body = {"selection": {"credentials": [each.id for each in targets]}, "action": action.value,
                "reason": "A test says so.", "requestedBy": "tester", "requestId": "many",
                "digest": digest(action, targets)}  # fmt: skip
        await self._do("registry", f"asked to {action.value} many", _calls("POST", "/admin/status-changes", body))

    async def _flow(self, at: datetime = EPOCH) -> None:
        """Have every handler and every loop do what there is to do, until there is nothing."""
        for _ in range(5):
            for service in ("issuer", "registry", "verifier", "notifier"):
                await self._handle_all(service, at)
                await self._loop_all(service, at)
            if all(self._read[each] == len(self._topics[each[1]]) for each in self.subscribed):
                return
        raise AssertionError("the services never come to rest")

    async def _handle_all(self, service: str, at: datetime) -> None:
        for topic in [BY_NAME[name] for name in self._wired(service).handlers]:
            self.subscribed.add((service, topic.name))
            records = self._topics[topic.name][self._read[service, topic.name] :]
            self._read[service, topic.name] += len(records)
            if records:
                await self._do(service, f"handles {topic.name}", _handles(topic, records), at)

    async def _loop_all(self, service: str, at: datetime) -> None:
        for name in [each for each in self._wired(service).loops if (service, each) not in REMEMBERS_NOTHING]:
            self.looping.add((service, name))
            await self._do(service, f"runs {name}", _loops(name), at)

    # How it is done

    async def _do(self, service: str, name: str, run: Run, at: datetime = EPOCH) -> None:
        """Do something undisturbed, and keep it as a step where it had effects."""
        before, catalog = self._states.get(service, {}), list(self._topics[CATALOG.name])
        step = Step(service, name, run, at, catalog, before, {}, Life(service, at))
        name = f"story-{uuid4().hex[:12]}"
        await restore(self.database(service, name), before)
        life = await self.live(step, name)
        after = self._states[service] = await dump(self.database(service, name))
        await self.client.drop_database(self.database(service, name))
        self._append(life.published)
        known = any((step.service, step.name) == (each.service, each.name) for each in self.steps)
        if life.effects and not (known and after == before):  # more heartbeats would show nothing more
            self.steps.append(replace(step, after=after, undisturbed=life))

    async def live(
        self, step: Step, database: str, *, number: int = 0, crash: Point | None = None, turn: Turn | None = None
    ) -> Life:
        """One process that does a step, the `number`-th since the first; it ends, or dies at its point."""
        life = Life(step.service, step.at + number * BETWEEN_LIVES, crash, has_http=step.over_http)
        life.turn = turn or life.turn
        try:
            await life.begin(self.build(step.service, database), step.catalog)
            await step.run(life)
        except BaseException:
            if not life.dead:
                raise
        return life

    def database(self, service: str, name: str) -> Any:
        """A service's own database among those of a name."""
        return self.client[f"{name}-{service}"]

    def _wired(self, service: str) -> Life:
        life = Life(service, EPOCH, has_http=False)
        life.wire(self.build(service, f"story-{service}"))
        return life

    def _send(self, *messages: Message | Record) -> None:
        """Publish as somebody outside does."""
        for each in messages:
            if isinstance(each, Record):
                self._topics[each.topic].append(replace(each, offset=len(self._topics[each.topic])))
            else:
                self._append([Published.of(each)])

    def _append(self, published: Sequence[Published]) -> None:
        for each in [each for each in published if each.type != "status.heartbeat"]:
            topic = self._topics[each.topic]
            topic.append(Record(each.topic, each.partition, len(topic), each.key.encode(), each.headers, each.value))


def _calls(method: str, path: str, body: Any, token: str = ADMIN_TOKEN) -> Run:
    return lambda life: life.call(method, path, body, token)


def _handles(topic: Topic, records: Sequence[Record]) -> Run:
    return lambda life: life.handle(topic, records)


def _loops(name: str) -> Run:
    async def run(life: Life) -> None:
        """Until it says something else than that there is more to do at once."""
        while (pause := await life.loops[name].run_once()) == 0.0 and isinstance(pause, float):
            pass

    return run


def _completions(world: World) -> list[Message | Record]:
    """Good ones and every kind of bad one, the good ones twice."""
    good = [world.completion("e0"), world.completion("e1", learner=2, language="de"),
            world.completion("e2", "python", learner=3)]  # fmt: skip
    forged = world.completion("forged", kid="campus-1", signer=world.members["east"])
    unreadable = Record(COMPLETIONS.name, 0, 0, b"k", (), b"\x00no JSON")
    return [*good, good[0], world.completion("e1", "first-aid"), world.completion("unknown", "juggling"), forged,
            unreadable]  # fmt: skip


def _forged(world: World, records: Sequence[Record]) -> list[Message | Record]:
    """Credentials that the registry gives up on: one whose proof does not hold, one under another's id."""
    broken = replace(records[-1], value=(records[-1].value or b"").replace(b"Course ", b"Curse "))
    token = next(each.key for each in records if each.key and each.key.startswith(world.public_url.encode())).decode()
    return [broken, Issuer(world).issued(token.rpartition("/")[2], event_id="other"),
            Record(STATUS_REQUESTS.name, 0, 0, b"k", (("ce_type", b"status.change.requested"),), b"{")]  # fmt: skip
