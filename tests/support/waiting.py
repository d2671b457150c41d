"""Waiting for a condition, which is what tests do instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T | None]], *, timeout: float = ..., what: str = ...) -> T: ...  # noqa: ASYNC109


@overload
async def eventually(condition: Callable[[], T | None], *, timeout: float = ..., what: str = ...) -> T: ...  # noqa: ASYNC109


async def eventually(condition: Callable[[], Any], *, timeout: float = 30.0, what: str = "") -> Any:  # noqa: ASYNC109
    """The first truthy answer of `condition`; an AssertionError with the last answer after `timeout` seconds."""
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what or 'the condition'} did not come true in {timeout} s; last: {answer!r}")
        await asyncio.sleep(0.02)
