"""An issuer's settings on each broker and with each driver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from issuer.config import IssuerSettings
from laurel.credentials.keys import SigningKey
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from support.world import World

MASTER_KEY = "0123456789abcdef-master-key-for-tests"

WriteKeys = Callable[[dict[str, SigningKey]], Path]


@pytest.fixture
def write_keys(tmp_path: Path) -> WriteKeys:
    """Writes the signing keys file: the secrets of these members."""

    def write(members: dict[str, SigningKey]) -> Path:
        keys = tmp_path / "keys.json"
        keys.write_bytes(
            orjson.dumps([{"issuer": name, "secretKeyMultibase": key.to_multibase()} for name, key in members.items()])
        )
        keys.chmod(0o600)
        return keys

    return write


@pytest.fixture
def settings(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, write_keys: WriteKeys, world: World
) -> IssuerSettings:
    """Each broker with a driver of its own; `test_issuing` crosses them."""
    return IssuerSettings(
        **kafka_settings.model_dump(), mongo_url=database.url, mongo_database=database_name,
        mongo_driver="motor" if kafka_settings.kafka_idempotence else "pymongo", public_url=world.public_url,
        master_key=MASTER_KEY, signing_keys_file=write_keys(world.members), status_list_interval_seconds=0.1,
    )  # fmt: skip
