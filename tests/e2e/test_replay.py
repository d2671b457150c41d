"""Replay-safety: every handler that any service subscribes, run again on all it ever saw, changes nothing.

The handlers are found by what the services wire, so a new one is tested without being listed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from laurel.contracts.status import StatusHeartbeat
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    RECIPIENTS,
    REJECTED_COMPLETIONS,
    STATUS_CHANGES,
    STATUS_LISTS,
    STATUS_REQUESTS,
    TOPICS,
    Topic,
)
from laurel.runtime.clock import utc_now
from laurel.runtime.failures import Handler
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.log import publish, read_topic, read_topics
from support.system import LIST_INTERVAL_SECONDS, System, builders, running
from support.waiting import eventually
from support.wishes import URN, wish
from support.world import World

Events = dict[str, set[tuple[bytes | None, bytes, bytes | None]]]
State = dict[str, list[dict[str, Any]]]
Wired = list[tuple[str, Topic, Handler]]


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Wired:
    """Every subscription that is made, as service, topic and handler."""
    found: Wired = []
    subscribe = Kafka.subscribe

    def spy(self: Kafka, topic: Topic, handler: Handler, **options: Any) -> None:
        found.append((self._service, topic, handler))
        subscribe(self, topic, handler, **options)

    monkeypatch.setattr(Kafka, "subscribe", spy)
    return found


async def published(settings: KafkaSettings) -> Events:
    """All that is on the topics, as key, event id and body. Heartbeats are not what handlers publish."""
    return {
        name: {(each.key, dict(each.headers)["ce_id"], each.value) for each in records if not _is_heartbeat(each)}
        for name, records in (await read_topics(settings, TOPICS)).items()
    }


def _is_heartbeat(record: Any) -> bool:
    read = read_event(record) if record.topic == STATUS_CHANGES.name else None
    return read is not None and isinstance(read[1], StatusHeartbeat)


def state(database: EmbeddedDatabase, prefix: str) -> State:
    """Every document of every database that the services own."""
    client: MongoClient[dict[str, Any]] = MongoClient(database.url)
    try:
        return {
            f"{name}.{collection}": sorted(client[name][collection].find(), key=lambda row: str(row["_id"]))
            for name in client.list_database_names()
            if name.startswith(prefix)
            for collection in client[name].list_collection_names()
        }
    finally:
        client.close()


async def live_through_it(system: System, settings: KafkaSettings, world: World, mailbox: Mailbox) -> None:
    """A catalog, good and bad completions, a duplicate, a revocation, and a credential that is asked for and
    suspended, until what follows from it is out."""
    await system.apply_catalog(world)
    now = utc_now()
    good = [world.completion(f"e{number}", learner=number, completed_at=now) for number in range(6)]
    bad = [
        world.completion("unknown", "juggling"),
        world.completion("forged", kid="campus-1", signer=world.members["east"]),
    ]
    await publish(settings, [*good, *bad, good[0]])

    async def registered() -> dict[str, Any] | None:
        held = await read_topic(settings, STATUS_CHANGES)
        events = [read for record in held if (read := read_event(record)) and not isinstance(read[1], StatusHeartbeat)]
        return {"n": 1} if len({event.subject or body.to_bytes() for event, body in events}) >= 6 else None

    await eventually(registered, what="six registrations")
    issued = await read_topic(settings, CREDENTIALS)
    await eventually(lambda: len(mailbox.messages()) == 6, what="six mails")
    revoked = read_event(issued[0])
    assert revoked is not None
    await system.revoke(revoked[1].id)  # type: ignore[attr-defined]
    assert (await system.issue(wish(world))).status_code == 201

    async def asked_for_is_suspended() -> bool:
        return (await system.set_status(URN, "suspension", True)).status_code == 200

    await eventually(asked_for_is_suspended, what="the registration of what was asked for")
    await eventually(lambda: len(mailbox.messages()) == 7, what="the mail on the revocation")

    async def list_is_out() -> bool:
        held = [read_event(record) for record in await read_topic(settings, STATUS_LISTS)]
        return any(read is not None and read[1].version >= 2 for read in held)  # type: ignore[attr-defined]

    await eventually(list_is_out, what="the list with the revocation")


async def settled(settings: KafkaSettings, database: EmbeddedDatabase, prefix: str) -> tuple[Events, State]:
    """What is on the topics and in the databases, once it has been the same for ten rounds of the lists' loop."""
    clock = asyncio.get_running_loop().time
    last: tuple[Events, State] | None = None
    since = 0.0

    async def quiet() -> tuple[Events, State] | None:
        nonlocal last, since
        look = await published(settings), state(database, prefix)
        if look != last:
            last, since = look, clock()
        return look if clock() - since >= 10 * LIST_INTERVAL_SECONDS else None

    return await eventually(quiet, what="quiet topics and databases")


async def test_every_handler_run_again_leaves_state_and_published_bytes_as_they_were(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path, wired: Wired,
) -> None:  # fmt: skip
    builds = builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)
    async with running(builds) as system:
        await live_through_it(system, kafka_settings, world, mailbox)
        await settled(kafka_settings, database, database_name)
    wired.clear()
    before_events, before_state = await published(kafka_settings), state(database, database_name)
    assert all(before_events[topic.name] for topic in (CREDENTIALS, RECIPIENTS, REJECTED_COMPLETIONS, STATUS_LISTS))
    async with running(builds):
        handled = {(service, topic.name) for service, topic, _ in wired}
        assert {("issuer", COMPLETIONS.name), ("registry", STATUS_REQUESTS.name)} <= handled
        for service, topic, handler in list(wired):
            for records in batches(await read_topic(kafka_settings, topic)):
                await handler(records)
            after_events, after_state = await settled(kafka_settings, database, database_name)
            assert after_events == before_events, f"{service} on {topic.name} published otherwise"
            assert after_state == before_state, f"{service} on {topic.name} changed its state"
    assert len(mailbox.messages()) == 7


def batches(records: Sequence[Any]) -> list[Sequence[Any]]:
    """The records at once, and again one by one, backwards: delivery at least once promises no more."""
    return [records, *([record] for record in reversed(records))]
