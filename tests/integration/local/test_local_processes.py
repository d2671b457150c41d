"""Child processes: started, watched, stopped, and gone when their parent is."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laurel_local.probes import tcp_answers
from laurel_local.processes import Process, StartError, free_port

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"

Python = Callable[..., Process]


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Python]:
    """Makes processes that run a line of Python, and ends them after the test."""
    made: list[Process] = []

    def make(code: str, *arguments: str) -> Process:
        made.append(Process("piece", [sys.executable, "-c", code, *arguments], log_dir=tmp_path))
        return made[-1]

    yield make
    for process in made:
        process.kill()


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_start_until_ready_and_stop(python: Python) -> None:
    port = free_port()
    process = python(LISTEN, str(port))
    process.start()
    process.wait_ready(lambda: tcp_answers(port), 10)
    assert process.running
    process.stop()
    assert process.returncode == -signal.SIGTERM


def test_a_process_can_be_started_again(python: Python) -> None:
    port = free_port()
    process = python(LISTEN, str(port))
    for _ in range(2):
        process.start()
        process.wait_ready(lambda: tcp_answers(port), 10)
        process.kill()
        assert process.returncode == -signal.SIGKILL


def test_an_early_end_names_the_process_and_shows_its_log(python: Python) -> None:
    process = python("import sys; print('line one'); sys.exit('the port is taken')")
    process.start()
    with pytest.raises(StartError, match=r"piece ended with code 1") as failure:
        process.wait_ready(lambda: False, 10)
    assert "line one" in str(failure.value)
    assert "the port is taken" in str(failure.value)


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    process = Process("ghost", ["no-such-command-here"], log_dir=tmp_path)
    process.start()
    with pytest.raises(StartError, match=r"(?s)ghost ended with code 1.*no-such-command-here: No such file"):
        process.wait_ready(lambda: False, 10)


def test_staying_unready_names_the_process_and_shows_its_log(python: Python) -> None:
    process = python("import time; print('still thinking', flush=True); time.sleep(600)")
    process.start()
    wait_until(lambda: "thinking" in process.log_tail())
    with pytest.raises(StartError, match=r"(?s)piece was not ready after 0\.2 s.*still thinking"):
        process.wait_ready(lambda: False, 0.2)


def test_the_log_shown_is_that_of_the_last_start(python: Python) -> None:
    process = python("import os; print(os.getpid())")
    for _ in range(2):
        process.start()
        process.wait_success(10)
        assert process.log_tail() == str(process.pid)
    assert len(process.log_file.read_text().splitlines()) == 2


def test_stop_kills_what_will_not_end(python: Python) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    process = python(code)
    process.start()
    process.wait_ready(lambda: "up" in process.log_tail(), 10)
    process.stop(timeout=0.2)
    assert process.returncode == -signal.SIGKILL


def test_stop_takes_along_what_the_process_started(python: Python) -> None:
    code = "import subprocess, time; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True)\ntime.sleep(600)"
    process = python(code)
    process.start()
    process.wait_ready(lambda: process.log_tail() != "", 10)
    grandchild = int(process.log_tail())
    process.stop()
    wait_until(lambda: not alive(grandchild))


def test_a_suspended_process_resumes_and_can_be_stopped(python: Python) -> None:
    code = "import time\nwhile True:\n    print('tick', flush=True); time.sleep(0.01)"
    process = python(code)
    process.start()
    process.wait_ready(lambda: "tick" in process.log_tail(), 10)
    process.suspend()
    wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    size = process.log_file.stat().st_size
    process.resume()
    wait_until(lambda: process.log_file.stat().st_size > size)
    process.suspend()
    process.stop(timeout=5)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
@pytest.mark.parametrize("state", ["running", "suspended"])
def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path, state: str) -> None:
    code = (
        "import sys, time; from pathlib import Path; from laurel_local.processes import Process\n"
        "child = Process('child', ['sleep', '600'], log_dir=Path(sys.argv[1])); child.start()\n"
        "child.wait_ready(lambda: Path(f'/proc/{child.pid}/comm').read_text() == 'sleep\\n')\n"
        "child.suspend() if sys.argv[2] == 'suspended' else None\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    wait_until(lambda: not alive(child))


async def test_a_child_outlives_the_thread_it_was_started_from(python: Python) -> None:
    port = free_port()
    process = python(LISTEN, str(port))

    def start_in_a_loop_of_its_own() -> None:
        asyncio.run(asyncio.to_thread(process.start))

    await asyncio.to_thread(start_in_a_loop_of_its_own)
    process.wait_ready(lambda: tcp_answers(port), 10)
    assert process.running


def test_ports_differ() -> None:
    assert len({free_port() for _ in range(50)}) == 50


def test_ports_are_out_of_the_way_of_outgoing_connections() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server, socket.socket() as client:
        client.connect(server.getsockname())
        assert server.getsockname()[1] < client.getsockname()[1]
