"""How long a mass suspension takes to be seen, and what it does to single changes: `make bench-bulk`.

Credentials are issued, all of them are suspended by one bulk change, and meanwhile another is suspended and reinstated
by single requests, one after the other. Then all are reinstated by `bulk`. Times are from when the bulk change was
asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console

from bench.laurel import ACHIEVEMENT, BROKERS, Laurel, bars, running
from laurel.contracts.topics import CREDENTIALS
from support.waiting import eventually

SEEN = "laurel_status_seen_seconds_count"
PATIENCE_SECONDS = 900.0
Figures = dict[str, float]


async def measure(laurel: Laurel, count: int) -> list[Figures]:
    """The figures of the suspension and of the reinstatement, in seconds."""
    async with httpx.AsyncClient(timeout=120) as client:
        await laurel.apply_catalog(client)
        ids: list[str] = []
        with bars() as progress:
            bar = progress.add_task("credentials in the registry", total=count + 1)
            async for some in laurel.issue(client, count + 1, "bulk"):
                ids += some

            async def registered() -> bool:
                done = await laurel.handled(client, "registry", CREDENTIALS.name)
                progress.update(bar, completed=done)
                return done > count

            await eventually(registered, timeout=PATIENCE_SECONDS, what="the registration of all credentials")
        single, listed = ids[0], ids[1:]
        return [
            await _bulk(laurel, client, single, {"credentials": listed}, "suspend"),
            await _bulk(laurel, client, single, {"bulk": "bench-suspend"}, "reinstate"),
        ]


async def _bulk(
    laurel: Laurel, client: httpx.AsyncClient, single: str, selection: dict[str, Any], action: str
) -> Figures:  # fmt: skip
    url, clock = f"{laurel.ports.url('registry')}/admin/status-changes", asyncio.get_running_loop().time
    id_, begin = f"bench-{action}", clock()
    body: dict[str, Any] = {"selection": selection, "action": action}
    seen = (await client.post(f"{url}/preview", json=body, headers=laurel.admin)).raise_for_status().json()
    figures, total = {"previewed": clock() - begin}, seen["counts"]["changes"]
    before = await laurel.metric(client, laurel.verifiers[0], SEEN)
    singles: list[float] = []
    changing = asyncio.create_task(_singles(laurel, client, single, singles, clock))
    body |= {"digest": seen["digest"], "reason": "A measurement", "requestedBy": "bench", "requestId": id_}
    begin, took = clock(), laurel.cpu_seconds()
    (await client.post(url, json=body, headers=laurel.admin)).raise_for_status()
    figures["accepted"] = clock() - begin
    with bars() as progress:
        bar = progress.add_task(f"{action}: seen by the verifier", total=total)

        async def all_seen() -> bool:
            found = await laurel.metric(client, laurel.verifiers[0], SEEN) - before - len(singles)
            progress.update(bar, completed=found)
            for share in (0.5, 1.0):
                if found >= share * total:
                    figures.setdefault(f"seen {share:.0%}", clock() - begin)
            return bool(found >= total)

        await eventually(all_seen, timeout=PATIENCE_SECONDS, what="every change at the verifier")
    for name, seconds in laurel.cpu_seconds().items():
        figures[f"processors, {name}"] = (seconds - took[name]) / figures["seen 100%"]
    changing.cancel()
    with suppress(asyncio.CancelledError):
        await changing

    async def finished() -> bool:
        return bool((await client.get(f"{url}/{id_}", headers=laurel.admin)).json().get("finishedAt"))

    await eventually(finished, timeout=PATIENCE_SECONDS, what="the end of the bulk change")
    figures |= {"finished": clock() - begin, "changes a second": total / figures["seen 100%"], "singles": len(singles)}
    if singles:
        figures |= {"single, median": statistics.median(singles), "single, longest": max(singles)}
    return figures


async def _singles(
    laurel: Laurel, client: httpx.AsyncClient, credential: str, took: list[float], clock: Callable[[], float]
) -> None:  # fmt: skip
    """Change one credential again and again, and note how long each answer took."""
    url = f"{laurel.ports.url('registry')}/admin/status-requests"
    for action in cycle(("suspend", "reinstate")):
        body, begin = {"credential": credential, "action": action, "reason": "-", "requestedBy": "bench"}, clock()
        answer = await client.post(url, json=body, headers=laurel.admin)
        if answer.status_code != 409:  # it may be so already, from before
            answer.raise_for_status()
            took.append(clock() - begin)


def main() -> None:
    """Measure on each broker that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", action="append", choices=BROKERS, help="embedded, kafka; both unless given")
    parser.add_argument("--credentials", type=int, default=10_000, help=f"how many, of {ACHIEVEMENT}")
    parser.add_argument("--directory", type=Path, default=Path("var/bench/bulk"))
    options = parser.parse_args()
    console, figures = Console(), {}
    for broker in options.broker or list(BROKERS):
        with running(broker, options.directory / broker, tell=console.print) as laurel:
            figures[broker] = asyncio.run(measure(laurel, options.credentials))
        for what, found in zip(("suspended", "reinstated"), figures[broker], strict=True):
            console.print(f"[bold]{broker}[/]: {options.credentials} {what}")
            for name, value in found.items():
                console.print(f"  {name:<18} {value:10.2f}")
    (options.directory / "figures.json").write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
