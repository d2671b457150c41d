"""`laurel partner`: completions from a file to Laurel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laurel.cli import output
from laurel.cli.dry_run import ApiKeyFile, IntakeUrl, foresee
from laurel.cli.exits import Refused, Unreachable, WrongUse
from laurel.cli.kafka import Bootstrap, Idempotence, configure, kafka_settings

if TYPE_CHECKING:
    from laurel.credentials.keys import SigningKey
    from laurel.partner import Completion, Finding

FINDINGS_SHOWN = 100
CHUNK = 500
KEY_FILE_LIMIT = 4096

app = typer.Typer(help="Report completions: check a file of them, sign them, publish them.", no_args_is_help=True)

CompletionsFile = Annotated[
    Path, typer.Argument(help="Completions as JSON Lines or a JSON array.", exists=True, dir_okay=False)
]


@app.command("check")
def check(
    file: CompletionsFile,
    against_live: Annotated[
        bool, typer.Option("--against-live", help="Ask the issuer, too, what would become of each.")
    ] = False,
    intake: IntakeUrl = "",
    api_key_file: ApiKeyFile = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--partner-source", envvar="LAUREL_PARTNER_SOURCE", metavar="URI",
            help="The source you will publish from; the first one registered for you unless given.",
        ),
    ] = None,
    kid: Annotated[
        str | None,
        typer.Option(
            "--kid", envvar="LAUREL_PARTNER_KID", metavar="NAME",
            help="The name in the catalog of the key you will sign with; without it, you will send over HTTP.",
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Check a file of completions without sending anything; every finding is listed.

    With --against-live, the issuer says of each whether it would be issued, rejected and why, or is a duplicate.
    Nothing is signed, stored or mailed. It goes by what it has handled: what you sent a moment ago and it has not yet
    come to is told as issued, though the same again will be a duplicate.

    \b
    Each line is one completion:
      {"id": "course-7/ada", "data": {"achievement": "welding",
       "learner": {"reference": "ada", "name": "Ada L.", "email": "ada@example.org"},
       "completedAt": "2026-05-01T12:00:00Z"}}

    \b
    Example:
      laurel partner check completions.jsonl
      laurel partner check completions.jsonl --against-live --intake https://intake.example.org --api-key-file key
    """
    from laurel.partner import Completion  # noqa: PLC0415 - takes long to load

    good, findings = _check(file)
    facts: dict[str, Any] = {"good": good, "findings": _as_facts(findings)}
    _list(file, findings)
    said, rejected = f"{_count(good, 'completion')} can be sent.", 0
    if against_live:
        completions = (each for each in _read(file) if isinstance(each, Completion))
        foreseen = foresee(completions, good, intake=intake, api_key_file=api_key_file, source=source, kid=kid)
        _tell(file, [f"{each['id']}: {each['detail']} ({each['code']})" for each in foreseen.rejected])
        rejected = len(foreseen.rejected)
        facts["live"] = {**foreseen.counts, "rejections": foreseen.rejected, "duplicates": foreseen.duplicates}
        said = (
            f"{_count(good, 'completion')} asked about: {foreseen.counts['issued']} would be issued,"
            f" {rejected} rejected, {foreseen.counts['duplicate']} duplicate."
        )
    if findings or rejected:
        raise Refused(f"{_count(len(findings), 'finding')}; {said}", **facts)
    if as_json:
        output.document(facts)
    else:
        output.say(f"Nothing to mend: {said}")


@app.command("publish")
def publish(
    file: CompletionsFile,
    bootstrap: Bootstrap,
    source: Annotated[
        str,
        typer.Option(
            "--partner-source", envvar="LAUREL_PARTNER_SOURCE", metavar="URI", help="A source registered for you."
        ),
    ],
    kid: Annotated[
        str, typer.Option("--kid", envvar="LAUREL_PARTNER_KID", metavar="NAME", help="Your key's name in the catalog.")
    ],
    key_file: Annotated[
        Path,
        typer.Option(
            "--key-file", envvar="LAUREL_PARTNER_KEY_FILE", metavar="FILE", help="Your secret key, as `keys new` wrote."
        ),
    ],
    idempotence: Idempotence = True,
    as_json: output.AsJson = False,
) -> None:
    """Sign the completions of a file and publish them; bad lines are listed and the others are sent.

    Publishing the same file again is harmless: Laurel makes one credential of each completion.

    \b
    Example:
      laurel partner publish completions.jsonl --bootstrap kafka.example.org:9092 \\
        --partner-source https://campus.example.org/lms --kid campus-1 --key-file campus.key
    """
    key = _key(key_file)
    good, findings = _check(file)
    _list(file, findings)
    kafka_settings(bootstrap, idempotence=idempotence)
    configure("partner-cli")
    published = _publish(file, good, bootstrap, source, kid, key, idempotence) if good else 0
    facts = {"published": published, "findings": _as_facts(findings)}
    if findings:
        raise Refused(
            f"{_count(published, 'completion')} published; {_count(len(findings), 'finding')} to mend.", **facts
        )
    if as_json:
        output.document(facts)
    else:
        output.say(f"{_count(published, 'completion')} published.")


def _check(file: Path) -> tuple[int, list[Finding]]:
    from laurel.partner import Finding  # noqa: PLC0415 - takes long to load

    good, findings = 0, []
    for each in _read(file):
        if isinstance(each, Finding):
            findings.append(each)
        else:
            good += 1
    return good, findings


def _read(file: Path) -> Iterator[Completion | Finding]:
    from laurel.partner import read_events  # noqa: PLC0415

    try:
        yield from read_events(file)
    except OSError as error:
        raise WrongUse(f"{file} cannot be read ({type(error).__name__}).") from None


def _publish(
    file: Path, total: int, bootstrap: str, source: str, kid: str, key: SigningKey, idempotence: bool
) -> int:  # fmt: skip
    from rich.progress import Progress  # noqa: PLC0415

    from laurel.partner import Completion, NotAllowed, NotConfirmed, PartnerClient  # noqa: PLC0415

    done = 0
    completions = (each for each in _read(file) if isinstance(each, Completion))

    async def run(progress: Progress) -> None:
        nonlocal done
        bar = progress.add_task("publishing", total=total)
        async with PartnerClient(bootstrap, source, kid, key, idempotence=idempotence) as partner:
            while chunk := list(islice(completions, CHUNK)):
                await partner.publish([partner.build(each.data, event_id=each.id, time=each.time) for each in chunk])
                done += len(chunk)
                progress.update(bar, completed=done)

    try:
        terminal = output.console(stderr=True)
        with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
            asyncio.run(run(progress))
    except NotAllowed as error:
        raise Refused(f"{done} of {total} completions were confirmed. {error}", published=done) from None
    except NotConfirmed as error:
        raise Unreachable(f"{done} of {total} completions were confirmed. {error}", published=done) from None
    return done


def _key(file: Path) -> SigningKey:
    from laurel.credentials.errors import CredentialError  # noqa: PLC0415
    from laurel.credentials.keys import SigningKey  # noqa: PLC0415

    try:
        with file.open(encoding="ascii") as opened:
            return SigningKey.from_multibase(opened.read(KEY_FILE_LIMIT).strip())
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"The key file {file} cannot be read ({type(error).__name__}).") from None
    except CredentialError as error:
        raise WrongUse(f"The key file {file} holds no secret key: {error.detail}") from None


def _list(file: Path, findings: list[Finding]) -> None:
    _tell(file, [f"{each.number}: {each.detail}" for each in findings])


def _tell(file: Path, sentences: list[str]) -> None:
    for each in sentences[:FINDINGS_SHOWN]:
        output.warn(f"{file}:{each}")
    if len(sentences) > FINDINGS_SHOWN:
        output.warn(f"... and {len(sentences) - FINDINGS_SHOWN} more; --json lists them all.")


def _as_facts(findings: list[Finding]) -> list[dict[str, Any]]:
    return [{"line": each.number, "pointer": each.pointer, "detail": each.detail} for each in findings]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
