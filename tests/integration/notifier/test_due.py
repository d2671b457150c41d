"""Everything that is due is handed out, the longest due first, and a look does not go through all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from laurel.contracts.operations import Occasion
from laurel.runtime.mongo import Mongo
from notifier.config import NotifierSettings
from notifier.domain import Delivery, DeliveryState, delivery_id
from notifier.due import Due
from notifier.store import Store

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def row(number: int, at: datetime) -> Delivery:
    credential = f"https://badges.example/credentials/{number}"
    return Delivery(
        id=delivery_id(credential, Occasion.ISSUED), credential=credential, occasion=Occasion.ISSUED, issuer="north",
        achievement="welding", since=at, created_at=at, due_at=at, trace={},
    )  # fmt: skip


@pytest.fixture
async def store(local_settings: NotifierSettings) -> AsyncIterator[Store]:
    mongo = Mongo(local_settings)
    store = Store(mongo)
    await store.prepare()
    yield store
    await mongo.close()


async def first(due: Due, now: datetime = NOW, limit: int = 50, others: Collection[str] = ()) -> list[Delivery]:
    return await due.first(now, now + SECOND, limit, others)


async def close(store: Store, rows: list[Delivery]) -> None:
    for each in rows:
        assert await store.record(each, replace(each, state=DeliveryState.SUPERSEDED, due_at=None))


async def test_a_burst_is_handed_out_in_order_by_short_looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    burst = [row(number, NOW - timedelta(milliseconds=10 * (1500 - number))) for number in range(1500)]
    for start in range(0, len(burst), 500):
        await store.add_deliveries(burst[start : start + 500])
    looks: list[tuple[datetime, int]] = []
    look = store.due

    async def counted(before: datetime, limit: int) -> list[Delivery]:
        found = await look(before, limit)
        looks.append((before, len(found)))
        return found

    monkeypatch.setattr(store, "due", counted)
    due = Due(store)
    handed: list[Delivery] = []
    while len(handed) < len(burst):
        rows = await first(due, limit=250)
        assert rows
        handed += rows
        await close(store, rows)
    assert handed == burst
    # The first look may mean all; from then on, each goes little further than what it finds.
    assert len(looks) == 5
    assert all(before < NOW for before, _ in looks[1:])
    assert await first(due) == []


async def test_what_changed_since_the_look_is_seen(store: Store) -> None:
    rows = [row(number, NOW - (10 - number) * SECOND) for number in range(10)]
    await store.add_deliveries(rows)
    due = Due(store)
    assert await first(due, limit=2) == rows[:2]
    await close(store, [rows[3]])
    assert await first(due, limit=4, others={rows[2].id}) == [rows[4], rows[5], rows[6]]
    # Handed out and not dealt with, it comes again.
    assert await first(due, limit=10) == rows[7:]
    assert await first(due, limit=10) == [*rows[:3], *rows[4:]]


async def test_what_is_due_soon_is_told_only_where_nothing_is_due(store: Store) -> None:
    now_and_soon = [row(1, NOW), row(2, NOW + SECOND / 2), row(3, NOW + 10 * SECOND)]
    await store.add_deliveries(now_and_soon)
    due = Due(store)
    assert await first(due, limit=1) == now_and_soon[:1]
    await close(store, now_and_soon[:1])
    assert await first(due) == now_and_soon[1:2]
    assert await first(due, NOW + 20 * SECOND) == now_and_soon[1:]


async def test_a_row_that_falls_due_behind_what_was_seen_is_found(store: Store) -> None:
    due = Due(store)
    assert await first(due) == []
    late = row(1, NOW - 3600 * SECOND)
    await store.add_deliveries([late])
    assert await first(due) == [late]
