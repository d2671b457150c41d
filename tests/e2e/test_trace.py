"""One trace from a partner's publish to the mail, and a link from each batch to what was in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from laurel.partner import PartnerClient
from laurel.runtime.clock import utc_now
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.system import builders, running
from support.waiting import eventually
from support.world import World

_exporter = InMemorySpanExporter()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Every span that ends during the test."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)  # once a process: OpenTelemetry takes no second one
    processor = SimpleSpanProcessor(_exporter)
    provider.add_span_processor(processor)
    _exporter.clear()
    yield _exporter
    _exporter.clear()


def span(exporter: InMemorySpanExporter, name: str) -> ReadableSpan | None:
    return next((each for each in exporter.get_finished_spans() if each.name == name), None)


async def test_one_trace_leads_from_the_partner_through_issuer_and_registry_to_the_mail(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path, spans: InMemorySpanExporter,
) -> None:  # fmt: skip
    builds = builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)
    async with running(builds) as system:
        await system.apply_catalog(world)
        partner = PartnerClient(
            kafka_settings.kafka_bootstrap, "https://campus.example.org/lms", "campus-1", world.partners["campus"],
            idempotence=kafka_settings.kafka_idempotence,
        )  # fmt: skip
        sample = world.completion("traced", completed_at=utc_now())
        async with partner:
            await partner.publish([sample])
        await eventually(lambda: span(spans, "deliver mail"), what="the mail's span")
        await eventually(lambda: span(spans, "register credential"), what="the registration's span")

    publish, issue = span(spans, "publish completion.recorded"), span(spans, "issue")
    register, plan, deliver = (span(spans, name) for name in ("register credential", "plan mail", "deliver mail"))
    assert publish and issue and register and plan and deliver  # noqa: PT018 - one claim: all of them are there
    assert publish.parent is None
    children = {issue: publish, register: issue, plan: issue, deliver: plan}
    for child, parent in children.items():
        assert child.parent is not None, child.name
        assert child.parent.span_id == parent.context.span_id, f"{child.name} hangs under {parent.name}"
        assert child.context.trace_id == publish.context.trace_id

    batch = span(spans, "completions.v1 process")
    assert batch is not None
    assert publish.context.span_id in {link.context.span_id for link in batch.links}
    assert batch.context.span_id in {link.context.span_id for link in issue.links}
