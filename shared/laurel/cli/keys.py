"""`laurel keys`: signing keys, secrets and API keys."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from laurel.cli import output
from laurel.cli.exits import WrongUse

KEY_FILE = Path("signing-key.txt")
MEMBER_KEYS_FILE = Path("signing-keys.json")
SECRET_BYTES = 32


class KeyTypeName(StrEnum):
    """The names of `laurel.credentials.keys.KeyType`, which takes long to load."""

    ED25519 = "Ed25519"
    P256 = "P-256"
    P384 = "P-384"
    RSA = "RSA"


app = typer.Typer(help="Make keys and secrets.", no_args_is_help=True)


@app.command("new")
def new(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=f"Where the secret goes; {KEY_FILE} for a signing key."),
    ] = None,
    member: Annotated[
        str | None,
        typer.Option("--member", metavar="ID", help=f"Add the key to the issuer's file ({MEMBER_KEYS_FILE})."),
    ] = None,
    key_type: Annotated[
        KeyTypeName,
        typer.Option("--type", help="The type of the signing key. Members have the first three, partners Ed25519."),
    ] = KeyTypeName.ED25519,
    secret: Annotated[bool, typer.Option("--secret", help="A random text for a service's settings.")] = False,
    api_key: Annotated[bool, typer.Option("--api-key", help="An API key for a partner, and its hash.")] = False,
    operator_token: Annotated[
        bool, typer.Option("--operator-token", help="A token for an operator, and its hash.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Make a signing key: the secret goes to a file of yours alone, the public half is printed.

    An existing file is never overwritten; with --member, the key is added to those that are in it. A key is written
    as Multikey, or as JWK where it is of RSA, which signs nothing here but may be wanted for JWTs elsewhere.

    \b
    Example:
      laurel keys new --member north       a member's signing key, for the issuer
      laurel keys new --member north --type P-256
      laurel keys new --out campus.key     a partner's signing key
      laurel keys new --secret             256 random bits, for LAUREL_ADMIN_TOKEN and the like
      laurel keys new --api-key            what a partner sends, and what the catalog holds
      laurel keys new --operator-token     the same for an operator
    """
    if sum((secret, api_key, operator_token, member is not None)) > 1:
        raise WrongUse("Give one of --member, --secret, --api-key and --operator-token.")
    if key_type is not KeyTypeName.ED25519 and (secret or api_key or operator_token):
        raise WrongUse("--type is for signing keys: leave it out.")
    if key_type is KeyTypeName.RSA and member is not None:
        raise WrongUse("A catalog holds no RSA keys: make a member's key of Ed25519, P-256 or P-384.")
    if secret:
        _show_secret(secrets.token_urlsafe(SECRET_BYTES), out, as_json)
    elif api_key or operator_token:
        _show_hashed(_PARTNERS if api_key else _OPERATORS, out, as_json)
    elif member is not None:
        file = out or MEMBER_KEYS_FILE
        _show_signing_key(key_type, file, as_json, lambda secret_key: add_member_key(file, member, secret_key))
    else:
        file = out or KEY_FILE
        _show_signing_key(key_type, file, as_json, lambda secret_key: write_secret(file, secret_key))


def write_secret(file: Path, text: str) -> None:
    """Write a secret to a new file that only its owner can read. Raises WrongUse where there is one already."""
    try:
        # Created with its final mode: a file that is narrowed later could be opened in between.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text + "\n")
    except FileExistsError:
        raise WrongUse(f"{file} exists and is not overwritten: name another file with --out.") from None
    except OSError as error:
        raise WrongUse(f"{file} cannot be written ({type(error).__name__}).") from None


def add_member_key(file: Path, member: str, secret_key: str) -> None:
    """Add a member's key to the issuer's signing keys file, which is made where there is none.

    Raises:
        WrongUse: the file is there and is no signing keys file, or it cannot be written.
    """
    try:
        entries = json.loads(file.read_text()) if file.exists() else []
    except (OSError, ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise WrongUse(f"{file} is not a signing keys file: name another with --out.")
    entries.append({"issuer": member, "secretKeyMultibase": secret_key})
    # Whole or not at all: the keys that are in it must survive a full disk.
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        write_secret(beside, json.dumps(entries, indent=2))
        beside.replace(file)
    except OSError as error:
        raise WrongUse(f"{file} cannot be written ({type(error).__name__}).") from None


def _show_signing_key(name: KeyTypeName, file: Path, as_json: bool, keep: Callable[[str], None]) -> None:
    from laurel.credentials.dids import did_key  # noqa: PLC0415 - takes long to load
    from laurel.credentials.keys import KeyType, SigningKey  # noqa: PLC0415

    key = SigningKey.generate(KeyType(name.value))
    if name is KeyTypeName.RSA:
        keep(json.dumps(key.to_jwk()))
        _show_public({"publicKeyJwk": key.public.to_jwk()}, file, as_json)
        return
    keep(key.to_multibase())
    public = key.public.to_multibase()
    _show_public({"publicKeyMultibase": public, "didKey": did_key(key.public)}, file, as_json)
    if as_json:
        return
    lines = ["", "In the catalog, for a member:", "  keys:", f"    - publicKeyMultibase: {public}"]
    if name is KeyTypeName.ED25519:
        lines += ["", "or for a partner, under a name of its own:", "  keys:", "    - kid: my-lms-1",
                  f"      publicKeyMultibase: {public}"]  # fmt: skip
    for line in lines:
        output.say(line)


def _show_public(facts: dict[str, Any], file: Path, as_json: bool) -> None:
    if as_json:
        output.document({**facts, "secretFile": str(file)})
        return
    output.say(f"Secret key:  {file} (readable by you alone; whoever has it can sign)")
    for label, name in (("Public key:", "publicKeyMultibase"), ("Public key:", "publicKeyJwk"), ("did:key:", "didKey")):
        if name in facts:
            output.say(f"{label:12} {facts[name] if isinstance(facts[name], str) else json.dumps(facts[name])}")


def _show_secret(text: str, out: Path | None, as_json: bool) -> None:
    if out is not None:
        write_secret(out, text)
    facts = {"secretFile": str(out)} if out else {"secret": text}
    if as_json:
        output.document(facts)
    else:
        output.say(f"The secret is in {out}, readable by you alone." if out else text)


@dataclass(frozen=True)
class _Hashed:
    """A secret that the catalog holds as its hash: what it is called, and how the hash stands there."""

    label: str
    fact: str
    whose: str
    field: str
    line: str


_PARTNERS = _Hashed("API key", "apiKey", "partner", "apiKeyHashes", "- {}")
_OPERATORS = _Hashed("Token", "token", "operator", "tokenHashes", "- sha256: {}")


def _show_hashed(kind: _Hashed, out: Path | None, as_json: bool) -> None:
    text = f"laurel_{secrets.token_urlsafe(SECRET_BYTES)}"
    digest = sha256(text.encode()).hexdigest()
    if out is not None:
        write_secret(out, text)
    facts: dict[str, Any] = {"secretFile": str(out)} if out else {kind.fact: text}
    if as_json:
        output.document(facts | {"sha256": digest})
        return
    output.say(f"{kind.label + ':':9} {f'in {out}, readable by you alone' if out else text}")
    for line in ("", f"In the catalog, for the {kind.whose}:", f"  {kind.field}:", f"    {kind.line.format(digest)}"):
        output.say(line)
