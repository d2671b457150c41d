"""Traces, and logs that name their trace.

A record carries its trace context as the headers `traceparent` and `tracestate` (W3C Trace Context). A batch is
one span that links to each record's context; each record that leads to something has a short span of its own
under the sender's, and what is published on its behalf carries that span on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, Span, SpanKind

from laurel.runtime.record import Record

TRACE_HEADERS = ("traceparent", "tracestate")
_tracer = trace.get_tracer("laurel")


def configure(service: str, *, log_level: str = "info", otlp_endpoint: str | None = None) -> None:
    """JSON logs on stderr, and spans to an OpenTelemetry collector when there is one. Call once a process."""
    configure_logs(service, log_level)
    _route_library_logs()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it logs each reconnection attempt; we log that we wait
    logging.getLogger("laurel.faststream").setLevel(logging.ERROR)  # it warns that topics are not made on the fly
    # Where nobody collects spans, contexts are made and passed on all the same, for logs, audit and dead letters; to
    # record what happens in them would be a tenth of a status request's work.
    sampler = None if otlp_endpoint else ALWAYS_OFF
    provider = TracerProvider(sampler, Resource.create({SERVICE_NAME: f"laurel-{service}"}))
    if otlp_endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)


def configure_logs(service: str, log_level: str = "info") -> None:
    """One line of JSON on stderr for each log entry, with a traceback's text and never the values in its frames."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _service_adder(service),
            _add_trace,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _route_library_logs() -> None:
    """Libraries log through `logging`; their warnings come out as the same JSON."""

    class ToStructlog(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            structlog.get_logger(record.name).log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )

    logging.basicConfig(level=logging.WARNING, handlers=[ToStructlog()], force=True)


def _service_adder(service: str) -> structlog.types.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def carrier_of(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """The trace context among a record's headers."""
    return {name: raw.decode(errors="replace")[:512] for name, raw in headers if name in TRACE_HEADERS}


def current_carrier() -> dict[str, str]:
    """The running span's context, to be sent or stored."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier


def current_trace_id() -> str | None:
    """The running span's trace id, in hexadecimal; None where there is no span."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def trace_id_of(carrier: Mapping[str, str]) -> str | None:
    """The trace id of a context that came from outside, in hexadecimal; None where it has none."""
    context = trace.get_current_span(_context(carrier)).get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


@contextmanager
def batch_span(name: str, records: Sequence[Record]) -> Iterator[Span]:
    """One span for a batch, linked to the context of each record in it."""
    links = [
        Link(context)
        for record in records
        if (context := trace.get_current_span(_context(carrier_of(record.headers))).get_span_context()).is_valid
    ]
    with _tracer.start_as_current_span(name, kind=SpanKind.CONSUMER, links=links) as span:
        span.set_attribute("messaging.system", "kafka")
        span.set_attribute("messaging.batch.message_count", len(records))
        yield span


@contextmanager
def span_under(name: str, carrier: Mapping[str, str], *, kind: SpanKind = SpanKind.CONSUMER) -> Iterator[Span]:
    """A span whose parent came with a record or a stored row; it links to the span that was running here."""
    running = trace.get_current_span().get_span_context()
    links = [Link(running)] if running.is_valid else []
    with _tracer.start_as_current_span(name, context=_context(carrier), kind=kind, links=links) as span:
        yield span


def _context(carrier: Mapping[str, str]) -> Context:
    return extract(dict(carrier), context=Context())
