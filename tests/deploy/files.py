"""The deployment's files as data: the compose file, the Dockerfiles and what a build may see of the repository."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from issuer.config import IssuerSettings
from laurel.runtime.settings import ServiceSettings
from notifier.config import NotifierSettings
from registry.config import RegistrySettings
from verifier.config import VerifierSettings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[ServiceSettings]] = {
    "issuer": IssuerSettings,
    "registry": RegistrySettings,
    "verifier": VerifierSettings,
    "notifier": NotifierSettings,
}
SERVICES = tuple(SETTINGS)
ONCE = ("kafka-certificates", "kafka-users")
"""What runs and ends before the services start."""
TOOL = "laurel"
"""The command for operators."""
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved, its variables not."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def variables() -> dict[str, bool]:
    """The variables that docker-compose.yml takes from `.env`, and whether each must be there."""
    found = _VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())
    return {each["name"]: each["kind"] != "-" for each in found}


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """A value as compose fills it in; KeyError for a variable that is needed and missing."""

    def fill(match: re.Match[str]) -> str:
        return values.get(match["name"], match["rest"]) if match["kind"] == "-" else values[match["name"]]

    return _VARIABLE.sub(fill, text)


def env_values(file: Path) -> dict[str, str]:
    """What an env file sets."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile; `flags` are its leading --name=value."""

    name: str
    flags: dict[str, str]
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows, as words; from JSON where it is JSON."""
        words: list[str] = json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)
        return words

    @property
    def assignments(self) -> dict[str, str]:
        """What an ENV sets."""
        return dict(word.split("=", 1) for word in self.words)


Stage = list[Instruction]


def dockerfile(service: str) -> Path:
    """Where a service's Dockerfile is."""
    return ROOT / "services" / service / "Dockerfile"


def stages(file: Path) -> list[Stage]:
    """A Dockerfile's stages; each begins with its FROM."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        flags = {}
        while match := re.match(r"\s*--([a-z-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, flags, rest.strip()))
    return found


def instruction(stage: Stage, name: str) -> Instruction:
    """A stage's only instruction of that name."""
    (found,) = (each for each in stage if each.name == name)
    return found


def environment(stage: Stage) -> dict[str, str]:
    """What a stage's ENVs set."""
    return {name: value for each in stage if each.name == "ENV" for name, value in each.assignments.items()}


def in_context(path: Path) -> bool:
    """Whether a build sees a file of the repository, by .dockerignore: of the lines that match, the last decides."""
    relative = path.relative_to(ROOT)
    names = [str(each) for each in (relative, *relative.parents) if str(each) != "."]
    seen = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = _pattern(line.removeprefix("!"))
            if any(pattern.fullmatch(name) for name in names):
                seen = line.startswith("!")
    return seen


def _pattern(line: str) -> re.Pattern[str]:
    translated = re.escape(line).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.compile(translated)


def copy_from_context(source: str, target: Path) -> None:
    """Copy a file or a folder's content as COPY does, without what .dockerignore keeps out."""
    origin = ROOT / source
    if origin.is_file():
        assert in_context(origin), f"{source} is not in the build context"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, target)
        return
    for file in origin.rglob("*"):
        if file.is_file() and in_context(file):
            copy = target / file.relative_to(origin)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
