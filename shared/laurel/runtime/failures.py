"""What happens when handling a record fails: hold, retry or dead-letter, by the kind of failure.

Rejections are not failures: handlers record them and go on. What arrives here is *transient* (a database or
broker that is away: back off and hold the partition, never dead-letter), *poison* (no retry will mend it:
dead-letter at once) or *unexpected* (a few tries, then a dead letter; several in a row stop the service, so that
a bad deployment does not empty a topic into the dead letters).
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence

import structlog

from laurel.contracts.errors import Code
from laurel.runtime.backoff import Backoff
from laurel.runtime.faults import Poison, is_transient
from laurel.runtime.health import Health
from laurel.runtime.metrics import DEAD_LETTERED, HELD, RETRIES, WAITS
from laurel.runtime.record import Record

log = structlog.get_logger(__name__)

Handler = Callable[[Sequence[Record]], Awaitable[None]]
DeadLetters = Callable[[Record, Code, str, str, int], Awaitable[None]]


class FailurePolicy:
    """Runs one subscription's handler so that a bad record never blocks the good ones behind it."""

    tries = 5
    in_a_row = 5
    # Well under max_poll_interval_ms, so that the consumer keeps its partitions while it holds them.
    hold_seconds = 90.0

    def __init__(
        self, service: str, subscription: str, dead_letters: DeadLetters, health: Health,
        *, backoff: Backoff | None = None, draw: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        self._service = service
        self._subscription = subscription
        self._dead_letters = dead_letters
        self._health = health
        self._backoff = backoff or Backoff()
        self._draw = draw
        self._failed_in_a_row: set[tuple[str, int, int]] = set()

    async def run(self, handler: Handler, records: Sequence[Record]) -> None:
        """Handle a batch. Returns when every record is handled or dead-lettered; raises to have them redelivered."""
        try:
            await self._hold(lambda: handler(records))
        except Exception as error:
            if is_transient(error):
                raise
            # One of them is bad. Handlers are replay-safe, so the good ones may be handled again, one by one.
            for record in records:
                await self._isolated(handler, record)
        else:
            self._failed_in_a_row.clear()

    async def _hold(self, work: Callable[[], Awaitable[None]]) -> None:
        """Retry while something else is away, for as long as the partition can be held."""
        give_up_at = asyncio.get_running_loop().time() + self.hold_seconds
        attempt, held = 0, HELD.labels(self._service, self._subscription)
        while True:
            try:
                await work()
            except Exception as error:
                if not is_transient(error):
                    held.set(0)
                    raise
                attempt += 1
                held.set(attempt)
                RETRIES.labels(self._service, self._subscription, "transient").inc()
                if asyncio.get_running_loop().time() > give_up_at:
                    raise  # it is still held: the consumer goes back to the first of these records
                log.warning("transient failure, holding", subscription=self._subscription, attempt=attempt,
                            error=f"{type(error).__name__}: {error}"[:300])  # fmt: skip
            else:
                held.set(0)
                return
            await self._wait("transient", attempt)

    async def _wait(self, kind: str, attempt: int) -> None:
        seconds = self._backoff.wait(attempt, self._draw)
        WAITS.labels(self._service, self._subscription, kind).observe(seconds)
        await asyncio.sleep(seconds)

    async def _isolated(self, handler: Handler, record: Record) -> None:
        for attempt in range(1, self.tries + 1):
            try:
                await self._hold(lambda: handler([record]))
            except Poison as error:
                return await self._bury(record, error.code, str(error), "", attempt)
            except Exception as error:
                if is_transient(error):
                    raise
                RETRIES.labels(self._service, self._subscription, "unexpected").inc()
                log.exception("unexpected failure", subscription=self._subscription, attempt=attempt,
                              topic=record.topic, partition=record.partition, offset=record.offset)  # fmt: skip
                reason, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
                if attempt < self.tries:
                    await self._wait("unexpected", attempt)
            else:
                self._failed_in_a_row.clear()
                return None
        # By its place, since what comes again after a failure of the broker is no other record.
        self._failed_in_a_row.add((record.topic, record.partition, record.offset))
        if len(self._failed_in_a_row) >= self.in_a_row:
            await self._stop(record)
        return await self._bury(record, Code.UNEXPECTED_FAILURE, reason, trace, self.tries)

    async def _bury(self, record: Record, code: Code, reason: str, trace: str, attempts: int) -> None:
        await self._hold(lambda: self._dead_letters(record, code, reason[:2000], trace[-20000:], attempts))
        DEAD_LETTERED.labels(self._service, self._subscription, code.value).inc()
        log.error("dead-lettered", subscription=self._subscription, code=code.value, reason=reason[:300],
                  topic=record.topic, partition=record.partition, offset=record.offset)  # fmt: skip

    async def _stop(self, record: Record) -> None:
        """Handle nothing more, commit nothing more, and fail liveness until somebody looks."""
        self._health.fail(
            f"{self._subscription}: {self.in_a_row} records in a row failed unexpectedly; "
            f"stopped before offset {record.offset} of {record.topic}/{record.partition}"
        )
        log.critical("stopped after unexpected failures in a row", subscription=self._subscription)
        await asyncio.Event().wait()
