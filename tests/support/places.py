"""Where the services' code is while it runs, and while it waits: what has led to something, down to its await."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

ROOT = Path(__file__).parents[2]
RUNTIME = "shared/laurel/runtime/"

End = tuple[str, int, int]
"""Where an expression ends: file, line, column. An await ends where what it awaits does."""


class Place(NamedTuple):
    """Where a function is: the file, and the line on which what it does begins."""

    file: str
    line: int
    end: End

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def under_way(frame: FrameType | None) -> tuple[Place, ...]:
    """Where the services' code is that has led to this frame, the nearest first, by way of tasks that were made."""
    found = []
    while frame is not None:
        if (place := _place(frame)) is not None:
            found.append(place)
        frame = frame.f_back
    task = asyncio.current_task()
    return (*found, *(_made_by.get(task, ()) if task is not None else ()))


def _place(frame: FrameType) -> Place | None:
    """Where a frame is, if that is in a service or in the runtime."""
    name = frame.f_code.co_filename
    if not name.startswith((f"{ROOT}/services/", f"{ROOT}/{RUNTIME}")):
        return None
    line, end, _, column = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    file = name.removeprefix(f"{ROOT}/")
    return Place(file, line or 0, (file, end or 0, column or 0))


_made_by: WeakKeyDictionary[asyncio.Task[Any], tuple[Place, ...]] = WeakKeyDictionary()


@contextmanager
def noting_tasks() -> Iterator[None]:
    """Within, know of each task of the running loop where it was made."""

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        _made_by[task] = under_way(sys._getframe(1))
        return task

    running = asyncio.get_running_loop()
    running.set_task_factory(make)
    try:
        yield
    finally:
        running.set_task_factory(None)
