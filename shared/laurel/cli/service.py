"""Calls to a registry or verifier that the operator names, with refusals turned into sentences."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from laurel.cli.exits import Refused, Unreachable, WrongUse

ANSWER_LIMIT = 16 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
TRIES = 10
"""How often a command that has all the time asks a service that is busy or not ready."""
WAIT_SECONDS = 2
LONGEST_WAIT_SECONDS = 60

RegistryUrl = Annotated[
    str, typer.Option("--registry", envvar="LAUREL_REGISTRY_URL", metavar="URL", help="The registry's address.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="A file with your token, or the consortium's; without it, LAUREL_ADMIN_TOKEN is used.",
    ),
]


@dataclass(frozen=True)
class Reply:
    """An answer with a JSON object."""

    status: int
    body: dict[str, Any]
    wait_seconds: int = WAIT_SECONDS
    """When to ask again, if the service cannot answer now."""


def token_from(file: Path | None) -> str:
    """The admin token. Raises WrongUse; there is no option for the token itself, since `ps` would show it."""
    return secret_from(file, "admin token", "LAUREL_ADMIN_TOKEN", "--token-file")


def secret_from(file: Path | None, what: str, variable: str, option: str) -> str:
    """A token or key from a file or else from an environment variable. Raises WrongUse."""
    try:
        text = file.read_text(encoding="ascii") if file else os.environ.get(variable, "")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"The file {file} of the {what} cannot be read ({type(error).__name__}).") from None
    if not (token := text.strip()):
        raise WrongUse(f"No {what}: set {variable} or give {option}.")
    if len(token) > 512 or not token.isascii() or not token.isprintable() or " " in token:
        raise WrongUse(f"The {what} is not one line of at most 512 printable characters.")
    return token


def call(
    method: str, base: str, path: str, *, token: str | None = None, body: bytes | None = None, tries: int = 1
) -> Reply:
    """The answer to one request. 401, 429 and 5xx never come back as a Reply.

    With more `tries`, a service that is busy (429) or not ready (503) is asked again when it says, if that is soon.

    Raises:
        WrongUse: the address cannot be used.
        Refused: the token is not accepted.
        Unreachable: no answer, or the service is not able to give one.
    """
    if not base:
        raise WrongUse("No registry: set LAUREL_REGISTRY_URL or give --registry.")
    url = base.rstrip("/") + path
    if not base.lower().startswith(("http://", "https://")):
        raise WrongUse(f"{base} is not an address: give one such as https://badges.example.org.")
    headers = {"Accept": "application/json, application/problem+json", "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    while True:
        reply = asyncio.run(_request(method, url, body, headers))
        tries -= 1
        if reply.status not in (429, 503) or tries <= 0 or reply.wait_seconds > LONGEST_WAIT_SECONDS:
            break
        time.sleep(reply.wait_seconds)
    if reply.status >= 500 or reply.status == 429:
        raise Unreachable(f"{url} cannot answer now ({reply.status}): {_detail(reply)}", **_facts(reply))
    if reply.status == 401:
        raise Refused(f"{url} does not accept the token: {_detail(reply)}", **_facts(reply))
    return reply


def login() -> str:
    """Who calls, for the history."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"


def refusal(reply: Reply) -> Refused:
    """A problem document (RFC 9457) as the end of the command."""
    code = reply.body.get("code", reply.status)
    where = f" at {reply.body['pointer']}" if reply.body.get("pointer") else ""
    return Refused(f"Refused ({code}{where}): {_detail(reply)}", **_facts(reply))


async def _request(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
    from laurel.runtime.egress import Egress  # noqa: PLC0415 - takes long to load
    from laurel.runtime.egress import Refused as NotAllowed  # noqa: PLC0415
    from laurel.runtime.faults import Transient  # noqa: PLC0415

    # The operator names the address, so this machine and the networks around it are places like any other.
    egress = Egress(allow_loopback=True, allow_private=True, timeout=TIMEOUT_SECONDS, limit=ANSWER_LIMIT)
    try:
        answer = await egress.request(method, url, body=body, headers=headers)
    except NotAllowed as error:
        raise WrongUse(f"{error}: use an https address, or a service on this machine.") from None
    except Transient as error:
        raise Unreachable(f"{error}: check the address, and that the service runs.") from None
    finally:
        await egress.close()
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        if answer.status < 500 and answer.status != 429:  # those may come from a proxy
            raise Unreachable(f"{url} answered {answer.status} without JSON: is this a Laurel service?")
        document = {}
    # Laurel says it in seconds. RFC 9110 §10.2.3 has dates, too: a proxy that gives one is asked at our own pace.
    after = answer.retry_after or ""
    return Reply(answer.status, document, int(after[:9]) if after.isdecimal() else WAIT_SECONDS)


def _detail(reply: Reply) -> str:
    return str(reply.body.get("detail") or f"it gave no reason with its {reply.status}.")


def _facts(reply: Reply) -> dict[str, Any]:
    return {name: reply.body[name] for name in ("code", "pointer") if name in reply.body} | {"status": reply.status}
