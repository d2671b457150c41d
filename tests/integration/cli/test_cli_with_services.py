"""The command against a real registry and a real verifier, as processes of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from laurel.contracts.credentials import CredentialIssued, StatusPosition
from laurel.contracts.status import Purpose, StatusListSigned, list_id
from laurel.contracts.topics import CREDENTIALS, STATUS_LISTS, Message, message
from laurel.runtime.settings import KafkaSettings
from laurel.runtime.web import json_body
from laurel_local.broker import EmbeddedBroker
from laurel_local.database import EmbeddedDatabase
from laurel_local.processes import free_port
from laurel_local.stack import Service
from support.badges import badge, status_list
from support.command import Ran, Run
from support.log import publish
from support.world import World

TOKEN = "an-admin-token-of-32-characters-and-more"
NAME = "4xT9sK2mWqLpV7bNcZfR3yHd"
NOW = datetime.now(UTC) - timedelta(seconds=5)


@dataclass
class Laurel:
    """A running registry and verifier, and the issuer's side of the topics."""

    world: World
    kafka: KafkaSettings
    verifier_url: str

    def publish(self, *messages: Message) -> None:
        asyncio.run(publish(self.kafka, messages))

    def issued(self, token: str) -> Message:
        document = badge(self.world.addresses, self.world.members["north"], at=NOW, token=token)
        body = CredentialIssued(
            id=document["id"], credential=document, issuer="north", achievement="welding", partner="campus",
            status=StatusPosition(family="north-1", index=7), issued_at=NOW,
        )  # fmt: skip
        return message(CREDENTIALS, body, key=body.id, event_id=token, source="urn:laurel:issuer", time=NOW)

    def signed_list(self, purpose: Purpose, version: int, *bits: int) -> Message:
        document = status_list(self.world.addresses, self.world.members["north"], purpose, at=NOW, set_bits=bits)
        name = list_id("north-1", purpose)
        body = StatusListSigned(list_id=name, issuer="north", family="north-1", purpose=purpose, version=version,
                                credential=document, signed_at=NOW)  # fmt: skip
        return message(STATUS_LISTS, body, key=name, event_id=f"{name}-{version}", source="urn:laurel:issuer", time=NOW)


@pytest.fixture
def laurel(tmp_path: Path, database: EmbeddedDatabase, database_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[
    Laurel
]:  # fmt: skip
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    registry_port, verifier_port = free_port(), free_port()
    world = World(f"http://127.0.0.1:{registry_port}")
    env = {
        "LAUREL_KAFKA_BOOTSTRAP": broker.bootstrap, "LAUREL_KAFKA_IDEMPOTENCE": "false",
        "LAUREL_KAFKA_SESSION_TIMEOUT_MS": "1500", "LAUREL_PUBLIC_URL": world.public_url,
        "LAUREL_MONGO_URL": database.url, "LAUREL_MONGO_DATABASE": database_name, "LAUREL_ADMIN_TOKEN": TOKEN,
    }  # fmt: skip
    services = [
        Service(name, name, env=env | {"LAUREL_HTTP_PORT": str(port)}, directory=tmp_path / name,
                ready_url=f"http://127.0.0.1:{port}/readyz")
        for name, port in (("registry", registry_port), ("verifier", verifier_port))
    ]  # fmt: skip
    monkeypatch.setenv("LAUREL_REGISTRY_URL", world.public_url)
    monkeypatch.setenv("LAUREL_ADMIN_TOKEN", TOKEN)
    try:
        for service in services:
            service.start()
        kafka = KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_idempotence=False)
        yield Laurel(world, kafka, f"http://127.0.0.1:{verifier_port}")
    finally:
        for each in [*services, broker]:
            each.stop()


def until(run: Run, code: int, *arguments: object) -> Ran:
    """Run a command until it ends as expected."""
    deadline = time.monotonic() + 60
    while (ran := run(*arguments)).code != code:
        assert time.monotonic() < deadline, f"{arguments} never ended with {code}; last: {ran}"
        time.sleep(0.05)
    return ran


def test_a_credentials_life_from_the_command_line(run: Run, laurel: Laurel, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump(json_body(laurel.world.catalog)))
    assert run("catalog", "apply", catalog, "--json").document["changed"] == 9
    assert "0 of 9 entries changed" in run("catalog", "apply", catalog).out

    credential = laurel.world.addresses.credential(NAME)
    laurel.publish(laurel.issued(NAME))
    shown = until(run, 0, "status", "show", credential, "--json")
    assert shown.document["state"] == "active"

    # Its status lists are not there yet, so nobody knows whether it holds.
    assert run("verify", credential, "--allow-local").code == 3
    laurel.publish(*(laurel.signed_list(purpose, 1) for purpose in Purpose))
    until(run, 0, "verify", credential, "--allow-local")
    until(run, 0, "verify", credential, "--allow-local", "--verifier", laurel.verifier_url)

    ran = run("status", "revoke", credential, "--reason", "Awarded by mistake", "--by", "Ada", "--request-id", "r-1")
    assert (ran.code, ran.err) == (0, "")
    assert "The credential is revoked since" in ran.out
    again = run("status", "revoke", credential, "--reason", "Awarded by mistake", "--by", "Ada", "--request-id", "r-1")
    assert again.out == ran.out
    refused = run("status", "reinstate", credential, "--reason", "No", "--json")
    assert refused.code == 1
    assert refused.document["error"]["code"] == "LRL-2002"
    assert "Awarded by mistake" in run("status", "show", credential).out

    laurel.publish(laurel.signed_list(Purpose.REVOCATION, 2, 7))
    ran = until(run, 1, "verify", credential, "--allow-local", "--json")
    assert {step["code"] for step in ran.document["steps"]} == {None, "REVOKED"}
    until(run, 1, "verify", credential, "--allow-local", "--verifier", laurel.verifier_url)


def test_the_registrys_refusals_reach_the_operator(run: Run, laurel: Laurel, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("another-token-of-more-than-32-characters")

    ran = run("status", "show", "nothing", "--token-file", wrong)
    assert (ran.code, "does not accept the token" in ran.err) == (1, True)
    unknown = laurel.world.addresses.credential("nothing")
    assert run("status", "show", unknown, "--json").document["error"]["code"] == "LRL-2001"
    assert run("status", "revoke", unknown, "--reason", "x", "--json").document["error"]["code"] == "LRL-2001"
