"""Processes side by side, of which one at a time does something that lasts, in an order that somebody chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from support.crash import Life, Turn

Begin = Callable[[Turn], Awaitable[Life]]


async def side_by_side(begin: Sequence[Begin], choose: Callable[[int], int]) -> list[Life]:
    """Run processes until all have ended. Whenever each has ended or is about to act, `choose` says which of those
    that are, counted from 0, goes on."""
    about: list[tuple[int, asyncio.Future[None]]] = []
    changed = asyncio.Event()

    async def turn(number: int) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        about.append((number, mine))
        changed.set()
        await mine

    tasks = [asyncio.ensure_future(each(partial(turn, number))) for number, each in enumerate(begin)]
    for task in tasks:
        task.add_done_callback(lambda _: changed.set())
    while not all(task.done() for task in tasks):
        acting = {number for number, _ in about}
        if all(task.done() or number in acting for number, task in enumerate(tasks)):
            about.sort(key=lambda each: each[0])
            about.pop(choose(len(about)))[1].set_result(None)
        else:
            changed.clear()
            await changed.wait()
            continue
        await asyncio.sleep(0)
    return [await task for task in tasks]
