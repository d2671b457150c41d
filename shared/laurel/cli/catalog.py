"""`laurel catalog`: a consortium's members, partners and achievements, from a file to the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laurel.cli import output
from laurel.cli.service import RegistryUrl, TokenFile, call, refusal, token_from

app = typer.Typer(help="Say who issues, who reports, and what can be earned.", no_args_is_help=True)


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="The catalog as YAML or JSON.", exists=True, dir_okay=False)],
    registry: RegistryUrl = "",
    token_file: TokenFile = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the file; nothing is sent.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Check a catalog file and hand it to the registry; what changed is told.

    What the file leaves out is left alone: what was issued under it must stay verifiable.

    \b
    Example:
      laurel catalog apply catalog.yaml --registry https://badges.example.org
      laurel catalog apply catalog.yaml --check
    """
    from laurel.cli.catalog_file import read_catalog  # noqa: PLC0415 - takes long to load

    catalog = read_catalog(file)
    if check:
        counts = {name: len(getattr(catalog, name)) for name in ("issuers", "partners", "achievements", "operators")}
        if as_json:
            output.document({"valid": True, **counts})
        else:
            output.say(f"The catalog is right: {', '.join(f'{count} {name}' for name, count in counts.items())}.")
        return
    reply = call("PUT", registry, "/admin/catalog", token=token_from(token_file), body=catalog.to_bytes())
    if reply.status != 200:
        raise refusal(reply)
    if as_json:
        output.document(reply.body)
        return
    changed = [entry for entry in reply.body.get("entries", []) if entry.get("changed")]
    if changed:
        output.table(("kind", "id", "version"), [(each["kind"], each["id"], each["version"]) for each in changed])
    output.say(f"{len(changed)} of {len(reply.body.get('entries', []))} entries changed.")
