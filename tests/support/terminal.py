"""Running the `laurel` command as people do: as a process whose stderr is a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread


class Terminal:
    """A pseudo-terminal with the command's stderr; stdout goes elsewhere, as with `> file`."""

    def __init__(self, arguments: tuple[object, ...]) -> None:
        self._ours, theirs = pty.openpty()
        command = [str(Path(sys.executable).with_name("laurel")), *(str(each) for each in arguments)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment)
        os.close(theirs)
        self.shown = ""
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._ours, 4096)
            except OSError:  # how Linux tells that nobody has the other end any more
                return
            if not more:
                return
            self.shown += more.decode()

    def end(self, timeout: float = 60.0) -> tuple[int, str]:
        """Wait for the command; its exit code and what it wrote to stdout. All that it showed is in `shown` then."""
        out, _ = self.process.communicate(timeout=timeout)
        self._reading.join(timeout)
        return self.process.returncode, out


@contextmanager
def on_terminal(*arguments: object) -> Iterator[Terminal]:
    """Run `laurel` with these arguments; what still runs at the end is killed."""
    terminal = Terminal(arguments)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        terminal._reading.join()
        os.close(terminal._ours)
