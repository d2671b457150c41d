"""Spans go to the collector where there is one; contexts are passed on in any case."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

# In a process of its own: the provider of a process is set once.
PROGRAM = """
import sys
from opentelemetry import trace
from laurel.runtime import telemetry

telemetry.configure("test", otlp_endpoint=sys.argv[1] or None)
with telemetry.span_under("work", {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) as span:
    print(span.is_recording(), telemetry.current_carrier()["traceparent"][3:35], telemetry.current_trace_id())
with telemetry.span_under("work of nobody's", {}):
    print(len(telemetry.current_trace_id()))
trace.get_tracer_provider().force_flush()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector's address, and what was posted to it."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", received
    server.shutdown()
    thread.join()
    server.server_close()


def told(endpoint: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, endpoint], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_spans_are_recorded_for_a_collector_only_and_every_context_goes_on(
    collector: tuple[str, list[bytes]],
) -> None:
    endpoint, received = collector
    trace = "0af7651916cd43dd8448eb211c80319c"
    assert told(endpoint) == ["True", trace, trace, "32"]
    assert any(b"work of nobody's" in body for body in received)
    received.clear()
    assert told("") == ["False", trace, trace, "32"]
    assert received == []
