"""What the registry's modules of database access share."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar

Row = dict[str, Any]
Item = TypeVar("Item")
AT_ONCE = 500


class Overtaken(Exception):  # noqa: N818 - names what happened
    """Somebody else changed the row between reading and writing it."""


async def chunks(items: AsyncIterable[Item]) -> AsyncIterator[list[Item]]:
    """The items, `AT_ONCE` at a time."""
    some: list[Item] = []
    async for item in items:
        some.append(item)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
