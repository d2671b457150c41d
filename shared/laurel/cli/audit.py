"""`laurel audit`: who did what with the registry, the issuer and the notifier."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from laurel.cli import output
from laurel.cli.service import RegistryUrl, TokenFile, call, refusal, token_from

app = typer.Typer(help="See what operators did, or were refused.", no_args_is_help=True)

_PAGE = 1000
_HEADS = ("at", "operator", "action", "target", "outcome", "code", "detail")


@app.command("list")
def list_actions(
    operator: Annotated[str | None, typer.Option("--operator", metavar="ID", help="Only what this one did.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this, such as status.revoke.")] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Only on this: a credential, or partner/campus.")
    ] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="Only what was done, or refused.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest.")] = 50,
    registry: RegistryUrl = "",
    token_file: TokenFile = None,
    as_json: output.AsJson = False,
) -> None:
    """List what operators did or were refused, the newest last. It takes the right `audit`.

    \b
    Example:
      laurel audit list --operator campus-desk --outcome refused
    """
    token = token_from(token_file)
    asked = {"operator": operator, "action": action, "target": target, "outcome": outcome}
    found: list[dict[str, object]] = []
    page: dict[str, object] = {"next": None}
    while len(found) < limit and "next" in page:
        query = {**asked, "before": page["next"], "limit": min(_PAGE, limit - len(found))}
        given = urlencode({name: value for name, value in query.items() if value is not None})
        reply = call("GET", registry, f"/admin/audit?{given}", token=token)
        if reply.status != 200:
            raise refusal(reply)
        page = reply.body
        found += reply.body["actions"]
    found.reverse()
    if as_json:
        output.document({"actions": found})
    elif found:
        output.table(_HEADS, [[each.get(name, "") for name in _HEADS] for each in found])
    else:
        output.say("Nothing was done yet.")
