"""Reconciling a consortium that has lived: it balances, and what is tampered with is named."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from laurel.contracts.operations import Occasion
from laurel.contracts.topics import CREDENTIALS
from laurel.reconciliation import Kind, Report, Sources, collect, compare, mailbox_of, reconcile
from laurel.runtime.clock import utc_now
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings, MongoSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.log import publish, read_topic
from support.system import System, builders, running
from support.waiting import eventually
from support.wishes import URN, wish
from support.world import World


def sources_of(kafka: KafkaSettings, database: EmbeddedDatabase, name: str) -> Sources:
    """Where a test's system keeps what is reconciled."""

    def settings(service: str) -> MongoSettings:
        return MongoSettings(mongo_url=database.url, mongo_database=f"{name}-{service}")

    return Sources(kafka, settings("issuer"), settings("registry"), settings("notifier"))


async def until_settled(sources: Sources) -> Report:
    """The report, once nothing is on its way."""
    last: list[Report] = []

    async def look() -> Report | None:
        last[:] = [await reconcile(sources, recheck_seconds=0)]
        return last[0] if last[0].settled else None

    try:
        return await eventually(look, timeout=60, what="a balance")
    except AssertionError:
        raise AssertionError(f"never settled: {last[0].facts()}") from None


async def live(system: System, kafka: KafkaSettings, world: World) -> list[str]:
    """Good, bad, repeated and foreign records; a suspension, a reinstatement, a revocation, one asked for. Returns the
    credentials' ids."""
    await system.apply_catalog(world)
    now = utc_now()
    good = [world.completion(f"e{number}", learner=number, completed_at=now) for number in range(5)]
    bad = [world.completion("unknown", "juggling"), world.completion("e1", "first-aid", learner=1, completed_at=now)]
    await publish(kafka, [*good, *bad, good[0]])

    async def issued() -> list[str] | None:
        read = [read_event(record) for record in await read_topic(kafka, CREDENTIALS)]
        ids = {each[1].id for each in read if each}  # type: ignore[attr-defined]
        return sorted(ids) if len(ids) == 5 else None

    ids = await eventually(issued, what="five credentials")
    for credential, action in ((ids[0], "suspend"), (ids[0], "reinstate"), (ids[0], "suspend"), (ids[1], "revoke")):
        await eventually(partial(_change, system, credential, action), what=action)
    assert (await system.issue(wish(world))).status_code == 201
    return [*ids, URN]


async def _change(system: System, credential: str, action: str) -> bool:
    body = {"credential": credential, "action": action, "reason": "A test says so.", "requestedBy": "tester"}
    headers = {"Authorization": "Bearer an-admin-token-for-tests-0123456789abcdef"}
    answer = await system.clients["registry"].post("/admin/status-requests", json=body, headers=headers)
    return answer.status_code == 200


async def test_what_lived_balances_and_what_was_tampered_with_is_named(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path,
) -> None:  # fmt: skip
    sources = sources_of(kafka_settings, database, database_name)
    async with running(builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)) as system:
        ids = await live(system, kafka_settings, world)
        report = await until_settled(sources)

    balance = report.balance
    assert (balance.published, balance.issued, balance.rejected, balance.duplicates) == (8, 5, 1, 2)
    assert (balance.lost, balance.waiting, balance.accounted) == (0, 0, 8)
    assert (balance.requested, balance.credentials, balance.registered, balance.indexes) == (1, 6, 6, 6)
    assert balance.states == {"active": 4, "suspended": 1, "revoked": 1}
    facts = await collect(sources)
    facts.mailbox = mailbox_of(message["Message-ID"] for message in mailbox.messages())
    with_mails = compare(facts)
    assert (with_mails.discrepancies, with_mails.balance.mailbox) == ((), balance.mails_sent)

    client: MongoClient[dict[str, Any]] = MongoClient(database.url)
    try:
        rows = client[f"{database_name}-registry"]["credentials"]
        changed = rows.find_one({"_id": ids[2]})
        assert changed is not None
        rows.update_one({"_id": ids[2]}, {"$set": {"document": changed["document"].replace("welding", "juggling")}})
        rows.update_one({"_id": ids[0]}, {"$set": {"history.1.reason": "Something else."}})
        rows.delete_one({"_id": ids[3]})
        rows.update_one({"_id": ids[4]}, {"$set": {"history": 7}})
        client[f"{database_name}-notifier"]["deliveries"].delete_one({"credential": ids[1], "occasion": "issued"})
        rejected = client[f"{database_name}-issuer"]["rejections"].find_one_and_delete({})
        assert rejected is not None
    finally:
        client.close()
    found = {(each.kind, each.subject) for each in (await reconcile(sources, recheck_seconds=0.1)).discrepancies}
    assert found >= {
        (Kind.REGISTRATION_DIFFERS, ids[2]), (Kind.STATUS_DIFFERS, ids[0]), (Kind.REGISTRATION_MISSING, ids[3]),
        (Kind.ROW_UNREADABLE, f"{database_name}-registry.credentials/{ids[4]}"),
        (Kind.DELIVERY_MISSING, f"{Occasion.ISSUED} {ids[1]}"), (Kind.COMPLETION_LOST, rejected["_id"]),
    }  # fmt: skip
