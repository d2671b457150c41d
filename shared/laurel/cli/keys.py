"""`laurel keys`: signing keys, secrets and API keys."""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from laurel.cli import output
from laurel.cli.exits import WrongUse

KEY_FILE = Path("signing-key.txt")
SECRET_BYTES = 32

app = typer.Typer(help="Make keys and secrets.", no_args_is_help=True)


@app.command("new")
def new(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=f"Where the secret goes; {KEY_FILE} for a signing key."),
    ] = None,
    secret: Annotated[bool, typer.Option("--secret", help="A random text for a service's settings.")] = False,
    api_key: Annotated[bool, typer.Option("--api-key", help="An API key for a partner, and its hash.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Make an Ed25519 signing key: the secret goes to a file of yours alone, the public half is printed.

    An existing file is never overwritten.

    \b
    Example:
      laurel keys new --out north.key      a member's or a partner's signing key
      laurel keys new --secret             256 random bits, for LAUREL_ADMIN_TOKEN and the like
      laurel keys new --api-key            what a partner sends, and what the catalog holds
    """
    if secret and api_key:
        raise WrongUse("Give one of --secret and --api-key.")
    if secret:
        _show_secret(secrets.token_urlsafe(SECRET_BYTES), out, as_json)
    elif api_key:
        _show_api_key(f"laurel_{secrets.token_urlsafe(SECRET_BYTES)}", out, as_json)
    else:
        _show_signing_key(secrets.token_bytes(SECRET_BYTES), out or KEY_FILE, as_json)


def write_secret(file: Path, text: str) -> None:
    """Write a secret to a new file that only its owner can read. Raises WrongUse where there is one already."""
    try:
        # Created with its final mode: a file that is narrowed later could be opened in between.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise WrongUse(f"{file} exists and is not overwritten: name another file with --out.") from None
    except OSError as error:
        raise WrongUse(f"{file} cannot be written ({type(error).__name__}).") from None
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text + "\n")


def _show_signing_key(seed: bytes, file: Path, as_json: bool) -> None:
    from laurel.credentials.keys import SigningKey, did_key  # noqa: PLC0415 - takes long to load

    key = SigningKey.from_seed(seed)
    write_secret(file, key.to_multibase())
    public = key.public.to_multibase()
    if as_json:
        output.document({"publicKeyMultibase": public, "didKey": did_key(key.public), "secretFile": str(file)})
        return
    output.say(f"Secret key:  {file} (readable by you alone; whoever has it can sign)")
    output.say(f"Public key:  {public}")
    output.say(f"did:key:     {did_key(key.public)}")
    for line in ("", "In the catalog, for a member:", "  keys:", f"    - publicKeyMultibase: {public}",
                 "", "or for a partner, under a name of its own:", "  keys:", "    - kid: my-lms-1",
                 f"      publicKeyMultibase: {public}"):  # fmt: skip
        output.say(line)


def _show_secret(text: str, out: Path | None, as_json: bool) -> None:
    if out is not None:
        write_secret(out, text)
    facts = {"secretFile": str(out)} if out else {"secret": text}
    if as_json:
        output.document(facts)
    else:
        output.say(f"The secret is in {out}, readable by you alone." if out else text)


def _show_api_key(text: str, out: Path | None, as_json: bool) -> None:
    digest = sha256(text.encode()).hexdigest()
    if out is not None:
        write_secret(out, text)
    facts: dict[str, Any] = {"secretFile": str(out)} if out else {"apiKey": text}
    if as_json:
        output.document(facts | {"sha256": digest})
        return
    output.say(f"API key:  {f'in {out}, readable by you alone' if out else text}")
    for line in ("", "In the catalog, for the partner:", "  apiKeyHashes:", f"    - {digest}"):
        output.say(line)
