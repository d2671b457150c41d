"""Status lists: changes become bits, and bits become signed lists at most once an interval.

A family is one list a purpose for the same indexes. Changes are partitioned by family, so one instance has a
family's changes; where two overlap for a moment after a rebalance, the conditional write on the version lets one
of them win and the other start again from what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from issuer.domain import SOURCE
from issuer.index_versions import IndexVersions
from issuer.metrics import LISTS_SIGNED, LISTS_WAITING
from issuer.signer import Signer, ToSign
from issuer.store import Family, Seal, Store
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.envelope import derived_id
from laurel.contracts.status import Purpose, State, StatusChanged, StatusListSigned, list_id
from laurel.contracts.topics import STATUS_LISTS, Message, message
from laurel.credentials.status_list import Bitstring, decode, encode, status_list_credential
from laurel.runtime.backoff import Retries
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison, Transient, is_transient
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import Record, read_event

log = structlog.get_logger(__name__)

_BITS = {Purpose.REVOCATION: State.REVOKED, Purpose.SUSPENSION: State.SUSPENDED}
_LOOK_SECONDS = 5.0
_LEFT_BEHIND = timedelta(seconds=10)


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
        name, changes[0].issuer, 0, now, {purpose.value: encode(Bitstring()) for purpose in Purpose}, b"", 0
    )
    bits = {purpose: decode(before.bits[purpose.value]) for purpose in Purpose}
    versions = IndexVersions(before.versions)
    risen = False
    for change in changes:
        index = change.status.index
        # Version 1 is the registration: nothing to set, but it brings the family into being.
        if versions.rise(index, change.version):
            risen = True
            for purpose, state in _BITS.items():
                bits[purpose].set(index, change.state is state)
    if family is not None and not risen:
        return None
    encoded = {purpose.value: encode(bits[purpose]) for purpose in Purpose}
    return before.next(now, bits=encoded, versions=versions.pack())


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
        self._interval = interval.total_seconds()
        self._valid = valid
        self._ttl_ms = int(ttl.total_seconds() * 1000)
        # Moments on the event loop's clock, which no time server sets back.
        self._due: dict[str, float] = {}
        self._published: dict[str, float] = {}
        self._overtaken: set[str] = set()
        self._retries: dict[str, Retries] = {}
        self._wake = asyncio.Event()
        self._next_look = 0.0
        self._next_renewal = 0.0

    def changed(self, family: str) -> None:
        """A family has a new version, perhaps."""
        if family not in self._due:
            self._due[family] = self._published.get(family, -self._interval) + self._interval
            self._wake.set()

    async def run(self) -> None:
        """Publish as changes come."""
        while True:
            await self.run_once()
            next_one = min(self._due.values(), default=self._next_look)
            # Not wait_for: before Python 3.12, it forgets a cancellation that comes together with what it waits for.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(next_one, self._next_look) - _now())):
                    await self._wake.wait()
            self._wake.clear()

    async def run_once(self) -> None:
        """Publish every family that is due, whatever becomes of the others; look for those left behind or expiring."""
        if _now() >= self._next_look:
            await self._attempt("", self._look())
            self._next_look = _now() + _LOOK_SECONDS
        for name in [each for each, due in self._due.items() if due <= _now()]:
            # First, so that a change that comes meanwhile makes the family due again.
            del self._due[name]
            self._published[name] = _now()
            if await self._attempt(name, self._publish(name)):
                self._retries.pop(name, None)
            else:
                # Its bits are stored, and until they are published nobody is told anything wrong, only late.
                retries = self._retries.setdefault(name, Retries("status lists"))
                self._due[name] = _now() + retries.after_failure()
        LISTS_WAITING.set(len(self._due))

    async def _attempt(self, family: str, work: Awaitable[None]) -> bool:
        try:
            await work
        except Exception as error:
            if not (is_transient(error) or isinstance(error, Poison)):
                raise
            log.warning("status lists wait", family=family, error=f"{type(error).__name__}: {error}"[:300])
            return False
        return True

    async def _look(self) -> None:
        """Take up what an instance that is gone stored and did not publish: at the start all, later what is old."""
        now = self._clock()
        for name in await self._store.unpublished(now if self._next_look == 0 else now - _LEFT_BEHIND):
            self.changed(name)
        if _now() >= self._next_renewal:
            await self._renew(now)
            self._next_renewal = _now() + self._valid.total_seconds() / 20

    async def _renew(self, now: datetime) -> None:
        for name in await self._store.family_names():
            family = await self._store.family(name)
            if (
                family is not None
                and now - family.changed_at > self._valid / 2
                and await self._store.put_family(family.next(now.replace(microsecond=0)))
            ):
                self.changed(name)

    async def _publish(self, name: str) -> None:
        family = await self._store.family(name)
        if family is None or (family.published == family.version and name not in self._overtaken):
            return
        family = await self._sealed(family)
        await self._kafka.publish(await self._messages(family))
        self._overtaken.discard(name)
        if not await self._store.mark_published(name, family.version):
            # Another instance may have published a newer version before ours, and the topic keeps what came last.
            self._overtaken.add(name)
            self.changed(name)

    async def _sealed(self, family: Family) -> Family:
        """The family with all that its signed lists depend on stored, so that the same version gives the same bytes.

        Raises:
            Poison: ISSUER_NOT_READY, the member has no signing key in use here.
        """
        while family.seal is None or not self._signer.holds(family.seal.multikey):
            now = self._clock().replace(microsecond=0)
            issuer = self._catalog.issuers.get(family.issuer)
            if issuer is None:
                raise Transient(f"the catalog has no member {family.issuer} yet")
            multikey = self._signer.key_for(issuer, now)
            if family.seal is None:
                seal = Seal(multikey, family.changed_at + self._valid, self._ttl_ms, issuer.suite)
                await self._store.seal(family.name, family.version, seal)
            else:
                # Under this version there may be a list on the topic, and we can no longer make the same one.
                await self._store.put_family(family.next(now))
            stored = await self._store.family(family.name)
            assert stored is not None  # families are never deleted
            family = stored
        return family

    async def _messages(self, family: Family) -> list[Message]:
        assert family.seal is not None
        seal = family.seal
        method = verification_method(self._addresses.did(family.issuer), seal.multikey)
        unsigned = [self._unsigned(family, seal, purpose) for purpose in Purpose]
        signed = await self._signer.sign_all(
            [ToSign(each, seal.multikey, method, seal.cryptosuite, family.changed_at) for each in unsigned]
        )
        return [self._message(family, purpose, credential) for purpose, credential in zip(Purpose, signed, strict=True)]

    def _unsigned(self, family: Family, seal: Seal, purpose: Purpose) -> dict[str, Any]:
        return status_list_credential(
            list_id=self._addresses.status_list(family.name, purpose), issuer=self._addresses.did(family.issuer),
            purpose=purpose.value, bits=decode(family.bits[purpose.value]), valid_from=family.changed_at,
            valid_until=seal.valid_until, ttl_ms=seal.ttl_ms,
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


def _now() -> float:
    return asyncio.get_running_loop().time()
