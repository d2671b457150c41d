"""A running registry for each test, and a store of its own on either driver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from integration.registry.running import TOKEN, Registry, running
from laurel.runtime.mongo import Mongo
from laurel.runtime.settings import KafkaSettings, MongoSettings
from laurel_local.database import EmbeddedDatabase
from registry.config import RegistrySettings
from registry.store import Store
from support.world import World
from unit.registry.issuing import Issuer


@pytest.fixture
def issuer(world: World) -> Issuer:
    return Issuer(world)


@pytest.fixture
def settings(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, world: World
) -> RegistrySettings:
    return RegistrySettings(
        **kafka_settings.model_dump(), public_url=world.public_url, mongo_url=SecretStr(database.url),
        mongo_database=database_name, admin_token=SecretStr(TOKEN), heartbeat_seconds=0.2,
    )  # fmt: skip


@pytest.fixture
async def registry(settings: RegistrySettings, world: World) -> AsyncIterator[Registry]:
    """A running registry that has the world's catalog."""
    async with running(settings, world) as started:
        await started.apply_catalog()
        yield started


@pytest.fixture(params=["motor", "pymongo"])
async def mongo(request: pytest.FixtureRequest, database: EmbeddedDatabase, database_name: str) -> AsyncIterator[Mongo]:
    """A database of its own, through either driver."""
    made = Mongo(
        MongoSettings(
            mongo_url=SecretStr(database.url), mongo_database=database_name, mongo_driver=request.param
        )
    )  # fmt: skip
    yield made
    await made.close()


@pytest.fixture
async def store(mongo: Mongo) -> Store:
    """A store in a database of its own."""
    made = Store(mongo)
    await made.ensure_indexes()
    return made
