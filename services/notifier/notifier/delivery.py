"""The worker that sends what is due.

It claims a handful of deliveries by one write (`notifier.claims`), so any number of workers send a mail once, and then
writes once for each mail that it hands over: how that ended. One case cannot be closed: when a worker dies between
the server's 250 and the record of it, the mail goes out again after the lease, with the same Message-ID and the same
bytes, and many mail clients show the two as one. The other way round, recording first, could lose it. So that this is
one mail and not several, one at a time is between its hand-over and the record of its end, unless `send_concurrency`
says otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from laurel.contracts.topics import Message
from laurel.runtime import telemetry
from laurel.runtime.backoff import Retries
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import is_transient
from notifier import domain, letter
from notifier.claims import Claim, Claimed, Claims, perhaps_sent
from notifier.config import NotifierSettings
from notifier.domain import Attempt, Close, Decision, Delivery, DeliveryState, GiveUp, Missing, Outcome, Send, Wait
from notifier.due import Due
from notifier.smtp import Answer, MailServer
from notifier.store import Store

log = structlog.get_logger(__name__)

BATCH = 50
POLL = timedelta(seconds=1)
FRESH = timedelta(seconds=5)  # a revocation that comes later than a decision should not come much later than it
MAILS_SENT = Counter("laurel_mails_sent_total", "Mails a mail server took.", ["occasion", "language"])
ATTEMPTS_FAILED = Counter("laurel_mail_attempts_failed_total", "Attempts that a mail server did not take.")
DELIVERIES_DUE = Gauge("laurel_deliveries_due", f"Deliveries due when last looked, of at most {BATCH}.")

Publish = Callable[[Sequence[Message]], Awaitable[None]]


class Worker:
    """Finds due rows, sends their mails and reports what became of them."""

    def __init__(
        self, store: Store, catalog: CatalogView, server: MailServer, publish: Publish, settings: NotifierSettings,
        *, clock: Clock, draw: Callable[[], float],
    ) -> None:  # fmt: skip
        self._store = store
        self._due = Due(store)
        self._catalog = catalog
        self._server = server
        self._publish = publish
        self._settings = settings
        self._clock = clock
        self._draw = draw
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._done: int | None = None
        self._woken = asyncio.Event()
        self._stopping = False
        self._idle = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do at once."""
        self._woken.set()

    async def run(self) -> None:
        """Work until `drain`; a database or broker that is away is waited for."""
        try:
            await self._work()
        finally:
            self._idle.set()
        await asyncio.Event().wait()  # a loop that ends has failed, and this one was asked to

    async def _work(self) -> None:
        retries = Retries("delivery", draw=self._draw)
        while not self._stopping:
            self._woken.clear()
            try:
                pause = await self.run_once()
                retries.succeeded()
            except Exception as error:
                if not is_transient(error):
                    raise
                pause = retries.after_failure()
                log.warning("delivery waits", failures=retries.failures, error=type(error).__name__)
            await _within(pause, self._woken)
        await self._let_go(await self._store.claims())

    async def drain(self) -> None:
        """Begin nothing more, and return when the mails in hand are recorded, or have had their time."""
        self._stopping = True
        self.wake()
        await _within(self._settings.drain_seconds, self._idle)

    async def run_once(self) -> float:
        """Deal with a handful of the rows that are due; returns after how many seconds to look again."""
        now = self._now()
        seen = await self._store.claims()
        others = dataclasses.replace(seen, held=seen.without(self._done))
        for claim in others.dead(now):
            await self._take_over(claim)
            return 0.0
        soon = await self._due.first(now, now + POLL, BATCH, others.ids)
        due = [row for row in soon if row.due_at is not None and row.due_at <= now]
        DELIVERIES_DUE.set(len(due))
        if not due:
            await self._let_go(seen)
            first = soon[0].due_at if soon else None
            return POLL.total_seconds() if first is None else (first - now).total_seconds()
        todo = await self._decided(due, now)
        rows = tuple(Claimed(row.id, len(row.attempts) if isinstance(what, Send) else None) for row, what in todo)
        claim = Claim(seen.changes + 1, now, now + self._lease, self._settings.send_concurrency, rows)
        # The rows were read after the claims, so what is free has not changed if these have not.
        if todo and await self._store.change_claims(seen, (*others.held, claim)):
            self._done = None
            await self._work_off(claim, todo)
        return 0.0

    async def _take_over(self, claim: Claim) -> None:
        """Of a claim that ran out, note what may have gone out and tell what did; the rest is due."""
        rows = await self._store.deliveries([row.id for row in claim.rows])
        for row in perhaps_sent(claim, rows):
            await self._store.record(row, dataclasses.replace(row, attempts=(*row.attempts, Attempt(claim.at))))
        await self._report(claim, {})
        seen = await self._store.claims()
        await self._store.change_claims(seen, seen.without(claim.id))

    async def _let_go(self, seen: Claims) -> None:
        """Of the last claim, with which all is done."""
        if self._done is not None and await self._store.change_claims(seen, seen.without(self._done)):
            self._done = None

    async def _decided(self, due: Sequence[Delivery], now: datetime) -> list[tuple[Delivery, Decision]]:
        """The rows with which there is something to do now; what has to wait is put off."""
        others = await self._store.deliveries([domain.counterpart_id(row) for row in due])
        recipients = await self._store.recipients([row.credential for row in due])
        todo: list[tuple[Delivery, Decision]] = []
        waiting: defaultdict[tuple[Wait, datetime | None], list[Delivery]] = defaultdict(list)
        for row in due:
            decision = domain.decide(
                row, other=others.get(domain.counterpart_id(row)), recipient=recipients.get(row.credential),
                wording=row.wording or domain.wording_of(self._catalog, row.issuer, row.achievement), now=now,
                waits=self._settings.retry_seconds,
            )  # fmt: skip
            if isinstance(decision, Wait):
                waiting[decision, row.due_at].append(row)
            else:
                todo.append((row, decision))
        for (wait, _), rows in waiting.items():
            await self._store.postpone(rows, wait.missing, wait.until)
        return todo

    async def _work_off(self, claim: Claim, todo: Sequence[tuple[Delivery, Decision]]) -> None:
        """Deal with the rows of our claim in their order, and tell what became of them."""
        stop_at = claim.at + min(FRESH, self._lease / 2)  # a mail may take the other half of the lease
        traces: dict[str, Mapping[str, str]] = {}
        left = iter(todo)
        lanes = [self._lane(left, stop_at, traces) for _ in range(claim.at_once)]
        # Not a task group: when one lane fails, the others finish the mails they have in hand.
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        await self._report(claim, traces)
        self._done = claim.id

    async def _lane(
        self, left: Iterator[tuple[Delivery, Decision]], stop_at: datetime, traces: dict[str, Mapping[str, str]]
    ) -> None:
        while not self._stopping and self._clock() < stop_at:
            row, decision = next(left, (None, None))
            if row is None:
                return
            match decision:
                case Close(state):
                    await self._keep(row, dataclasses.replace(row, state=state, due_at=None))
                case GiveUp():
                    never = Answer(Outcome.UNKNOWN, "the last attempt's outcome was never recorded")
                    await self._record(row, row.attempts, never)
                case Send():
                    traces[row.id] = await self._attempt(row, decision)

    async def _attempt(self, row: Delivery, what: Send) -> Mapping[str, str]:
        if row.wording is None:
            await self._store.word(row.id, what.wording)  # a repeated mail is to be the same mail
        begun = (*row.attempts, Attempt(self._now()))
        with telemetry.span_under("deliver mail", row.trace, kind=SpanKind.CLIENT) as span:
            answer = await self._hand_over(row, what)
            span.set_attribute("laurel.delivery", row.id)
            span.set_attribute("laurel.outcome", answer.outcome.value)
            if answer.outcome is Outcome.SENT:
                MAILS_SENT.labels(row.occasion.value, domain.language_of(what.recipient.language)).inc()
            else:
                ATTEMPTS_FAILED.inc()
            kept = Answer(answer.outcome, domain.without_contact(answer.text, what.recipient))
            await self._record(row, begun, kept)
            return telemetry.current_carrier()

    async def _hand_over(self, row: Delivery, what: Send) -> Answer:
        try:
            content = letter.write(row, what.recipient, what.wording, self._settings.mail_from)
            return await self._server.send(letter.envelope_address(what.recipient.email), content)
        except Exception as error:
            # One mail that cannot be written must not stop the others. Its message may quote personal data, so
            # only its kind and place are told.
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "" if place is None else f" at {place.tb_frame.f_code.co_qualname}:{place.tb_lineno}"
            log.error("mail not written", delivery=row.id, error=type(error).__name__ + where)
            return Answer(Outcome.DEFERRED, f"the mail could not be written: {type(error).__name__}")

    async def _record(self, row: Delivery, begun: Sequence[Attempt], answer: Answer) -> None:
        """Record how the last attempt ended, which is yet to be told."""
        now, number = self._now(), len(begun)
        then = None
        if answer.outcome is Outcome.DEFERRED:
            then = domain.next_attempt(self._settings.retry_seconds, number, now, self._draw())
        state = DeliveryState.OPEN if then is not None else DeliveryState.FAILED
        if answer.outcome is Outcome.SENT:
            state = DeliveryState.SENT
        then = None if then is None else _to_milliseconds(then)
        ended = Attempt(begun[-1].at, answer.outcome, answer.text, now, then)
        await self._keep(row, dataclasses.replace(row, state=state, attempts=(*begun[:-1], ended), due_at=then))

    async def _keep(self, row: Delivery, ended: Delivery) -> None:
        if not await self._persist(lambda: self._store.record(row, ended)):
            # Either it was recorded by a try whose answer was lost, or the claim ran out.
            log.warning("recorded already", delivery=row.id, attempt=len(ended.attempts))
            return
        outcome = ended.attempts[-1].outcome if ended.attempts else None
        log.info("delivery", delivery=row.id, attempt=len(ended.attempts), outcome=outcome, state=ended.state.value)

    async def _persist(self, write: Callable[[], Awaitable[bool]]) -> bool:
        """Hold on to a database that is away while the lease lasts: a sent mail that is not recorded goes out twice."""
        give_up_at, retries = self._clock() + self._lease / 2, Retries("delivery record", draw=self._draw)
        while True:
            try:
                return await write()
            except Exception as error:
                if not is_transient(error) or self._clock() > give_up_at:
                    raise
                await asyncio.sleep(retries.after_failure())

    async def _report(self, claim: Claim, traces: Mapping[str, Mapping[str, str]]) -> None:
        """Publish what the stored rows say of their last attempts; until that is done, the claim stands."""
        rows = (await self._store.deliveries([each.id for each in claim.rows])).values()
        ended = [row for row in rows if row.attempts and row.attempts[-1].ended_at is not None]
        if ended:
            await self._publish([
                dataclasses.replace(domain.report(row), trace=traces.get(row.id, row.trace)) for row in ended
            ])  # fmt: skip
        # A revocation's mail may have waited for this.
        closed = [domain.counterpart_id(row) for row in rows if row.state is not DeliveryState.OPEN]
        await self._store.arrived(Missing.ISSUED_MAIL, closed, self._now())

    def _now(self) -> datetime:
        return _to_milliseconds(self._clock())


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _to_milliseconds(moment: datetime) -> datetime:
    """As the database keeps it, so that what is told from memory is what is told from there."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
