"""`make chaos`: the long run, with its progress, its faults by kind and its reconciliation."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos.balance import Balance, Evidence, balance_of, gather
from chaos.changes import StatusChanges
from chaos.copies import copies
from chaos.faults import ENVIRONMENT, Faults, Injected
from chaos.load import Load
from chaos.mails import arrived
from chaos.operating import Rebuilt, apply_catalog, rebuild
from chaos.plan import FAST, KILLS, LONG, Fault, Plan, make_plan
from chaos.repeats import causes_of
from chaos.settle import settled
from chaos.statuses import ask_verifiers, compare_statuses, read_statuses
from chaos.traffic import accepted_in_parts, silences
from laurel.contracts.access import ADMIN, OPERATOR
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import KafkaCluster
from laurel_local.consortium import Consortium, load_or_make
from laurel_local.database import EmbeddedDatabase
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
    accepted: tuple[datetime, ...]
    evidence: Evidence
    balance: Balance
    rebuilt: Rebuilt
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(each.step.fault in KILLS for each in self.injected)

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it should be."""
        rebuilt = [] if self.rebuilt.hash else [f"the registry that the log makes is another one: {self.rebuilt.told}"]
        return [*self.balance.wrong, *(f"ended by itself: {each}" for each in self.ended_by_itself), *rebuilt]


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
        report = asyncio.run(_play(plan, stack, consortium, faults, say, tick))
    return replace(report, seconds=time.monotonic() - began)


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
) -> Report:
    load = Load(stack.broker, consortium, lambda: faults.urls("issuer"))
    changes = StatusChanges(
        consortium, faults.ports.url("registry"), plan.submissions, load, lambda: faults.urls("registry")
    )
    async with load, changes:
        await _send_amid_faults(plan, load, changes, faults, tick)
        say("everything is sent; waiting until every status is changed")
    say("waiting until everything is handled")
    await faults.add_verifier()
    await faults.all_ready()
    assert isinstance(stack.broker, KafkaCluster)
    settings = _settings(stack.broker, OPERATOR)
    at_rest = await settled(settings, stack.database.url, say)
    await faults.all_ready()
    say("everything is handled; comparing, and making the registry anew from the log alone")
    rebuilding = asyncio.create_task(asyncio.to_thread(rebuild, stack, faults.ports))
    evidence = await gather(settings, stack.database.url, arrived(stack.mailbox))
    balance = balance_of(evidence, plan.submissions, causes_of(faults.injected))
    balance.figures |= {"sent again": load.sent.sent_again, "refused at the door": load.sent.refused_at_the_door}
    few = {name: found for name, found in (await copies(_settings(stack.broker, ADMIN))).items() if found != (3, 2)}
    balance.must_not_be("topics without three copies, two of them in sync", few.items())
    balance.must_not_be("faults in which no completion was accepted", silences(faults.injected, load.sent.accepted))
    statuses = await read_statuses(settings)
    asked = {changes.credential_of(number): actions for number, actions in plan.asked.items()}
    compare_statuses(statuses, asked, balance)
    await ask_verifiers(statuses, asked, faults.urls("verifier"), balance)
    if not at_rest:
        balance.wrong.append("the system did not come to rest")
    return Report(
        plan, tuple(faults.injected), tuple(faults.ended_by_itself), tuple(load.sent.accepted), evidence, balance,
        await rebuilding,
    )  # fmt: skip


async def _send_amid_faults(
    plan: Plan, load: Load, changes: StatusChanges, faults: Faults, tick: Callable[[int, int], None]
) -> None:
    """Play the plan: each burst is sent, and its changes are asked for, while its fault lasts."""
    sent = 0
    for number, (step, burst) in enumerate(zip(plan.steps, plan.bursts, strict=True), 1):
        changes.ask(step.wishes)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as together:
            together.create_task(load.burst(burst, step.seconds, over))
            await asyncio.sleep(step.wait)
            await faults.inject(step)
            over.set()
        faults.say(f"  {_met(faults.injected[-1], load.sent.accepted)}")
        sent += len(burst)
        tick(sent, number)
    await faults.all_ready()


def _met(fault: Injected, accepted: Sequence[datetime]) -> str:
    """How the load went on while a fault lasted."""
    parts = accepted_in_parts(fault, accepted)
    lasted = (fault.over - fault.at).total_seconds()
    return f"lasted {lasted:.1f} s; completions accepted, part by part: {' '.join(map(str, parts))}"


def show(report: Report, console: Console) -> None:
    """The faults by kind and target, the reconciliation, and whatever is wrong."""
    table = Table(title="Faults, and completions accepted meanwhile", title_justify="left")
    for heading in ("fault", "what", "times", "seconds", "accepted", "least in a part"):
        table.add_column(heading, justify="left" if heading in ("fault", "what") else "right")
    kinds: defaultdict[tuple[Fault, str], list[Injected]] = defaultdict(list)
    for each in report.injected:
        kinds[each.step.fault, each.step.target.partition("-")[0]].append(each)
    for (fault, target), found in sorted(kinds.items(), key=lambda each: (each[0][0].name, each[0][1])):
        seconds = sum((each.over - each.at).total_seconds() for each in found)
        parts = [accepted_in_parts(each, report.accepted) for each in found]
        table.add_row(
            fault.value, target, str(len(found)), f"{seconds:.0f}", str(sum(map(sum, parts))), str(min(map(min, parts)))
        )
    console.print(table)
    console.print(
        f"{report.kills} kills, {len(report.injected)} faults, {report.seconds:.0f} s, seed {report.plan.seed}"
    )
    figures = Table(title="Reconciliation", title_justify="left", pad_edge=False, show_header=False)
    for name, value in report.balance.figures.items():
        figures.add_row(name, str(value))
    console.print(figures)
    for note in report.balance.notes:
        console.print(note, highlight=False, markup=False)
    if report.rebuilt.hash:
        console.print(
            f"The registry that the log alone makes has the same hash: {report.rebuilt.hash}", highlight=False
        )
    for wrong in report.wrong:
        console.print(f"WRONG {wrong}", style="red", highlight=False, markup=False)
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
