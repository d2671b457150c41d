"""The catalog as an in-memory view of `catalog.v1`, for services that only read it."""

from __future__ import annotations

from laurel.contracts.catalog import AchievementPublished, IssuerPublished, PartnerPublished
from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.topics import CATALOG
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings


class CatalogView(CatalogIndex):
    """A catalog index that follows the topic."""

    def __init__(self, settings: KafkaSettings, service: str, health: Health) -> None:
        super().__init__()
        self._reader = TableReader(settings, service, [CATALOG], self.apply, health)
        self.start = self._reader.start
        self.stop = self._reader.stop
        self.catch_up = self._reader.catch_up

    def apply(self, record: Record) -> None:
        """Take in one record of the topic. Raises Poison when it does not have its contract's form."""
        read = read_event(record)
        if read is not None and isinstance(read[1], IssuerPublished | PartnerPublished | AchievementPublished):
            self.add(read[1])
