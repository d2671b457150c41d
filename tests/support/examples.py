"""The examples of the Open Badges specification, and changes to them by JSON pointer."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "vectors" / "open-badges"
REMOVED: Any = object()


def example(name: str) -> dict[str, Any]:
    """A fresh copy of an example; `SOURCES.md` beside them says where it comes from."""
    document: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return document


def changed(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of `document` with `value` at the JSON pointer `place`, or without it if `value` is REMOVED."""
    copy = deepcopy(document)
    holder: Any = copy
    *path, last = [int(part) if part.isdigit() else part for part in place.split("/")[1:]]
    for part in path:
        holder = holder[part]
    if value is REMOVED:
        del holder[last]
    else:
        holder[last] = value
    return copy
