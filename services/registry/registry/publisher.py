"""Applying a catalog: stored first, then published from what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from registry.announcer import Publish
from registry.catalog import Planned, StoredEntry, audit_message, catalog_message, plan, whole
from registry.catalog_rights import check_reach, within_reach
from registry.database import Overtaken
from registry.store import Store

log = structlog.get_logger(__name__)

_AT_ONCE = 500


class CatalogPublisher:
    """The catalog's one writer in this process."""

    def __init__(self, store: Store, publish: Publish, addresses: Addresses, clock: Clock) -> None:
        self._store = store
        self._publish = publish
        self._addresses = addresses
        self._clock = clock
        self._applying = asyncio.Lock()

    async def apply(self, catalog: Catalog, caller: Caller) -> list[Planned]:
        """Store what the catalog changes and publish it, with whatever an earlier crash left unpublished.

        Who changed an entry is stored with it, and published in the audit with it.

        Entries that are stored and that this catalog leaves out are left alone: what was issued under them must
        stay verifiable. Nothing is changed if anything conflicts.

        Raises:
            Rejected: CATALOG_CONFLICT or INVALID_BODY.
            OutOfReach: the caller may not make one of the changes.
        """
        async with self._applying:
            before = await self._store.entries()
            # What was stored and never published would be replaced, and be missing in the audit.
            await self._publish_entries(before.values())
            planned = plan(catalog, before, self._addresses, self._clock())
            consortium = await self._store.consortium()
            check_reach(caller, catalog, consortium, planned, before)
            signed = {"applied_by": caller.id, "trace": telemetry.current_trace_id()}
            try:
                await self._store.put_entries(
                    [each.entry.model_copy(update=signed) for each in planned if each.changed]
                )
            except Overtaken:
                raise Rejected(
                    Code.CATALOG_CONFLICT, "", "The catalog was changed at the same time: apply it again."
                ) from None
            if catalog.consortium != consortium:
                await self._store.set_consortium(catalog.consortium)
            await self._publish_pending()
            log.info("catalog applied", entries=len(planned), changed=sum(each.changed for each in planned))
            return planned

    async def publish_pending(self) -> None:
        """Publish every entry that was stored and, because of a crash or a broker that was away, not published."""
        async with self._applying:
            await self._publish_pending()

    async def _publish_pending(self) -> None:
        await self._publish_entries((await self._store.entries()).values())

    async def _publish_entries(self, entries: Iterable[StoredEntry]) -> None:
        pending = [entry for entry in entries if entry.published_version < entry.version]
        order = ("issuer", "achievement", "partner", "operator")  # so that nothing names what a reader has not seen
        pending.sort(key=lambda entry: (order.index(entry.kind.value), entry.id))
        for at in range(0, len(pending), _AT_ONCE):
            some = pending[at : at + _AT_ONCE]
            audit = [entered for entry in some if (entered := audit_message(entry))]
            await self._publish([*(catalog_message(entry) for entry in some), *audit])
            await self._store.mark_published(some)

    async def stored(self, caller: Caller) -> Catalog | None:
        """The catalog as it stands, in the form in which it is applied, as far as it is the caller's; None before the
        first."""
        consortium = await self._store.consortium()
        if consortium is None:
            return None
        return whole(consortium, within_reach(caller, (await self._store.entries()).values()))
