"""The store's conditional writes, on both drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from laurel.contracts.operations import Occasion
from laurel.runtime.mongo import Mongo
from notifier.claims import Claim, Claimed, Claims
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


def claim(number: int, *rows: Delivery, until: datetime = LATER, at_once: int = 1) -> Claim:
    return Claim(number, NOW, until, at_once, tuple(Claimed(each.id, len(each.attempts)) for each in rows))


async def test_one_of_many_gets_the_claim(store: Store) -> None:
    seen = await store.claims()
    assert seen == Claims(0, ())
    won = await asyncio.gather(*(store.change_claims(seen, (claim(number, row()),)) for number in range(8)))
    assert sum(won) == 1
    after = await store.claims()
    assert after == Claims(1, (claim(won.index(True), row()),))
    assert not await store.change_claims(seen, ())
    assert await store.change_claims(after, ())
    assert await store.claims() == Claims(2, ())


async def test_preparing_again_forgets_no_claim(store: Store) -> None:
    await store.change_claims(await store.claims(), (claim(1, row()),))
    await store.prepare()
    assert (await store.claims()).ids == {row().id}


async def test_what_became_of_a_row_is_recorded_once(store: Store) -> None:
    await store.add_deliveries([row()])
    deferred = replace(row(), attempts=(Attempt(NOW, Outcome.DEFERRED, "451 later", NOW + SECOND, LATER),),
                       due_at=LATER)  # fmt: skip
    assert await store.record(row(), deferred)
    assert not await store.record(row(), replace(deferred, state=DeliveryState.FAILED))
    assert await store.delivery(row().id) == deferred

    last = Attempt(LATER, Outcome.SENT, "2.0.0 kept", LATER, None)
    sent = replace(deferred, attempts=(*deferred.attempts, last), due_at=None, state=DeliveryState.SENT)
    await store.arrived(Missing.RECIPIENT, [row().id], NOW)
    assert await store.record(deferred, sent)
    assert not await store.record(deferred, sent)
    assert await store.delivery(row().id) == sent
    assert await store.due(LATER + timedelta(days=999), 10) == []


async def test_the_first_wording_stays(store: Store) -> None:
    await store.add_deliveries([row(), replace(row(CREDENTIAL + "2"), wording=WORDING)])
    for wording in (WORDING, replace(WORDING, achievement="Renamed")):
        for id_ in (row().id, row(CREDENTIAL + "2").id):
            await store.word(id_, wording)
    found = await store.deliveries([row().id, row(CREDENTIAL + "2").id, "none"])
    assert {each.wording for each in found.values()} == {WORDING}


async def test_waiting_ends_when_what_is_missing_arrives(store: Store) -> None:
    await store.add_deliveries([row()])
    await store.postpone([row()], Missing.RECIPIENT, LATER)
    await store.postpone([row()], Missing.RECIPIENT, LATER + SECOND)  # it was not due any more
    await store.arrived(Missing.CATALOG, [row().id], NOW)
    await store.arrived(Missing.RECIPIENT, [], NOW)
    assert await store.due(NOW, 10) == []
    await store.arrived(Missing.RECIPIENT, [row().id, counterpart_id(row())], NOW + SECOND)
    (found,) = await store.due(NOW + SECOND, 10)
    assert found == replace(row(), due_at=NOW + SECOND, waiting_for=Missing.RECIPIENT)


async def test_many_are_put_off_at_once(store: Store) -> None:
    rows = [row(f"{CREDENTIAL}{n}") for n in range(120)]
    await store.add_deliveries(rows)
    await store.record(rows[7], closed(rows[7]))
    await store.postpone(rows, Missing.CATALOG, LATER)
    assert await store.due(NOW, 10) == []
    waiting = await store.due(LATER, 200)
    assert len(waiting) == 119
    assert {each.waiting_for for each in waiting} == {Missing.CATALOG}


def closed(seen: Delivery, state: DeliveryState = DeliveryState.SUPERSEDED) -> Delivery:
    return replace(seen, state=state, due_at=None)


async def test_a_revocation_hurries_what_is_put_off(store: Store) -> None:
    waiting, retried, due = row(), row(CREDENTIAL + "2"), row(CREDENTIAL + "3", at=NOW - SECOND)
    await store.add_deliveries([waiting, retried, due])
    await store.postpone([waiting], Missing.RECIPIENT, LATER)
    await store.record(retried, replace(retried, due_at=LATER, attempts=(Attempt(NOW, Outcome.DEFERRED),)))
    await store.revoked([waiting.id, retried.id, due.id], NOW)
    found = {each.id: each.due_at for each in await store.due(NOW, 10)}
    assert found == {waiting.id: NOW, retried.id: NOW, due.id: NOW - SECOND}


async def test_a_closed_row_is_never_due_again(store: Store) -> None:
    await store.add_deliveries([row()])
    assert await store.record(row(), closed(row()))
    assert not await store.record(row(), closed(row(), DeliveryState.FAILED))
    await store.add_deliveries([row()])
    await store.revoked([row().id], NOW)
    await store.postpone([row()], Missing.RECIPIENT, NOW)
    assert await store.due(LATER, 10) == []
    assert await store.delivery(row().id) == closed(row())


async def test_the_newest_are_listed_first(store: Store) -> None:
    rows = [row(f"{CREDENTIAL}{n}", at=NOW + n * SECOND) for n in range(6)]
    await store.add_deliveries(rows)
    for number in (1, 4):
        await store.record(rows[number], closed(rows[number], DeliveryState.NO_RECIPIENT))
    assert [each.id for each in await store.newest(None, None, 2)] == [rows[5].id, rows[4].id]
    unsent = await store.newest(None, DeliveryState.NO_RECIPIENT, 10)
    assert [each.id for each in unsent] == [rows[4].id, rows[1].id]
    assert [each.id for each in await store.newest(rows[2].credential, None, 10)] == [rows[2].id]
    assert await store.newest(rows[2].credential, DeliveryState.SENT, 10) == []
