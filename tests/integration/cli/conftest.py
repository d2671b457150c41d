"""Running the command in this process."""

from __future__ import annotations

import pytest

from laurel.cli.main import main
from support.command import Ran, Run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `laurel` with these arguments."""
    monkeypatch.setenv("COLUMNS", "200")
    # Logging and tracing are the whole process's, and this process is the other tests' too.
    monkeypatch.setattr("laurel.runtime.telemetry.configure", lambda *_, **__: None)

    def runner(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return runner
