"""`laurel partner check --against-live` against an issuer that is a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from integration.cli.test_cli_partner import entry
from laurel.contracts.topics import COMPLETIONS
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import EmbeddedBroker
from laurel_local.database import EmbeddedDatabase
from laurel_local.processes import free_port
from laurel_local.stack import Service
from support.command import Run
from support.log import publish, read_topic
from support.world import API_KEY, World

MANY = 5000


@pytest.fixture
def kafka(
    tmp_path: Path, database: EmbeddedDatabase, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KafkaSettings]:
    """A running issuer that knows the catalog; the command is told where it is."""
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    port = free_port()
    world = World("http://127.0.0.1:1")
    keys = tmp_path / "keys.json"
    keys.touch(mode=0o600)
    secrets = [{"issuer": name, "secretKeyMultibase": key.to_multibase()} for name, key in world.members.items()]
    keys.write_bytes(orjson.dumps(secrets))
    env = {
        "LAUREL_KAFKA_BOOTSTRAP": broker.bootstrap, "LAUREL_KAFKA_IDEMPOTENCE": "false",
        "LAUREL_KAFKA_SESSION_TIMEOUT_MS": "1500", "LAUREL_PUBLIC_URL": world.public_url,
        "LAUREL_MONGO_URL": database.url, "LAUREL_MONGO_DATABASE": database_name, "LAUREL_HTTP_PORT": str(port),
        "LAUREL_MASTER_KEY": "0123456789abcdef-master-key-for-tests", "LAUREL_SIGNING_KEYS_FILE": str(keys),
    }  # fmt: skip
    service = Service(
        "issuer", "issuer", env=env, directory=tmp_path / "issuer", ready_url=f"http://127.0.0.1:{port}/readyz"
    )
    monkeypatch.setenv("LAUREL_INTAKE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("LAUREL_API_KEY", API_KEY)
    settings = KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_idempotence=False)
    try:
        service.start()
        asyncio.run(publish(settings, world.catalog_messages()))
        yield settings
    finally:
        for each in (service, broker):
            each.stop()


def test_a_large_file_is_foretold_line_by_line(run: Run, kafka: KafkaSettings, tmp_path: Path) -> None:
    lines = [entry(f"e-{number}") for number in range(MANY)]
    lines[17] = entry("e-17", achievement="juggling")
    lines[18] = entry("e-18", completedAt="2090-05-01T12:00:00Z")
    lines[19] = "nonsense"
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join(lines))

    ran = run("partner", "check", file, "--against-live", "--json")
    assert ran.code == 1
    facts = ran.document["error"]
    assert {name: facts["live"][name] for name in ("issued", "rejected", "duplicate")} == {
        "issued": MANY - 3, "rejected": 2, "duplicate": 0,
    }  # fmt: skip
    assert [(each["id"], each["code"], each["pointer"]) for each in facts["live"]["rejections"]] == [
        ("e-17", "LRL-1008", "/data/achievement"), ("e-18", "LRL-1010", "/data/completedAt"),
    ]  # fmt: skip
    assert [each["line"] for each in facts["findings"]] == [20]
    assert f"{file}:e-17: There is no achievement 'juggling'" in ran.err
    assert asyncio.run(read_topic(kafka, COMPLETIONS)) == []

    file.write_text(json.dumps([json.loads(line) for line in lines[:17]]))
    ran = run("partner", "check", file, "--against-live")
    assert (ran.code, ran.err) == (0, "")
    assert "17 completions asked about: 17 would be issued, 0 rejected, 0 duplicate." in ran.out


def test_what_stands_in_the_way_of_asking_is_a_sentence(
    run: Run, kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("e-1"))
    wrong = tmp_path / "key"
    wrong.write_text("no-such-key-0123456789")
    ran = run("partner", "check", file, "--against-live", "--api-key-file", wrong)
    assert (ran.code, "does not accept the token" in ran.err) == (1, True)
    ran = run("partner", "check", file, "--against-live", "--partner-source", "https://forge.example.org/lms")
    assert (ran.code, "LRL-1007" in ran.err) == (1, True)
    ran = run("partner", "check", file, "--against-live", "--intake", "http://127.0.0.1:1")
    assert ran.code == 3
    monkeypatch.delenv("LAUREL_API_KEY")
    ran = run("partner", "check", file, "--against-live")
    assert (ran.code, "set LAUREL_API_KEY or give --api-key-file" in ran.err) == (2, True)
