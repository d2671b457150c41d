"""Two instances share the work, and a database that goes away for a while loses nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from integration.issuer.running import bodies, completions_of, everything, running
from issuer.config import IssuerSettings
from laurel.contracts.errors import Code
from laurel.contracts.topics import CREDENTIALS, DEAD_LETTERS, RECIPIENTS, REJECTED_COMPLETIONS
from laurel.runtime.mongo import Mongo
from laurel_local.database import EmbeddedDatabase
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import World

ACHIEVEMENTS = ("welding", "python", "first-aid")


def partitions_of(app: FastAPI) -> int:
    """How many partitions of completions the instance has."""
    (state, _) = completions_of(app).kafka._subscriptions
    return len(state.subscriber.consumer.assignment())


async def test_two_instances_share_a_burst_and_each_event_earns_one_credential(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    sent = [world.completion(f"e{number}", ACHIEVEMENTS[number % 3], learner=number) for number in range(300)]
    repeated = random.Random(7).sample(sent, 60)
    async with running(settings) as one, running(settings) as two:
        await eventually(lambda: partitions_of(one) == partitions_of(two) == 3, what="a fair share for each")
        for start in range(0, 300, 50):
            await publish(settings, sent[start : start + 50])
            await publish(settings, repeated[start // 5 : start // 5 + 10])
        await bodies(settings, CREDENTIALS, 360, timeout=60)
        rejected = await bodies(settings, REJECTED_COMPLETIONS, 60)
    issued = await bodies(settings, CREDENTIALS, 360)
    assert {each["code"] for each in rejected} == {Code.DUPLICATE_EVENT}
    assert {each["eventId"] for each in rejected} == {each.event.id for each in repeated}
    by_id = {each["id"]: each for each in issued}
    assert len(by_id) == 300
    assert all(by_id[each["id"]] == each for each in issued)
    positions = Counter((each["status"]["family"], each["status"]["index"]) for each in by_id.values())
    assert max(positions.values()) == 1
    assert {each["credential"] for each in await bodies(settings, RECIPIENTS, 360)} == set(by_id)
    assert await read_topic(settings, DEAD_LETTERS) == []
    mongo = Mongo(settings)
    assert len([each async for each in mongo.database["intents"].find({}, {"_id": 1})]) == 300
    await mongo.close()


async def test_an_event_that_two_instances_handle_at_once_still_earns_one_credential(
    settings: IssuerSettings, world: World
) -> None:
    """After a rebalance two instances may hold the same records for a moment."""
    await publish(settings, world.catalog_messages())
    await publish(settings, [world.completion(f"e{number}", learner=number) for number in range(40)])
    async with running(settings) as one:
        await bodies(settings, CREDENTIALS, 40)
        mongo = Mongo(settings)
        await mongo.database["intents"].delete_many({})
        await mongo.close()
        records = await read_topic(settings, completions_of(one).kafka._subscriptions[0].topic)
        before = len((await everything(settings))[CREDENTIALS.name])
        async with running(settings.model_copy(update={"mongo_driver": "motor"})) as two:
            handlers = [completions_of(one), completions_of(two), completions_of(one)]
            await asyncio.gather(*(handler(records) for handler in handlers))
    again = (await everything(settings))[CREDENTIALS.name]
    fresh = Counter(again)
    assert len(again) - before == 120
    assert len({value for _, _, value in again}) == 80, "40 from before the intents were lost, and 40 since"
    assert set(fresh.values()) == {1, 3}


@pytest.fixture
def own_database(tmp_path: Path) -> EmbeddedDatabase:
    return EmbeddedDatabase(tmp_path / "database")


async def test_a_database_that_goes_away_in_the_middle_costs_time_and_nothing_else(
    settings: IssuerSettings, world: World, own_database: EmbeddedDatabase
) -> None:
    own_database.start()
    try:
        mine = settings.model_copy(update={"mongo_url": SecretStr(own_database.url)})
        await publish(settings, world.catalog_messages())
        sent = [world.completion(f"e{number}", ACHIEVEMENTS[number % 3], learner=number) for number in range(120)]
        async with running(mine) as app:
            await publish(settings, sent[:60])
            await bodies(settings, CREDENTIALS, 20)
            await asyncio.to_thread(own_database.stop)
            await publish(settings, [*sent[60:], world.completion("bad", "juggling")])
            await asyncio.to_thread(own_database.start)

            async def all_issued() -> bool:
                return len({each["id"] for each in await bodies(settings, CREDENTIALS, 20)}) == 120

            await eventually(all_issued, timeout=60, what="a credential for each")
            await bodies(settings, REJECTED_COMPLETIONS, 1)
            assert app.state.lifecycle.health.not_live() == {}
        issued = {each["id"]: each for each in await bodies(settings, CREDENTIALS, 120)}
        positions = {(each["status"]["family"], each["status"]["index"]) for each in issued.values()}
        assert len(positions) == 120
        assert {each["code"] for each in await bodies(settings, REJECTED_COMPLETIONS, 1)} == {Code.UNKNOWN_ACHIEVEMENT}
        assert await read_topic(settings, DEAD_LETTERS) == []
    finally:
        own_database.stop()
