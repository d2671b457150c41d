"""`laurel badge`: put a credential into a picture, and take it out again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from laurel.cli import output
from laurel.cli.exits import Refused, WrongUse
from laurel.credentials.errors import CredentialError

app = typer.Typer(help="Bake a credential into a PNG or SVG, and take it out again.", no_args_is_help=True)

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="A PNG or SVG of at most 10 MiB; - reads stdin.")]


@app.command("bake")
def bake(
    credential: Annotated[
        str, typer.Argument(metavar="CREDENTIAL", help="The signed credential, JSON or a JWT; - reads stdin.")
    ],
    image: Image,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="Where the badge goes; written anew.")],
    as_json: output.AsJson = False,
) -> None:
    """Bake a credential into a picture, so that the picture is the badge.

    A PNG gets a text chunk and an SVG an element; everything else in it stays,
    byte for byte. A credential that is there already is replaced. Nothing is
    verified here: `laurel verify` does that.

    \b
    Exit codes:
      0    OUT is written
      1    the picture, or the credential, is not one that can be baked
      2    a file cannot be read or written

    \b
    Example:
      laurel badge bake credential.json picture.png -o badge.png
      laurel badge bake credential.jwt picture.svg -o badge.svg
    """
    from laurel.credentials import baking  # noqa: PLC0415 - not loaded for other commands

    if credential == image == "-":
        raise WrongUse("Only one of CREDENTIAL and IMAGE can be read from stdin.")
    text = _read(credential, baking.MAX_IMAGE_BYTES)
    try:
        baked = baking.bake(_read(image, baking.MAX_IMAGE_BYTES), text)
    except CredentialError as error:
        raise _refused(error) from None
    try:
        out.write_bytes(baked)
    except OSError as error:
        raise WrongUse(f"{out} cannot be written ({type(error).__name__}).") from None
    if as_json:
        output.document({"badge": str(out), "bytes": len(baked)})
    else:
        output.say(f"The badge is in {out} ({len(baked)} bytes).")


@app.command("unbake")
def unbake(image: Image, as_json: output.AsJson = False) -> None:
    """Print the credential that a badge carries, JSON or a JWT.

    It is not verified: `laurel verify` does that, and takes from stdin what is
    printed here. With --json it is the member "credential", a JWT as a string.

    \b
    Exit codes:
      0    there is a credential
      1    there is none, or the picture is damaged
      2    the file cannot be read

    \b
    Example:
      laurel badge unbake badge.png > credential.json
      laurel badge unbake badge.svg | laurel verify -
    """
    from laurel.credentials import baking  # noqa: PLC0415
    from laurel.credentials.documents import read_json  # noqa: PLC0415

    try:
        text = baking.unbake(_read(image, baking.MAX_IMAGE_BYTES))
        credential = read_json(text) if text.startswith("{") else text
    except CredentialError as error:
        raise _refused(error) from None
    if as_json:
        output.document({"credential": credential})
    else:
        sys.stdout.write(output.json_text(text) + "\n")


def _refused(error: CredentialError) -> Refused:
    return Refused(error.detail, code=error.code)


def _read(name: str, limit: int) -> bytes:
    """A file, or stdin for "-"; never more of it than is needed to see that it is too large."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(limit + 1)
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise WrongUse(f"{name} cannot be read ({type(error).__name__}).") from None
