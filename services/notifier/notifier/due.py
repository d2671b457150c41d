"""What is due, the longest due first, however much of it there is.

A handful of mails at a time is sent, and after a burst there may be a hundred thousand due. To look each time for the
first of them all would cost more than the mails: the embedded database goes through everything that a look may mean.
So a look goes no further than it has to, and what it found serves for many handfuls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from datetime import datetime, timedelta

from notifier.domain import Delivery, DeliveryState
from notifier.store import Store

_ENOUGH = 500
_STEP = timedelta(seconds=1)


class Due:
    """Hands out what is due. What it hands out is as it stands now, and may be in somebody else's hands."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: deque[str] = deque()
        self._seen_until: datetime | None = None

    async def first(self, now: datetime, soon: datetime, limit: int, others: Collection[str]) -> list[Delivery]:
        """At most `limit` rows that are due by `soon`, but for those that others have in hand; what is not due `now`
        only where there is nothing that is."""
        while self._found:
            ids = self._take(limit, others)
            held = await self._store.deliveries(ids)
            rows = [held[each] for each in ids if each in held and _is_due(held[each], now)]
            if rows:
                return rows
        rows = [row for row in await self._look(soon, _ENOUGH + len(others)) if row.id not in others]
        self._found.extend(row.id for row in rows[limit:] if _is_due(row, now))
        return rows[:limit]

    def _take(self, limit: int, others: Collection[str]) -> list[str]:
        taken: list[str] = []
        while self._found and len(taken) < limit:
            row_id = self._found.popleft()
            if row_id not in others:
                taken.append(row_id)
        return taken

    async def _look(self, soon: datetime, enough: int) -> list[Delivery]:
        """What is due by `soon`, or enough of it: a little further than the look before, and further until it is."""
        step, until = _STEP, self._seen_until or soon
        while True:
            until = min(soon, until + step)
            rows = await self._store.due(until, enough)
            if until == soon or len(rows) >= enough:
                break
            step *= 4
        self._seen_until = rows[-1].due_at if len(rows) >= enough else until
        return rows


def _is_due(row: Delivery, now: datetime) -> bool:
    return row.state is DeliveryState.OPEN and row.due_at is not None and row.due_at <= now
