"""Telling operators what was verified, without anyone waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import structlog
from prometheus_client import Counter

from laurel.contracts.operations import VerificationCompleted
from laurel.contracts.topics import VERIFICATIONS, Message, message
from laurel.runtime import telemetry
from laurel.runtime.backoff import Retries
from laurel.runtime.faults import is_transient
from laurel.runtime.kafka import Kafka

log = structlog.get_logger(__name__)

DROPPED = Counter("laurel_verifications_dropped_total", "Verifications that could not be told to the operators.")

_QUEUE = 1000
_BATCH = 200
_CREDENTIAL_LIMIT = 500


class Announcer:
    """A bounded queue in front of `verifications.v1`; what does not fit, or cannot be sent, is dropped and counted."""

    def __init__(self, kafka: Kafka, *, new_id: Callable[[], str] = lambda: uuid4().hex) -> None:
        self._kafka = kafka
        self._new_id = new_id
        self._queue: asyncio.Queue[Message] = asyncio.Queue(_QUEUE)
        self._retries = Retries("verifications")

    def announce(self, body: VerificationCompleted) -> None:
        """Queue it; never waits."""
        outgoing = message(VERIFICATIONS, body, key=body.credential, event_id=self._new_id(),
                           source="urn:laurel:verifier", time=body.at)  # fmt: skip
        outgoing = Message(outgoing.topic, outgoing.key, outgoing.event, trace=telemetry.current_carrier())
        try:
            self._queue.put_nowait(outgoing)
        except asyncio.QueueFull:
            DROPPED.inc()

    async def run_once(self) -> None:
        """Send what is queued, once there is anything."""
        batch = [await self._queue.get()]
        while len(batch) < _BATCH and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        try:
            await self._kafka.publish(batch)
        except Exception as error:
            if not is_transient(error):
                raise
            DROPPED.inc(len(batch))
            log.warning("verifications dropped", count=len(batch), error=str(error)[:200])
            await asyncio.sleep(self._retries.after_failure())
        else:
            self._retries.succeeded()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self.run_once()


def name_of(document: dict[str, object]) -> str:
    """The credential's id, for the record; empty where it has none that could be one."""
    name = document.get("id")
    return name if isinstance(name, str) and len(name) <= _CREDENTIAL_LIMIT and name.isprintable() else ""
