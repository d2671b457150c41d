"""`laurel dead-letters`: read what services gave up on, and send it again once its cause is mended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from laurel.cli import output
from laurel.cli.exits import Refused, WrongUse
from laurel.cli.kafka import Bootstrap, Idempotence, configure, kafka_settings

if TYPE_CHECKING:
    from laurel.cli.letters import Filter, Letter
    from laurel.cli.replaying import Outcome

T = TypeVar("T")

app = typer.Typer(help="List, read and replay the records that services gave up on.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Dead letters' ids, or beginnings of them.")]
Service = Annotated[str | None, typer.Option("--service", help="Only this service's.")]
ByCode = Annotated[str | None, typer.Option("--code", help="Only those with this code, such as LRL-4001.")]
ByTopic = Annotated[str | None, typer.Option("--topic", help="Only those of records of this topic.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Not older: 30m, 2h, 7d or 2026-05-01T12:00:00Z.")
]


@app.command("list")
def list_letters(
    bootstrap: Bootstrap,
    service: Service = None,
    code: ByCode = None,
    topic: ByTopic = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000, help="At most so many, the newest.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List dead letters, the newest last.

    \b
    Example:
      laurel dead-letters list --since 2h --service registry
    """
    wanted = _filter(service, code, topic, since)
    found = [letter for letter in _read(bootstrap) if wanted.takes(letter)][-limit:]
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
    bootstrap: Bootstrap,
    letter_ids: Ids = None,
    service: Service = None,
    code: ByCode = None,
    topic: ByTopic = None,
    since: Since = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    idempotence: Idempotence = True,
    as_json: output.AsJson = False,
) -> None:
    """Send the original records again, byte for byte, to the topics they came from: those named, or all that a filter
    takes.

    A record that has come again since is not sent, nor one of which the audit says so, and of several people who replay
    at once one sends it: replaying twice does nothing the second time. Nor is a record of a compacted topic sent when a
    newer one with its key has come, because it would stand in the newer one's place.

    \b
    Example:
      laurel dead-letters replay 3f9c 81d0 --yes
      laurel dead-letters replay --service registry --code LRL-4002 --since 2h --preview
    """
    from laurel.cli.entries import kafka_user  # noqa: PLC0415 - take long to load
    from laurel.cli.replaying import Outcome, foretell, replay_letters  # noqa: PLC0415

    wanted = _filter(service, code, topic, since)
    if bool(letter_ids) is not wanted.is_open:
        raise WrongUse("Give the ids of dead letters, or a filter such as --service or --since 7d, and not both.")
    chosen = _chosen(_read(bootstrap), letter_ids or [], wanted)
    settings = kafka_settings(bootstrap, idempotence=idempotence)
    operator = kafka_user(settings)
    if preview or not yes:
        if not preview and (as_json or not sys.stdin.isatty()):
            raise WrongUse("Nobody is there to be asked: give --yes, or --preview to see what would be done.")
        told = {name: outcome for name, (outcome, _) in _run(foretell(settings, chosen), bootstrap).items()}
        _show(chosen, told, as_json=as_json, foretold=True)
        if preview:
            return
        records = {letter.place for letter in chosen if told[letter.id] is Outcome.SENT}
        typer.confirm(f"Send {len(records)} records again?", abort=True)
    outcomes = _run(replay_letters(settings, chosen, operator), bootstrap)
    refused = [each for each in chosen if not outcomes[each.id].settled]
    if refused:
        if not as_json:
            _show(chosen, outcomes, as_json=False)
        raise Refused(f"{len(refused)} of {len(chosen)} records were not sent again.", **_facts(chosen, outcomes))
    _show(chosen, outcomes, as_json=as_json)


def _chosen(letters: list[Letter], ids: list[str], wanted: Filter) -> list[Letter]:
    if ids:
        return list({letter.id: letter for letter in (_pick(letters, each) for each in ids)}.values())
    return [letter for letter in letters if wanted.takes(letter)]


def _show(chosen: list[Letter], outcomes: dict[str, Outcome], *, as_json: bool, foretold: bool = False) -> None:
    if as_json:
        output.document(_facts(chosen, outcomes) | ({"preview": True} if foretold else {}))
        return
    for letter in chosen:
        what = outcomes[letter.id].value
        output.say(f"{letter.id[:10]}  {letter.body.record.topic}  {letter.reason_line}  "
                   f"{'to be ' if foretold and what.startswith('sent') else ''}{what}")  # fmt: skip
    if not chosen:
        output.say("No dead letters.")


def _facts(chosen: list[Letter], outcomes: dict[str, Outcome]) -> dict[str, list[dict[str, Any]]]:
    sent = [letter for letter in chosen if outcomes[letter.id].name == "SENT"]
    return {
        "replayed": [letter.facts() for letter in sent],
        "notReplayed": [
            letter.facts() | {"why": outcomes[letter.id].value} for letter in chosen if letter not in sent
        ],
    }  # fmt: skip


def _filter(service: str | None, code: str | None, topic: str | None, since: str | None) -> Filter:
    from laurel.cli.letters import Filter  # noqa: PLC0415

    return Filter(service, code, topic, _since(since, datetime.now(UTC)))


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
