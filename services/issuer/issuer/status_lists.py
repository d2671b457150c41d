"""Status lists: changes become bits, and bits become signed lists at most once an interval.

A family is one list a purpose for the same indexes. Changes are partitioned by family, so one instance has a
family's changes; where two overlap for a moment after a rebalance, the conditional write on the version lets one
of them win and the other start again from what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.status import Purpose, State, StatusChanged, StatusListSigned, list_id
from laurel.contracts.topics import STATUS_LISTS, Message, message
from laurel.credentials.status_list import Bitstring, decode, encode, status_list_credential
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison, Transient, is_transient
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import Record, read_event

from issuer import domain
from issuer.handlers import SOURCE
from issuer.metrics import LISTS_SIGNED
from issuer.signer import Signer, ToSign
from issuer.store import Family, Store

log = structlog.get_logger(__name__)

_BITS = {Purpose.REVOCATION: State.REVOKED, Purpose.SUSPENSION: State.SUSPENDED}
_POLL_SECONDS = 1.0


class StatusChangeHandler:
    """`status.changed` → the family's stored bits. Publishing them is the publisher's work."""

    def __init__(self, store: Store, clock: Clock, changed: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed

    async def __call__(self, records: Sequence[Record]) -> None:
        """Apply a batch of changes, one write a family."""
        by_family: dict[str, list[StatusChanged]] = {}
        for record in records:
            read = read_event(record)
            if read is not None and isinstance(read[1], StatusChanged):
                by_family.setdefault(read[1].status.family, []).append(read[1])
        for name, changes in by_family.items():
            await self._apply(name, changes)
            self._changed(name)

    async def _apply(self, name: str, changes: Sequence[StatusChanged]) -> None:
        now = self._clock().replace(microsecond=0)
        family = await self._store.family(name)
        after = with_changes(family, name, changes, now)
        if after is not None and not await self._store.put_family(after):
            raise Transient(f"another instance changed the status lists of {name} first")


def with_changes(family: Family | None, name: str, changes: Sequence[StatusChanged], now: datetime) -> Family | None:
    """The family's next version after these changes, or None where they change nothing.

    Each index remembers the version of the credential's status that set it, so that an older change that is
    delivered again can neither clear a revocation nor bring a lifted suspension back.
    """
    before = family or Family(
        name, changes[0].issuer, 0, now, {purpose.value: encode(Bitstring()) for purpose in Purpose}, {}, 0
    )
    bits = {purpose: decode(before.bits[purpose.value]) for purpose in Purpose}
    versions = dict(before.versions)
    for change in changes:
        index = change.status.index
        # Version 1 is the registration: nothing to set, but it brings the family into being.
        if change.version > versions.get(str(index), 1):
            versions[str(index)] = change.version
            for purpose, state in _BITS.items():
                bits[purpose].set(index, change.state is state)
    if family is not None and versions == before.versions:
        return None
    encoded = {purpose.value: encode(bits[purpose]) for purpose in Purpose}
    return replace(before, version=before.version + 1, changed_at=now, bits=encoded, versions=versions)


class StatusListPublisher:
    """Signs and publishes families that changed, each at most once an interval, and renews them before they expire."""

    def __init__(
        self, store: Store, catalog: CatalogView, kafka: Kafka, signer: Signer, addresses: Addresses, clock: Clock,
        *, interval: timedelta, valid: timedelta, ttl: timedelta,
    ) -> None:  # fmt: skip
        self._store = store
        self._catalog = catalog
        self._kafka = kafka
        self._signer = signer
        self._addresses = addresses
        self._clock = clock
        self._interval = interval
        self._valid = valid
        self._ttl = ttl
        self._waiting: set[str] = set()
        self._last: dict[str, datetime] = {}
        self._wake = asyncio.Event()
        self._renewed_at: datetime | None = None

    def changed(self, family: str) -> None:
        """A family has a new version, perhaps."""
        self._waiting.add(family)
        self._wake.set()

    async def run(self) -> None:
        """Publish as changes come."""
        self._waiting.update(await self._store.unpublished())
        while True:
            try:
                await self.run_once()
            except Exception as error:
                if not (is_transient(error) or isinstance(error, Poison)):
                    raise
                # The family goes on waiting: its bits are stored, and nobody is told a wrong status meanwhile.
                log.warning("status lists wait", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(_POLL_SECONDS)
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS if not self._waiting else 0.05)
            except TimeoutError:
                continue

    async def run_once(self) -> None:
        """Publish every waiting family whose interval has passed, and renew what would expire."""
        now = self._clock()
        if self._renewed_at is None or now - self._renewed_at > self._valid / 20:
            await self._renew(now)
            self._renewed_at = now
        for name in [each for each in self._waiting if now - self._last.get(each, _LONG_AGO) >= self._interval]:
            self._waiting.discard(name)
            try:
                await self._publish(name)
            except BaseException:
                self._waiting.add(name)
                raise
            self._last[name] = now

    async def _renew(self, now: datetime) -> None:
        for name in await self._store.family_names():
            family = await self._store.family(name)
            if family is not None and now - family.changed_at > self._valid / 2:
                later = replace(family, version=family.version + 1, changed_at=now.replace(microsecond=0))
                if await self._store.put_family(later):
                    self._waiting.add(name)

    async def _publish(self, name: str) -> None:
        family = await self._store.family(name)
        if family is None or family.published == family.version:
            return
        await self._kafka.publish(await self._messages(family))
        await self._store.mark_published(name, family.version)

    async def _messages(self, family: Family) -> list[Message]:
        """The family's signed lists: functions of what is stored, so the same version gives the same bytes."""
        issuer = self._catalog.issuers.get(family.issuer)
        multikey = None if issuer is None else domain.active_key(issuer, self._signer.holds)
        if issuer is None or multikey is None:
            raise Poison(Code.ISSUER_NOT_READY, f"the signing keys file has no key in use of {family.issuer}")
        method = verification_method(issuer.did, multikey)
        unsigned = [self._unsigned(family, purpose, issuer.did) for purpose in Purpose]
        signed = await self._signer.sign_all([ToSign(each, multikey, method, family.changed_at) for each in unsigned])
        return [self._message(family, purpose, credential) for purpose, credential in zip(Purpose, signed, strict=True)]

    def _unsigned(self, family: Family, purpose: Purpose, did: str) -> dict[str, Any]:
        return status_list_credential(
            list_id=self._addresses.status_list(family.name, purpose), issuer=did, purpose=purpose.value,
            bits=decode(family.bits[purpose.value]), valid_from=family.changed_at,
            valid_until=family.changed_at + self._valid, ttl_ms=int(self._ttl.total_seconds() * 1000),
        )  # fmt: skip

    def _message(self, family: Family, purpose: Purpose, credential: dict[str, Any]) -> Message:
        LISTS_SIGNED.labels(purpose.value).inc()
        name = list_id(family.name, purpose)
        body = StatusListSigned(
            list_id=name, issuer=family.issuer, family=family.name, purpose=purpose, version=family.version,
            credential=credential, signed_at=family.changed_at,
        )  # fmt: skip
        event_id = derived_id(SOURCE, f"{name}/{family.version}", "status-list.signed")
        return message(STATUS_LISTS, body, key=name, event_id=event_id, source=SOURCE, time=family.changed_at)


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00Z")
