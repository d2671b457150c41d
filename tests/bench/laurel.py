"""A Laurel to measure: the local stack with its services, issuing over HTTP, and what its metrics say."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from laurel.reconciliation import Sources
from laurel.runtime.settings import KafkaSettings, MongoSettings
from laurel_local.broker import ApacheKafka, EmbeddedBroker
from laurel_local.consortium import Consortium, load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.services import Ports, add_instance, add_services
from laurel_local.stack import Stack

BROKERS = {"embedded": EmbeddedBroker, "kafka": ApacheKafka}
AT_ONCE = 500
ACHIEVEMENT = "python-foundations"


@dataclass
class Laurel:
    """A running stack and how to talk to it."""

    stack: Stack
    consortium: Consortium
    ports: Ports
    verifiers: list[str]

    def urls(self, service: str) -> list[str]:
        """The addresses of all instances of a service."""
        return self.verifiers if service == "verifier" else [self.ports.url(service)]

    @property
    def admin(self) -> dict[str, str]:
        """The header that opens the admin API."""
        return {"Authorization": f"Bearer {self.consortium.admin_token}"}

    def cpu_seconds(self) -> dict[str, float]:
        """The processor time that each process has taken so far, and with it that of the one that asks for the load."""
        pids = {process.name: process.pid for process in self.stack.processes} | {"load": os.getpid()}
        return {name: _cpu_seconds(pid) for name, pid in pids.items() if pid is not None}

    @property
    def sources(self) -> Sources:
        """Where its topics and databases are."""

        def database(service: str) -> MongoSettings:
            return MongoSettings(mongo_url=SecretStr(self.stack.database.url), mongo_database=f"laurel_{service}")

        kafka = KafkaSettings(kafka_bootstrap=self.stack.broker.bootstrap)
        return Sources(kafka, database("issuer"), database("registry"), database("notifier"))

    async def apply_catalog(self, client: httpx.AsyncClient) -> None:
        """Load the catalog that comes with the stack."""
        body = self.consortium.catalog.model_dump_json(by_alias=True, exclude_none=True)
        (
            await client.put(f"{self.ports.url('registry')}/admin/catalog", content=body, headers=self.admin)
        ).raise_for_status()

    async def issue(self, client: httpx.AsyncClient, count: int, prefix: str) -> AsyncIterator[list[str]]:
        """Report so many completions; yields the ids of their credentials, some hundreds at a time."""
        for first in range(0, count, AT_ONCE):
            sent = [completion(f"{prefix}-{number}") for number in range(first, min(first + AT_ONCE, count))]
            answer = await self.post_completions(client, sent)
            answer.raise_for_status()
            yield [each["credential"] for each in answer.json()["completions"]]

    async def post_completions(self, client: httpx.AsyncClient, sent: list[dict[str, Any]]) -> httpx.Response:
        """One request to the HTTP intake."""
        headers = {"Authorization": f"Bearer {self.consortium.api_keys['campus']}"}
        return await client.post(f"{self.ports.url('issuer')}/completions", json=sent, headers=headers)

    async def metric(self, client: httpx.AsyncClient, url: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, at one instance."""
        return sum(value for found, value in (await self.samples(client, url, name)) if labels.items() <= found.items())

    async def samples(
        self, client: httpx.AsyncClient, url: str, name: str
    ) -> list[tuple[dict[str, str], float]]:  # fmt: skip
        """The labels and values of all samples of one name."""
        text = (await client.get(f"{url}/metrics")).text
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name
        ]  # fmt: skip

    async def handled(self, client: httpx.AsyncClient, service: str, topic: str) -> float:
        """How many records of a topic a service has handled."""
        counts = [
            await self.metric(client, url, "laurel_records_handled_total", subscription=topic)
            for url in self.urls(service)
        ]
        return sum(counts)


def machine_ticks() -> tuple[int, int]:
    """The processor time that this machine's host has kept from it so far, and all that there was with it."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def completion(event_id: str) -> dict[str, Any]:
    learner = {"reference": event_id, "name": f"Learner {event_id}", "email": f"{event_id}@learner.example.org"}
    when = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    return {"id": event_id, "data": {"achievement": ACHIEVEMENT, "completedAt": when, "learner": learner}}


@contextmanager
def running(broker: str, directory: Path, *, verifiers: int = 1, tell: Callable[[str], None]) -> Iterator[Laurel]:
    """All of Laurel on a broker of this kind; its data is thrown away before and left behind after."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    ports = Ports.free()
    consortium = load_or_make(directory / "consortium")
    stack = Stack(
        directory, BROKERS[broker](directory / "broker"), EmbeddedDatabase(directory / "database"),
        Mailbox(directory / "mailbox"), on_event=tell,
    )  # fmt: skip
    add_services(stack, consortium, ports)
    addresses = [ports.url("verifier")]
    for number in range(2, verifiers + 1):
        more = add_instance(stack, consortium, ports, "verifier", number)
        addresses.append(more.ready_url.removesuffix("/readyz"))
    with stack:
        yield Laurel(stack, consortium, ports, addresses)


def bars() -> Progress:
    """How far things are, on the terminal."""
    return Progress(TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
