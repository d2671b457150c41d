"""Kafka through FastStream: topics from the catalogue, confirmed publishing, and subscriptions under the failure
policy.

FastStream's defaults acknowledge first, start at the newest record and create topics on the fly; all three would
lose events here, so everything that matters is set explicitly.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from laurel.contracts.envelope import derived_id, encode
from laurel.contracts.errors import Code
from laurel.contracts.operations import DeadLetter
from laurel.contracts.topics import BY_NAME, DEAD_LETTERS, TOPICS, Message, Topic, message
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.failures import Backoff, FailurePolicy, Handler
from laurel.runtime.faults import is_transient
from laurel.runtime.health import Health
from laurel.runtime.metrics import BATCH_SECONDS, HANDLED, PUBLISHED, SKIPPED
from laurel.runtime.record import Apply, Record
from laurel.runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

_TOPIC_EXISTS = 36
_POLL_MS = 10
_STUCK_SECONDS = 180.0
_STOP_SECONDS = 15.0
_MAX_REQUEST = 1024 * 1024
# A dead letter holds its record in base64, and the trace, and must itself stay under the size of an event.
_LETTER_LIMIT = 64 * 1024


async def provision(settings: KafkaSettings, topics: Sequence[Topic] = TOPICS) -> None:
    """Create the catalogue's topics that are missing.

    Raises:
        KafkaError: the broker is away or refuses.
        RuntimeError: a topic exists with another number of partitions, so that keys would be spread differently.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=10_000)
    await admin.start()
    try:
        answer = await admin.create_topics([_new_topic(topic, settings.kafka_replication) for topic in topics])
        for name, code, *_ in answer.topic_errors:
            if code not in (0, _TOPIC_EXISTS):
                raise for_code(code)(f"creating {name}")
        described = await admin.describe_topics([topic.name for topic in topics])
        for found in described:
            wanted = BY_NAME[found["topic"]].partitions
            if found["partitions"] and len(found["partitions"]) != wanted:
                raise RuntimeError(
                    f"topic {found['topic']} has {len(found['partitions'])} partitions, the catalogue says {wanted}"
                )
    finally:
        await admin.close()


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    config = {"cleanup.policy": "compact"}
    if topic.retention is not None:
        config = {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention.total_seconds() * 1000))}
    if replication >= 3:
        config["min.insync.replicas"] = "2"
    return NewTopic(topic.name, topic.partitions, replication, topic_configs=config)


async def until_answered(what: str, attempt: Callable[[], Any], health: Health) -> None:
    """Wait for a broker or database that is away, visibly: in the log and in readiness."""
    backoff, tries = Backoff(first=0.1, cap=5.0), 0
    while True:
        try:
            await attempt()
        except Exception as error:
            if not is_transient(error):
                raise
            tries += 1
            health.waiting(what, f"{what} does not answer: {type(error).__name__}")
            log.warning("waiting", on=what, tries=tries, error=str(error)[:200])
            await asyncio.sleep(backoff.wait(tries, lambda: 0.5))
        else:
            health.done(what)
            return


@dataclass
class _Subscription:
    topic: Topic
    subscriber: Any
    last_progress: float = 0.0
    busy: bool = False
    handled: dict[TopicPartition, int] = field(default_factory=dict)


class Kafka:
    """One service's broker connection. Subscribe first, then start."""

    def __init__(
        self, settings: KafkaSettings, service: str, health: Health, *, clock: Clock = utc_now,
        backoff: Backoff | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._service = service
        self._health = health
        self._clock = clock
        self._backoff = backoff
        self._subscriptions: list[_Subscription] = []
        self._broker = KafkaBroker(
            settings.kafka_bootstrap, acks="all", enable_idempotence=settings.kafka_idempotence,
            allow_auto_create_topics=False, max_batch_size=256 * 1024, max_request_size=_MAX_REQUEST,
            graceful_timeout=10.0, logger=logging.getLogger("laurel.faststream"), log_level=logging.DEBUG,
            client_id=f"laurel-{service}",
        )  # fmt: skip
        health.check_live("kafka", self._stuck)

    def subscribe(
        self, topic: Topic, handler: Handler, *, max_records: int = 500, subscription: str | None = None
    ) -> None:
        """Hand the topic's records to `handler` in batches, at least once; the offsets commit after it returns."""
        name = subscription or topic.name
        policy = FailurePolicy(self._service, name, self._bury, self._health, backoff=self._backoff)
        subscriber = self._broker.subscriber(
            # A group a topic: the topics then join, move and stall apart from each other.
            topic.name, group_id=f"laurel-{self._service}-{name}", batch=True, max_records=max_records,
            batch_timeout_ms=_POLL_MS, auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR,
            session_timeout_ms=self.settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=max(300, self.settings.kafka_session_timeout_ms // 5),
            max_poll_interval_ms=300_000, max_partition_fetch_bytes=4 * _MAX_REQUEST,
            decoder=_leave_encoded,
        )  # fmt: skip
        state = _Subscription(topic, subscriber)

        async def consume(message: KafkaMessage) -> None:
            records = [_record(raw) for raw in message.raw_message]
            state.busy = True
            try:
                with BATCH_SECONDS.labels(self._service, name).time(), telemetry.batch_span(f"{name} process", records):
                    await policy.run(handler, records)
            finally:
                state.busy, state.last_progress = False, asyncio.get_running_loop().time()
            state.handled |= {TopicPartition(each.topic, each.partition): each.offset + 1 for each in records}
            HANDLED.labels(self._service, name).inc(len(records))

        subscriber(consume)
        self._subscriptions.append(state)

    async def start(self) -> None:
        """Wait for the broker, make the topics, connect the producer; consuming starts with `consume`."""

        async def attempt() -> None:
            await provision(self.settings)
            await self.connect()

        await until_answered("Kafka", attempt, self._health)

    async def connect(self) -> None:
        """Connect the producer and make no topics: for who publishes only, from outside. Raises KafkaError."""
        await self._broker.connect()

    async def consume(self) -> None:
        """Start the subscriptions; returns when all have joined their groups."""
        await asyncio.gather(*(self._join(state.subscriber) for state in self._subscriptions))

    async def _join(self, subscriber: Any) -> None:
        """What FastStream's own start does, but for one subscriber, so that all join at once and each may retry."""

        async def attempt() -> None:
            try:
                await subscriber.start()
            except BaseException:
                await subscriber.stop()
                raise

        await until_answered("Kafka", attempt, self._health)

    async def stop(self) -> None:
        """Finish the batches in hand, commit them, and leave the groups; without the broker, give up in time."""
        try:
            await asyncio.wait_for(self._broker.stop(), _STOP_SECONDS)
        except TimeoutError:
            # The producer would hold on to what it could not send for 40 s more. Replays publish it again.
            log.warning("stopped without the broker")

    async def publish(self, messages: Sequence[Message]) -> None:
        """Send all, then wait until the brokers have confirmed all. Raises KafkaError if any was not confirmed."""
        if not messages:
            return
        futures = [await self._send(each) for each in messages]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for each in messages:
            PUBLISHED.labels(self._service, each.topic.name).inc()

    async def _send(self, outgoing: Message) -> asyncio.Future[Any]:
        headers, value = encode(outgoing.event)
        trace = outgoing.trace or telemetry.current_carrier()
        return await self._broker.publish(
            value, topic=outgoing.topic.name, key=outgoing.key.encode(), partition=outgoing.partition,
            headers={name: raw.decode() for name, raw in headers} | dict(trace),
            correlation_id=outgoing.event.id, no_confirm=True,
        )  # fmt: skip

    async def _bury(self, record: Record, code: Code, reason: str, trace: str, attempts: int) -> None:
        letter = dead_letter(self._service, record, code, reason, trace=trace, attempts=attempts, clock=self._clock)
        await self.publish([letter])

    def _stuck(self) -> str | None:
        """A subscription with records to handle that has handled none for minutes (a consumer can stick for good)."""
        for state in self._subscriptions:
            consumer: AIOKafkaConsumer | None = state.subscriber.consumer
            if consumer is None or state.busy:
                continue
            behind = any(
                (consumer.highwater(part) or 0) > state.handled.get(part, 2**63) for part in consumer.assignment()
            )
            if behind and asyncio.get_running_loop().time() - state.last_progress > _STUCK_SECONDS:
                return f"{state.topic.name}: records are waiting and none was handled for {_STUCK_SECONDS:.0f} s"
        return None


def dead_letter(
    service: str, record: Record, code: Code, reason: str, *, trace: str, attempts: int, clock: Clock
) -> Message:
    """The dead letter for a record: the same record and service always give the same event id."""
    origin = f"{record.topic}/{record.partition}/{record.offset}"
    omitted = _size(record) > _LETTER_LIMIT
    body = DeadLetter(
        service=service, code=code, reason=reason, trace=trace, attempts=attempts, record=record.coordinates,
        key=None if record.key is None or omitted else b64encode(record.key).decode(),
        value=None if record.value is None or omitted else b64encode(record.value).decode(),
        headers=() if omitted else tuple((name, b64encode(raw).decode()) for name, raw in record.headers),
        omitted=True if omitted else None, at=clock(),
    )  # fmt: skip
    key = record.key.decode(errors="replace") if record.key and not omitted else origin
    source = f"urn:laurel:{service}"
    event_id = derived_id(source, origin, "dead-letter.recorded")
    return message(DEAD_LETTERS, body, key=key, event_id=event_id, source=source, time=body.at)


def _size(record: Record) -> int:
    headers = sum(len(name) + len(raw) for name, raw in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


async def _leave_encoded(_: KafkaMessage) -> None:
    """Handlers decode their own records, so that one that cannot be decoded is one rejection and not a batch's."""
    return


def _record(raw: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in raw.headers)  # Kafka allows a header without a value
    return Record(raw.topic, raw.partition, raw.offset, raw.key, headers, raw.value)


async def scan(settings: KafkaSettings, topic: Topic, partition: int, offset: int = 0) -> AsyncIterator[Record]:
    """The records of a partition from `offset` to what is its end now, without a group. For operators' tools.

    Raises:
        KafkaError: the broker is away, or has no such topic.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=4 * _MAX_REQUEST,
    )  # fmt: skip
    part = TopicPartition(topic.name, partition)
    try:
        await consumer.start()
        if topic.name not in await consumer.topics():
            raise UnknownTopicOrPartitionError(f"there is no topic {topic.name}")
        consumer.assign([part])
        begin, end = (await consumer.beginning_offsets([part]))[part], (await consumer.end_offsets([part]))[part]
        consumer.seek(part, max(offset, begin))
        while await consumer.position(part) < end:
            for raw in (await consumer.getmany(part, timeout_ms=500)).get(part, []):
                if raw.offset < end:
                    yield _record(raw)
    finally:
        await consumer.stop()


async def resend(settings: KafkaSettings, records: Sequence[Record]) -> None:
    """Publish records again just as they were, each to its own topic and partition, and wait for the brokers.

    Raises:
        KafkaError: not all was confirmed; some may have been.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=settings.kafka_idempotence,
        max_request_size=_MAX_REQUEST,
    )  # fmt: skip
    try:
        await producer.start()
        for each in records:
            await producer.send_and_wait(
                each.topic, each.value, key=each.key, partition=each.partition, headers=list(each.headers)
            )
    finally:
        await producer.stop()


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
        self._consumer: AIOKafkaConsumer | None = None
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
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", max_partition_fetch_bytes=4 * _MAX_REQUEST, fetch_max_wait_ms=250,
            metadata_max_age_ms=30_000,
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
        while True:
            try:
                await self.run_once()
            except KafkaError as error:
                log.warning("view cannot be read", error=str(error)[:200])
                await asyncio.sleep(0.5)

    async def run_once(self) -> None:
        """Apply what has arrived; waits at most a fifth of a second for something to arrive."""
        assert self._consumer is not None
        batches = await self._consumer.getmany(timeout_ms=200, max_records=5000)
        for raw in (raw for batch in batches.values() for raw in batch):
            record = _record(raw)
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
