"""The local stack as a command that somebody starts and ends with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

UP = "Up until Ctrl-C"


@contextmanager
def staying_up(command: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command until it says that it is up; afterwards, press Ctrl-C and wait until it has ended."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    with subprocess.Popen(
        command, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        env=environment | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if UP in line:
                break
        else:
            raise AssertionError("".join(said))
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=120)
