"""How a service starts, runs its loops and stops: HTTP answers from the first moment, the rest follows in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType

import structlog

from laurel.runtime.health import Health

log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[None]]


class Lifecycle:
    """Named parts, started in the order they were added and stopped in reverse. Ready when all have started."""

    def __init__(self, service: str, health: Health) -> None:
        self.service = service
        self.health = health
        self._parts: list[tuple[str, Step, Step | None]] = []
        self._stack = AsyncExitStack()
        self._starting: asyncio.Task[None] | None = None
        self.on_failure: Callable[[], None] = lambda: None
        health.waiting("start", "the service is starting")

    def add(self, name: str, start: Step, stop: Step | None = None) -> None:
        """A part that is started, and perhaps stopped."""
        self._parts.append((name, start, stop))

    def add_loop(self, name: str, run: Step) -> None:
        """A loop that runs from here until the service stops; if it ends or raises, the service has failed."""
        task: asyncio.Task[None] | None = None

        async def start() -> None:
            nonlocal task
            task = asyncio.create_task(self._guarded(name, run), name=name)

        async def stop() -> None:
            if task is not None:
                await _end(task)

        self.add(name, start, stop)

    async def _guarded(self, name: str, run: Step) -> None:
        try:
            await run()
            reason = f"the loop {name} ended"
        except Exception as error:
            log.exception("loop failed", loop=name)
            reason = f"the loop {name} failed: {type(error).__name__}: {error}"
        self.health.fail(reason)

    async def start(self) -> None:
        """Start all parts; returns when the service is ready."""
        for name, start, stop in self._parts:
            self.health.waiting("start", f"starting {name}")
            await start()
            if stop is not None:
                self._stack.push_async_callback(stop)
        self.health.done("start")
        log.info("ready")

    def start_in_background(self) -> None:
        """Start all parts while HTTP already answers; a failure is logged, fails liveness and calls `on_failure`."""

        async def start() -> None:
            try:
                await self.start()
            except Exception as error:
                log.exception("start failed")
                self.health.fail(f"start failed: {type(error).__name__}: {error}")
                self.on_failure()

        self._starting = asyncio.create_task(start(), name="start")

    async def stop(self) -> None:
        """Stop what was started, newest first."""
        if self._starting is not None:
            await _end(self._starting)
        await self._stack.aclose()

    async def __aenter__(self) -> Lifecycle:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended, since a library that it is in may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
