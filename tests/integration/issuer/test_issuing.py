"""Completions become credentials exactly once, on real brokers and a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from issuer.app import build
from issuer.config import IssuerSettings
from laurel.contracts.errors import Code
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    DEAD_LETTERS,
    RECIPIENTS,
    REJECTED_COMPLETIONS,
    Message,
    Topic,
)
from laurel.credentials.cryptosuites import verify_proof
from laurel.credentials.keys import VerificationMethod
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import API_KEY, EPOCH, World

MASTER_KEY = "0123456789abcdef-master-key-for-tests"


@pytest.fixture(params=["motor", "pymongo"])
def settings(
    request: pytest.FixtureRequest, kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str,
    tmp_path: Path, world: World,
) -> IssuerSettings:  # fmt: skip
    keys = tmp_path / "keys.json"
    keys.write_bytes(
        orjson.dumps(
            [{"issuer": name, "secretKeyMultibase": key.to_multibase()} for name, key in world.members.items()]
        )
    )
    keys.chmod(0o600)
    return IssuerSettings(
        **kafka_settings.model_dump(), mongo_url=database.url, mongo_database=database_name,
        mongo_driver=request.param, public_url=world.public_url, master_key=MASTER_KEY, signing_keys_file=keys,
        status_list_interval_seconds=0.1,
    )  # fmt: skip


@asynccontextmanager
async def running(settings: IssuerSettings) -> AsyncIterator[FastAPI]:
    app = build(settings, clock=lambda: EPOCH)
    lifecycle: Lifecycle = app.state.lifecycle
    async with lifecycle:
        yield app


async def bodies(settings: KafkaSettings, topic: Topic, count: int) -> list[dict[str, Any]]:
    async def enough() -> list[dict[str, Any]]:
        found = [orjson.loads(record.value or b"{}") for record in await read_topic(settings, topic)]
        return found if len(found) >= count else []

    return await eventually(enough, what=f"{count} events on {topic.name}")


def bad_events(world: World) -> dict[Code, Message]:
    """One event for each reason to refuse it."""
    good = world.completion("good", learner=50)
    malformed = replace(good, event=replace(good.event, id="malformed", data=b"{not json"))
    tampered = world.completion("tampered")
    missing = world.completion("missing")
    unsigned = replace(missing, event=replace(missing.event, id="unsigned", extensions={}))
    return {
        Code.SIGNATURE_WRONG: replace(
            tampered, event=replace(tampered.event, data=tampered.event.data.replace(b"Learner 1", b"Mallory 1"))
        ),
        Code.SIGNATURE_MISSING: unsigned,
        Code.UNKNOWN_KEY: world.completion("stranger", kid="stranger-1"),
        Code.SOURCE_NOT_REGISTERED: world.completion("elsewhere", source="https://elsewhere.example.org"),
        Code.UNKNOWN_ACHIEVEMENT: world.completion("unknown", "juggling"),
        Code.ACHIEVEMENT_NOT_ALLOWED: world.completion("robotics", "robotics"),
        Code.DATE_IN_FUTURE: world.completion("tomorrow", completed_at=EPOCH + timedelta(days=1)),
        Code.DATE_TOO_OLD: world.completion("ancient", completed_at=EPOCH - timedelta(days=5000)),
        Code.MALFORMED_EVENT: replace(malformed, event=replace(malformed.event, datacontenttype="text/plain")),
    }


async def test_each_bad_completion_is_rejected_with_its_code_and_the_good_ones_are_issued(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    bad = bad_events(world)
    good = [world.completion(f"good-{number}", learner=number) for number in range(12)]
    mixed = [message for pair in zip(good, bad.values(), strict=False) for message in pair] + good[len(bad) :]
    async with running(settings):
        await publish(settings, mixed)
        issued = await bodies(settings, CREDENTIALS, len(good))
        recipients = await bodies(settings, RECIPIENTS, len(good))
        rejected = await bodies(settings, REJECTED_COMPLETIONS, len(bad))
    assert sorted(each["code"] for each in rejected) == sorted(bad)
    assert all(each["detail"].endswith(".") for each in rejected)
    assert len({each["id"] for each in issued}) == len(good)
    assert len({(each["status"]["family"], each["status"]["index"]) for each in issued}) == len(good)
    assert {each["credential"] for each in recipients} == {each["id"] for each in issued}
    assert await read_topic(settings, DEAD_LETTERS) == []
    method = VerificationMethod(
        world.verification_method("north"), world.did("north"), world.members["north"].public, None
    )
    for each in issued:
        verify_proof(each["credential"], method=method)
        assert "Learner" not in str(each)
        assert "@example.org" not in str(each["credential"]["credentialSubject"])


async def test_a_repeated_event_is_told_so_and_makes_no_second_credential(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    async with running(settings):
        await publish(settings, [world.completion("same"), world.completion("same")])
        (rejected,) = await bodies(settings, REJECTED_COMPLETIONS, 1)
        issued = await bodies(settings, CREDENTIALS, 1)
        await publish(settings, [world.completion("same", achievement="first-aid")])
        reused = (await bodies(settings, REJECTED_COMPLETIONS, 2))[1]
    assert rejected["code"] == Code.DUPLICATE_EVENT
    assert rejected["credential"] == issued[0]["id"]
    assert reused["code"] == Code.EVENT_ID_REUSED
    assert len({orjson.dumps(each) for each in issued}) == 1, "published again, it is the same to the byte"


async def test_a_replay_of_the_whole_topic_publishes_the_same_bytes_and_changes_nothing(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    await publish(settings, [world.completion(f"e{number}", learner=number) for number in range(6)])
    await publish(settings, list(bad_events(world).values()))
    app = build(settings, clock=lambda: EPOCH)
    async with app.state.lifecycle:
        await bodies(settings, CREDENTIALS, 6)
        await bodies(settings, REJECTED_COMPLETIONS, 9)
    first = await everything(settings)
    later = build(settings.model_copy(), clock=lambda: EPOCH + timedelta(days=40))
    handler = next(each for each in later.state.handlers if type(each).__name__ == "CompletionHandler")
    kafka = handler.kafka
    await handler.catalog.start()
    await kafka.start()
    await handler(await read_topic(settings, COMPLETIONS))
    await kafka.stop()
    await handler.catalog.stop()
    again = await everything(settings)
    for topic, events in first.items():
        assert set(again[topic]) == set(events)
        assert len(again[topic]) == 2 * len(events)


async def everything(settings: KafkaSettings) -> dict[str, list[tuple[bytes | None, bytes, bytes | None]]]:
    """All that the issuer published, as key, id and value."""
    found = {}
    for topic in (CREDENTIALS, RECIPIENTS, REJECTED_COMPLETIONS):
        records = await read_topic(settings, topic)
        found[topic.name] = [(each.key, dict(each.headers)["ce_id"], each.value) for each in records]
    return found


async def test_a_completion_over_http_takes_the_same_way_in(settings: IssuerSettings, world: World) -> None:
    await publish(settings, world.catalog_messages())
    async with running(settings) as app:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://issuer")
        learner = {"reference": "s-1", "name": "Ana", "email": "ana@example.org"}
        data: dict[str, Any] = {"achievement": "welding", "completedAt": "2026-05-01T10:00:00Z", "learner": learner}
        good: dict[str, Any] = {"id": "h-1", "data": data}
        bearer = {"Authorization": f"Bearer {API_KEY}"}
        answer = await client.post("/completions", json=good, headers=bearer)
        assert answer.status_code == 202, answer.text
        (issued,) = await bodies(settings, CREDENTIALS, 1)
        assert answer.json()["completions"][0]["credential"] == issued["id"]

        refused = await client.post("/completions", json=good)
        assert (refused.status_code, refused.json()["code"]) == (401, Code.UNAUTHORIZED)
        foreign = good | {"data": data | {"achievement": "robotics"}}
        refused = await client.post("/completions", json=foreign, headers=bearer)
        assert (refused.status_code, refused.json()["pointer"]) == (403, "/data/achievement")
        refused = await client.post("/completions", json=good | {"data": {}}, headers=bearer)
        assert (refused.status_code, refused.json()["code"]) == (400, Code.INVALID_BODY)
        refused = await client.post("/completions", content=b"x" * 3_000_000, headers=bearer)
        assert (refused.status_code, refused.json()["code"]) == (413, Code.BODY_TOO_LARGE)
