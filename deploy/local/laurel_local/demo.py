"""`make demo`: the whole of Laurel on one machine, with fifty completions, in under a minute."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from laurel.contracts.operations import Occasion
from laurel.partner import PartnerClient
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import EmbeddedBroker
from laurel_local.consortium import Consortium, load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.learners import EXPECTED_DUPLICATES, EXPECTED_REJECTIONS, GOOD, TOTAL, completions
from laurel_local.mailbox import Mailbox
from laurel_local.processes import StartError
from laurel_local.services import Ports, add_services
from laurel_local.stack import Stack
from laurel_local.watch import Tally, Watcher

THROWN_AWAY = ("database", "mailbox", "consortium")  # what is left is the figures, one credential and the logs
PATIENCE = 45.0  # seconds that anything may take before the demo says that it did not come


class DemoFailed(Exception):  # noqa: N818 - tells the person
    """Something that should have happened did not; the sentence says what."""


@dataclass
class Run:
    """One run's parts, passed from step to step."""

    console: Console
    directory: Path
    stack: Stack
    consortium: Consortium
    ports: Ports

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach the broker."""
        return KafkaSettings(
            kafka_bootstrap=self.stack.broker.bootstrap, kafka_idempotence=self.stack.broker.idempotence,
            kafka_fetch_wait_ms=self.stack.broker.fetch_wait_ms,
        )  # fmt: skip


def apply_catalog(run: Run) -> None:
    """Load the catalog with the same command that an operator uses."""
    command = ["laurel", "catalog", "apply", str(run.consortium.catalog_file)]
    options = ["--registry", run.ports.url("registry"), "--token-file", str(run.consortium.admin_token_file)]
    laurel = Path(sys.executable).with_name("laurel")
    done = subprocess.run(
        [laurel, *command[1:], *options], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode != 0:
        raise DemoFailed(f"laurel catalog apply failed: {done.stderr.strip() or done.stdout.strip()}")
    run.console.print(f"  [dim]$ laurel catalog apply {run.consortium.catalog_file.name}[/]")
    catalog = run.consortium.catalog
    run.console.print(
        f"  {catalog.consortium.name}: {len(catalog.issuers)} members, {len(catalog.partners)} partners, "
        f"{len(catalog.achievements)} achievements"
    )


async def publish_completions(run: Run) -> None:
    """Publish the fifty, as the two partners would."""
    now = datetime.now(UTC)
    campus, lernhub = (_partner(run, name) for name in ("campus", "lernhub"))
    async with campus, lernhub:
        batches = completions(campus, lernhub, now, f"{now:%H%M%S}")
        for client, batch in zip((campus, lernhub), batches, strict=True):
            await client.publish(batch.messages)


def _partner(run: Run, name: str) -> PartnerClient:
    consortium, kafka = run.consortium, run.kafka
    return PartnerClient(
        kafka.kafka_bootstrap, consortium.source(name), consortium.kid(name), consortium.partner_keys[name],
        idempotence=kafka.kafka_idempotence,
    )  # fmt: skip


async def follow(run: Run, watcher: Watcher) -> None:
    """Show the counts move until everything that should come has come."""
    tally = watcher.tally
    columns = (TextColumn("  {task.description}", justify="left"), BarColumn(bar_width=40), MofNCompleteColumn())
    with Progress(*columns, console=run.console, refresh_per_second=10) as progress:
        bars: list[tuple[TaskID, Callable[[], int]]] = [
            (progress.add_task("completions in    ", total=TOTAL), lambda: tally.completions),
            (progress.add_task("credentials issued", total=GOOD), lambda: len(tally.issued)),
            (progress.add_task("in the registry   ", total=GOOD), lambda: len(tally.registered)),
            (progress.add_task("refused           ", total=TOTAL - GOOD), lambda: len(tally.rejected)),
            (progress.add_task("mails out         ", total=GOOD), lambda: tally.mails[Occasion.ISSUED]),
        ]
        deadline = time.monotonic() + PATIENCE
        while any((progress.tasks[bar].total or 0) > count() for bar, count in bars):
            for bar, count in bars:
                progress.update(bar, completed=count())
            if time.monotonic() > deadline:
                break  # the check at the end says what is missing
            await asyncio.sleep(0.05)
        for bar, count in bars:
            progress.update(bar, completed=count())


def show_rejections(run: Run, tally: Tally) -> None:
    """Each refused event with its reason."""
    table = Table(title="Refused, each with its reason", title_justify="left", title_style="bold", pad_edge=False)
    for heading in ("event", "code", "where", "why"):
        table.add_column(heading, overflow="fold")
    for each in sorted(tally.rejected, key=lambda body: body.code):
        table.add_row(each.event_id or "unreadable", each.code.value, each.pointer or "/", each.detail)
    run.console.print(table)


async def verify(run: Run, client: httpx.AsyncClient, credential: dict[str, Any]) -> dict[str, Any]:
    """What the verifier says of a credential."""
    answer = await client.post(
        f"{run.ports.url('verifier')}/credentials/verify", json={"verifiableCredential": credential}
    )
    body: dict[str, Any] = answer.json()
    return body


def show_verification(run: Run, answer: dict[str, Any], *, unlike: dict[str, Any] | None = None) -> None:
    """The verifier's steps, or those that differ from an earlier answer's."""
    marks = {"valid": "[green]✓[/]", "invalid": "[red]✗[/]", "unknown": "[yellow]?[/]"}
    earlier = unlike["steps"] if unlike else []
    for step in answer["steps"]:
        if step not in earlier:
            run.console.print(
                f"  {marks[step['outcome']]} {step['name']:<18} {step['detail']}", highlight=False, soft_wrap=True
            )


async def revoke_and_time(
    run: Run, client: httpx.AsyncClient, credential: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """Revoke a credential; milliseconds from asking until the verifier says so, and what it says."""
    token = {"Authorization": f"Bearer {run.consortium.admin_token}"}
    request = {
        "credential": credential["id"],
        "action": "revoke",
        "reason": "Awarded by mistake.",
        "requestedBy": "demo",
    }
    asked = time.perf_counter()
    url = f"{run.ports.url('registry')}/admin/status-requests"
    revocation = asyncio.create_task(client.post(url, json=request, headers=token))
    while True:
        answer = await verify(run, client, credential)
        elapsed = (time.perf_counter() - asked) * 1000
        if "REVOKED" in {step["code"] for step in answer["steps"]}:
            break
        if elapsed > PATIENCE * 1000:
            raise DemoFailed("the verifier never saw the revocation")
        await asyncio.sleep(0.002)
    done = await revocation
    if done.status_code != 200:
        raise DemoFailed(f"the registry refused the revocation: {done.text}")
    return elapsed, answer


async def tell_the_story(run: Run) -> dict[str, Any]:
    """The demo from the first completion to the revocation; returns the summary."""
    console = run.console
    console.rule("[bold]Catalog", align="left")
    await asyncio.to_thread(apply_catalog, run)
    console.rule("[bold]Completions", align="left")
    watcher = Watcher(run.kafka)
    await watcher.start()
    await publish_completions(run)
    await follow(run, watcher)
    show_rejections(run, watcher.tally)
    if not watcher.tally.issued:
        raise DemoFailed("no credential was issued")
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        first = next(iter(watcher.tally.issued.values())).credential
        console.rule("[bold]Verification", align="left")
        console.print(
            f"  {first['name']}, by {first['issuer']['name']}\n  {first['id']}", highlight=False, soft_wrap=True
        )
        before = await verify(run, client, first)
        show_verification(run, before)
        console.rule("[bold]Revocation", align="left")
        milliseconds, after = await revoke_and_time(run, client, first)
        show_verification(run, after, unlike=before)
        console.print(f"  the verifier said so [bold]{milliseconds:.0f} ms[/] after the request", highlight=False)
    await _until(lambda: watcher.tally.mails[Occasion.REVOKED] == 1)
    await watcher.stop()
    return summarize(run, watcher.tally, first, milliseconds, before["verified"] and not after["verified"])


def summarize(run: Run, tally: Tally, first: dict[str, Any], milliseconds: float, verified: bool) -> dict[str, Any]:
    """The run in figures, and whether every one of them is what it should be."""
    path = run.directory / "credential.json"
    path.write_text(json.dumps(first, indent=2, ensure_ascii=False))
    mails = len(run.stack.mailbox.messages())
    expected = {
        "published": TOTAL, "issued": GOOD, "registered": GOOD, "duplicates": EXPECTED_DUPLICATES,
        "rejected": {code.value: count for code, count in sorted(EXPECTED_REJECTIONS.items())},
        "mails": GOOD + 1, "deadLetters": 0,
    }  # fmt: skip
    counted = {
        "published": tally.completions, "issued": len(tally.issued), "registered": len(tally.registered),
        "duplicates": tally.duplicates, "rejected": tally.rejected_by_code, "mails": mails,
        "deadLetters": len(tally.dead_letters),
    }  # fmt: skip
    wrong = [name for name, value in expected.items() if counted[name] != value]
    return counted | {
        "revocationVisibleMilliseconds": round(milliseconds, 1),
        "verifiedBeforeAndNotAfterRevocation": verified,
        "statusLists": tally.lists,
        "urls": {"credential": first["id"], "registry": run.ports.url("registry"),
                 "verifier": run.ports.url("verifier"), "mailbox": run.stack.mailbox.http_url},
        "credentialFile": str(path),
        "wrong": wrong + ([] if verified else ["verifiedBeforeAndNotAfterRevocation"]),
    }  # fmt: skip


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - the condition is read from Kafka
        await asyncio.sleep(0.02)


async def stay_up(run: Run) -> None:
    """Wait for Ctrl-C, saying so at once when a process dies on its own."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    run.console.print("\nUp until Ctrl-C. The mails are in the mailbox; the public pages are in the registry.")
    while not stop.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await stop.wait()
        ended = run.stack.ended()
        if ended:
            raise DemoFailed(f"{ended[0].name} ended on its own; its log ends:\n{ended[0].log_tail()}")


def run_demo(directory: Path, *, once: bool, ports: Ports, console: Console) -> int:
    """The whole demo. 0 when every count is what it should be, 1 otherwise."""
    shutil.rmtree(directory, ignore_errors=True)
    consortium = load_or_make(directory / "consortium")
    stack = Stack(
        directory, EmbeddedBroker(directory / "broker"), EmbeddedDatabase(directory / "database", keep=False),
        Mailbox(directory / "mailbox"), on_event=lambda text: console.print(f"  [dim]{text}[/]", highlight=False),
    )  # fmt: skip
    add_services(stack, consortium, ports)
    run = Run(console, directory, stack, consortium, ports)
    console.rule("[bold]Laurel demo: the processes", align="left")
    started = time.monotonic()

    async def play() -> dict[str, Any]:
        summary = await tell_the_story(run)
        summary["seconds"] = round(time.monotonic() - started, 1)
        (directory / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False))
        show_summary(run, summary)
        if not once:
            await stay_up(run)
        return summary

    try:
        with stack:
            summary = asyncio.run(play())
    finally:
        for name in THROWN_AWAY:
            shutil.rmtree(directory / name, ignore_errors=True)
    return 1 if summary["wrong"] else 0


def show_summary(run: Run, summary: dict[str, Any]) -> None:
    """What a person takes home."""
    run.console.rule("[bold]Summary", align="left")
    rejected = sum(summary["rejected"].values())
    run.console.print(
        f"  {summary['published']} completions: {summary['issued']} issued, {rejected} rejected, "
        f"{summary['duplicates']} duplicate; {summary['mails']} mails; {summary['seconds']} s",
        highlight=False,
    )
    for name, url in summary["urls"].items():
        run.console.print(f"  {name:<11} {url}", highlight=False, soft_wrap=True)
    run.console.print(f"  figures     {run.directory / 'summary.json'}", highlight=False, soft_wrap=True)
    for name in summary["wrong"]:
        run.console.print(f"  [red]not as it should be: {name}: {summary.get(name)}[/]")


def main() -> None:
    """Command line of the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when the story is told, instead of staying up")
    parser.add_argument(
        "--directory", type=Path, default=Path("var/demo"), help="what the run leaves (default var/demo)"
    )
    parser.add_argument("--free-ports", action="store_true", help="take free ports instead of 8000, 8010, 8020, 8030")
    arguments = parser.parse_args()
    console = Console()
    try:
        ports = Ports.free() if arguments.free_ports else Ports.fixed()
        sys.exit(run_demo(arguments.directory.resolve(), once=arguments.once, ports=ports, console=console))
    except (DemoFailed, StartError) as failure:
        console.print(f"[red]{failure}[/]", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
