"""A database server that needs no container engine: MongoDB's wire protocol over WiredTiger, from a wheel."""

import shutil
import sys
from pathlib import Path

from laurel_local.part import Part
from laurel_local.probes import mongo_answers
from laurel_local.processes import Process, free_port


class EmbeddedDatabase(Part):
    """The embedded server on 127.0.0.1; it keeps its port through stops and starts.

    Its data is on disk in `directory` and survives a stop, or with `keep=False` is deleted by it. What it has
    acknowledged survives a kill too, as with MongoDB's own default; `durable=False` gives that up and nearly
    doubles the rate of single writes.
    """

    name = "embedded database"

    def __init__(self, directory: Path, *, port: int | None = None, keep: bool = True, durable: bool = True) -> None:
        self.port = port or free_port()
        self.ports = (self.port,)
        self.keep = keep
        self._directory = directory.absolute()  # the process runs in it
        self._data = self._directory / "data"
        self._config = self._directory / "secantusd.toml"
        self.process = Process(
            "database",
            [
                str(Path(sys.executable).with_name("secantusd-py")),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--storage-path", str(self._data), "--cache-size", "256M"),
                # An empty file of our own: else the server goes looking for one, in the home folder too.
                *("--config", str(self._config), "--log-level", "WARNING"),
                *(["--sync-on-commit"] if durable else []),
            ],
            log_dir=self._directory,
            cwd=self._directory,
        )

    @property
    def url(self) -> str:
        """The address a driver takes."""
        return f"mongodb://127.0.0.1:{self.port}"

    def launch(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._config.touch()
        super().launch()

    def ready(self) -> bool:
        return mongo_answers(self.url)

    def stop(self) -> None:
        if self.keep:
            super().stop()
        else:  # nothing needs to be written down, and an orderly end takes it two seconds
            self.process.kill()
            shutil.rmtree(self._data, ignore_errors=True)
