"""The store's conditional writes, on both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from laurel.contracts.operations import Occasion
from laurel.runtime.mongo import Mongo
from notifier.config import NotifierSettings
from notifier.domain import (
    Attempt,
    Delivery,
    DeliveryState,
    Missing,
    Outcome,
    Recipient,
    Wording,
    counterpart_id,
    delivery_id,
)
from notifier.store import Store

NOW = datetime(2026, 6, 1, 12, 0, 0, 123000, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
SECOND = timedelta(seconds=1)
CREDENTIAL = "https://badges.example/credentials/one"
WORDING = Wording("Welding", "North", "hello@north.example")
ANA = Recipient(CREDENTIAL, "Ana", "ana@learner.example", "en", NOW + timedelta(days=1))


def row(credential: str = CREDENTIAL, occasion: Occasion = Occasion.ISSUED, at: datetime = NOW) -> Delivery:
    return Delivery(
        id=delivery_id(credential, occasion), credential=credential, occasion=occasion, issuer="north",
        achievement="welding", since=at, created_at=at, due_at=at, trace={"traceparent": "00-1-1-01"},
    )  # fmt: skip


@pytest.fixture(params=["motor", "pymongo"])
async def store(request: pytest.FixtureRequest, local_settings: NotifierSettings) -> AsyncIterator[Store]:
    mongo = Mongo(local_settings.model_copy(update={"mongo_driver": request.param}))
    store = Store(mongo)
    await store.prepare()
    yield store
    await mongo.close()


async def test_what_is_written_is_read(store: Store) -> None:
    await store.prepare()  # as a second instance does
    await store.add_deliveries([row()])
    await store.add_recipients([ANA])
    assert await store.delivery(row().id) == row()
    assert await store.recipient(CREDENTIAL) == ANA
    assert await store.recipients([CREDENTIAL, "https://badges.example/credentials/none"]) == {CREDENTIAL: ANA}
    assert await store.delivery("none") is None
    assert await store.recipient("none") is None


async def test_what_is_there_stays(store: Store) -> None:
    await store.add_deliveries([row()])
    await store.add_recipients([ANA])
    await store.add_deliveries([row(at=LATER), row(), row(CREDENTIAL + "2", at=LATER)])
    await store.add_recipients([replace(ANA, name="Bo"), ANA])
    assert await store.delivery(row().id) == row()
    assert await store.delivery(row(CREDENTIAL + "2").id) is not None
    assert await store.recipient(CREDENTIAL) == ANA


async def test_the_longest_due_comes_first_and_the_rest_not_at_all(store: Store) -> None:
    await store.add_deliveries([row(f"{CREDENTIAL}{n}", at=NOW - n * SECOND) for n in range(-2, 5)])
    assert [each.due_at for each in await store.due(NOW, 3)] == [NOW - n * SECOND for n in (4, 3, 2)]
    assert len(await store.due(NOW, 100)) == 5


async def test_one_of_many_gets_the_lease(store: Store) -> None:
    await store.add_deliveries([row()])
    (seen,) = await store.due(NOW, 10)
    won = await asyncio.gather(*(store.lease(seen, WORDING, NOW, LATER) for _ in range(8)))
    assert sum(won) == 1
    leased = await store.delivery(seen.id)
    assert leased == replace(row(), due_at=LATER, attempts=(Attempt(NOW),), wording=WORDING)
    assert leased.perhaps_heard


async def test_an_attempt_ends_once_and_is_settled_once(store: Store) -> None:
    await store.add_deliveries([row()])
    await store.lease(row(), WORDING, NOW, LATER)
    ended = Attempt(NOW, Outcome.DEFERRED, "451 later", NOW + SECOND, LATER)
    assert not await store.finish(row().id, 2, ended, DeliveryState.OPEN, LATER)
    assert await store.finish(row().id, 1, ended, DeliveryState.OPEN, LATER + SECOND)
    assert not await store.finish(row().id, 1, ended, DeliveryState.SENT, LATER)
    finished = await store.delivery(row().id)
    assert finished is not None
    assert (finished.unreported, finished.due_at) == (True, LATER + SECOND)
    assert finished.attempts == (ended,)
    assert await store.settle(finished)
    assert not await store.settle(finished)
    settled = await store.delivery(row().id)
    assert settled == replace(finished, unreported=False, due_at=LATER)

    sent = Attempt(LATER, Outcome.SENT, "2.0.0 kept", LATER, None)
    await store.lease(settled, WORDING, LATER, LATER + SECOND)
    await store.finish(row().id, 2, sent, DeliveryState.SENT, LATER + SECOND)
    finished = await store.delivery(row().id)
    assert finished is not None
    await store.settle(finished)
    assert (await store.delivery(row().id)) == replace(
        finished, unreported=False, due_at=None, state=DeliveryState.SENT, attempts=(ended, sent)
    )
    assert await store.due(LATER + timedelta(days=999), 10) == []


async def test_waiting_ends_when_what_is_missing_arrives(store: Store) -> None:
    await store.add_deliveries([row()])
    assert await store.postpone(row(), Missing.RECIPIENT, LATER)
    assert not await store.postpone(row(), Missing.RECIPIENT, LATER + SECOND)
    await store.arrived(Missing.CATALOG, [row().id], NOW)
    await store.arrived(Missing.RECIPIENT, [], NOW)
    assert await store.due(NOW, 10) == []
    await store.arrived(Missing.RECIPIENT, [row().id, counterpart_id(row())], NOW + SECOND)
    (found,) = await store.due(NOW + SECOND, 10)
    assert found == replace(row(), due_at=NOW + SECOND, waiting_for=Missing.RECIPIENT)


async def test_a_revocation_hurries_what_nobody_has_in_hand(store: Store) -> None:
    waiting, leased = row(), row(CREDENTIAL + "2")
    await store.add_deliveries([waiting, leased])
    await store.postpone(waiting, Missing.RECIPIENT, LATER)
    await store.lease(leased, WORDING, NOW, LATER)
    await store.revoked([waiting.id, leased.id], NOW)
    assert [found.id for found in await store.due(NOW, 10)] == [waiting.id]


async def test_a_closed_row_is_never_due_again(store: Store) -> None:
    await store.add_deliveries([row()])
    assert await store.close(row(), DeliveryState.SUPERSEDED)
    assert not await store.close(row(), DeliveryState.FAILED)
    assert not await store.lease(row(), WORDING, NOW, LATER)
    await store.add_deliveries([row()])
    await store.revoked([row().id], NOW)
    assert await store.due(LATER, 10) == []
    found = await store.delivery(row().id)
    assert found == replace(row(), due_at=None, state=DeliveryState.SUPERSEDED)


async def test_the_newest_are_listed_first(store: Store) -> None:
    rows = [row(f"{CREDENTIAL}{n}", at=NOW + n * SECOND) for n in range(6)]
    await store.add_deliveries(rows)
    await store.close(rows[1], DeliveryState.NO_RECIPIENT)
    await store.close(rows[4], DeliveryState.NO_RECIPIENT)
    assert [each.id for each in await store.newest(None, None, 2)] == [rows[5].id, rows[4].id]
    closed = await store.newest(None, DeliveryState.NO_RECIPIENT, 10)
    assert [each.id for each in closed] == [rows[4].id, rows[1].id]
    assert [each.id for each in await store.newest(rows[2].credential, None, 10)] == [rows[2].id]
    assert await store.newest(rows[2].credential, DeliveryState.SENT, 10) == []
