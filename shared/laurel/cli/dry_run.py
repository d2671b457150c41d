"""Asking the issuer what would become of a file of completions, a request of some hundreds at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import orjson
import typer

from laurel.cli import output
from laurel.cli.exits import Unreachable, WrongUse
from laurel.cli.service import TRIES, call, refusal, secret_from

if TYPE_CHECKING:
    from laurel.partner import Completion

# What the intake takes at once, with room for the array around them.
ENTRIES, BYTES = 500, 1024 * 1024 - 4096
OUTCOMES = ("issued", "duplicate", "rejected")

IntakeUrl = Annotated[
    str, typer.Option("--intake", envvar="LAUREL_INTAKE_URL", metavar="URL", help="The issuer's address.")
]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option("--api-key-file", metavar="FILE", help="A file with your API key; else LAUREL_API_KEY is used."),
]


@dataclass
class Foreseen:
    """What would become of a file's completions: how many of each outcome, and why of those not issued."""

    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    rejected: list[dict[str, Any]] = field(default_factory=list)
    duplicates: list[dict[str, Any]] = field(default_factory=list)


def foresee(
    completions: Iterable[Completion], total: int, *, intake: str, api_key_file: Path | None, source: str | None,
    kid: str | None,
) -> Foreseen:  # fmt: skip
    """Ask about all of them, with a progress bar. An issuer that has too much to do is asked again for a while.

    Raises:
        WrongUse: there is no address or no key.
        Refused: the issuer does not let the key or the source in.
        Unreachable: the issuer does not answer, or has too much to do all the time.
    """
    from rich.progress import Progress  # noqa: PLC0415 - takes long to load

    if not intake:
        raise WrongUse("No issuer to ask: set LAUREL_INTAKE_URL or give --intake.")
    key = secret_from(api_key_file, "API key", "LAUREL_API_KEY", "--api-key-file")
    path = "/completions?dryRun=true" + (f"&kid={quote(kid, safe='')}" if kid else "")
    found = Foreseen()
    terminal = output.console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        bar = progress.add_task("checking against live", total=total)
        for bodies in _requests(completions, source):
            asked = b"[" + b",".join(bodies) + b"]"
            reply = call("POST", intake, path, token=key, body=asked, tries=TRIES)
            if reply.status != 200:
                raise refusal(reply)
            answers = reply.body.get("completions")
            if not isinstance(answers, list) or len(answers) != len(bodies):
                raise Unreachable(f"{intake} did not answer for each completion: is this a Laurel issuer?")
            _note(found, answers)
            progress.update(bar, advance=len(bodies))
    return found


def _requests(completions: Iterable[Completion], source: str | None) -> Iterator[Sequence[bytes]]:
    bodies: list[bytes] = []
    size = 0
    for each in completions:
        entry: dict[str, Any] = {"id": each.id, "data": each.data.model_dump(mode="json", by_alias=True)}
        if source is not None:
            entry["source"] = source
        body = orjson.dumps(entry)
        if bodies and (len(bodies) == ENTRIES or size + len(body) + 1 > BYTES):
            yield bodies
            bodies, size = [], 0
        bodies.append(body)
        size += len(body) + 1
    if bodies:
        yield bodies


def _note(found: Foreseen, answers: Sequence[dict[str, Any]]) -> None:
    for each in answers:
        outcome = str(each.get("outcome"))
        found.counts[outcome] += 1
        if outcome == "rejected":
            found.rejected.append({name: each.get(name) for name in ("id", "code", "pointer", "detail")})
        elif outcome == "duplicate":
            found.duplicates.append({name: each.get(name) for name in ("id", "credential")})
