"""What to do when something that a test needs is not on this machine: skip, but never where CI runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

NOT_RUN = Path("var/tests-not-run.txt")
"""What could not be run, for `make test` to say last."""


def not_here(reason: str, *, tests: str | None = None) -> NoReturn:
    """Skip the running test with this reason; in CI, where nothing may be missing, fail it.

    `tests` names those that this run goes without, if it is a whole group of them.
    """
    if tests is not None:
        NOT_RUN.parent.mkdir(exist_ok=True)
        with NOT_RUN.open("a") as notes:
            notes.write(f"NOT RUN: {tests}, because {reason}\n")
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing in CI: {reason}", pytrace=False)
    pytest.skip(reason)
