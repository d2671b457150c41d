"""Making a registry's database from the log alone.

Credentials and lists go through the very handlers that the registry itself registers with, proofs included; what they
would publish is on the log already and goes nowhere. The catalog, the histories and the outcomes of requests are put
back as the log has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from laurel.contracts import signature
from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import Consortium, IssuerPublished
from laurel.contracts.catalog_index import Entry
from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import StatusChanged, StatusChangeRequested
from laurel.contracts.topics import (
    AUDIT,
    CATALOG,
    CREDENTIALS,
    STATUS_CHANGES,
    STATUS_LISTS,
    STATUS_REQUESTS,
    Message,
    Topic,
)
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
from laurel.runtime.kafka import committed, scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings
from registry.announcer import Announcer
from registry.catalog import restored_entry
from registry.database import chunks
from registry.domain import SOURCE, authorised_partner
from registry.handlers import Handlers
from registry.outcomes import Outcomes
from registry.restoring import restored, restored_request
from registry.rows import StoredCredential
from registry.store import Store

SERVICE = "registry"
Progress = Callable[[str, int], None]


@dataclass
class Rebuilt:
    """What came of it. `refused` are records that the registry would have put into the dead letters, each with the
    reason; `incomplete` the credentials whose history the log does not have."""

    records: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the database has all that the original must have had."""
        return not self.refused and not self.incomplete


class Rebuild:
    """Fills an empty store. Reading goes topic by topic, so that whatever a record needs is there before it."""

    def __init__(
        self, kafka: KafkaSettings, store: Store, addresses: Addresses, clock: Clock, progress: Progress
    ) -> None:
        self._kafka = kafka
        self._store = store
        self._progress = progress
        self._rebuilt = Rebuilt()
        self._handlers = Handlers(
            store, Announcer(store, _publish_nothing, clock), _publish_nothing, Outcomes(store.requests), addresses,
            clock,
        )  # fmt: skip

    async def run(self) -> Rebuilt:
        """Read everything once. Raises KafkaError, or what the database raises."""
        await self._store.ensure_indexes()
        await self._each(CATALOG, self._restore_catalog)
        await self._each(CREDENTIALS, self._handlers.register)
        await self._each(STATUS_CHANGES, self._restore_statuses)
        await self._each(STATUS_LISTS, self._handlers.keep_list)
        await self._each(AUDIT, self._handlers.keep_action)
        await self._restore_requests()
        if not self._rebuilt.incomplete:
            await self._store.note_histories_published()
        return self._rebuilt

    async def _each(self, topic: Topic, handle: Callable[[Sequence[Record]], Awaitable[None]]) -> None:
        for partition in range(topic.partitions):
            async for some in chunks(scan(self._kafka, topic, partition)):
                await self._handled(handle, some)
                self._count(topic, len(some))

    async def _handled(self, handle: Callable[[Sequence[Record]], Awaitable[None]], some: Sequence[Record]) -> None:
        """As the registry does: where one of them is refused, each is handled on its own."""
        try:
            await handle(some)
        except Poison as refusal:
            if len(some) == 1:
                where = some[0].coordinates
                self._rebuilt.refused.append(f"{where.topic}/{where.partition}/{where.offset}: {refusal}")
                return
            for record in some:
                await self._handled(handle, [record])

    async def _restore_catalog(self, records: Sequence[Record]) -> None:
        entries = {}
        for record in records:
            read = read_event(record)
            if read is not None and isinstance(read[1], Entry):
                entry = restored_entry(read[0], read[1])
                entries[entry.key] = entry
                if isinstance(read[1], IssuerPublished):
                    named = Consortium(name=read[1].consortium, url=read[1].consortium_url)
                    await self._store.set_consortium(named)
        await self._store.restore_entries(list(entries.values()))

    async def _restore_statuses(self, records: Sequence[Record]) -> None:
        newest: dict[str, StatusChanged] = {}
        for record in records:
            read = read_event(record)
            if read is None or not isinstance(read[1], StatusChanged) or read[1].version == 1:
                continue
            change = read[1]
            if _says_more(change, newest.get(change.credential)):
                newest[change.credential] = change
        held = await self._store.credentials(newest)
        await self._store.restore_statuses([_restored(held.get(id_), change) for id_, change in newest.items()])
        for id_, change in newest.items():
            if change.history is None and held[id_].version < change.version:
                self._rebuilt.incomplete.append(id_)
            elif change.history is not None and id_ in self._rebuilt.incomplete:
                self._rebuilt.incomplete.remove(id_)

    async def _restore_requests(self) -> None:
        passed = await committed(self._kafka, SERVICE, STATUS_REQUESTS)
        for partition in range(STATUS_REQUESTS.partitions):
            async for record in scan(self._kafka, STATUS_REQUESTS, partition):
                self._count(STATUS_REQUESTS, 1)
                try:
                    await self._restore_request(record, passed=record.offset < passed[partition])
                except (Poison, Rejected):
                    continue  # it was put into the dead letters, and would be again

    async def _restore_request(self, record: Record, *, passed: bool) -> None:
        read = read_event(record)
        if read is None or not isinstance(read[1], StatusChangeRequested):
            return
        event, body = read[0], read[1]
        partner = None
        request_id = event.id
        if event.source != SOURCE:
            request_id = derived_id(event.source, event.id, event.type)
            claimed = signature.read(event)
            signers = await self._store.partners_of_keys([claimed.kid])
            partner = authorised_partner(event, claimed, signers.get(claimed.kid), body.requested_at)[0].id
        credential = await self._store.credential(body.credential)
        request = restored_request(request_id, partner, event, body, credential, passed=passed)
        if request is not None:
            await self._store.requests.restore(request)

    def _count(self, topic: Topic, number: int) -> None:
        self._rebuilt.records[topic.name] = self._rebuilt.records.get(topic.name, 0) + number
        self._progress(topic.name, self._rebuilt.records[topic.name])


def _says_more(change: StatusChanged, before: StatusChanged | None) -> bool:
    """An earlier version of Laurel may have published the same version of a status without its history."""
    if before is None:
        return True
    return (change.version, change.history is not None) >= (before.version, before.history is not None)


def _restored(held: StoredCredential | None, change: StatusChanged) -> StoredCredential:
    """The credential with this status, or as it is where that says no more. Raises Poison."""
    if held is None:
        raise Poison(Code.UNKNOWN_CREDENTIAL, f"There is a status of {change.credential}, which is not registered.")
    if change.version < held.version or (change.version == held.version and change.history is None):
        return held
    try:
        return restored(held.model_copy(update={"history": held.history[:1]}), change)
    except Rejected as refusal:
        raise Poison(refusal.code, refusal.detail) from None


async def _publish_nothing(_: Sequence[Message]) -> None:
    """What the handlers would publish is on the log."""
