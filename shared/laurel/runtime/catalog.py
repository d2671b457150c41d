"""The catalog as an in-memory view of `catalog.v1`, for services that only read it."""

from __future__ import annotations

import asyncio

from laurel.contracts.catalog_index import CatalogIndex, Entry
from laurel.contracts.operators import OperatorPublished
from laurel.contracts.topics import CATALOG
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

LOOK_SECONDS = 20.0


class CatalogView(CatalogIndex):
    """A catalog index that follows the topic."""

    def __init__(self, settings: KafkaSettings, service: str, health: Health) -> None:
        super().__init__()
        self._reader = TableReader(settings, service, [CATALOG], self.apply, health)
        self.start = self._reader.start
        self.stop = self._reader.stop
        self._looking = asyncio.Lock()
        self._asked = self._answered = 0

    def apply(self, record: Record) -> None:
        """Take in one record of the topic. Raises Poison when it does not have its contract's form."""
        read = read_event(record)
        if read is not None and isinstance(read[1], Entry):
            self.add(read[1])

    async def catch_up(self) -> None:
        """Wait until all that the broker has now is applied. Raises KafkaError when the broker is away.

        One look answers all who asked before it began: strangers with wrong keys, however many, keep nobody waiting.
        """
        self._asked += 1
        asked = self._asked
        async with self._looking:
            if self._answered < asked:
                answers = self._asked
                await self._reader.catch_up()
                self._answered = answers

    async def find_operator(self, digest: str) -> OperatorPublished | None:
        """The operator of a token, after taking in what the registry has just published where it is not known.

        Raises:
            KafkaError, TimeoutError: the broker does not answer.
        """
        found = self.operator_of_token(digest)
        if found is None:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.catch_up()
            found = self.operator_of_token(digest)
        return found
