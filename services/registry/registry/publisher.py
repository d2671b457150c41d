"""Applying a catalog: stored first, then published from what is stored."""

from __future__ import annotations

import asyncio

import structlog

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import Code, Rejected
from laurel.runtime.clock import Clock
from registry.announcer import Publish
from registry.catalog import Planned, catalog_message, plan, whole
from registry.store import Overtaken, Store

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

    async def apply(self, catalog: Catalog) -> list[Planned]:
        """Store what the catalog changes and publish it, with whatever an earlier crash left unpublished.

        Entries that are stored and that this catalog leaves out are left alone: what was issued under them must
        stay verifiable. Nothing is changed if anything conflicts.

        Raises:
            Rejected: CATALOG_CONFLICT or INVALID_BODY.
        """
        async with self._applying:
            planned = plan(catalog, await self._store.entries(), self._addresses, self._clock())
            try:
                await self._store.put_entries([each.entry for each in planned if each.changed])
            except Overtaken:
                raise Rejected(
                    Code.CATALOG_CONFLICT, "", "The catalog was changed at the same time: apply it again."
                ) from None
            await self._store.set_consortium(catalog.consortium)
            await self._publish_pending()
            log.info("catalog applied", entries=len(planned), changed=sum(each.changed for each in planned))
            return planned

    async def publish_pending(self) -> None:
        """Publish every entry that was stored and, because of a crash or a broker that was away, not published."""
        async with self._applying:
            await self._publish_pending()

    async def _publish_pending(self) -> None:
        entries = (await self._store.entries()).values()
        pending = [entry for entry in entries if entry.published_version < entry.version]
        order = ("issuer", "achievement", "partner")  # so that nothing names what a reader has not seen
        pending.sort(key=lambda entry: (order.index(entry.kind.value), entry.id))
        for at in range(0, len(pending), _AT_ONCE):
            some = pending[at : at + _AT_ONCE]
            await self._publish([catalog_message(entry) for entry in some])
            await self._store.mark_published(some)

    async def stored(self) -> Catalog | None:
        """The catalog as it stands, in the form in which it is applied; None before the first."""
        consortium = await self._store.consortium()
        return None if consortium is None else whole(consortium, (await self._store.entries()).values())
