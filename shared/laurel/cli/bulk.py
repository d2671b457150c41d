"""`laurel status bulk`: find what was awarded by mistake, suspend it at once, reinstate or revoke it after review."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

import orjson
import typer

from laurel.cli import output
from laurel.cli.exits import Refused, Stop, Unreachable, WrongUse
from laurel.cli.service import RegistryUrl, TokenFile, call, login, refusal, token_from

PATH = "/admin/status-changes"
IDS_LIMIT = 100_000
FILE_LIMIT = 12 * 1024 * 1024
POLL_SECONDS = 0.5
TRIES = 10

app = typer.Typer(
    help="""Suspend, reinstate or revoke many credentials, with a preview first.

\b
Select by --achievement, --partner, --from and --to (all that are given must hold), by --ids, or by --of.

\b
Exit codes:
  0    done, or previewed, or there was nothing to change
  1    refused, or some credentials were changed by somebody else first and left as they were
  2    wrong use
  3    the registry did not answer; the bulk change may go on by itself: `status bulk show ID`
  130  interrupted, or the question was answered with no
""",
    no_args_is_help=True,
)

Achievement = Annotated[str | None, typer.Option("--achievement", metavar="ID", help="Only of this achievement.")]
Partner = Annotated[str | None, typer.Option("--partner", metavar="ID", help="Only what this partner reported.")]
Since = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Issued then or later: 2026-05-01 or 2026-05-01T12:00:00Z.")
]
Until = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Issued before then; a date is its midnight in UTC.")
]
Ids = Annotated[Path | None, typer.Option("--ids", metavar="FILE", help="The credentials' ids, one a line.")]
Of = Annotated[
    str | None, typer.Option("--of", metavar="BULK-ID", help="What that bulk change did and nobody changed since.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in one line; it is shown with each credential.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who asks; your login name unless given.")]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", metavar="ID", help="Its id, such as that of an earlier try: it is done once."),
]
OnlyPreview = Annotated[bool, typer.Option("--preview", help="Tell what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
BulkIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The bulk change's id.")]


def _selection(
    achievement: str | None, partner: str | None, since: str | None, until: str | None, ids: Path | None, of: str | None
) -> dict[str, Any]:
    """The selection as the registry takes it. Raises WrongUse."""
    criteria = {"achievement": achievement, "partner": partner, "issuedFrom": _moment(since, "--from"),
                "issuedTo": _moment(until, "--to")}  # fmt: skip
    given = {name: value for name, value in criteria.items() if value is not None}
    if sum((bool(given), ids is not None, of is not None)) != 1:
        raise WrongUse(
            "Select by --achievement, --partner, --from and --to, or by --ids, or by --of: one of the three."
        )
    if ids is not None:
        return {"credentials": _read_ids(ids)}
    return given if of is None else {"bulk": of}


def _moment(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{option} cannot be {text!r}: give 2026-05-01 or 2026-05-01T12:00:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _read_ids(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            text = opened.read(FILE_LIMIT + 1)
        lines = [line.strip() for line in text.decode().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file} cannot be read ({type(error).__name__}).") from None
    found = list(dict.fromkeys(line for line in lines if line))
    if not found or len(text) > FILE_LIMIT or len(found) > IDS_LIMIT:
        raise WrongUse(f"{file} must have 1 to {IDS_LIMIT} ids, one a line.")
    return found


def _command(action: str, does: str) -> None:
    def run(
        reason: Reason, achievement: Achievement = None, partner: Partner = None, since: Since = None,
        until: Until = None, ids: Ids = None, of: Of = None, by: By = None, request_id: RequestId = None,
        preview: OnlyPreview = False, yes: Yes = False, registry: RegistryUrl = "", token_file: TokenFile = None,
        as_json: output.AsJson = False,
    ) -> None:  # fmt: skip
        selection = _selection(achievement, partner, since, until, ids, of)
        bulk = _Bulk(registry, token_from(token_file), as_json)
        if request_id is not None and not preview and bulk.is_known(request_id, action):
            return bulk.follow(request_id)
        seen = bulk.preview(selection, action)
        if preview or not seen["counts"]["changes"]:
            if as_json:
                output.document({"preview": seen})
            elif not preview:
                output.say("Nothing would change, so nothing was done.")
            return None
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise WrongUse("Nobody is there to be asked: give --preview, then --yes.")
            typer.confirm(f"{action.capitalize()} {seen['counts']['changes']} credentials?", abort=True)
        body = {"selection": selection, "action": action, "reason": reason, "requestedBy": by or login(),
                "requestId": request_id or str(uuid4()), "digest": seen["digest"]}  # fmt: skip
        bulk.begin(body)
        return bulk.follow(body["requestId"])

    run.__doc__ = f"""{does}

    \b
    Example:
      laurel status bulk {action} --achievement welding --from 2026-05-01 --reason "Wrong cohort" --preview
    """
    app.command(action)(run)


_command("suspend", "Suspend many credentials until they are reinstated or revoked.")
_command("reinstate", "Reinstate many suspended credentials.")
_command("revoke", "Revoke many credentials for good. It cannot be taken back.")


@app.command("show")
def show(
    bulk_id: BulkIdArgument, registry: RegistryUrl = "", token_file: TokenFile = None, as_json: output.AsJson = False
) -> None:
    """Show a bulk change: who, why, what was selected and how far it is.

    \b
    Example:
      laurel status bulk show 5f1c0d1e-5b0e-4a4e-9a53-0d8f8c6e6c1b
    """
    told = _Bulk(registry, token_from(token_file), as_json).progress(bulk_id)
    if as_json:
        output.document(told)
        return
    for name, value in told.items():
        if name != "refusals":
            output.say(f"{name}: {_line(value)}")
    _list_refusals(told)


@app.command("list")
def list_bulks(registry: RegistryUrl = "", token_file: TokenFile = None, as_json: output.AsJson = False) -> None:
    """List the newest bulk changes.

    \b
    Example:
      laurel status bulk list
    """
    reply = call("GET", registry, PATH, token=token_from(token_file))
    if reply.status != 200:
        raise refusal(reply)
    if as_json:
        output.document(reply.body)
        return
    heads = ("id", "acceptedAt", "action", "total", "requestedBy", "reason", "finishedAt")
    found = [each for each in reply.body.get("bulkChanges", []) if isinstance(each, dict)]
    output.table(heads, [[each.get(name, "") for name in heads] for each in found])


class _Bulk:
    """One bulk change at the registry."""

    def __init__(self, registry: str, token: str, as_json: bool) -> None:
        self._registry = registry
        self._token = token
        self._as_json = as_json

    def preview(self, selection: dict[str, Any], action: str) -> dict[str, Any]:
        """What would be done, told to people unless a program asks."""
        body = orjson.dumps({"selection": selection, "action": action})
        reply = call("POST", self._registry, f"{PATH}/preview", token=self._token, body=body)
        if reply.status != 200:
            raise refusal(reply)
        seen = reply.body
        if not isinstance(seen.get("counts"), dict) or not isinstance(seen["counts"].get("changes"), int):
            raise Unreachable(f"{self._registry} answered with no preview: is this a Laurel registry?")
        if not self._as_json:
            _tell_preview(seen)
        return seen

    def is_known(self, id_: str, action: str) -> bool:
        """Whether it was accepted before. Raises Refused where that one is for another action."""
        reply = call("GET", self._registry, f"{PATH}/{quote(id_, safe='')}", token=self._token)
        if reply.status in (200, 202) and reply.body.get("action") != action:
            raise Refused(f"The bulk change {id_} is to {reply.body.get('action')}: give another --request-id.")
        return reply.status in (200, 202)

    def begin(self, body: dict[str, Any]) -> None:
        """Have it done. Raises Refused where what is selected has changed."""
        try:
            reply = call("POST", self._registry, PATH, token=self._token, body=orjson.dumps(body))
        except Unreachable as error:
            again = f"It may have been accepted: see `laurel status bulk show {body['requestId']}`."
            raise Unreachable(f"{error.sentence} {again}", **error.facts, requestId=body["requestId"]) from None
        if reply.status not in (200, 202):
            raise refusal(reply)

    def progress(self, id_: str) -> dict[str, Any]:
        """How far it is."""
        reply = call("GET", self._registry, f"{PATH}/{quote(id_, safe='')}", token=self._token)
        if reply.status not in (200, 202):
            raise refusal(reply)
        return reply.body

    def follow(self, id_: str) -> None:
        """Wait until it is finished, with a progress bar. Raises Refused where some were not changed after all."""
        told = self._finished(id_)
        if not self._as_json:
            _list_refusals(told)
        sentence = f"{told.get('changed')} of {told.get('total')} credentials changed by the bulk change {id_}."
        if told.get("refused"):
            raise Refused(f"{sentence} {told['refused']} were left as they were.", bulk=told)
        if self._as_json:
            output.document({"bulk": told})
        else:
            output.say(sentence)

    def _finished(self, id_: str) -> dict[str, Any]:
        from rich.progress import Progress  # noqa: PLC0415 - takes long to load

        terminal = output.console(stderr=True)
        failed = 0
        try:
            with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
                task = bar.add_task("changing", total=None)
                while True:
                    try:
                        told = self.progress(id_)
                        failed = 0
                    except Unreachable:
                        failed += 1
                        if failed == TRIES:
                            raise
                        told = {}
                    else:
                        done = told.get("changed", 0) + told.get("refused", 0)
                        bar.update(task, total=told.get("total"), completed=done)
                    if told.get("finishedAt"):
                        return told
                    time.sleep(POLL_SECONDS)
        except (Stop, KeyboardInterrupt):
            output.warn(f"The bulk change goes on by itself: see `laurel status bulk show {id_}`.")
            raise


def _tell_preview(seen: dict[str, Any]) -> None:
    counts = {name: count for name, count in seen["counts"].items() if count}
    output.say(f"{seen.get('selected')} selected: {_line(counts)}")
    for name in ("achievements", "partners"):
        if seen.get(name):
            output.say(f"  {name}: {_line(seen[name])}")
    heads = ("credential", "fate", "state", "achievement", "partner", "issuedAt")
    rows = [each for name in ("sample", "leftOut") for each in seen.get(name, []) if isinstance(each, dict)]
    if rows:
        output.table(heads, [[each.get(name, "") for name in heads] for each in rows])


def _list_refusals(told: dict[str, Any]) -> None:
    for each in told.get("refusals", []):
        output.warn(f"{each.get('credential')}: {each.get('detail')} ({each.get('code')})")


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)
