"""What a look at an Open Badge can find, and the small steps that every look takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from laurel.credentials.values import pointer

Path = tuple[str | int, ...]


class Severity(StrEnum):
    """Whether the specification forbids it, or only wisdom."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `code` is stable; `pointer` is a JSON pointer (RFC 6901)."""

    severity: Severity
    code: str
    pointer: str
    detail: str


def error(code: str, path: Path, detail: str) -> Finding:
    """What the specification forbids."""
    return Finding(Severity.ERROR, code, pointer(*path), detail)


def warning(code: str, path: Path, detail: str) -> Finding:
    """What the specification allows and somebody will regret."""
    return Finding(Severity.WARNING, code, pointer(*path), detail)


def missing(name: str, label: str, path: Path) -> Finding:
    """That the member `name` is missing from what stands at `path`."""
    detail = f"The required member {name} of {label} is missing; only the issuer can add it."
    return error("BADGE_MEMBER_MISSING", (*path, name), detail)


def each(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of a member, which may be one or a list of them, each with its place."""
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    elif value is not None:
        yield path, value


def objects(value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Those of a member's values that are objects."""
    return ((here, item) for here, item in each(value, path) if isinstance(item, dict))


def types_of(value: Mapping[str, Any]) -> set[str]:
    """The types of an object, as far as they are texts."""
    return {item for _, item in each(value.get("type")) if isinstance(item, str)}
