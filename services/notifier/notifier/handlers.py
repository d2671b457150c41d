"""What each event leads to in the database. Nothing is mailed here, so a slow mail server never holds Kafka up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from laurel.contracts.base import Contract
from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.credentials import CredentialIssued, RecipientRecorded
from laurel.contracts.envelope import Envelope
from laurel.contracts.operations import Occasion
from laurel.contracts.status import StatusChanged
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from laurel.runtime.record import Record, read_event
from notifier.domain import (
    Missing,
    Recipient,
    Wording,
    delivery_id,
    is_earned,
    is_told,
    on_issued,
    on_revoked,
    wording_of,
)
from notifier.store import Store


class Handlers:
    """One method a topic. Each writes what is not there yet, so that a replay changes nothing, and then wakes the
    worker.

    Credential, recipient and status travel on topics of their own and arrive in any order: a row waits for what is
    missing, and what arrives makes the rows due that wait for it. Should the two just miss each other, the row is
    looked at again in its own time.
    """

    def __init__(
        self, store: Store, catalog: CatalogIndex, *, recipient_days: int, wake: Callable[[], None], clock: Clock
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._kept = timedelta(days=recipient_days)
        self._wake = wake
        self._clock = clock

    async def credentials(self, records: Sequence[Record]) -> None:
        """`credentials.v1`: a delivery for each new credential that was earned. Raises Poison."""
        now = self._clock()
        rows = [
            on_issued(body, now, _trace(record), self._wording(body))
            for record, _, body in _events(records)
            if isinstance(body, CredentialIssued) and is_earned(body)
        ]
        await self._store.add_deliveries(rows)
        self._wake()

    async def recipients(self, records: Sequence[Record]) -> None:
        """`recipients.v1`: whom to tell. Data whose time is over is not kept again. Raises Poison."""
        now = self._clock()
        told = [self._recipient(event, body, now) for _, event, body in _events(records)
                if isinstance(body, RecipientRecorded)]  # fmt: skip
        kept = [recipient for recipient in told if recipient.expires_at > now]
        await self._store.add_recipients(kept)
        await self._store.arrived(
            Missing.RECIPIENT, [delivery_id(recipient.credential, Occasion.ISSUED) for recipient in kept], now
        )
        self._wake()

    def _recipient(self, event: Envelope, body: RecipientRecorded, now: datetime) -> Recipient:
        return Recipient(body.credential, body.name, body.email, body.language, (event.time or now) + self._kept)

    async def status_changes(self, records: Sequence[Record]) -> None:
        """`status.changes.v1`: a delivery for each revocation. Raises Poison."""
        now = self._clock()
        rows = [
            on_revoked(body, now, _trace(record), self._wording(body))
            for record, _, body in _events(records)
            if isinstance(body, StatusChanged) and is_told(body)
        ]
        if not rows:
            return
        await self._store.add_deliveries(rows)
        await self._store.revoked([delivery_id(row.credential, Occasion.ISSUED) for row in rows], now)
        self._wake()

    def _wording(self, event: CredentialIssued | StatusChanged) -> Wording | None:
        assert event.achievement is not None
        return wording_of(self._catalog, event.issuer, event.achievement)


def _events(records: Sequence[Record]) -> Iterator[tuple[Record, Envelope, Contract]]:
    for record in records:
        read = read_event(record)
        if read is not None:
            yield record, *read


def _trace(record: Record) -> dict[str, str]:
    """The context the mail will belong to: the record's, by way of a span that shows it was planned here."""
    with telemetry.span_under("plan mail", telemetry.carrier_of(record.headers)):
        return telemetry.current_carrier()
