"""`laurel status`: revoke, suspend and reinstate credentials, and read their history."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import SplitResult, quote, urlsplit
from uuid import uuid4

import orjson
import typer

from laurel.cli import bulk, output
from laurel.cli.exits import Refused, Unreachable, WrongUse
from laurel.cli.service import RegistryUrl, TokenFile, call, login, refusal, token_from

app = typer.Typer(help="Revoke, suspend or reinstate a credential, or read its history.", no_args_is_help=True)
app.add_typer(bulk.app, name="bulk")

CredentialIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The credential's id, such as https://badges.example.org/credentials/4xT9.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in one line; the registry keeps it.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who asks; your login name unless given.")]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", metavar="ID", help="The id of an earlier try: the same request is done once."),
]


@app.command("revoke")
def revoke(
    credential: CredentialIdArgument, reason: Reason, by: By = None, request_id: RequestId = None,
    registry: RegistryUrl = "", token_file: TokenFile = None, as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Revoke a credential for good. It cannot be taken back.

    \b
    Example:
      laurel status revoke https://badges.example.org/credentials/4xT9 --reason "Awarded by mistake"
    """
    _request("revoke", credential, reason, by, request_id, registry, token_from(token_file), as_json)


@app.command("suspend")
def suspend(
    credential: CredentialIdArgument, reason: Reason, by: By = None, request_id: RequestId = None,
    registry: RegistryUrl = "", token_file: TokenFile = None, as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Suspend a credential until it is reinstated.

    \b
    Example:
      laurel status suspend https://badges.example.org/credentials/4xT9 --reason "Under review"
    """
    _request("suspend", credential, reason, by, request_id, registry, token_from(token_file), as_json)


@app.command("reinstate")
def reinstate(
    credential: CredentialIdArgument, reason: Reason, by: By = None, request_id: RequestId = None,
    registry: RegistryUrl = "", token_file: TokenFile = None, as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Reinstate a suspended credential.

    \b
    Example:
      laurel status reinstate https://badges.example.org/credentials/4xT9 --reason "Review closed"
    """
    _request("reinstate", credential, reason, by, request_id, registry, token_from(token_file), as_json)


@app.command("show")
def show(
    credential: CredentialIdArgument, registry: RegistryUrl = "", token_file: TokenFile = None,
    as_json: output.AsJson = False,
) -> None:  # fmt: skip
    """Show a credential's state and how it came to it.

    \b
    Example:
      laurel status show https://badges.example.org/credentials/4xT9
    """
    path = f"/admin/credentials/{quote(_token_of(credential), safe='')}"
    reply = call("GET", registry, path, token=token_from(token_file))
    if reply.status != 200:
        raise refusal(reply)
    if as_json:
        output.document(reply.body)
        return
    for name, value in reply.body.items():
        if isinstance(value, str | int):
            output.say(f"{name}: {value}")
    history = [entry for entry in reply.body.get("history", []) if isinstance(entry, dict)]
    heads = list(dict.fromkeys(name for entry in history for name in entry))
    output.table(heads, [[entry.get(name, "") for name in heads] for entry in history])


def _request(
    action: str, credential: str, reason: str, by: str | None, request_id: str | None, registry: str, token: str,
    as_json: bool,
) -> None:  # fmt: skip
    if not _parts(credential).scheme:
        raise WrongUse("Give the credential's whole id, as it stands in the credential: https://.../credentials/...")
    body = {
        "credential": credential, "action": action, "reason": reason, "requestedBy": by or login(),
        "requestId": request_id or str(uuid4()),
    }  # fmt: skip
    try:
        reply = call("POST", registry, "/admin/status-requests", token=token, body=orjson.dumps(body))
    except Unreachable as error:
        again = f"It may have been done; repeat it with --request-id {body['requestId']} to have it done once."
        raise Unreachable(f"{error.sentence} {again}", **error.facts, requestId=body["requestId"]) from None
    if reply.status not in (200, 202):
        raise _with_request(refusal(reply), body["requestId"])
    if as_json:
        output.document({"done": reply.status == 200, **reply.body})
    elif reply.status == 202:
        output.say(f"Accepted as {reply.body.get('requestId', body['requestId'])}, not yet done; see `status show`.")
    else:
        output.say(f"The credential is {reply.body.get('state')} since {reply.body.get('changedAt')}.")


def _with_request(error: Refused, request_id: str) -> Refused:
    return Refused(error.sentence, **error.facts, requestId=request_id)


def _token_of(credential: str) -> str:
    """The last part of a credential's address, or what was given where it is that already, or a URN."""
    if _parts(credential).scheme == "urn":
        return credential
    token = _parts(credential).path.rstrip("/").rpartition("/")[2]
    if not token:
        raise WrongUse(f"{credential!r} is not a credential's id: give https://.../credentials/...")
    return token


def _parts(credential: str) -> SplitResult:
    try:
        return urlsplit(credential)
    except ValueError:
        raise WrongUse(f"{credential!r} is not a credential's id: give https://.../credentials/...") from None
