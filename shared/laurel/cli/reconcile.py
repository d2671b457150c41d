"""`laurel reconcile`: what was published against what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from laurel.cli import output
from laurel.cli.exits import DISCREPANCIES, Unreachable
from laurel.cli.kafka import Bootstrap, configure, kafka_settings

if TYPE_CHECKING:
    from laurel.reconciliation import Report, Sources

_SHOWN = 50
_TELL_EVERY = 500


def reconcile(
    bootstrap: Bootstrap,
    issuer_database: Annotated[
        str, typer.Option("--issuer-database", envvar="LAUREL_ISSUER_DATABASE", help="The issuer's database.")
    ] = "laurel_issuer",
    registry_database: Annotated[
        str, typer.Option("--registry-database", envvar="LAUREL_REGISTRY_DATABASE", help="The registry's database.")
    ] = "laurel_registry",
    notifier_database: Annotated[
        str, typer.Option("--notifier-database", envvar="LAUREL_NOTIFIER_DATABASE", help="The notifier's database.")
    ] = "laurel_notifier",
    recheck: Annotated[
        float,
        typer.Option("--recheck", min=0, max=3600, metavar="SECONDS",
                     help="Look again after so long, and tell only what is still there; 0: tell at once."),
    ] = 5.0,
    stuck_after: Annotated[
        float,
        typer.Option("--stuck-after", min=1, metavar="MINUTES",
                     help="How long a mail may be overdue, and what the registry has stored unpublished."),
    ] = 15.0,
    as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Read the topics and the databases, and print the balance and every discrepancy.

    Completions, rejections, credentials, statuses, status requests, status lists, the catalog, recipients (not who they
    are), deliveries and mails: each record has to be accounted for in the databases, and each row by the topics, as far
    back as these go. What a service has yet to handle, or gave up openly, is on its way and not a discrepancy.

    The databases are found by LAUREL_MONGO_URL or, where each service has a server of its own, by
    LAUREL_ISSUER_MONGO_URL, LAUREL_REGISTRY_MONGO_URL and LAUREL_NOTIFIER_MONGO_URL: addresses carry passwords, so
    there are no options for them. Nothing is written. The services may run meanwhile.

    \b
    Exit codes: 0 everything fits, 4 there are discrepancies, 3 something did not answer.

    \b
    Example:
      laurel reconcile --bootstrap kafka.example.org:9092 --json
    """
    from laurel.cli.sources import sources_from_environment  # noqa: PLC0415 - takes long to load

    databases = {"issuer": issuer_database, "registry": registry_database, "notifier": notifier_database}
    sources = sources_from_environment(kafka_settings(bootstrap), databases)
    configure("reconcile-cli")
    report = _read(sources, recheck, timedelta(minutes=stuck_after))
    if as_json:
        output.document(report.facts())
    else:
        _show(report)
    if not report.balanced:
        raise typer.Exit(DISCREPANCIES)


def _read(sources: Sources, recheck: float, stuck_after: timedelta) -> Report:
    from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    from laurel.reconciliation import reconcile as look  # noqa: PLC0415
    from laurel.runtime.faults import is_transient  # noqa: PLC0415

    terminal = output.console(stderr=True)
    counted: Counter[str] = Counter()
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=terminal, transient=True,
        disable=not terminal.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("reading")

        def tell(what: str) -> None:
            counted[what] += 1
            if counted[what] % _TELL_EVERY == 1:
                progress.update(task, description=f"reading {what}: {counted[what]}")

        try:
            return asyncio.run(look(sources, recheck_seconds=recheck, stuck_after=stuck_after, progress=tell))
        except Exception as error:
            if not is_transient(error):
                raise
            raise Unreachable(f"Kafka or a database did not answer as it should ({type(error).__name__}).") from None


def _show(report: Report) -> None:
    balance = report.balance
    output.say(f"completions published  {balance.published}")
    for name, count in (
        ("issued", balance.issued), ("rejected", balance.rejected), ("duplicates", balance.duplicates),
        ("passed over", balance.passed_over), ("dead-lettered", balance.dead_lettered), ("waiting", balance.waiting),
        ("lost", balance.lost),
    ):  # fmt: skip
        output.say(f"  {name:<20} {count}")
    _say_counts("rejections by code", balance.rejection_codes)
    output.say(f"catalog entries        {balance.catalog}")
    output.say(f"credentials on the topic {balance.credentials}, registered {balance.registered}, asked for by VC-API "
               f"{balance.requested}")  # fmt: skip
    _say_counts("states", balance.states)
    _say_counts("status requests", balance.requests)
    output.say(f"status positions       {balance.indexes}, in {balance.status_lists} lists")
    _say_counts("deliveries", balance.deliveries)
    output.say(f"mails sent             {balance.mails_sent}, perhaps repeated {balance.perhaps_repeated}")
    output.say(f"mails not sent         failed {balance.mails_failed}, superseded {balance.mails_superseded}, "
               f"no recipient {balance.mails_without_recipient}")  # fmt: skip
    forgotten = (balance.deleted_by_retention, balance.rejections_deleted_by_retention,
                 balance.requests_deleted_by_retention)  # fmt: skip
    if any(forgotten):
        output.say("deleted by retention   {} completions, {} rejections, {} status requests: their outcomes stand"
                   .format(*forgotten))  # fmt: skip
    _say_counts("records without their form", balance.unreadable)
    if report.unfinished:
        output.say()
        output.table(("on its way", "why", "what"), [(each.stage, each.why.value, each.subject)
                                                     for each in report.unfinished[:_SHOWN]])  # fmt: skip
        _say_rest(len(report.unfinished))
    if report.discrepancies:
        output.say()
        output.table(("discrepancy", "what", "why"), [(each.kind.value, each.subject, each.detail)
                                                      for each in report.discrepancies[:_SHOWN]])  # fmt: skip
        _say_rest(len(report.discrepancies))
    else:
        output.say("Everything fits." if report.settled else "Everything fits; some of it is still on its way.")


def _say_counts(name: str, counts: dict[str, int]) -> None:
    if counts:
        output.say(f"{name + ':':<22} {', '.join(f'{key} {count}' for key, count in sorted(counts.items()))}")


def _say_rest(number: int) -> None:
    if number > _SHOWN:
        output.say(f"... and {number - _SHOWN} more; --json lists them all.")
