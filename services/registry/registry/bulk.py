"""Bulk status changes: previewed, then stored, then carried out in batches, each credential by a request of its own.

A request of a bulk change goes the way of every other: published on `status.requests.v1`, handled there, kept in the
credential's history. What is carried out is what is stored, so a crash anywhere leads to the same requests again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import structlog

from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller
from laurel.contracts.status import Action
from laurel.runtime import telemetry
from laurel.runtime.backoff import Retries
from laurel.runtime.clock import Clock
from laurel.runtime.faults import is_transient
from registry.announcer import Publish
from registry.bulk_rows import Batch, BulkBody, Progress, StoredBulk, batches_of, progress_of, requests_of, tally_of
from registry.bulk_store import BulkStore
from registry.outcomes import Outcomes
from registry.rows import StoredRequest
from registry.selection import InScope, Judged, Selection, digest, judged

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
_LOOK_SECONDS = 1.0
_UNDER_WAY = 2
Told = Sequence[asyncio.Future[StoredRequest]]


@dataclass(frozen=True)
class BulkChanges:
    """Previews them, takes them in, and tells how far they are."""

    store: BulkStore
    clock: Clock
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something new to carry out."""

    async def judge(self, selection: Selection, action: Action, caller: Caller) -> Judged:
        """What would become of each credential of the selection. Raises Rejected(NOT_FOUND or BULK_UNFINISHED)."""
        if selection.bulk is not None:
            earlier = await self._of(selection.bulk, caller, "/selection/bulk")
            if earlier.finished_at is None:
                raise Rejected(Code.BULK_UNFINISHED, "/selection/bulk", "That bulk change is not finished: wait until "
                               "it is.")  # fmt: skip
        return judged(selection, action, await self.store.candidates(selection), in_scope=in_scope(caller))

    async def accept(self, body: BulkBody, caller: Caller) -> StoredBulk:
        """The bulk change as it is stored, now or before.

        Raises:
            Rejected: REQUEST_ID_REUSED, CHANGED_SINCE where the preview's digest no longer fits, or as `judge` does.
        """
        content = sha256(body.to_bytes()).hexdigest()
        held = await self.store.bulk(body.request_id)
        if held is None:
            found = await self.judge(body.selection, body.action, caller)
            targets = found.targets
            if digest(body.action, targets) != body.digest:
                raise Rejected(
                    Code.CHANGED_SINCE, "/digest", f"What is selected has changed since the preview: {len(targets)} "
                    f"credentials would change now. Preview it again.",
                )  # fmt: skip
            bulk = StoredBulk(
                id=body.request_id, content=content, digest=body.digest, action=body.action, reason=body.reason,
                requested_by=body.requested_by, operator=caller.id, trace=telemetry.current_trace_id(),
                accepted_at=self.clock(), selection=body.selection.described(),
                counts=found.counts, total=len(targets),
            )  # fmt: skip
            held = await self.store.accept(bulk, batches_of(bulk, targets))
            log.info("bulk status change accepted", bulk=held.id, action=held.action.value, total=held.total)
        if held.content != content or held.operator != caller.id:
            raise Rejected(Code.REQUEST_ID_REUSED, "/requestId", "This requestId came before with other content, or "
                           "from somebody else: use a new one.")  # fmt: skip
        self.accepted.set()
        return held

    async def progress(self, id_: str, caller: Caller) -> Progress:
        """How far it is. Raises Rejected(NOT_FOUND)."""
        bulk = await self._of(id_, caller, "")
        return progress_of(bulk, *await self.store.progress(bulk))

    async def newest(self, caller: Caller, limit: int) -> list[StoredBulk]:
        """The newest that the caller may see."""
        return [each for each in await self.store.newest(limit) if _may_see(caller, each)]

    async def _of(self, id_: str, caller: Caller, pointer: str) -> StoredBulk:
        bulk = await self.store.bulk(id_)
        if bulk is None or not _may_see(caller, bulk):
            raise Rejected(Code.NOT_FOUND, pointer, "There is no such bulk change: check its id.")
        return bulk


def _may_see(caller: Caller, bulk: StoredBulk) -> bool:
    """Who acts for some members only sees their own: another's may name credentials of other members."""
    return not caller.limited or bulk.operator == caller.id


def in_scope(caller: Caller) -> InScope:
    """Which credentials the caller may change: the one place where a bulk change asks."""
    return lambda candidate: caller.reaches(candidate.issuer, candidate.achievement)


@dataclass(frozen=True)
class Asked:
    """A batch whose requests are out, and what this process tells of each until `expecting` is closed."""

    batch: Batch
    told: Told
    expecting: ExitStack


class BulkRunner:
    """Carries out the bulk changes that are stored, one after the other.

    A runner leases what it has in hand, so that of several instances one publishes; should two do so, handlers are
    safe against what comes twice. A batch is published when the one before the last has its outcomes: a single
    request then never waits behind more than two.
    """

    patience_seconds = 10.0
    """How long a batch is waited for before the next but one is published all the same."""

    def __init__(self, changes: BulkChanges, publish: Publish, outcomes: Outcomes, clock: Clock) -> None:
        self._changes = changes
        self._store = changes.store
        self._publish = publish
        self._outcomes = outcomes
        self._clock = clock
        self._name = uuid4().hex

    async def run(self) -> None:
        """Carry out what there is and what comes, until cancelled; a database or broker that is away is no end."""
        retries = Retries("bulk")
        while True:
            pause = _LOOK_SECONDS
            try:
                await self.run_once()
                retries.succeeded()
            except Exception as error:
                if not is_transient(error):
                    raise
                pause = retries.after_failure()
                log.warning("bulk status change waits", error=f"{type(error).__name__}: {error}"[:300])
            self._changes.accepted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changes.accepted.wait()

    async def run_once(self) -> None:
        """Carry out, as far as it goes, every bulk change that no other runner has in hand."""
        for bulk in await self._store.unfinished():
            if await self._keep(bulk):
                await self._carry_out(bulk)

    async def _keep(self, bulk: StoredBulk) -> bool:
        now = self._clock()
        return await self._store.lease(bulk, self._name, now, now + LEASE)

    async def _carry_out(self, bulk: StoredBulk) -> None:
        """Publish what is not, and wait for the outcomes. What has none in time is looked at in the next round."""
        under_way: deque[Asked] = deque()
        unsettled = 0
        try:
            async for batch in self._store.open_batches(bulk):
                if batch.published:
                    unsettled += not await self._settled(batch, (), 0)
                    continue
                if not await self._keep(bulk):
                    return
                under_way.append(await self._ask(bulk, batch))
                if len(under_way) == _UNDER_WAY:
                    unsettled += not await self._settle(under_way.popleft())
            while under_way:
                unsettled += not await self._settle(under_way.popleft())
        finally:
            for asked in under_way:
                asked.expecting.close()
        if unsettled:
            await self._store.release(bulk, self._name)
        else:
            await self._store.finish(bulk, self._clock())
            log.info("bulk status change finished", bulk=bulk.id, total=bulk.total)

    async def _ask(self, bulk: StoredBulk, batch: Batch) -> Asked:
        """Store the batch's requests, publish those without an outcome, and only then note that they are out."""
        made = requests_of(bulk, batch)
        with ExitStack() as expecting:
            told = [expecting.enter_context(self._outcomes.expected(request.id)) for request, _ in made]
            undecided = await self._store.store_requests([request for request, _ in made])
            await self._publish([outgoing for request, outgoing in made if request.id in undecided])
            await self._store.mark_published(batch)
            return Asked(batch, told, expecting.pop_all())

    async def _settle(self, asked: Asked) -> bool:
        with asked.expecting:
            return await self._settled(asked.batch, asked.told, self.patience_seconds)

    async def _settled(self, batch: Batch, told: Told, patience: float) -> bool:
        """Whether each request of the batch has its outcome, now or within so many seconds."""
        found = await asyncio.gather(*(self._outcomes.wait(each, patience) for each in told))
        outcomes = [each for each in found if each is not None]
        all_known = len(outcomes) == len(batch.targets)
        tally = tally_of(outcomes) if all_known else await self._store.tally(batch.id)
        if tally.applied + tally.refused < len(batch.targets):
            return False
        await self._store.settle(batch, tally)
        return True
