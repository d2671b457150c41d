"""A consortium that has lived: it balances, its registry can be made from the log alone and take over, and what is
tampered with is named."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from laurel.contracts.catalog import Catalog
from laurel.contracts.operations import Occasion
from laurel.contracts.signature import sign
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import CREDENTIALS, STATUS_REQUESTS, Message, message
from laurel.reconciliation import Kind, Report, Sources, collect, compare, mailbox_of, reconcile
from laurel.runtime.clock import utc_now
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings, MongoSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.damage import assert_damaged_rows_are_named
from support.log import publish, read_topic
from support.system import System, bearer, builders, running
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
    """Good, bad, repeated and foreign records; a suspension, a reinstatement, a revocation, one asked for; a partner's
    request that is refused. Returns the credentials' ids."""
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
    await publish(kafka, [wish_of_partner(world, ids[1])])
    assert (await system.issue(wish(world))).status_code == 201
    return [*ids, URN]


def wish_of_partner(world: World, credential: str) -> Message:
    """The partner's request to suspend a credential, signed; of one that is revoked, it is refused."""
    body = StatusChangeRequested(credential=credential, action=Action.SUSPEND, reason="The partner looks into it.",
                                 requested_by="campus", requested_at=utc_now())  # fmt: skip
    outgoing = message(STATUS_REQUESTS, body, key=credential, event_id=f"suspend {credential}",
                       source="https://campus.example.org/lms", time=body.requested_at)  # fmt: skip
    return replace(outgoing, event=sign(outgoing.event, world.partners["campus"], "campus-1"))


async def _change(system: System, credential: str, action: str) -> bool:
    body = {"credential": credential, "action": action, "reason": "A test says so.", "requestedBy": "tester"}
    answer = await system.clients["registry"].post("/admin/status-requests", json=body, headers=bearer())
    return answer.status_code == 200


@dataclass(frozen=True)
class Operator:
    """Runs `laurel` as an operator would: as a process, with the settings in its environment."""

    environment: dict[str, str]

    async def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the JSON document."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("laurel")), *arguments, "--json",
            env={**os.environ, **self.environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        assert out, err.decode()
        document: dict[str, Any] = json.loads(out)
        return process.returncode, document


def operator(kafka: KafkaSettings, database: EmbeddedDatabase, name: str, world: World) -> Operator:
    return Operator(
        {
            "LAUREL_KAFKA_BOOTSTRAP": kafka.kafka_bootstrap, "LAUREL_MONGO_URL": database.url,
            "LAUREL_KAFKA_IDEMPOTENCE": str(kafka.kafka_idempotence).lower(), "LAUREL_PUBLIC_URL": world.public_url,
            "LAUREL_ISSUER_DATABASE": f"{name}-issuer", "LAUREL_REGISTRY_DATABASE": f"{name}-registry",
            "LAUREL_NOTIFIER_DATABASE": f"{name}-notifier",
        }
    )  # fmt: skip


def renamed(world: World) -> Catalog:
    """The world's catalog with another name for an achievement."""
    first, *others = world.catalog.achievements
    changed = first.model_copy(update={"name": "Welding, revised"})
    return world.catalog.model_copy(update={"achievements": (changed, *others)})


async def test_what_lived_balances_can_be_rebuilt_and_what_was_tampered_with_is_named(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path,
) -> None:  # fmt: skip
    sources = sources_of(kafka_settings, database, database_name)
    laurel = operator(kafka_settings, database, database_name, world)
    original, rebuilt = f"{database_name}-registry", f"{database_name}-rebuilt-registry"
    async with running(builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)) as system:
        ids = await live(system, kafka_settings, world)
        changed = renamed(world).model_dump(mode="json", by_alias=True, exclude_none=True)
        assert (await system.clients["registry"].put("/admin/catalog", json=changed, headers=bearer())).is_success
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

    await assert_damaged_rows_are_named(sources)

    code, made = await laurel.run("registry", "rebuild", rebuilt, "--compare", original)
    assert (code, made["refused"], made["incomplete"], made["differing"]) == (0, [], [], [])
    assert made["hash"] == made["compared"]
    code, refused = await laurel.run("registry", "rebuild", rebuilt)
    assert (code, "is not empty" in refused["error"]["detail"]) == (2, True)

    deleted = tamper(database, database_name, ids)
    request, unsent = tamper_beside(database, database_name, ids)
    code, told = await laurel.run("reconcile", "--recheck", "0.1")
    found = {(each["kind"], each["subject"]) for each in told["discrepancies"]}
    assert code == 4
    assert found >= {
        (Kind.REGISTRATION_DIFFERS, ids[2]), (Kind.STATUS_DIFFERS, ids[0]), (Kind.REGISTRATION_MISSING, ids[3]),
        (Kind.ROW_UNREADABLE, f"{original}.credentials/{ids[4]}"),
        (Kind.DELIVERY_MISSING, f"{Occasion.ISSUED} {ids[1]}"), (Kind.COMPLETION_LOST, deleted),
        ("status-request-lost", request), ("catalog-differs", "achievement/welding"),
        ("delivery-state-unexplained", unsent), ("recipient-lost", ids[0]),
    }  # fmt: skip
    _, untouched = await laurel.run("registry", "hash", "--database", rebuilt)
    _, tampered = await laurel.run("registry", "hash", "--database", original)
    assert untouched["hash"] == made["hash"] != tampered["hash"]

    builds = builders(kafka_settings, database.url, f"{database_name}-rebuilt", mailbox, world, tmp_path)
    async with running({"registry": builds["registry"]}) as system:
        await takes_over(system, kafka_settings, world, ids)


def tamper(database: EmbeddedDatabase, name: str, ids: list[str]) -> str:
    """Change, break and delete rows; returns the name of the completion whose rejection is gone."""
    client: MongoClient[dict[str, Any]] = MongoClient(database.url)
    try:
        rows = client[f"{name}-registry"]["credentials"]
        changed = rows.find_one({"_id": ids[2]})
        assert changed is not None
        rows.update_one({"_id": ids[2]}, {"$set": {"document": changed["document"].replace("welding", "juggling")}})
        statuses = client[f"{name}-registry"]["statuses"]
        assert statuses.update_one({"_id": ids[0]}, {"$set": {"history.1.reason": "Something else."}}).modified_count
        rows.delete_one({"_id": ids[3]})
        rows.update_one({"_id": ids[4]}, {"$set": {"history": 7}})
        client[f"{name}-notifier"]["deliveries"].delete_one({"credential": ids[1], "occasion": "issued"})
        rejected = client[f"{name}-issuer"]["rejections"].find_one_and_delete({})
        assert rejected is not None
        return str(rejected["_id"])
    finally:
        client.close()


def tamper_beside(database: EmbeddedDatabase, name: str, ids: list[str]) -> tuple[str, str]:
    """Lose a status request and a recipient, change what is taught, and say of a mail that it went out; returns the
    names of the request and the mail."""
    client: MongoClient[dict[str, Any]] = MongoClient(database.url)
    try:
        registry, notifier = client[f"{name}-registry"], client[f"{name}-notifier"]
        request = registry["status_requests"].find_one_and_delete({"credential": ids[1], "partner": "campus"})
        assert request is not None
        entry = registry["catalog"].find_one({"_id": "achievement/welding"})
        assert entry is not None
        body = entry["body"].replace("Everything in welding was completed.", "Nothing at all.")
        assert registry["catalog"].update_one({"_id": entry["_id"]}, {"$set": {"body": body}}).modified_count
        notifier["recipients"].delete_one({"_id": ids[0]})
        # As if the note of a mail were made, and the mail never handed over.
        change = {"$set": {"attempts": [], "tries": 0, "state": "sent"}}
        assert notifier["deliveries"].update_one({"credential": ids[2]}, change).modified_count
        return str(request["_id"]), f"{Occasion.ISSUED} {ids[2]}"
    finally:
        client.close()


async def takes_over(system: System, kafka: KafkaSettings, world: World, ids: list[str]) -> None:
    """The registry on the rebuilt database shows pages, keeps histories, and takes status changes."""
    client = system.clients["registry"]
    suspended, revoked = (each.removeprefix(world.addresses.credential("")) for each in ids[:2])
    page = await client.get(f"/credentials/{revoked}", headers={"Accept": "text/html"})
    assert (page.status_code, "revoked" in page.text.lower()) == (200, True)
    shown = (await client.get(f"/admin/credentials/{suspended}", headers=bearer())).json()
    assert [entry["state"] for entry in shown["history"]] == ["active", "suspended", "active", "suspended"]
    assert {entry["by"] for entry in shown["history"]} == {"issuer", "tester"}
    assert await _change(system, ids[0], "reinstate")
    assert not await _change(system, ids[1], "reinstate")
