"""The entry point: the commands, and the one place where every error becomes a sentence and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

from laurel.cli import audit, badge, catalog, cluster, dead_letters, keys, output, partner, reconcile, status, verify
from laurel.cli.exits import DONE, INTERRUPTED, UNEXPECTED, Stop

HELP = """
Run a Laurel consortium, or report completions to one.

\b
Exit codes:
  0    done, or the credential holds
  1    the credential does not hold, or Laurel refused
  2    wrong use, or a setting is missing or unusable
  3    could not be checked: something did not answer
  4    what was published and what became of it do not fit together
  70   a failure nobody foresaw (LAUREL_DEBUG=1 shows its trace)
  130  interrupted

\b
Options can come from environment variables; each command's help names them.
Every command takes --json and then prints one JSON document.
"""

app = typer.Typer(name="laurel", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(catalog.app, name="catalog")
app.add_typer(partner.app, name="partner")
app.command("verify")(verify.verify)
app.add_typer(badge.app, name="badge")
app.add_typer(status.app, name="status")
app.add_typer(audit.app, name="audit")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("reconcile")(reconcile.reconcile)
app.add_typer(keys.app, name="keys")
app.add_typer(cluster.app, name="kafka")

# A service that is installed beside this package brings its own commands, since this package knows none.
for contributed in entry_points(group="laurel.commands"):
    app.add_typer(contributed.load(), name=contributed.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        code = app(given, prog_name="laurel", standalone_mode=False)
    except Stop as stop:
        return _end(stop.exit_code, stop.sentence, as_json, stop.facts)
    except typer.TyperException as error:
        return _end(error.exit_code, _usage(error), as_json)
    except (typer.Abort, KeyboardInterrupt):
        return _end(INTERRUPTED, "Interrupted.", as_json)
    except Exception as error:
        if os.environ.get("LAUREL_DEBUG") == "1":
            traceback.print_exc()
        hint = "Set LAUREL_DEBUG=1 and run it again to see where."
        return _end(UNEXPECTED, f"Something failed that nobody foresaw ({type(error).__name__}). {hint}", as_json)
    return code if isinstance(code, int) else DONE


def _usage(error: typer.TyperException) -> str:
    sentence = error.format_message().strip()
    context = getattr(error, "ctx", None)
    return f"{sentence} See `{context.command_path} --help`." if sentence and context is not None else sentence


def _end(code: int, sentence: str, as_json: bool, facts: dict[str, object] | None = None) -> int:
    for line in sentence.splitlines():
        output.warn(line)
    if as_json:
        output.document({"error": {"exitCode": code, "detail": sentence, **(facts or {})}})
    return code
