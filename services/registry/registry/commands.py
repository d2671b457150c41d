"""`laurel registry`: a hash of the public record, and a database made anew from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from laurel.cli import output
from laurel.cli.exits import Refused, Unreachable, WrongUse
from laurel.cli.kafka import configure

if TYPE_CHECKING:
    from registry.operating import Report

S = TypeVar("S")
T = TypeVar("T")
_SHOWN = 20

app = typer.Typer(help="Look at a registry's database as a whole, or make one from the log.", no_args_is_help=True)

Database = Annotated[
    str,
    typer.Option("--database", envvar="LAUREL_MONGO_DATABASE", metavar="NAME", help="The registry's database."),
]


@app.command("hash")
def print_hash(database: Database = "laurel_registry", as_json: output.AsJson = False) -> None:
    """Print the hash of a registry's catalog, credentials with their histories, and status lists.

    Two databases that say the same have the same hash. The database is found by LAUREL_MONGO_URL. Give it a registry
    that is at rest: what changes while it is read makes another hash.

    \b
    Example:
      laurel registry hash --database laurel_registry
    """
    from registry.operating import DatabaseSettings, hash_of  # noqa: PLC0415 - takes long to load

    found, rows = _run(DatabaseSettings, lambda settings, _: hash_of(settings, database))
    if as_json:
        output.document({"database": database, "hash": found, "rows": rows})
    else:
        output.say(f"{found}  {database}, {rows} rows")


@app.command("rebuild")
def rebuild(
    database: Annotated[str, typer.Argument(metavar="DATABASE", help="The database to fill; it must be empty.")],
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="NAME", help="Then compare it with this registry's database.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Make a registry's database from Kafka alone, verifying every proof as registration does.

    Kafka and the database server are found by the registry's own settings: LAUREL_KAFKA_BOOTSTRAP, LAUREL_MONGO_URL and
    LAUREL_PUBLIC_URL. Nothing is published. A registry takes over with the name as LAUREL_MONGO_DATABASE.

    \b
    Exit codes: 0 the database is whole (and equal), 1 something was refused, is missing or differs.

    \b
    Example:
      laurel registry rebuild laurel_registry_2 --compare laurel_registry
    """
    from registry.operating import NotEmpty, OperatingSettings  # noqa: PLC0415
    from registry.operating import rebuild as make  # noqa: PLC0415

    try:
        report = _run(OperatingSettings, lambda settings, tell: make(settings, database, compare, tell))
    except NotEmpty as reason:
        raise WrongUse(f"{reason}: name one that does not exist yet.") from None
    if not as_json:
        _show(database, compare, report)
    if not report.good:
        raise Refused("The database is not what it should be.", **report.facts())
    if as_json:
        output.document(report.facts())


@app.command("republish")
def republish(database: Database = "laurel_registry", as_json: output.AsJson = False) -> None:
    """Publish the status of every changed credential again, with its history. It may run beside a registry.

    A registry does so by itself, once, after an upgrade. Do it again where `laurel reconcile` finds histories that
    are not in the log, such as after an instance of an earlier version ran beside a newer one. It is entered in the
    audit, as is whatever else operators do, under the user as whom it connects to Kafka.

    \b
    Example:
      laurel registry republish
    """
    from laurel.cli.entries import kafka_user  # noqa: PLC0415
    from registry.operating import OperatingSettings  # noqa: PLC0415
    from registry.operating import republish as publish  # noqa: PLC0415

    number = _run(OperatingSettings, lambda settings, _: publish(settings, database, kafka_user(settings)))
    if as_json:
        output.document({"published": number})
    else:
        output.say(f"{number} statuses published.")


def _show(database: str, compare: str | None, report: Report) -> None:
    for topic, number in report.rebuilt.records.items():
        output.say(f"{topic:<22} {number} records")
    for title, found in (
        ("Refused, as the registry would have done:", report.rebuilt.refused),
        ("Without their history, which the log does not have:", report.rebuilt.incomplete),
        (f"Different in {compare}:", report.differing),
    ):
        if found:
            output.say(title)
            for each in found[:_SHOWN]:
                output.say(f"  {each}")
            if len(found) > _SHOWN:
                output.say(f"  ... and {len(found) - _SHOWN} more; --json lists them all.")
    output.say(f"{report.hash}  {database}")
    if report.compared is not None:
        output.say(f"{report.compared}  {compare}")


def _run(kind: Callable[[], S], work: Callable[[S, Callable[[str, int], None]], Awaitable[T]]) -> T:
    from pydantic import ValidationError  # noqa: PLC0415
    from rich.progress import Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    from laurel.runtime.faults import is_transient  # noqa: PLC0415
    from laurel.runtime.settings import complaints  # noqa: PLC0415

    configure("registry-cli")
    try:
        settings = kind()
    except ValidationError as error:
        raise WrongUse("\n".join(complaints(error))) from None
    terminal = output.console(stderr=True)
    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task = progress.add_task("reading")

        async def run() -> T:
            return await work(settings, lambda what, number: progress.update(task, description=f"{what}: {number}"))

        try:
            return asyncio.run(run())
        except Exception as error:
            if not is_transient(error):
                raise
            raise Unreachable(f"Kafka or the database did not answer as it should ({type(error).__name__}).") from None
