"""What a burst of completions does to Laurel: `make bench-burst`.

Partners publish all of them at once over Kafka, and a program floods the HTTP intake beside them. While they drain,
an administrator changes a status every second and a verifier is asked until it answers by it. Reported are the memory
of each service (resident, over time), how many requests were shed, how long the changes took, and the rate of issuing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console

from bench.laurel import ACHIEVEMENT, BROKERS, Laurel, bars, completion, running
from bench.revocation import SEEN
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS
from laurel.partner import PartnerClient
from support.waiting import eventually

CHANGED = 60  # credentials to change the status of, issued before the burst


@dataclass
class Measured:
    """One run's figures: resident memory in MiB by process, seconds, and milliseconds from acceptance to answer."""

    memory: dict[str, list[float]] = field(default_factory=dict)
    changes: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    published_in: float = 0.0
    drained_in: float = 0.0


async def measure(laurel: Laurel, options: argparse.Namespace) -> Measured:
    """Publish, flood, change, and wait until all is drained."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=200)) as client:
        await laurel.apply_catalog(client)
        ids = [id_ async for some in laurel.issue(client, CHANGED, "before") for id_ in some]
        await _registered(laurel, client, CHANGED, None)
        begin = loop.time()
        watching = asyncio.create_task(_watch_memory(laurel, measured))
        changing = asyncio.create_task(_change(laurel, client, ids, measured))
        flooding = asyncio.create_task(_flood(laurel, client, options.flood, measured))
        await _publish(laurel, options.completions)
        measured.published_in = loop.time() - begin
        taken = await flooding
        await _registered(laurel, client, CHANGED + options.completions + taken, options.patience)
        measured.drained_in = loop.time() - begin
        for task in (watching, changing):
            task.cancel()
        await asyncio.gather(watching, changing, return_exceptions=True)
    return measured


async def _registered(laurel: Laurel, client: httpx.AsyncClient, count: int, patience: float | None) -> None:
    with bars() as progress:
        taken = progress.add_task("completions handled by the issuer", total=count)
        filed = progress.add_task("credentials in the registry", total=count)

        async def done() -> bool:
            progress.update(taken, completed=await laurel.handled(client, "issuer", COMPLETIONS.name))
            registered = await laurel.handled(client, "registry", CREDENTIALS.name)
            progress.update(filed, completed=registered)
            await asyncio.sleep(0.5)
            return registered >= count

        await eventually(done, timeout=patience or 120.0, what="the registration of all credentials")


async def _publish(laurel: Laurel, count: int) -> None:
    consortium, broker = laurel.consortium, laurel.stack.broker
    when = datetime.now(UTC) - timedelta(days=1)
    with bars() as progress:
        bar = progress.add_task("completions published", total=count)
        partner = PartnerClient(
            broker.bootstrap, consortium.source("campus"), consortium.kid("campus"),
            consortium.partner_keys["campus"], idempotence=broker.idempotence, timeout=300,
        )  # fmt: skip
        async with partner:
            for first in range(0, count, 1000):
                numbers = range(first, min(first + 1000, count))
                messages = []
                for number in numbers:
                    learner = {"reference": f"l-{number}", "name": f"Learner {number}",
                               "email": f"l{number}@learner.example.org"}  # fmt: skip
                    body = CompletionRecorded.model_validate(
                        {"achievement": ACHIEVEMENT, "completedAt": when, "learner": learner}
                    )
                    messages.append(partner.build(body, event_id=f"burst-{number}"))
                await partner.publish(messages)
                progress.update(bar, advance=len(numbers))


async def _flood(laurel: Laurel, client: httpx.AsyncClient, requests: int, measured: Measured) -> int:
    """Send that many requests of a hundred completions at once; tells how many completions were taken."""

    async def one(number: int) -> int:
        sent = [completion(f"flood-{number}-{each}") for each in range(100)]
        status = (await laurel.post_completions(client, sent)).status_code
        measured.answers[status] += 1
        return len(sent) if status == 202 else 0

    return sum(await asyncio.gather(*(one(number) for number in range(requests))))


async def _change(laurel: Laurel, client: httpx.AsyncClient, ids: list[str], measured: Measured) -> None:
    url = f"{laurel.ports.url('registry')}/admin/status-requests"
    for number, id_ in enumerate(ids):
        body = {"credential": id_, "action": "suspend", "reason": "A measurement", "requestedBy": "bench"}
        before = await _seen(laurel, client)
        accepted = datetime.now(UTC)
        await client.post(url, json=body, headers=laurel.admin)

        async def seen(before: float = before) -> bool:
            return await _seen(laurel, client) > before

        await eventually(seen, timeout=120.0, what=f"change {number}")
        measured.changes.append((datetime.now(UTC) - accepted).total_seconds() * 1000)
        await asyncio.sleep(1)


async def _seen(laurel: Laurel, client: httpx.AsyncClient) -> float:
    return await laurel.metric(client, laurel.verifiers[0], SEEN, le="+Inf")


async def _watch_memory(laurel: Laurel, measured: Measured) -> None:
    while True:
        for name, service in laurel.stack.services.items():
            measured.memory.setdefault(name, []).append(_resident(service.process.pid))
        await asyncio.sleep(1)


def _resident(pid: int | None) -> float:
    """A process's resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def report(name: str, measured: Measured, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Print one broker's figures; returns them."""
    rate = options.completions / measured.drained_in
    console.print(f"\n[bold]{name}[/]: {options.completions} completions published in {measured.published_in:.0f} s,"
                  f" drained in {measured.drained_in:.0f} s, {rate:.0f} a second")  # fmt: skip
    memory = {}
    for service, values in measured.memory.items():
        tenth = max(1, len(values) // 10)
        memory[service] = {
            "first tenth": round(statistics.median(values[:tenth])),
            "last tenth": round(statistics.median(values[-tenth:])), "most": round(max(values)),
        }  # fmt: skip
        console.print(f"  memory of {service}, MiB: {memory[service]}")
    console.print(f"  HTTP intake answered {dict(measured.answers)}")
    if len(measured.changes) > 1:
        console.print(
            f"  {len(measured.changes)} status changes beside it, from request to answer: median"
            f" {statistics.median(measured.changes):.0f} ms, most {max(measured.changes):.0f} ms"
        )
    return {
        "broker": name, "completions": options.completions, "publishedIn": measured.published_in,
        "drainedIn": measured.drained_in, "memoryMiB": memory, "changesMs": measured.changes,
        "intake": {str(status): count for status, count in measured.answers.items()},
    }  # fmt: skip


def main() -> None:
    """Measure on each broker that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="append", choices=BROKERS, help="embedded, kafka; Kafka unless given")
    parser.add_argument("--completions", type=int, default=100_000)
    parser.add_argument("--flood", type=int, default=100, help="requests of a hundred completions, all at once")
    parser.add_argument("--patience", type=float, default=7200.0, help="seconds that draining may take")
    parser.add_argument("--directory", type=Path, default=Path("var/bench/burst"))
    options = parser.parse_args()
    console = Console()
    figures = []
    for broker in options.broker or ["kafka"]:
        with running(broker, options.directory / broker, tell=console.print) as laurel:
            measured = asyncio.run(measure(laurel, options))
        figures.append(report(broker, measured, options, console))
    (options.directory / "figures.json").write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
