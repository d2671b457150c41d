"""The local stack: infrastructure and services as child processes, brought up and taken down together."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from laurel_local.broker import Broker, KafkaCluster
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.part import Part
from laurel_local.probes import http_answers
from laurel_local.processes import POLL_SECONDS, Process


class Service(Part):
    """One of Laurel's services, run as `python -m <module>`; ready when `ready_url` answers 200."""

    start_timeout = 60.0
    stop_timeout = 20.0  # longer than a service takes to finish what it has in hand

    def __init__(self, name: str, module: str, *, env: Mapping[str, str], ready_url: str, directory: Path) -> None:
        self.name = name
        self.ready_url = ready_url
        self.process = Process(name, [sys.executable, "-m", module], env=env, cwd=directory, log_dir=directory)

    def ready(self) -> bool:
        return http_answers(self.ready_url)


class Stack:
    """Broker, database, mailbox and services. As a context manager it is up inside and stopped after.

    `on_event` is told in a few words what has just happened; the stack itself prints nothing.
    """

    def __init__(
        self,
        directory: Path,
        broker: Broker | KafkaCluster,
        database: EmbeddedDatabase,
        mailbox: Mailbox,
        *,
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.directory = directory
        self.broker = broker
        self.database = database
        self.mailbox = mailbox
        self.services: dict[str, Service] = {}
        self._on_event = on_event

    @property
    def parts(self) -> list[Part]:
        """Everything, in the order it is started."""
        return [*self.broker.nodes, self.database, self.mailbox, *self.services.values()]

    @property
    def processes(self) -> list[Process]:
        """Everything's processes, in the order they are started."""
        return [part.process for part in self.parts]

    def add_service(self, name: str, module: str, env: Mapping[str, str], ready_url: str) -> Service:
        """Add a service; `start` will start it, or the caller does when the stack is up already."""
        if name in self.services:
            raise ValueError(f"there is a service named {name} already")
        service = Service(name, module, env=env, ready_url=ready_url, directory=self.directory / name)
        self.services[name] = service
        return service

    def start(self) -> None:
        """Bring everything up, or raise what the first failure said and leave nothing running."""
        try:
            self._bring_up([*self.broker.nodes, self.database, self.mailbox])
            self.broker.prepare()
            self._bring_up(list(self.services.values()))
        except BaseException:  # an interrupt too: what was started is stopped
            self.stop()
            raise

    def stop(self) -> None:
        """Take everything down, the services first; no error for what is not running."""
        for part in reversed(self.parts):
            was_running = part.process.running
            part.stop()
            if was_running:
                self._on_event(f"{part.name} stopped")

    def ended(self) -> list[Process]:
        """The processes that were started and have ended, whether stopped or of themselves."""
        return [process for process in self.processes if process.returncode is not None]

    def _bring_up(self, parts: Sequence[Part]) -> None:
        # All are launched before any is waited for, so the slowest alone sets the time.
        for part in parts:
            part.launch()
        deadlines = {part.name: time.monotonic() + part.start_timeout for part in parts}
        waiting = list(parts)
        while waiting:
            for part in tuple(waiting):
                if part.process.check_ready(part.ready):
                    waiting.remove(part)
                    self._on_event(f"{part.name} ready")
                elif time.monotonic() >= deadlines[part.name]:
                    raise part.process.too_slow(part.start_timeout)
            time.sleep(POLL_SECONDS if waiting else 0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
