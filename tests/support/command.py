"""Running the `laurel` command in a test, and a small site that stands for whatever it speaks to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ran:
    """A command's exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@dataclass
class Site:
    """Answers by method and path, and the requests that came."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def serve(self, path: str, document: Any, *, method: str = "GET", status: int = 200) -> None:
        """Answer a request for `path` with `document` as JSON."""
        self.answers[method, path] = (status, document)

    @property
    def bodies(self) -> list[Any]:
        """The bodies that came, as JSON."""
        return [json.loads(body) for *_, body in self.requests]
