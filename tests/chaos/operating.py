"""What an operator does with the `laurel` command: load the catalog before a run, rebuild the registry after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laurel.contracts.access import OPERATOR
from laurel_local.consortium import Consortium
from laurel_local.services import Ports
from laurel_local.stack import Stack

_ORIGINAL, _REBUILT = "laurel_registry", "laurel_registry_rebuilt"
_SECONDS = 900


@dataclass(frozen=True)
class Rebuilt:
    """What came of making the registry's database from the log alone: the command's exit code and its document."""

    code: int
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str | None:
        """The content hash of both databases; None unless it is the same and nothing was refused or is missing."""
        same = self.code == 0 and self.told.get("hash") == self.told.get("compared")
        return self.told.get("hash") if same else None


def apply_catalog(stack: Stack, consortium: Consortium, ports: Ports) -> None:
    """Load the catalog."""
    where = ["--registry", ports.url("registry"), "--token-file", str(consortium.admin_token_file)]
    _laurel(stack, ports, "catalog", "apply", str(consortium.catalog_file), *where).check_returncode()


def rebuild(stack: Stack, ports: Ports) -> Rebuilt:
    """Make the registry's database from the log alone, beside the original, and compare the two."""
    done = _laurel(stack, ports, "registry", "rebuild", _REBUILT, "--compare", _ORIGINAL, "--json")
    try:
        return Rebuilt(done.returncode, json.loads(done.stdout))
    except json.JSONDecodeError:
        return Rebuilt(done.returncode or 1, {"said": f"{done.stdout}{done.stderr}"[-2000:]})


def _laurel(stack: Stack, ports: Ports, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = {
        **stack.broker.connection(OPERATOR), "LAUREL_MONGO_URL": stack.database.url,
        "LAUREL_PUBLIC_URL": ports.url("registry"),
    }  # fmt: skip
    return subprocess.run(
        [str(Path(sys.executable).with_name("laurel")), *arguments],
        env=os.environ | where, check=False, capture_output=True, text=True, timeout=_SECONDS,
    )  # fmt: skip
