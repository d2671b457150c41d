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

if TYPE_CHECKING:
    from laurel.runtime.egress import Egress

SIZE_LIMIT = 1024 * 1024
_EXITS = {"valid": DONE, "invalid": REFUSED, "unknown": UNREACHABLE}
_MARKS = {"valid": ("✓", "green"), "invalid": ("✗", "red"), "unknown": ("?", "yellow")}
_VERDICTS = {
    "valid": "The credential holds.",
    "invalid": "The credential does not hold.",
    "unknown": "Whether the credential holds could not be found out.",
}
_MEDIA = "application/vc, application/ld+json, application/json"


def verify(
    credential: Annotated[str, typer.Argument(metavar="FILE|URL", help="The credential; - reads stdin.")],
    verifier: Annotated[
        str | None,
        typer.Option("--verifier", metavar="URL", help="Ask this verifier, and trust it, instead of verifying here."),
    ] = None,
    allow_local: Annotated[
        bool, typer.Option("--allow-local", help="Let keys, lists and the credential be fetched from this machine.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Verify a credential step by step: form, key, issuer, proof, dates and status.

    Exits 0 only if it holds, 1 if it does not, and 3 if that could not be found out.

    \b
    Example:
      laurel verify badge.json
      laurel verify https://badges.example.org/credentials/4xT9
      curl -s https://badges.example.org/credentials/4xT9 | laurel verify -
    """
    text = _read(credential, allow_local)
    report = asyncio.run(_verify(text, allow_local)) if verifier is None else _ask(verifier, text)
    outcome = str(report["outcome"])
    if as_json:
        output.document(report)
    else:
        for step in report["steps"]:
            mark, color = _MARKS.get(step["outcome"], _MARKS["unknown"])
            output.say(f"{mark} {step['name']:<18} {step['detail']}", style=color)
        output.say(_VERDICTS[outcome], style="bold")
    raise typer.Exit(_EXITS[outcome])


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


async def _verify(text: bytes, allow_local: bool) -> dict[str, Any]:
    from laurel.cli.web_sources import WebSources  # noqa: PLC0415
    from laurel.credentials.verification import verify as verify_credential  # noqa: PLC0415

    egress, now = _egress(allow_local), datetime.now(UTC)
    try:
        return (await verify_credential(text, WebSources(egress, now), now)).to_document()
    finally:
        await egress.close()


def _ask(verifier: str, text: bytes) -> dict[str, Any]:
    try:
        body = orjson.dumps({"verifiableCredential": orjson.loads(text)})
    except orjson.JSONDecodeError:
        raise WrongUse("The credential is not JSON, so no verifier can be asked about it.") from None
    reply = call("POST", verifier, "/credentials/verify", body=body)
    if not _is_report(reply):
        raise refusal(reply) if reply.status >= 400 else Unreachable(f"{verifier} gave no report: is it a verifier?")
    # The short answer and the steps must agree; a verdict that says more than its steps is not taken.
    if reply.body["outcome"] == "valid" and reply.body.get("verified") is not True:
        raise Unreachable(f"{verifier} contradicts itself: it says valid and not verified.")
    return reply.body


def _is_report(reply: Reply) -> bool:
    steps = reply.body.get("steps")
    return (
        reply.body.get("outcome") in _EXITS
        and isinstance(steps, list)
        and all(isinstance(step, dict) and {"name", "outcome", "detail"} <= step.keys() for step in steps)
    )
