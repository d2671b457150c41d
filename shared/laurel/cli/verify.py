"""`laurel verify`: whether a credential holds, found out here or asked of a verifier."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from laurel.cli import output
from laurel.cli.exits import DONE, REFUSED, UNREACHABLE, Unreachable, WrongUse
from laurel.cli.service import Reply, call, refusal
from laurel.credentials.errors import CredentialError

if TYPE_CHECKING:
    from laurel.runtime.egress import Egress

SIZE_LIMIT = 10 << 20  # a badge's picture; what a credential itself may have is for the verification to say
_EXITS = {"valid": DONE, "invalid": REFUSED, "unknown": UNREACHABLE}
_MARKS = {"valid": ("✓", "green"), "invalid": ("✗", "red"), "unknown": ("?", "yellow")}
_VERDICTS = {
    "valid": "The {what} holds.",
    "invalid": "The {what} does not hold.",
    "unknown": "Whether the {what} holds could not be found out.",
}
_MEDIA = "application/vc, application/ld+json, application/json"


def verify(
    credential: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="JSON, a JWT or a badge's picture; - reads stdin.")
    ],
    verifier: Annotated[
        str | None,
        typer.Option("--verifier", metavar="URL", help="Ask this verifier, and trust it, instead of verifying here."),
    ] = None,
    allow_local: Annotated[
        bool, typer.Option("--allow-local", help="Let keys, lists and the credential be fetched from this machine.")
    ] = False,
    domain: Annotated[str | None, typer.Option(help="The domain that the proof must be made for.")] = None,
    challenge: Annotated[str | None, typer.Option(help="The challenge that the proof must answer.")] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="The address of the person it must have been awarded to.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Verify a credential step by step: form, key, issuer, proof, dates, status, and what makes it an Open Badge.

    Takes any Verifiable Credential, or a presentation of several. Exits 0 only if it holds, 1 if it does not, and 3
    if that could not be found out.

    \b
    Example:
      laurel verify badge.json
      laurel verify https://badges.example.org/credentials/4xT9 --recipient ana@learner.example.org
      curl -s https://badges.example.org/credentials/4xT9 | laurel verify -
    """
    text = _read(credential, allow_local)
    given = {"domain": domain, "challenge": challenge, "recipient": recipient}
    options = {name: each for name, each in given.items() if each is not None}
    report = asyncio.run(_verify(text, allow_local, options)) if verifier is None else _ask(verifier, text, options)
    if as_json:
        output.document(report)
    else:
        _show(report)
    raise typer.Exit(_EXITS[str(report["outcome"])])


def _show(report: dict[str, Any]) -> None:
    _show_steps(report)
    credentials = report.get("credentials")
    for number, each in enumerate(credentials or [], 1):
        output.say(f"Credential {number}", style="bold")
        _show_steps(each)
    what = "credential" if credentials is None else "presentation"
    output.say(_VERDICTS[str(report["outcome"])].format(what=what), style="bold")


def _show_steps(report: dict[str, Any]) -> None:
    for step in report["steps"]:
        mark, color = _MARKS.get(step["outcome"], _MARKS["unknown"])
        reason = f" [{step['reason']}]" if step.get("reason") else ""
        output.say(f"{mark} {step['name']:<18} {step['detail']}{reason}", style=color)


def _read(credential: str, allow_local: bool) -> bytes:
    if credential.startswith(("http://", "https://")):
        return asyncio.run(_fetch(credential, allow_local))
    try:
        if credential == "-":
            text = sys.stdin.buffer.read(SIZE_LIMIT + 1)
        else:
            with Path(credential).open("rb") as file:
                text = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise WrongUse(f"{credential} cannot be read ({type(error).__name__}).") from None
    if len(text) > SIZE_LIMIT:
        raise WrongUse(f"{credential} is over {SIZE_LIMIT} bytes, which no credential is.")
    return text


def _egress(allow_local: bool) -> Egress:
    from laurel.runtime.egress import Egress  # noqa: PLC0415 - takes long to load

    return Egress(allow_loopback=allow_local, limit=SIZE_LIMIT)


async def _fetch(url: str, allow_local: bool) -> bytes:
    from laurel.runtime.egress import Refused as NotAllowed  # noqa: PLC0415
    from laurel.runtime.faults import Transient  # noqa: PLC0415

    egress = _egress(allow_local)
    try:
        return await egress.get(url, accept=_MEDIA)
    except (NotAllowed, Transient) as error:
        hint = "" if allow_local else " (--allow-local allows this machine)"
        raise Unreachable(f"The credential could not be fetched: {error}{hint}.") from None
    finally:
        await egress.close()


async def _verify(text: bytes, allow_local: bool, options: dict[str, str]) -> dict[str, Any]:
    from laurel.credentials.document_cache import DocumentCache  # noqa: PLC0415
    from laurel.credentials.presentations import verify_presentation  # noqa: PLC0415
    from laurel.credentials.report import Verification  # noqa: PLC0415
    from laurel.credentials.resolving import WebSources  # noqa: PLC0415
    from laurel.credentials.secured import is_presentation  # noqa: PLC0415
    from laurel.credentials.verification import Expected  # noqa: PLC0415
    from laurel.credentials.verification import verify as verify_credential  # noqa: PLC0415
    from laurel.runtime.clock import steady_now  # noqa: PLC0415
    from laurel.runtime.settings import is_loopback  # noqa: PLC0415

    egress, now, expected = _egress(allow_local), datetime.now(UTC), Expected(**options)
    sources = WebSources(DocumentCache(egress.fetch, lambda: now, steady_now).get, now, over_http=is_loopback)

    async def verified(document: Any) -> Verification:
        return await verify_credential(document, sources, now, expected.in_presentation)

    try:
        if is_presentation(text):
            return (await verify_presentation(text, sources, now, expected, verified)).to_document()
        return (await verify_credential(text, sources, now, expected)).to_document()
    finally:
        await egress.close()


def _ask(verifier: str, text: bytes, options: dict[str, str]) -> dict[str, Any]:
    from laurel.credentials.documents import check_size  # noqa: PLC0415
    from laurel.credentials.secured import is_presentation, parsed  # noqa: PLC0415

    try:
        document = parsed(text)
        check_size(document)
    except CredentialError as error:
        raise WrongUse(f"No verifier can be asked about it: {error.detail}") from None
    what, path = ("verifiablePresentation", "/presentations/verify") if is_presentation(text) else (
        "verifiableCredential", "/credentials/verify"
    )  # fmt: skip
    body = {what: document} | ({"options": options} if options else {})
    reply = call("POST", verifier, path, body=orjson.dumps(body))
    if not _is_report(reply):
        raise refusal(reply) if reply.status >= 400 else Unreachable(f"{verifier} gave no report: is it a verifier?")
    # The short answer and the steps must agree; a verdict that says more than its steps is not taken.
    if reply.body["outcome"] == "valid" and not _consistent(reply):
        raise Unreachable(f"{verifier} contradicts itself: it says valid, and something else besides.")
    return reply.body


def _is_report(reply: Reply) -> bool:
    credentials = reply.body.get("credentials", [])
    return isinstance(credentials, list) and all(_can_be_shown(each) for each in (reply.body, *credentials))


def _can_be_shown(report: Any) -> bool:
    steps = report.get("steps") if isinstance(report, dict) and report.get("outcome") in list(_EXITS) else None
    return isinstance(steps, list) and all(
        isinstance(step, dict) and all(isinstance(step.get(name), str) for name in ("name", "outcome", "detail"))
        for step in steps
    )


def _consistent(reply: Reply) -> bool:
    reports = (reply.body, *reply.body.get("credentials", ()))
    outcomes = {each["outcome"] for report in reports for each in (report, *report["steps"])}
    return (
        reply.status == 200
        and reply.body.get("verified") is True
        and all(report["steps"] for report in reports)
        and "invalid" not in outcomes
    )
