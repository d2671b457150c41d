"""The worker that sends what is due.

An attempt is recorded before the mail is handed over, and a row is leased by one conditional write, so any number
of workers send a mail once. One case cannot be closed: when a worker dies between the server's 250 and the record
of it, the mail goes out again after the lease, with the same Message-ID and the same bytes, and many mail clients
show the two as one. The other way round, recording first, could lose it. So that this is one mail and not several,
one at a time is between its lease and the record of its end, unless `send_concurrency` says otherwise; what comes
before and after that goes on beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from laurel.contracts.topics import Message
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.failures import Backoff
from laurel.runtime.faults import is_transient
from notifier import domain, letter
from notifier.config import NotifierSettings
from notifier.domain import Attempt, Close, Delivery, DeliveryState, GiveUp, Missing, Outcome, Send, Wait, Wording
from notifier.smtp import Answer, MailServer
from notifier.store import Store

log = structlog.get_logger(__name__)

BATCH = 200
LANES = 4
POLL = timedelta(seconds=1)
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
        self._catalog = catalog
        self._server = server
        self._publish = publish
        self._settings = settings
        self._clock = clock
        self._draw = draw
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._in_hand = asyncio.Semaphore(settings.send_concurrency)
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
        backoff, failures = Backoff(first=0.1), 0
        while not self._stopping:
            self._woken.clear()
            try:
                pause, failures = await self.run_once(), 0
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1
                pause = backoff.wait(failures, self._draw)
                log.warning("delivery waits", failures=failures, error=type(error).__name__)
            await _within(pause, self._woken)

    async def drain(self) -> None:
        """Begin nothing more, and return when the mails in hand are recorded, or have had their time."""
        self._stopping = True
        self.wake()
        await _within(self._settings.drain_seconds, self._idle)

    async def run_once(self) -> float:
        """Deal with the rows that are due; returns after how many seconds to look again."""
        now = self._now()
        soon = await self._store.due(now + POLL, BATCH)
        due = [row for row in soon if row.due_at is not None and row.due_at <= now]
        DELIVERIES_DUE.set(len(due))
        if not due:
            first = soon[0].due_at if soon else None
            return POLL.total_seconds() if first is None else (first - now).total_seconds()
        rows = iter(due)
        lanes = [self._lane(rows) for _ in range(max(LANES, self._settings.send_concurrency))]
        # Not a task group: when one lane fails, the others finish the mails they have in hand.
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return 0.0

    async def _lane(self, rows: Iterator[Delivery]) -> None:
        for row in rows:
            if self._stopping:
                return
            await self._handle(row)

    async def _handle(self, row: Delivery) -> None:
        if row.unreported:
            if await self._store.defer(row, self._now() + self._lease):
                await self._report(row, telemetry.current_carrier())
            return
        other = await self._store.delivery(domain.counterpart_id(row))
        recipient = await self._store.recipient(row.credential)
        now = self._now()
        decision = domain.decide(
            row, other=other, recipient=recipient, wording=row.wording or self._wording(row), now=now,
            waits=self._settings.retry_seconds,
        )  # fmt: skip
        match decision:
            case Wait(missing, until):
                await self._store.postpone(row, missing, until)
            case Close(state):
                if await self._store.close(row, state):
                    log.info("delivery closed", delivery=row.id, state=state.value)
                    await self._closed(row)
            case GiveUp():
                never = Answer(Outcome.UNKNOWN, "the last attempt's outcome was never recorded")
                ended = await self._record(row, never)
                if ended is not None:
                    await self._report(ended, telemetry.current_carrier())
            case Send():
                await self._attempt(row, decision)

    def _wording(self, row: Delivery) -> Wording | None:
        """The catalog's names now; None until the view has both entries."""
        achievement, issuer = self._catalog.achievements.get(row.achievement), self._catalog.issuers.get(row.issuer)
        if achievement is None or issuer is None:
            return None
        return Wording(achievement.name, issuer.name, issuer.email or issuer.url)

    async def _attempt(self, row: Delivery, what: Send) -> None:
        async with self._in_hand:
            now = self._now()
            if self._stopping or not await self._store.lease(row, what.wording, now, now + self._lease):
                return  # another worker has it
            leased = dataclasses.replace(row, attempts=(*row.attempts, Attempt(now)), wording=what.wording)
            with telemetry.span_under("deliver mail", row.trace, kind=SpanKind.CLIENT) as span:
                answer = await self._hand_over(leased, what)
                span.set_attribute("laurel.delivery", row.id)
                span.set_attribute("laurel.outcome", answer.outcome.value)
                if answer.outcome is Outcome.SENT:
                    MAILS_SENT.labels(row.occasion.value, domain.language_of(what.recipient.language)).inc()
                else:
                    ATTEMPTS_FAILED.inc()
                kept = Answer(answer.outcome, domain.without_contact(answer.text, what.recipient))
                ended, trace = await self._record(leased, kept), telemetry.current_carrier()
        if ended is not None:
            await self._report(ended, trace)

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

    async def _record(self, row: Delivery, answer: Answer) -> Delivery | None:
        """Record how the attempt ended, which is yet to be told; None where the row is no longer in our hands."""
        now, number = self._now(), len(row.attempts)
        then = None
        if answer.outcome is Outcome.DEFERRED:
            then = domain.next_attempt(self._settings.retry_seconds, number, now, self._draw())
        state = DeliveryState.OPEN if then is not None else DeliveryState.FAILED
        if answer.outcome is Outcome.SENT:
            state = DeliveryState.SENT
        then = None if then is None else _to_milliseconds(then)
        ended = Attempt(row.attempts[-1].at, answer.outcome, answer.text, now, then)
        if not await self._persist(lambda: self._store.finish(row.id, number, ended, state, now + self._lease)):
            log.warning("lease lost before the outcome was recorded", delivery=row.id, attempt=number)
            return None
        log.info("mail attempt", delivery=row.id, attempt=number, outcome=answer.outcome.value, state=state.value)
        return dataclasses.replace(row, state=state, attempts=(*row.attempts[:-1], ended))

    async def _persist(self, write: Callable[[], Awaitable[bool]]) -> bool:
        """Hold on to a database that is away while the lease lasts: a sent mail that is not recorded goes out twice."""
        give_up_at, failures = self._clock() + self._lease / 2, 0
        while True:
            try:
                return await write()
            except Exception as error:
                if not is_transient(error) or self._clock() > give_up_at:
                    raise
                failures += 1
                await asyncio.sleep(Backoff().wait(failures, self._draw))

    async def _report(self, row: Delivery, trace: Mapping[str, str]) -> None:
        """Publish what the stored row says of its last attempt; the row is due until that is done."""
        await self._publish([dataclasses.replace(domain.report(row), trace=trace)])
        await self._store.settle(row)
        if row.state is not DeliveryState.OPEN:
            await self._closed(row)

    async def _closed(self, row: Delivery) -> None:
        """A revocation's mail may have waited for this."""
        await self._store.arrived(Missing.ISSUED_MAIL, [domain.counterpart_id(row)], self._now())
        self.wake()

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
