"""The stack as a whole, with a stand-in for the services."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from laurel_local.broker import EmbeddedBroker
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.probes import http_answers
from laurel_local.processes import StartError, free_port
from laurel_local.stack import Stack

SERVICE = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz/ready" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["STAND_IN_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def stack(tmp_path: Path, events: list[str]) -> Iterator[Stack]:
    stack = Stack(
        tmp_path,
        EmbeddedBroker(tmp_path / "broker"),
        EmbeddedDatabase(tmp_path / "database", keep=False),
        Mailbox(tmp_path / "mailbox"),
        on_event=events.append,
    )
    yield stack
    stack.stop()


def add_stand_in(stack: Stack, name: str, code: str = SERVICE) -> str:
    (stack.directory / f"{name}_stand_in.py").write_text(code)
    port = free_port()
    url = f"http://127.0.0.1:{port}/healthz/ready"
    env = {"STAND_IN_PORT": str(port), "PYTHONPATH": str(stack.directory)}
    stack.add_service(name, f"{name}_stand_in", env, url)
    return url


def test_everything_is_up_inside_and_down_after(stack: Stack, events: list[str]) -> None:
    urls = [add_stand_in(stack, name) for name in ("one", "two")]
    with stack:
        assert all(http_answers(url) for url in urls)
        assert all(process.running for process in stack.processes)
        assert stack.ended() == []
    assert not any(process.running for process in stack.processes)
    infrastructure = ["embedded broker ready", "embedded database ready", "mailbox ready"]
    assert sorted(events[:3]) == infrastructure
    assert sorted(events[3:5]) == ["one ready", "two ready"]
    assert events[5:] == [f"{part.name} stopped" for part in reversed(stack.parts)]


def test_one_failure_stops_everything(stack: Stack) -> None:
    add_stand_in(stack, "one")
    add_stand_in(stack, "two", "raise SystemExit('no key to sign with')")
    with pytest.raises(StartError, match=r"(?s)two ended with code 1.*no key to sign with"):
        stack.start()
    assert not any(process.running for process in stack.processes)


def test_a_service_that_stays_unready_stops_everything(stack: Stack) -> None:
    add_stand_in(stack, "one", "import time; print('waiting', flush=True); time.sleep(600)")
    stack.services["one"].start_timeout = 1.0
    with pytest.raises(StartError, match=r"(?s)one was not ready after 1 s.*waiting"):
        stack.start()
    assert not any(process.running for process in stack.processes)


def test_a_dead_service_is_seen(stack: Stack) -> None:
    url = add_stand_in(stack, "one")
    with stack:
        stack.services["one"].process.kill()
        assert [process.name for process in stack.ended()] == ["one"]
        stack.services["one"].start()
        assert http_answers(url)


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    with stack:
        for port in [each for part in stack.parts for each in part.ports]:
            # Another address of the loopback network: what bound to every address would answer here.
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port), 2).close()
