"""aiokafka's consumer, made to survive a record that it cannot read at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

log = structlog.get_logger(__name__)

OnUnreadable = Callable[[TopicPartition, int], Awaitable[None]]

_PROBE_MS = 200
_GATHER_AT_MOST_SECONDS = 1.0


async def _only_log(part: TopicPartition, offset: int) -> None:
    """A view has nowhere to put what it cannot read."""


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Steps over a record whose header names are not UTF-8.

    Kafka takes such a record, and aiokafka then fails on the whole batch it came in, each time the partition is
    read: without this, anyone who may write to a topic could stop it for good. What the same producer put into the
    same batch after it is stepped over with it; each offset is logged and handed to `on_unreadable`.
    """

    on_unreadable: OnUnreadable = staticmethod(_only_log)
    patience_ms = 0
    """How long, at least, to wait for records. FastStream, when it gets none, sleeps as long as it had them waited for:
    it has to be given a short time, and would ask a hundred times a second."""
    gather_ms = 0
    """How long to wait for what came after records that lay here: see `_and_newer`."""
    handed_out = False
    """Records were handed out; whoever handles them sets it back."""

    @property
    def waiting(self) -> bool:
        """Whether there are records to handle: handed out and not handled yet, or known to be on a partition beyond
        where it is read."""
        return self.handed_out or any(
            (self.highwater(part) or 0) > self._next_offset(part) for part in self.assignment()
        )

    def _next_offset(self, part: TopicPartition) -> int:
        """The offset that is read next, whether or not any was read before; aiokafka tells it only who can wait."""
        assignment = self._subscription.subscription.assignment
        state = None if assignment is None else assignment.state_value(part)
        return state.position if state is not None and state.has_valid_position else 2**63

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """As aiokafka's, but never UnicodeDecodeError, and at least as patient as it is to be."""
        timeout_ms = max(timeout_ms, self.patience_ms)
        try:
            found: dict[TopicPartition, list[Any]] = {}
            if self.gather_ms:
                found = await super().getmany(*partitions, max_records=max_records)
            if found:
                await self._and_newer(found, partitions, max_records)
            else:
                found = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except UnicodeDecodeError:
            found = await self._one_by_one(partitions or tuple(self.assignment()))
        self.handed_out = self.handed_out or bool(found)
        return found

    async def _and_newer(
        self, found: dict[TopicPartition, list[Any]], partitions: tuple[TopicPartition, ...], max_records: int | None
    ) -> None:
        """Add what has come since these were fetched.

        aiokafka asks a broker for nothing more while records from it lie here. So while a batch is handled, the first
        records that come are fetched and keep the later ones waiting: for the next batch, and then for that after it.
        """
        left = None if max_records is None else max_records - sum(map(len, found.values()))
        if left == 0:
            return
        newer: dict[TopicPartition, list[Any]] = {}
        # What was taken from aiokafka is not given out again, so nothing that goes wrong from here on may lose it.
        # While the group is put together anew, aiokafka waits for longer than it is told to.
        with suppress(UnicodeDecodeError, KafkaError, TimeoutError):
            async with asyncio.timeout(_GATHER_AT_MOST_SECONDS):
                newer = await super().getmany(*partitions, timeout_ms=self.gather_ms, max_records=left)
        for part, records in newer.items():
            found.setdefault(part, []).extend(records)

    async def _one_by_one(self, partitions: tuple[TopicPartition, ...]) -> dict[TopicPartition, list[Any]]:
        """The next readable record, after stepping over the unreadable ones that stand in its way."""
        for part in partitions:
            try:
                found: dict[TopicPartition, list[Any]] = await super().getmany(
                    part, timeout_ms=_PROBE_MS, max_records=1
                )
            except UnicodeDecodeError:
                offset = await self.position(part)
                log.critical("stepping over an unreadable record", topic=part.topic, partition=part.partition,
                             offset=offset)  # fmt: skip
                await self.on_unreadable(part, offset)
                self.seek(part, offset + 1)
            else:
                if found:
                    return found
        return {}
