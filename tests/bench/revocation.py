"""How long a revocation takes to be seen: `make bench-revocation`.

Status changes are asked for at a steady rate, whatever the answers take, while the whole of Laurel runs with several
verifiers: by an administrator over HTTP, or by a partner over Kafka, each request signed. Three things are measured:

* each verifier counts, for every change, how long after the registry accepted it it began to answer by it (its
  `/metrics`);
* for every change, how long it took to reach a reader of the topic which verifiers read, counted from when the request
  was sent and from when the brokers had confirmed it: what the registry's own clock does not see;
* of a few, an employer's program asks every verifier again and again until each has said *revoked*: counted from when
  the request was sent, so with the way to the registry and all waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console

from bench.http import Client
from bench.laurel import BROKERS, Laurel, bars, machine_ticks, running
from laurel.contracts.signature import sign
from laurel.contracts.status import Action, StatusChanged, StatusChangeRequested
from laurel.contracts.topics import CREDENTIALS, STATUS_CHANGES, STATUS_REQUESTS, Message, message
from laurel.partner import PartnerClient
from laurel.runtime.health import Health
from laurel.runtime.kafka.views import TableReader
from laurel.runtime.record import Record, read_event
from support.waiting import eventually

SEEN = "laurel_status_seen_seconds_bucket"
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 300.0


@dataclass
class Measured:
    """One run's figures, in milliseconds. `seen` has, by upper bound, how many changes were seen within it."""

    sent: list[float] = field(default_factory=list)
    """Until the request was confirmed: by the brokers, or by the API with its outcome."""
    asked_for: list[float] = field(default_factory=list)
    on_topic: dict[str, list[float]] = field(default_factory=dict)
    """Until the change was read from the topic, by what it is counted from."""
    seen: dict[float, int] = field(default_factory=dict)
    rate: float = 0.0
    """Changes a second, from the first request until every verifier had the last."""
    cpu: dict[str, float] = field(default_factory=dict)
    """How many processors each process took meanwhile."""
    withheld: float = 0.0
    """The share of the processors' time that the host of this machine gave to others meanwhile."""


async def measure(laurel: Laurel, way: str, options: argparse.Namespace) -> Measured:
    """Issue the credentials, then revoke them at the rate."""
    measured = Measured()
    clock = asyncio.get_running_loop().time
    async with httpx.AsyncClient(timeout=60) as client:
        await laurel.apply_catalog(client)
        ids = await _issued(laurel, client, options.changes)
        documents = {
            id_: (await client.get(id_, headers={"Accept": "application/json"})).content
            for id_ in ids[:: options.sample_every]
        }
        async with WAYS[way](laurel, ids) as revoke, _reading(laurel) as arrivals:
            before, machine_before, began = laurel.cpu_seconds(), machine_ticks(), clock()
            moments = await _revoke_all(laurel, revoke, ids, documents, options.rate, measured)
            await _all_seen(laurel, client, len(ids))
            await eventually(lambda: len(arrivals) >= len(ids), what="every change on the topic")
            took = clock() - began
            measured.cpu = {name: (after - before[name]) / took for name, after in laurel.cpu_seconds().items()}
            withheld, passed = (after - before for before, after in zip(machine_before, machine_ticks(), strict=True))
            measured.withheld = withheld / passed
        measured.rate = len(ids) / took
        measured.seen = await _buckets(laurel, client)
    measured.on_topic["sending"] = [(arrivals[id_] - moment.sent) * 1000 for id_, moment in moments.items()]
    if way == "kafka":  # over HTTP, what confirms a request is its outcome
        measured.on_topic["confirmation"] = [
            (arrivals[id_] - moment.confirmed) * 1000 for id_, moment in moments.items()
        ]
    return measured


@asynccontextmanager
async def _reading(laurel: Laurel) -> AsyncIterator[dict[str, float]]:
    """When each credential's first change was read from the topic, by the way in which verifiers read it."""
    clock = asyncio.get_running_loop().time
    arrivals: dict[str, float] = {}

    def note(record: Record) -> None:
        read = read_event(record)
        if read is not None and isinstance(read[1], StatusChanged) and read[1].version > 1:
            arrivals.setdefault(read[1].credential, clock())

    settings = laurel.sources.kafka.model_copy(update={"kafka_fetch_wait_ms": laurel.stack.broker.fetch_wait_ms})
    reader = TableReader(settings, "bench", [STATUS_CHANGES], note, Health())
    await reader.start()
    try:
        yield arrivals
    finally:
        await reader.stop()


@asynccontextmanager
async def _over_http(laurel: Laurel, _: Sequence[str]) -> AsyncIterator[Revoke]:
    """As an administrator does."""
    registry = Client(laurel.ports.url("registry"), laurel.admin)

    async def revoke(id_: str) -> None:
        body = {"credential": id_, "action": "revoke", "reason": "A measurement", "requestedBy": "bench"}
        (await registry.post("/admin/status-requests", orjson.dumps(body))).json()

    yield revoke
    registry.close()


@asynccontextmanager
async def _over_kafka(laurel: Laurel, ids: Sequence[str]) -> AsyncIterator[Revoke]:
    """As a partner does, who signs on a machine of its own: here, before the clock runs."""
    consortium, broker = laurel.consortium, laurel.stack.broker
    source, kid, key = consortium.source("campus"), consortium.kid("campus"), consortium.partner_keys["campus"]

    def signed(id_: str) -> Message:
        now = datetime.now(UTC)
        wish = StatusChangeRequested(credential=id_, action=Action.REVOKE, reason="A measurement",
                                     requested_by="bench", requested_at=now)  # fmt: skip
        made = message(STATUS_REQUESTS, wish, key=id_, event_id=f"revoke-{id_[-20:]}", source=source, time=now)
        return replace(made, event=sign(made.event, key, kid))

    requests = {id_: signed(id_) for id_ in ids}

    async def revoke(id_: str) -> None:
        await partner.publish([requests[id_]])

    async with PartnerClient(broker.bootstrap, source, kid, key, idempotence=broker.idempotence) as partner:
        yield revoke


Revoke = Callable[[str], Awaitable[None]]
Way = Callable[[Laurel, Sequence[str]], AbstractAsyncContextManager[Revoke]]
WAYS: dict[str, Way] = {"http": _over_http, "kafka": _over_kafka}


async def _issued(laurel: Laurel, client: httpx.AsyncClient, count: int) -> list[str]:
    ids: list[str] = []
    with bars() as progress:
        bar = progress.add_task("credentials in the registry", total=count)
        async for some in laurel.issue(client, count, "revocation"):
            ids += some

        async def registered() -> bool:
            done = await laurel.handled(client, "registry", CREDENTIALS.name)
            progress.update(bar, completed=done)
            return done >= count

        await eventually(registered, timeout=PATIENCE_SECONDS, what="the registration of all credentials")

    async def mailed() -> bool:
        return await laurel.metric(client, laurel.ports.url("notifier"), "laurel_mails_sent_total") >= count

    # Until the mails are out, the notifier would take part of the machine.
    await eventually(mailed, timeout=PATIENCE_SECONDS, what="all mails")
    return ids


@dataclass(frozen=True)
class Moments:
    """When a request was sent and when it was confirmed, on the event loop's clock."""

    sent: float
    confirmed: float


async def _revoke_all(
    laurel: Laurel, revoke: Revoke, ids: Sequence[str], documents: Mapping[str, bytes], rate: float,
    measured: Measured,
) -> dict[str, Moments]:  # fmt: skip
    employer = Employer([Client(url) for url in laurel.verifiers], documents, measured)
    with bars() as progress:
        bar = progress.add_task(f"revoking, {rate} a second", total=len(ids))
        clock = asyncio.get_running_loop().time
        begin = clock()
        tasks = []
        for number, id_ in enumerate(ids):
            await asyncio.sleep(max(0.0, begin + number / rate - clock()))
            tasks.append(asyncio.create_task(_revoke(revoke, employer, id_)))
            if number % 50 == 49:
                progress.update(bar, completed=number + 1)
        moments = dict(zip(ids, await asyncio.gather(*tasks), strict=True))
    employer.close()
    measured.sent = [(each.confirmed - each.sent) * 1000 for each in moments.values()]
    return moments


async def _revoke(revoke: Revoke, employer: Employer, id_: str) -> Moments:
    clock = asyncio.get_running_loop().time
    sent = clock()
    watching = asyncio.create_task(employer.watch(id_))
    await revoke(id_)
    confirmed = clock()
    await watching
    return Moments(sent, confirmed)


@dataclass
class Employer:
    """Asks all verifiers about one credential at a time: asking about more would be a load of its own."""

    verifiers: Sequence[Client]
    documents: Mapping[str, bytes]
    measured: Measured
    busy: bool = False

    async def watch(self, id_: str) -> None:
        """Ask until all say revoked, if this is one to ask about."""
        if self.busy or id_ not in self.documents:
            return
        self.busy = True
        clock = asyncio.get_running_loop().time
        begin = clock()
        await asyncio.gather(*(_until_revoked(verifier, self.documents[id_]) for verifier in self.verifiers))
        self.measured.asked_for.append((clock() - begin) * 1000)
        self.busy = False

    def close(self) -> None:
        """Let go of the connections."""
        for each in self.verifiers:
            each.close()


async def _until_revoked(verifier: Client, document: bytes) -> None:
    content = b'{"verifiableCredential":%b}' % document
    while True:
        answer = await verifier.post("/credentials/verify", content)
        if b"REVOKED" in answer.body:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _all_seen(laurel: Laurel, client: httpx.AsyncClient, count: int) -> None:
    async def seen() -> bool:
        counts = [(await _buckets_of(laurel, client, url))[float("inf")] for url in laurel.verifiers]
        return min(counts) >= count

    await eventually(seen, timeout=PATIENCE_SECONDS, what="every change at every verifier")


async def _buckets(laurel: Laurel, client: httpx.AsyncClient) -> dict[float, int]:
    each = [await _buckets_of(laurel, client, url) for url in laurel.verifiers]
    return {bound: int(sum(found[bound] for found in each)) for bound in each[0]}


async def _buckets_of(laurel: Laurel, client: httpx.AsyncClient, url: str) -> dict[float, float]:
    samples = await laurel.samples(client, url, SEEN)
    return {float(labels["le"]): value for labels, value in samples}


def percentile(values: Sequence[float], share: float) -> float:
    """What so large a share of the values does not exceed."""
    return statistics.quantiles(values, n=1000, method="inclusive")[int(share * 1000) - 1] if len(values) > 1 else 0.0


def report(name: str, way: str, measured: Measured, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Print one broker's figures; returns them."""
    total = measured.seen[float("inf")]
    console.print(f"\n[bold]{name}[/], requests over {way}: {options.changes} changes at {options.rate}/s, "
                  f"{options.verifiers} verifiers")  # fmt: skip
    console.print(f"  carried out at {measured.rate:.0f}/s; processors taken by "
                  f"{', '.join(f'{name} {share:.2f}' for name, share in measured.cpu.items())}; "
                  f"withheld by the host: {measured.withheld:.1%}")  # fmt: skip
    console.print("  changes that verifiers answered by, after acceptance by the registry:")
    for bound, count in measured.seen.items():
        console.print(f"    within {bound * 1000:>8.0f} ms  {count / total:8.2%}" if bound != float("inf") else "")
        if count == total:
            break
    figures: dict[str, Any] = {
        "broker": name,
        "rate": round(measured.rate, 1),
        "processors": measured.cpu,
        "withheld": measured.withheld,
        "within": {str(each): count for each, count in measured.seen.items()},
    }
    told = [("every verifier said revoked", measured.asked_for), ("request confirmed", measured.sent)]
    told += [(f"on the topic, from {begin}", values) for begin, values in measured.on_topic.items()]
    for what, values in told:
        shares = {f"p{share * 100:g}": round(percentile(values, share), 1) for share in (0.5, 0.9, 0.99)}
        console.print(f"  {what} ({len(values)}): {shares} ms, max {max(values, default=0):.0f}")
        figures[what] = shares | {"max": round(max(values, default=0), 1), "count": len(values)}
    return figures


def main() -> None:
    """Measure on each broker that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="append", choices=BROKERS, help="embedded, kafka; both unless given")
    parser.add_argument(
        "--over", action="append", choices=WAYS, help="how it is asked for: http, kafka; both unless given"
    )
    parser.add_argument("--changes", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=200.0, help="changes a second")
    parser.add_argument("--verifiers", type=int, default=2)
    parser.add_argument("--sample-every", type=int, default=50, help="ask the verifiers about every so many-th")
    parser.add_argument("--directory", type=Path, default=Path("var/bench/revocation"))
    options = parser.parse_args()
    console = Console()
    figures = []
    for broker, way in product(options.broker or BROKERS, options.over or WAYS):
        directory = options.directory / f"{broker}-{way}"
        with running(broker, directory, verifiers=options.verifiers, tell=console.print) as laurel:
            measured = asyncio.run(measure(laurel, way, options))
        figures.append(report(broker, way, measured, options, console))
    (options.directory / "figures.json").write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
