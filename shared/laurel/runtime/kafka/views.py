"""Reading whole topics, without a group: what in-memory views are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from laurel.contracts.topics import Topic
from laurel.runtime.backoff import Retries
from laurel.runtime.health import Health
from laurel.runtime.kafka.connecting import client_options
from laurel.runtime.kafka.consumer import Consumer
from laurel.runtime.kafka.provisioning import provision, until_answered
from laurel.runtime.kafka.records import MAX_REQUEST, record_of
from laurel.runtime.metrics import SKIPPED
from laurel.runtime.record import Apply
from laurel.runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)


class TableReader:
    """Reads whole topics from their beginning, without a group: the source of an in-memory view.

    `apply` is called for each record in order; it must not raise on what it cannot read (that is counted and
    skipped here). `catch_up` waits until everything that was there when it was called has been applied.
    """

    def __init__(
        self, settings: KafkaSettings, service: str, topics: Sequence[Topic], apply: Apply, health: Health
    ) -> None:
        self._settings = settings
        self._service = service
        self._topics = topics
        self._apply = apply
        self._health = health
        self._consumer: Consumer | None = None
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, read everything there is, then go on reading in the background."""
        await until_answered("Kafka", self._connect, self._health)
        what = "view of " + ", ".join(topic.name for topic in self._topics)
        self._health.waiting(what, "still reading from the beginning")
        self._task = asyncio.create_task(self._run(), name=what)
        await until_answered("Kafka", self.catch_up, self._health)
        self._health.done(what)

    async def _connect(self) -> None:
        await provision(self._settings, self._topics)
        consumer = Consumer(
            **client_options(self._settings), group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", max_partition_fetch_bytes=4 * MAX_REQUEST,
            fetch_max_wait_ms=self._settings.kafka_fetch_wait_ms, metadata_max_age_ms=30_000,
        )  # fmt: skip
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        parts = [TopicPartition(topic.name, number) for topic in self._topics for number in range(topic.partitions)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        self._consumer = consumer

    async def _run(self) -> None:
        retries = Retries("view")
        while True:
            try:
                await self.run_once()
                retries.succeeded()
            except KafkaError as error:
                log.warning("view cannot be read", error=str(error)[:200])
                await asyncio.sleep(retries.after_failure())

    async def run_once(self) -> None:
        """Apply what has arrived; waits at most a fifth of a second for something to arrive."""
        assert self._consumer is not None
        batches = await self._consumer.getmany(timeout_ms=200, max_records=5000)
        for raw in (raw for batch in batches.values() for raw in batch):
            record = record_of(raw)
            try:
                self._apply(record)
            except Exception:
                SKIPPED.labels(self._service, record.topic).inc()
                log.exception("view skips a record", topic=record.topic, partition=record.partition,
                              offset=record.offset)  # fmt: skip
        self._moved.set()

    async def catch_up(self) -> None:
        """Wait until all that the broker has now is applied. Raises KafkaError when the broker is away."""
        assert self._consumer is not None
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._consumer.assignment())
        for part, end in ends.items():
            while await self._consumer.position(part) < end:
                self._moved.clear()
                await self._moved.wait()

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            # While the broker is away, stopping the consumer raises its own inner task's cancellation.
            await asyncio.gather(self._consumer.stop(), return_exceptions=True)
