"""A partner's completions on a real broker: confirmed, signed, traced, and never on topics that it made itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from laurel.contracts import signature
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.envelope import decode
from laurel.contracts.topics import COMPLETIONS
from laurel.partner import NotConfirmed, PartnerClient
from laurel.runtime.kafka import provision
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import Broker
from support.log import read_topic
from support.world import World

SOURCE = "https://campus.example.org/lms"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("laurel.partner._tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def client(settings: KafkaSettings, world: World, **more: Any) -> PartnerClient:
    return PartnerClient(
        settings.kafka_bootstrap, SOURCE, "campus-1", world.partners["campus"],
        idempotence=settings.kafka_idempotence, **more,
    )  # fmt: skip


def bodies(world: World, count: int) -> list[CompletionRecorded]:
    return [
        CompletionRecorded.model_validate_json(world.completion("any", learner=number).event.data)
        for number in range(count)
    ]


async def test_what_is_published_is_there_signed_and_traced(
    kafka_settings: KafkaSettings, world: World, spans: InMemorySpanExporter
) -> None:
    await provision(kafka_settings)

    async with client(kafka_settings, world) as partner:
        await partner.publish([partner.build(body, event_id=f"e-{n}") for n, body in enumerate(bodies(world, 40))])

    records = await read_topic(kafka_settings, COMPLETIONS)
    events = [decode(record.headers, record.value) for record in records]
    assert {event.id for event in events} == {f"e-{number}" for number in range(40)}
    for event in events:
        signature.check(event, signature.read(event), world.partners["campus"].public)
    assert {record.key for record in records} == {f"learner-{number}".encode() for number in range(40)}
    sent = {dict(record.headers)["traceparent"].decode().split("-")[2] for record in records}
    finished = spans.get_finished_spans()
    assert sent == {format(span.context.span_id, "016x") for span in finished if span.context}
    assert {(span.name, span.kind) for span in finished} == {("publish completion.recorded", trace.SpanKind.PRODUCER)}


async def test_connecting_makes_no_topics(broker: Broker, kafka_settings: KafkaSettings, world: World) -> None:
    async with client(kafka_settings, world):
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            assert COMPLETIONS.name not in await admin.list_topics()
        finally:
            await admin.close()


async def test_a_broker_that_is_away_is_said_in_a_sentence(world: World, spans: InMemorySpanExporter) -> None:
    away = PartnerClient("127.0.0.1:9", SOURCE, "campus-1", world.partners["campus"], idempotence=False, timeout=5.0)

    with pytest.raises(NotConfirmed, match=r"^The broker at 127\.0\.0\.1:9 did not confirm"):
        async with away:
            pytest.fail("entered without a broker")
