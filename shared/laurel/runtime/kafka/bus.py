"""One service's connection to Kafka: confirmed publishing, and subscriptions under the failure policy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from laurel.contracts.access import topics_of
from laurel.contracts.envelope import encode
from laurel.contracts.errors import Code
from laurel.contracts.topics import TOPICS, Message, Topic
from laurel.runtime import telemetry
from laurel.runtime.backoff import Backoff
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.failures import FailurePolicy, Handler
from laurel.runtime.health import Health
from laurel.runtime.kafka.connecting import broker_security, telling_refusals
from laurel.runtime.kafka.consumer import Consumer
from laurel.runtime.kafka.letters import dead_letter
from laurel.runtime.kafka.logs import logger
from laurel.runtime.kafka.provisioning import provision, until_answered
from laurel.runtime.kafka.records import MAX_REQUEST, group_of, record_of
from laurel.runtime.metrics import BATCH_SECONDS, DEAD_LETTERED, HANDLED, PUBLISHED
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings

log = structlog.get_logger(__name__)

_POLL_MS = 10
_PATIENCE_MS = 1000
_GATHER_MS = 20  # a broker has what was kept waiting, and answers within a few
_STUCK_SECONDS = 180.0
_STOP_SECONDS = 15.0


@dataclass
class _Subscription:
    topic: Topic
    subscriber: Any
    busy: bool = False
    waiting_since: float | None = None
    """Since when, as far as was looked, there have been records to handle and none was handled."""


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
            settings.kafka_bootstrap.split(","), security=broker_security(settings), acks="all",
            enable_idempotence=settings.kafka_idempotence, allow_auto_create_topics=False, max_batch_size=256 * 1024,
            max_request_size=MAX_REQUEST, graceful_timeout=10.0, logger=logger(),
            log_level=logging.DEBUG, client_id=f"laurel-{service}",
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
            topic.name, group_id=group_of(self._service, name), batch=True, max_records=max_records,
            batch_timeout_ms=_POLL_MS, auto_offset_reset="earliest", ack_policy=AckPolicy.NACK_ON_ERROR,
            session_timeout_ms=self.settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=max(300, self.settings.kafka_session_timeout_ms // 5),
            max_poll_interval_ms=300_000, fetch_max_wait_ms=self.settings.kafka_fetch_wait_ms,
            max_partition_fetch_bytes=4 * MAX_REQUEST, parser=_leave_unparsed, decoder=_leave_encoded,
        )  # fmt: skip
        state = _Subscription(topic, subscriber)

        async def consume(message: KafkaMessage) -> None:
            records = [record_of(raw) for raw in message.raw_message]
            state.busy = True
            try:
                with BATCH_SECONDS.labels(self._service, name).time(), telemetry.batch_span(f"{name} process", records):
                    await policy.run(handler, records)
            finally:
                state.busy, state.waiting_since, state.subscriber.consumer.handed_out = False, None, False
            HANDLED.labels(self._service, name).inc(len(records))

        subscriber(consume)
        self._subscriptions.append(state)

    async def start(self) -> None:
        """Wait for the broker and the topics, which are made where that is allowed, and connect the producer.

        Consuming starts with `consume`.
        """

        async def attempt() -> None:
            # A service looks after its own topics; what is no service, such as a test, after all.
            await provision(self.settings, topics_of(self._service) or TOPICS)
            await self.connect()

        await until_answered("Kafka", attempt, self._health)

    async def connect(self) -> None:
        """Connect the producer and make no topics: for who publishes only, from outside. Raises KafkaError."""
        async with telling_refusals(self.settings):
            await self._broker.connect()
        # FastStream makes its consumers with this; it has no public place to say which class.
        config = self._broker.config.broker_config
        config.builder = partial(self._consumer, **config.builder.keywords)  # type: ignore[attr-defined]

    def _consumer(self, **options: Any) -> Consumer:
        consumer = Consumer(**options)
        consumer.on_unreadable = self._step_over
        consumer.patience_ms = _PATIENCE_MS
        consumer.gather_ms = _GATHER_MS
        return consumer

    async def _step_over(self, part: TopicPartition, offset: int) -> None:
        """Leave a dead letter that names the place; the record itself cannot be copied, for it cannot be read."""
        record = Record(part.topic, part.partition, offset, None, (), None)
        reason = "A header's name is not UTF-8, so the client library cannot read the record."
        letter = dead_letter(
            self._service, record, Code.UNREADABLE_RECORD, reason, trace="", attempts=1, clock=self._clock
        )
        await self.publish([letter])
        DEAD_LETTERED.labels(self._service, part.topic, Code.UNREADABLE_RECORD.value).inc()

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
            async with asyncio.timeout(_STOP_SECONDS):
                await self._broker.stop()
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
        now = asyncio.get_running_loop().time()
        for state in self._subscriptions:
            consumer: Consumer | None = state.subscriber.consumer
            if consumer is None or state.busy or not consumer.waiting:
                state.waiting_since = None
                continue
            state.waiting_since = state.waiting_since or now
            if now - state.waiting_since > _STUCK_SECONDS:
                return f"{state.topic.name}: records are waiting and none was handled for {_STUCK_SECONDS:.0f} s"
        return None


async def _leave_unparsed(
    records: tuple[ConsumerRecord[bytes, bytes], ...],
    parse: Callable[[tuple[ConsumerRecord[bytes, bytes], ...]], Awaitable[KafkaMessage]],
) -> KafkaMessage:
    """FastStream decodes headers for the whole batch, and passes over the batch when it cannot: it gets none."""
    message = await parse(tuple(replace(each, headers=()) for each in records))
    message.raw_message = records
    return message


async def _leave_encoded(_: KafkaMessage) -> None:
    """Handlers decode their own records, so that one that cannot be decoded is one rejection and not a batch's."""
    return
