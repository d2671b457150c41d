"""Doing to the running system what the plan says, by process id, and undoing it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from chaos.plan import INSTANCES, SCALED, Fault, Step
from laurel_local.broker import KafkaCluster
from laurel_local.consortium import Consortium
from laurel_local.part import Part
from laurel_local.processes import StartError
from laurel_local.services import Ports, add_instance
from laurel_local.stack import Stack

SESSION_SECONDS = 4.0
READY_SECONDS = 180.0
LEASE_SECONDS = 10
ENVIRONMENT = {
    "LAUREL_KAFKA_SESSION_TIMEOUT_MS": str(int(SESSION_SECONDS * 1000)),
    # How long a mail in hand waits when its notifier is killed: a minute by default, many times a run here.
    "LAUREL_LEASE_SECONDS": str(LEASE_SECONDS),
}


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault that was injected, and from when to when: until it was undone, as far as it is."""

    step: Step
    at: datetime
    over: datetime


@dataclass
class Faults:
    """The stack, and what was done to it so far. `say` is told in a few words."""

    stack: Stack
    consortium: Consortium
    ports: Ports
    say: Callable[[str], None]
    injected: list[Injected] = field(default_factory=list)
    ended_by_itself: list[str] = field(default_factory=list)
    _stopped: set[str] = field(default_factory=set)

    def add_services(self) -> None:
        """Add the one instance of each service that a run begins with."""
        for name in (*SCALED, "verifier"):
            add_instance(self.stack, self.consortium, self.ports, name, 1, ENVIRONMENT)

    async def add_verifier(self) -> None:
        """Start one more verifier, whose view is made from the log as it stands, and not change by change."""
        part = add_instance(self.stack, self.consortium, self.ports, "verifier", 2, ENVIRONMENT)
        await asyncio.to_thread(part.launch)

    def urls(self, service: str) -> list[str]:
        """Where the instances of a service are that should be running."""
        instances = [each for name, each in self.stack.services.items() if name.partition("-")[0] == service]
        return [each.ready_url.removesuffix("/readyz") for each in instances if each.name not in self._stopped]

    async def inject(self, step: Step) -> None:
        """Inject one fault; returns when it is undone. What was started again need not be ready then."""
        do = {
            Fault.KILL_SERVICE: self._kill, Fault.KILL_BROKER: self._kill, Fault.KILL_DATABASE: self._kill,
            Fault.FREEZE_SERVICE: self._freeze, Fault.SCALE_OUT: self._scale_out, Fault.SCALE_IN: self._scale_in,
            Fault.ROLL: self._roll,
        }[step.fault]  # fmt: skip
        await do(step)
        self.injected[-1] = replace(self.injected[-1], over=datetime.now(UTC))

    async def all_ready(self) -> None:
        """Return when everything that should run is ready."""
        for part in self.stack.parts:
            if part.name not in self._stopped:
                await self._ready(part)

    def _note(self, step: Step) -> None:
        now = datetime.now(UTC)
        self.injected.append(Injected(step, now, now))
        self.say(f"{step.fault.value}{': ' if step.target else ''}{step.target}")

    async def _kill(self, step: Step) -> None:
        part = self._part(step.target)
        if step.fault is Fault.KILL_BROKER:
            for node in self.stack.broker.nodes:  # a second one away would take the majority away
                await self._ready(node)
        elif not (step.impatient and part.process.running):
            await self._ready(part)
        part.process.kill()
        self._note(step)
        await asyncio.sleep(step.hold)
        await asyncio.to_thread(part.launch)

    async def _freeze(self, step: Step) -> None:
        part = self._part(step.target)
        await self._ready(part)
        part.process.suspend()
        self._note(step)
        await asyncio.sleep(SESSION_SECONDS + step.hold)
        part.process.resume()

    async def _scale_out(self, step: Step) -> None:
        self._note(step)
        for number in range(2, INSTANCES + 1):
            for service in SCALED:
                name = f"{service}-{number}"
                part = self.stack.services.get(name) or add_instance(
                    self.stack, self.consortium, self.ports, service, number, ENVIRONMENT
                )
                self._stopped.discard(name)
                await asyncio.to_thread(part.launch)
        await self.all_ready()

    async def _scale_in(self, step: Step) -> None:
        self._note(step)
        for part in [each for each in self.stack.services.values() if "-" in each.name]:
            self._stopped.add(part.name)
            await asyncio.to_thread(part.stop)

    async def _roll(self, step: Step) -> None:
        """The services one after the other, and beside them what they stand on."""
        self._note(step)
        services = [each for each in self.stack.services.values() if each.name not in self._stopped]
        async with asyncio.TaskGroup() as together:
            together.create_task(self._one_by_one(services))
            together.create_task(self._one_by_one([*self.stack.broker.nodes, self.stack.database]))

    async def _one_by_one(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for each in parts:
                await self._ready(each)
            await asyncio.to_thread(part.stop)
            await asyncio.to_thread(part.launch)

    async def _ready(self, part: Part) -> None:
        """Wait until it is ready; what ended by itself is told and started again, as a supervisor would do it."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                if await asyncio.to_thread(part.process.check_ready, part.ready):
                    return
            except StartError as error:
                self.ended_by_itself.append(str(error))
                self.say(f"ENDED BY ITSELF: {error}")
                await asyncio.to_thread(part.launch)
            if time.monotonic() > deadline:
                raise part.process.too_slow(READY_SECONDS)
            await asyncio.sleep(0.05)

    def _part(self, target: str) -> Part:
        if target == "database":
            return self.stack.database
        if target.startswith("broker-"):
            assert isinstance(self.stack.broker, KafkaCluster)
            return self.stack.broker.nodes[int(target.partition("-")[2]) - 1]
        return self.stack.services[target]
