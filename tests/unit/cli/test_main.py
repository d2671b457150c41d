"""The command as a whole: its help, its exit codes, and errors that are sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from laurel.cli import output
from laurel.cli.exits import Refused, Unreachable, WrongUse
from laurel.cli.main import app, main

COMMANDS = [
    "catalog apply", "partner check", "partner publish", "verify", "status revoke", "status suspend",
    "status reinstate", "status show", "status bulk suspend", "status bulk reinstate", "status bulk revoke",
    "status bulk show", "status bulk list", "dead-letters list", "dead-letters show", "dead-letters replay", "keys new",
    "kafka certificates", "badge bake", "badge unbake", "reconcile", "registry hash", "registry rebuild",
    "registry republish",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_has_an_example_and_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0

    printed = capsys.readouterr().out
    assert f"laurel {command}" in printed.split("Example:")[1]
    assert "--json" in printed


def test_the_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    printed = capsys.readouterr().out
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "70 ", "130 "):
        assert f"\n   {code}" in printed


def test_the_command_starts_without_what_it_does_not_need() -> None:
    heavy = ("aiokafka", "faststream", "motor", "pymongo", "httpx", "pyoxigraph", "pydantic", "opentelemetry", "yaml")
    program = f"import sys, laurel.cli.main; print([name for name in {heavy!r} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"


@pytest.fixture
def command() -> Iterator[list[BaseException]]:
    """A command `try` that raises what is put into the list."""
    errors: list[BaseException] = []

    @app.command("try", hidden=True)
    def attempt(as_json: output.AsJson = False) -> None:
        raise errors.pop()

    yield errors
    app.registered_commands.pop()


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (Refused("No."), 1, "No.\n"),
        (WrongUse("Not so."), 2, "Not so.\n"),
        (Unreachable("Not now."), 3, "Not now.\n"),
        (KeyboardInterrupt(), 130, ""),
        (Refused("A\u001b[2Jline"), 1, "A\ufffd[2Jline\n"),
    ],
)
def test_an_end_is_a_sentence_and_an_exit_code(
    command: list[BaseException], capsys: pytest.CaptureFixture[str], error: BaseException, code: int, sentence: str
) -> None:
    command.append(error)

    assert main(["try"]) == code
    assert capsys.readouterr().err == sentence


def test_the_unforeseen_is_a_sentence_too_and_a_trace_when_asked(
    command: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAUREL_DEBUG", raising=False)
    command.append(ZeroDivisionError("secret detail"))
    assert main(["try"]) == 70
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "LAUREL_DEBUG=1" in printed
    assert "secret detail" not in printed

    monkeypatch.setenv("LAUREL_DEBUG", "1")
    command.append(ZeroDivisionError("secret detail"))
    assert main(["try"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_error_is_one_document_for_programs(
    command: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(Refused("No.", code="LRL-1003"))

    assert main(["try", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"error": {"exitCode": 1, "detail": "No.", "code": "LRL-1003"}}


def test_a_files_name_that_is_not_unicode_is_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["badge", "unbake", "absent-\udcff", "--json"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("absent-\ufffd cannot be read")
    assert json.loads(told.out)["error"]["detail"].startswith("absent-\udcff cannot be read")


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["verify"], ["keys", "new", "--bogus"], ["status", "revoke", "https://x.example/1"]]
)
def test_wrong_use_is_exit_2_with_a_pointer_to_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "--help`." in capsys.readouterr().err
