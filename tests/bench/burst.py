"""What a burst of completions does to Laurel: `make bench-burst`.

Partners publish all of them at once over Kafka, and a program floods the HTTP intake beside them. While they drain,
an administrator changes a status again and again, and a verifier is watched until it answers by it. Reported are the
memory of each process (resident, over time), how many requests were shed, how long the changes took, the rate of
issuing, and the reconciliation. It fails when a service grows beyond its bound, when anything is lost or doubled, or
when the intake shed nothing, shed without saying when to come again, or took in what is not registered in the end.
Mails go out after the rest; they are not waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console

from bench.http import Client
from bench.laurel import ACHIEVEMENT, BROKERS, Laurel, bars, completion, running
from bench.revocation import SEEN, percentile
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS
from laurel.partner import PartnerClient
from laurel.reconciliation import Report, reconcile
from laurel.runtime.mongo import Mongo
from laurel_local.services import SERVICES
from support.waiting import eventually

CHANGED = 300  # credentials whose status is changed in turn: suspended, reinstated, suspended
PAUSE_SECONDS = 1.0
# The services close what was idle for five seconds; a request must not meet that.
LIMITS = httpx.Limits(max_connections=200, keepalive_expiry=2)
SHOWN = 20
GROWTH_MIB = 150.0
"""By how much a service may grow, whatever the size of the burst."""
VERIFIER_KIB = 4.0
"""By how much more a verifier may grow for each credential: it holds what it knows of each of them."""


@dataclass
class Measured:
    """One run's figures: resident memory in MiB by process, seconds, and milliseconds from acceptance to answer."""

    memory: dict[str, list[float]] = field(default_factory=dict)
    changes: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    curt: int = 0
    """Of the requests that were shed, those that were not told when to come again."""
    unregistered: set[str] = field(default_factory=set)
    """The ids of the credentials that the intake promised and the registry does not have."""
    published_in: float = 0.0
    drained_in: float = 0.0
    registered: int = 0
    balance: Report | None = None


async def measure(laurel: Laurel, options: argparse.Namespace) -> Measured:
    """Publish, flood, change, and wait until all is drained."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(timeout=60, limits=LIMITS) as client:
        await laurel.apply_catalog(client)
        ids = [id_ async for some in laurel.issue(client, CHANGED, "before") for id_ in some]
        await _registered(laurel, client, CHANGED, 300.0)
        begin = loop.time()
        watching = asyncio.create_task(_watch_memory(laurel, measured))
        changing = asyncio.create_task(_change(laurel, client, ids, measured))
        flooding = asyncio.create_task(_flood(laurel, options.flood, measured))
        await _publish(laurel, options.completions)
        measured.published_in = loop.time() - begin
        taken = await flooding
        measured.registered = CHANGED + options.completions + len(taken)
        await _registered(laurel, client, measured.registered, options.patience)
        measured.drained_in = loop.time() - begin
        measured.unregistered = taken - await _in_registry(laurel, taken)
        for task in (watching, changing):
            if task.done():
                task.result()  # it should not have ended: tell why
            task.cancel()
        await asyncio.gather(watching, changing, return_exceptions=True)
    # Mails that wait for their turn are not stuck here.
    measured.balance = await reconcile(laurel.sources, stuck_after=timedelta(days=1))
    return measured


async def _registered(laurel: Laurel, client: httpx.AsyncClient, count: int, patience: float) -> None:
    with bars() as progress:
        taken = progress.add_task("completions handled by the issuer", total=count)
        filed = progress.add_task("credentials in the registry", total=count)

        async def done() -> bool:
            progress.update(taken, completed=await laurel.handled(client, "issuer", COMPLETIONS.name))
            registered = await laurel.handled(client, "registry", CREDENTIALS.name)
            progress.update(filed, completed=registered)
            await asyncio.sleep(1)
            return registered >= count

        await eventually(done, timeout=patience, what="the registration of all credentials")


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


async def _flood(laurel: Laurel, requests: int, measured: Measured) -> set[str]:
    """Send that many requests of 25 completions at once; tells the ids of the credentials that were promised."""
    # What takes long to make comes one after the other, and then never fills the intake's places.
    bodies = [orjson.dumps([completion(f"flood-{each}-{part}") for part in range(25)]) for each in range(requests)]
    headers = {"Authorization": f"Bearer {laurel.consortium.api_keys['campus']}"}
    client = Client(laurel.ports.url("issuer"), headers)

    async def one(body: bytes) -> set[str]:
        answer = await client.post("/completions", body)
        measured.answers[answer.status] += 1
        if answer.status == 429 and not answer.headers.get("retry-after", "").isdecimal():
            measured.curt += 1
        return {each["credential"] for each in answer.json()["completions"]} if answer.status == 202 else set()

    try:
        return set().union(*await asyncio.gather(*map(one, bodies)))
    finally:
        client.close()


async def _in_registry(laurel: Laurel, ids: set[str]) -> set[str]:
    mongo = Mongo(laurel.sources.registry)
    try:
        rows = mongo.collection("credentials").find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {row["_id"] for row in await rows.to_list(None)}
    finally:
        await mongo.close()


async def _change(laurel: Laurel, client: httpx.AsyncClient, ids: list[str], measured: Measured) -> None:
    url = f"{laurel.ports.url('registry')}/admin/status-requests"
    for number in itertools.count():
        action = ("suspend", "reinstate")[number // len(ids) % 2]
        body = {"credential": ids[number % len(ids)], "action": action, "reason": "A measurement",
                "requestedBy": "bench"}  # fmt: skip
        before = await _seen(laurel, client)
        accepted = datetime.now(UTC)
        (await client.post(url, json=body, headers=laurel.admin)).raise_for_status()

        async def seen(before: float = before) -> bool:
            return await _seen(laurel, client) > before

        await eventually(seen, timeout=120.0, what=f"change {number}")
        measured.changes.append((datetime.now(UTC) - accepted).total_seconds() * 1000)
        await asyncio.sleep(PAUSE_SECONDS)


async def _seen(laurel: Laurel, client: httpx.AsyncClient) -> float:
    return await laurel.metric(client, laurel.verifiers[0], SEEN, le="+Inf")


async def _watch_memory(laurel: Laurel, measured: Measured) -> None:
    while True:
        for part in laurel.stack.parts:
            measured.memory.setdefault(part.name, []).append(_resident(part.process.pid))
        await asyncio.sleep(1)


def _resident(pid: int | None) -> float:
    """A process's resident memory in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def bound_of(service: str, credentials: int) -> float:
    """By how many MiB a service may grow in a burst that leads to so many credentials."""
    return GROWTH_MIB + (credentials * VERIFIER_KIB / 1024 if service == "verifier" else 0)


def intake_faults(measured: Measured) -> list[str]:
    """What the intake did not keep of its promises, or was not put to the test in."""
    others = {status: count for status, count in measured.answers.items() if status not in (202, 429)}
    return [
        sentence for wrong, sentence in (
            (not measured.answers[429], "the intake shed nothing: flood it with more requests"),
            (measured.curt, f"{measured.curt} requests were shed without a Retry-After"),
            (others, f"the intake answered {others}"),
            (measured.unregistered, f"{len(measured.unregistered)} credentials were promised and are not registered"),
        ) if wrong
    ]  # fmt: skip


def report(name: str, measured: Measured, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Print one broker's figures; returns them, `wrong` among them."""
    taken = measured.registered - CHANGED
    console.print(f"\n[bold]{name}[/]: {options.completions} completions published in {measured.published_in:.0f} s;"
                  f" with the intake's {taken} drained in {measured.drained_in:.0f} s,"
                  f" {taken / measured.drained_in:.0f} a second")  # fmt: skip
    memory, wrong = {}, intake_faults(measured)
    for part, values in measured.memory.items():
        tenth = max(1, len(values) // 10)
        memory[part] = {
            "first": round(values[0]), "first tenth": round(statistics.median(values[:tenth])),
            "last tenth": round(statistics.median(values[-tenth:])), "most": round(max(values)),
        }  # fmt: skip
        bound = f", may grow by {bound_of(part, measured.registered):.0f}" if part in SERVICES else ""
        console.print(f"  memory of {part}, MiB: {memory[part]}{bound}")
        if bound and max(values) - values[0] > bound_of(part, measured.registered):
            wrong.append(f"{part} grew by {max(values) - values[0]:.0f} MiB")
    console.print(f"  HTTP intake answered {dict(measured.answers)}")
    changes = {f"p{share * 100:g}": round(percentile(measured.changes, share)) for share in (0.5, 0.9, 0.99)}
    changes |= {"max": round(max(measured.changes, default=0)), "count": len(measured.changes)}
    console.print(f"  status changes beside it, ms from request to a verifier's answer: {changes}")
    if measured.balance is not None:
        waiting = Counter(f"{each.stage}: {each.why.value}" for each in measured.balance.unfinished)
        console.print(f"  reconciliation: {measured.balance.balance.issued} issued,"
                      f" {measured.balance.balance.registered} registered; unfinished: {dict(waiting)}")  # fmt: skip
        wrong += [f"{each.kind.value} {each.subject}: {each.detail}" for each in measured.balance.discrepancies]
    for each in wrong[:SHOWN]:
        console.print(f"  WRONG {each}", style="red", highlight=False, markup=False)
    return {
        "broker": name, "completions": taken, "publishedIn": measured.published_in,
        "drainedIn": measured.drained_in, "memoryMiB": memory, "changesMs": changes, "wrong": wrong,
        "intake": {str(status): count for status, count in measured.answers.items()},
    }  # fmt: skip


def main() -> None:
    """Measure on each broker that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="append", choices=BROKERS, help="embedded, kafka; Kafka unless given")
    parser.add_argument("--completions", type=int, default=100_000)
    parser.add_argument(
        "--flood", type=int, default=400, help="requests of 25 completions, all at once; so many that some are shed"
    )
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
    sys.exit(1 if any(each["wrong"] for each in figures) else 0)


if __name__ == "__main__":
    main()
