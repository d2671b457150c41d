"""`laurel dead-letters`: read what services gave up on, and send it again once its cause is mended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from laurel.cli import output
from laurel.cli.exits import Refused, WrongUse
from laurel.cli.kafka import Bootstrap, Idempotence, configure, kafka_settings

if TYPE_CHECKING:
    from laurel.cli.letters import Letter

T = TypeVar("T")

app = typer.Typer(help="List, read and replay the records that services gave up on.", no_args_is_help=True)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Dead letters' ids, or beginnings of them.")]


@app.command("list")
def list_letters(
    bootstrap: Bootstrap,
    service: Annotated[str | None, typer.Option("--service", help="Only this service's.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Only those with this code, such as LRL-4001.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Not older: 30m, 2h, 7d or 2026-05-01T12:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000, help="At most so many, the newest.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List dead letters, the newest last.

    \b
    Example:
      laurel dead-letters list --since 2h --service registry
    """
    after = _since(since, datetime.now(UTC))
    found = [
        letter for letter in _read(bootstrap)
        if (service is None or letter.body.service == service)
        and (code is None or letter.body.code == code)
        and (after is None or letter.body.at >= after)
    ][-limit:]  # fmt: skip
    if as_json:
        output.document({"deadLetters": [letter.facts() for letter in found]})
    elif found:
        heads = ("id", "at", "service", "code", "record", "reason")
        output.table(heads, [letter.row for letter in found])
    else:
        output.say("No dead letters.")


@app.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="A dead letter's id, or the beginning of it.")],
    bootstrap: Bootstrap,
    with_body: Annotated[
        bool, typer.Option("--with-body", help="Also the key and the body, which may name people.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show one dead letter: why, where from, its headers and the trace.

    \b
    Example:
      laurel dead-letters show 3f9c
    """
    letter = _pick(_read(bootstrap), letter_id)
    if as_json:
        output.document(letter.facts() | letter.details(with_body=with_body))
        return
    for name, value in letter.facts().items():
        output.say(f"{name + ':':<10} {value}")
    details = letter.details(with_body=with_body)
    for name, value in details.pop("headers"):
        output.say(f"header:    {name} = {value}")
    for name, value in details.items():
        output.say(f"{name}:")
        for line in str(value).splitlines():
            output.say(f"  {line}")


@app.command("replay")
def replay(
    letter_ids: Ids,
    bootstrap: Bootstrap,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    idempotence: Idempotence = True,
    as_json: output.AsJson = False,
) -> None:
    """Send the original records again, byte for byte, to the topics they came from.

    Replaying twice is harmless, since every handler is safe against replays. A record of a compacted topic is not
    sent when a newer one with its key has come, because it would stand in the newer one's place.

    \b
    Example:
      laurel dead-letters replay 3f9c 81d0 --yes
    """
    from laurel.cli.letters import Outcome, replay_letters  # noqa: PLC0415 - takes long to load

    everything = _read(bootstrap)
    chosen = list({letter.id: letter for letter in (_pick(everything, each) for each in letter_ids)}.values())
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise WrongUse("Nobody is there to be asked: give --yes.")
        for letter in chosen:
            output.say(f"{letter.id}  {letter.body.record.topic}  {letter.reason_line}")
        typer.confirm(f"Send {len(chosen)} records again?", abort=True)
    outcomes = _run(replay_letters(kafka_settings(bootstrap, idempotence=idempotence), chosen), bootstrap)
    facts = {
        "replayed": [letter.facts() for letter in chosen if outcomes[letter.id] is Outcome.SENT],
        "notReplayed": [
            letter.facts() | {"why": outcomes[letter.id].value}
            for letter in chosen
            if outcomes[letter.id] is not Outcome.SENT
        ],
    }
    for letter in chosen:
        if not as_json:
            output.say(f"{letter.id}  {letter.body.record.topic}  {outcomes[letter.id].value}")
    if facts["notReplayed"]:
        raise Refused(f"{len(facts['notReplayed'])} of {len(chosen)} records were not sent again.", **facts)
    if as_json:
        output.document(facts)


def _read(bootstrap: str) -> list[Letter]:
    from laurel.cli.letters import read_letters  # noqa: PLC0415

    configure("dead-letters-cli")
    letters, unreadable = _run(read_letters(kafka_settings(bootstrap)), bootstrap)
    if unreadable:
        output.warn(f"Dead letters that cannot be read and are left out: {unreadable}.")
    return letters


def _run(call: Awaitable[T], bootstrap: str) -> T:
    from laurel.cli.letters import bounded  # noqa: PLC0415

    return asyncio.run(bounded(call, bootstrap))


def _pick(letters: list[Letter], wanted: str) -> Letter:
    found = [letter for letter in letters if letter.id == wanted] or [
        letter for letter in letters if wanted and letter.id.startswith(wanted)
    ]
    if len(found) != 1:
        what = "No dead letter has" if not found else f"{len(found)} dead letters have"
        raise WrongUse(f"{what} an id that begins with {wanted!r}; see `laurel dead-letters list`.")
    return found[0]


def _since(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units and text[:-1].isdigit():
            return now - timedelta(**{units[text[-1]]: int(text[:-1])})
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise WrongUse(f"--since cannot be {text!r}: give 30m, 2h, 7d or 2026-05-01T12:00:00Z.") from None
