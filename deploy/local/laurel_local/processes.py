"""Child processes: started, waited for, stopped, and never left behind."""

import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
TAIL_LINES = 20
TAIL_BYTES = 16_384
POLL_SECONDS = 0.02

Probe = Callable[[], bool]


class StartError(Exception):
    """A process exited or stayed unready; says which one and how its log ends."""


class Process:
    """One child process with its own process group and its output in `log_dir/<name>.log`.

    `env` is laid over this process's own environment. The child dies with this process, however that ends.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_dir: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.env = dict(env or {})
        self.cwd = cwd
        self.log_file = log_dir / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id of the last start, or None before the first."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code once the process has ended; minus the signal's number when one ended it."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Start the process; it need not be ready when this returns."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.cwd:
            self.cwd.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._child = _spawner().spawn(
                lambda: subprocess.Popen(
                    [*leash, *self.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.env},
                    cwd=self.cwd,
                    start_new_session=True,
                )
            )

    def wait_ready(self, probe: Probe, timeout: float = 30.0) -> None:
        """Return when `probe` says yes; raise StartError when the process ends or `timeout` passes first."""
        deadline = time.monotonic() + timeout
        while not self.check_ready(probe):
            if time.monotonic() >= deadline:
                raise self.too_slow(timeout)
            time.sleep(POLL_SECONDS)

    def check_ready(self, probe: Probe) -> bool:
        """Ask once whether the process is ready; raise StartError when it has ended."""
        try:
            ready = probe()
        except OSError:  # refused and reset connections are what "not yet" looks like
            ready = False
        # Looked at after the probe: an answer counts only if it can have come from this process.
        if not self.running:
            raise StartError(self._story(f"ended with code {self.returncode} before it was ready"))
        return ready

    def too_slow(self, timeout: float) -> StartError:
        """The error to raise when the process was not ready in time."""
        return StartError(self._story(f"was not ready after {timeout:g} s"))

    def wait_success(self, timeout: float = 30.0) -> None:
        """Return when a process that does one thing has done it; raise StartError if it has not."""
        assert self._child is not None
        try:
            code = self._child.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise StartError(self._story(f"had not finished after {timeout:g} s")) from error
        finally:
            self.kill()
        if code != 0:
            raise StartError(self._story(f"ended with code {code}"))

    def stop(self, timeout: float = 10.0) -> None:
        """Ask the process to end, and kill it if it has not after `timeout`; no error if not running."""
        if self._child is None:
            return
        if self.running:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a suspended process takes no other signal
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End the process and whatever it started, at once."""
        if self._child is None:
            return
        # Also after the leader has ended: its own children may still be in the group.
        self._signal(signal.SIGKILL)
        self._child.wait()

    def suspend(self) -> None:
        """Freeze the process: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended process go on."""
        self._signal(signal.SIGCONT)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines the process wrote since it was last started."""
        with suppress(FileNotFoundError), self.log_file.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    def _signal(self, number: signal.Signals) -> None:
        if self._child is None:
            raise RuntimeError(f"{self.name} has not been started")
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def _story(self, what: str) -> str:
        return f"{self.name} {what}; {self.log_file.name} ends:\n{self.log_tail() or '(nothing was written)'}"


class _Spawner:
    """Starts children from one thread that lives as long as this process.

    The kernel sends the parent-death signal when the *thread* that forked ends: a child started in a worker
    thread (`asyncio.to_thread`, say) would be killed when that thread's pool shuts down.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def spawn(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        done: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, done))
        return done.result()

    def _run(self) -> None:
        while True:
            job, done = self._jobs.get()
            try:
                done.set_result(job())
            except BaseException as error:  # handed to the caller, whatever it is
                done.set_exception(error)


_spawners: dict[int, _Spawner] = {}
_spawners_lock = threading.Lock()


def _spawner() -> _Spawner:
    pid = os.getpid()  # a fork takes the object along and leaves its thread behind
    with _spawners_lock:
        if pid not in _spawners:
            _spawners[pid] = _Spawner()
        return _spawners[pid]


_handed_out: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on, below the kernel's range for outgoing connections.

    A port from that range is not safe for a server that others wait for: a client that keeps connecting to it
    while nobody listens is one day given the same port as its source and connects to itself.
    """
    draw = random.SystemRandom()
    for _ in range(1000):
        port = draw.randrange(15_000, _first_outgoing_port())
        if port not in _handed_out and can_bind(port):
            _handed_out.add(port)
            return port
    raise RuntimeError("no free TCP port found on 127.0.0.1")


def _first_outgoing_port() -> int:
    with suppress(OSError, ValueError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        return max(first, 16_000)
    return 32_768


def can_bind(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
