"""Publishing status changes, and vouching for how fresh their topic is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import structlog

from laurel.contracts.envelope import derived_id
from laurel.contracts.status import StatusHeartbeat
from laurel.contracts.topics import STATUS_CHANGES, Message, message
from laurel.runtime import telemetry
from laurel.runtime.backoff import Retries
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison, is_transient
from laurel.runtime.record import Record
from registry.domain import SOURCE, application, status_changed
from registry.rows import StoredCredential
from registry.store import Store

log = structlog.get_logger(__name__)

Publish = Callable[[Sequence[Message]], Awaitable[None]]
Trace = Mapping[str, str]


class Announcer:
    """Publishes what is stored, and knows since when something stored may not be published yet."""

    def __init__(self, store: Store, publish: Publish, clock: Clock) -> None:
        self._store = store
        self._publish = publish
        self._clock = clock
        self._owed: dict[tuple[str, int], datetime] = {}
        self._broken_off: list[datetime] = []

    @contextmanager
    def owing(self, records: Sequence[Record]) -> Iterator[None]:
        """Around handling records whose changes are published: from here on, something may be missing.

        After a transient failure it stays so, since the failure policy will try the same records again. Handlers raise
        `Poison` with nothing unpublished. Any other failure may have come between storing a change and publishing it,
        and the record may become a dead letter: until `announce_broken_off` has published what is stored, it stays so.
        """
        partitions = {(record.topic, record.partition) for record in records}
        for each in partitions:
            self._owed.setdefault(each, self._clock())
        try:
            yield
        except Exception as error:
            if is_transient(error):
                raise
            if not isinstance(error, Poison):
                self._broken_off.append(min(self._owed[each] for each in partitions))
            self._settle(partitions)
            raise
        self._settle(partitions)

    def _settle(self, partitions: set[tuple[str, int]]) -> None:
        for each in partitions:
            self._owed.pop(each, None)

    def complete_until(self) -> datetime:
        """The moment up to which nothing that this process stored is missing from the topic."""
        return min((*self._owed.values(), *self._broken_off), default=self._clock())

    async def announce_broken_off(self) -> None:
        """Publish the changes that handlers which failed unexpectedly may have stored and not published, if any did.

        Not the registrations among what they stored: a credential that verifiers have not heard of is never valid.
        """
        if broken_off := len(self._broken_off):
            await self.announce_unfinished()
            del self._broken_off[:broken_off]

    async def announce(self, credentials: Sequence[tuple[StoredCredential, Trace]]) -> None:
        """Publish the status of each, in this order, so that the topic ends with what is stored.

        A change may have been stored and published by another handler between our reading and our publishing;
        ours would then stand behind it, and compaction would keep ours. So whatever has risen is published again.
        """
        await self._publish([replace(status_changed(each), trace=trace) for each, trace in credentials])
        versions = {each.id: each.version for each, _ in credentials}
        while risen := await self._store.risen(versions):
            await self._publish([replace(status_changed(each), trace=telemetry.current_carrier()) for each in risen])
            versions = {each.id: each.version for each in risen}

    async def announce_unfinished(self) -> None:
        """Publish what a crash or a failure left stored and perhaps unpublished, before the topic is vouched for."""
        owed = await self._store.requests.accepted(await self._store.requests.owed())
        found = await self._store.credentials(each.credential for each in owed.values())
        changed = {
            each.credential: found[each.credential]
            for each in owed.values()
            if each.credential in found and application(found[each.credential].history, each.id) is not None
        }
        # They stay owed: an instance that has them in hand may not have stored its changes yet.
        await self.announce([(each, {}) for each in changed.values()])

    async def announce_histories(self) -> None:
        """Publish again, once, what earlier versions published without its history, which the log has to have."""
        if await self._store.histories_are_published():
            return
        await self.announce_all_changed()
        await self._store.note_histories_published()

    async def announce_all_changed(self) -> int:
        """Publish the status of every credential that was ever changed; returns how many there are."""
        number = 0
        async for some in self._store.changed_credentials():
            await self.announce([(credential, {}) for credential in some])
            number += len(some)
        return number


class Heartbeat:
    """Tells every partition of the status topic, again and again, that nothing is missing from it.

    `at` is never later than the start of the oldest batch whose changes are not confirmed by the brokers yet. A
    batch that is stuck, whether it hangs or is held after a transient failure, therefore holds `at` back, and a
    heartbeat that would say nothing new is not sent: readers see the topic grow old. So they do when this process has
    stopped handling records, or does not get on with them.

    An instance vouches for what it has handled itself. Several instances vouch side by side, so a reader learns
    of one that hangs only when the group has taken its partitions away.
    """

    def __init__(
        self, announcer: Announcer, publish: Publish, clock: Clock, seconds: float,
        not_live: Callable[[], Mapping[str, str]],
    ) -> None:  # fmt: skip
        self._announcer = announcer
        self._not_live = not_live
        self._publish = publish
        self._clock = clock
        self._seconds = seconds
        self._last: datetime | None = None

    async def run(self) -> None:
        """Send heartbeats until cancelled; a broker that is away is not an end."""
        retries = Retries("heartbeat")
        while True:
            pause = self._seconds
            try:
                await self.run_once()
                retries.succeeded()
            except Exception as error:
                if not is_transient(error):
                    raise
                pause = max(pause, retries.after_failure())
                log.warning("heartbeat not sent", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(pause)

    async def run_once(self) -> bool:
        """Send one heartbeat to every partition, unless there is nothing new to say; tells whether it was sent."""
        if self._not_live():
            return False
        await self._announcer.announce_broken_off()
        at = self._announcer.complete_until()
        if self._last is not None and at <= self._last:
            return False
        await self._publish([_heartbeat(partition, at) for partition in range(STATUS_CHANGES.partitions)])
        self._last = at
        return True


def _heartbeat(partition: int, at: datetime) -> Message:
    key = f"heartbeat-{partition}"
    return message(
        STATUS_CHANGES, StatusHeartbeat(partition=partition, at=at), key=key, source=SOURCE, time=at,
        event_id=derived_id(SOURCE, f"{key}/{at.isoformat()}", "status.heartbeat"), partition=partition,
    )  # fmt: skip
