"""`make chaos`: the long run, with its progress, its faults by kind and its reconciliation."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos.balance import Balance, Evidence, balance_of, gather
from chaos.changes import StatusChanges
from chaos.copies import copies
from chaos.faults import ENVIRONMENT, Faults, Injected
from chaos.load import Load
from chaos.plan import FAST, KILLS, LONG, Plan, make_plan
from chaos.repeats import causes_of
from chaos.settle import settled
from chaos.statuses import compare_statuses
from laurel.contracts.access import ADMIN, OPERATOR
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import KafkaCluster
from laurel_local.consortium import Consortium, load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.mail_store import header
from laurel_local.mailbox import Mailbox
from laurel_local.secured_kafka import SecuredCluster
from laurel_local.services import Ports
from laurel_local.stack import Stack

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    plan: Plan
    injected: tuple[Injected, ...]
    ended_by_itself: tuple[str, ...]
    evidence: Evidence
    balance: Balance
    seconds: float

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(each.step.fault in KILLS for each in self.injected)

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be."""
        return [*self.balance.wrong, *(f"ended by itself: {each}" for each in self.ended_by_itself)]


def run(
    plan: Plan,
    directory: Path,
    say: Say,
    tick: Callable[[int, int], None] = lambda _sent, _faults: None,
    *,
    secured: bool = False,
) -> Report:
    """One run in `directory`, whose former content goes. `tick` is told how far sending and faults are.

    `secured`: on brokers that keep their users apart, each service and each partner as itself.
    """
    # That brokers are away is no news here, and hundreds of lines of it would hide what is.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    shutil.rmtree(directory, ignore_errors=True)
    consortium = load_or_make(directory / "consortium")
    stack = Stack(
        directory, _cluster(directory / "kafka", consortium, secured=secured), EmbeddedDatabase(directory / "database"),
        Mailbox(directory / "mailbox"), on_event=say,
    )  # fmt: skip
    faults = Faults(stack, consortium, Ports.free(), say)
    faults.add_services()
    began = time.monotonic()
    with stack:
        apply_catalog(stack, consortium, faults.ports)
        evidence, balance = asyncio.run(_play(plan, stack, consortium, faults, say, tick))
    return Report(
        plan, tuple(faults.injected), tuple(faults.ended_by_itself), evidence, balance, time.monotonic() - began
    )


def _cluster(directory: Path, consortium: Consortium, *, secured: bool) -> KafkaCluster:
    if not secured:
        return KafkaCluster(directory)
    return SecuredCluster(directory, [each.id for each in consortium.catalog.partners])


def _settings(cluster: KafkaCluster, user: str) -> KafkaSettings:
    if isinstance(cluster, SecuredCluster):
        return cluster.settings(user)
    return KafkaSettings(kafka_bootstrap=cluster.bootstrap, kafka_replication=cluster.copies)


async def _play(
    plan: Plan, stack: Stack, consortium: Consortium, faults: Faults, say: Say, tick: Callable[[int, int], None]
) -> tuple[Evidence, Balance]:
    sent = 0
    public_url = faults.ports.url("registry")
    async with (
        Load(stack.broker, consortium, lambda: faults.urls("issuer")) as load,
        StatusChanges(consortium, public_url, lambda: faults.urls("registry")) as changes,
    ):
        for number, (step, burst) in enumerate(zip(plan.steps, plan.bursts, strict=True)):
            changes.suspend([plan.submissions[each] for each in step.suspend])
            async with asyncio.TaskGroup() as together:
                together.create_task(load.burst(burst))
                await asyncio.sleep(step.wait)
                await faults.inject(step)
            sent += len(burst)
            tick(sent, number + 1)
        await faults.all_ready()
    say("everything is sent; waiting until everything is handled")
    await faults.all_ready()
    assert isinstance(stack.broker, KafkaCluster)
    settings = _settings(stack.broker, OPERATOR)
    at_rest = await settled(settings, stack.database.url, say)
    await faults.all_ready()
    mails = [(header(mail, "Message-ID"), at) for mail, at in stack.mailbox.arrivals()]
    evidence = await gather(settings, stack.database.url, mails)
    balance = balance_of(evidence, plan.submissions, causes_of(faults.injected))
    balance.figures |= {"sent again": load.sent.sent_again, "refused at the door": load.sent.refused_at_the_door}
    suspended = {changes.credential_of(plan.submissions[each]) for each in plan.suspended}
    few = {name: found for name, found in (await copies(_settings(stack.broker, ADMIN))).items() if found != (3, 2)}
    balance.must_not_be("topics without three copies, two of them in sync", few.items())
    await compare_statuses(settings, stack.database.url, suspended, faults.ports.url("verifier"), balance)
    if not at_rest:
        balance.wrong.append("the system did not come to rest")
    return evidence, balance


def apply_catalog(stack: Stack, consortium: Consortium, ports: Ports) -> None:
    """Load the catalog, as an operator does."""
    laurel = str(Path(sys.executable).with_name("laurel"))
    where = ["--registry", ports.url("registry"), "--token-file", str(consortium.admin_token_file)]
    subprocess.run(
        [laurel, "catalog", "apply", str(consortium.catalog_file), *where], check=True, capture_output=True, timeout=300
    )


def show(report: Report, console: Console) -> None:
    """The faults by kind and target, the reconciliation, and whatever is wrong."""
    table = Table(title="Faults injected", title_justify="left", pad_edge=False)
    for heading in ("fault", "what", "times"):
        table.add_column(heading)
    counts = Counter((each.step.fault, each.step.target.partition("-")[0]) for each in report.injected)
    for (fault, target), count in sorted(counts.items(), key=lambda each: (each[0][0].name, each[0][1])):
        table.add_row(fault.value, target, str(count))
    console.print(table)
    console.print(
        f"{report.kills} kills, {len(report.injected)} faults, {report.seconds:.0f} s, seed {report.plan.seed}"
    )
    figures = Table(title="Reconciliation", title_justify="left", pad_edge=False, show_header=False)
    for name, value in report.balance.figures.items():
        figures.add_row(name, str(value))
    console.print(figures)
    for each in report.balance.notes:
        console.print(each, highlight=False, markup=False)
    for each in report.wrong:
        console.print(f"WRONG {each}", style="red", highlight=False, markup=False)
    if not report.wrong:
        console.print("[green]All is in balance: nothing lost, nothing doubled.[/]")


def main() -> None:
    """Command line of `make chaos`."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="replays the plan of this seed (default: a new one, which is printed)")
    parser.add_argument("--fast", action="store_true", help="the form that `make test` runs")
    parser.add_argument("--directory", type=Path, default=Path("var/chaos"), help="logs and data (default var/chaos)")
    parser.add_argument(
        "--secured",
        action=argparse.BooleanOptionalAction,
        help="TLS, users and rules on Kafka (default: not with --fast)",
    )
    options = parser.parse_args()
    secured = not options.fast if options.secured is None else options.secured
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    plan = make_plan(seed, FAST if options.fast else LONG)
    console = Console()
    console.print(f"seed {seed}: {len(plan.submissions)} completions, {len(plan.steps)} faults; {ENVIRONMENT}")
    console.print(f"Kafka {'with TLS, users and rules' if secured else 'open to whoever reaches it'}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        sending = progress.add_task("completions", total=len(plan.submissions))
        breaking = progress.add_task("faults     ", total=len(plan.steps))

        def tick(sent: int, faults: int) -> None:
            progress.update(sending, completed=sent)
            progress.update(breaking, completed=faults)

        began = time.monotonic()

        def say(text: str) -> None:
            # For a log file too, which sees no bars.
            far = "/".join(f"{round(task.completed)}" for task in progress.tasks)
            line = f"{time.monotonic() - began:7.1f} s {far:>9} {text}"
            progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

        report = run(plan, options.directory.resolve(), say, tick, secured=secured)
    show(report, console)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
