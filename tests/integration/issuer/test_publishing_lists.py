"""Status changes come in, signed lists go out: every bit, in time, and the same bytes for the same version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.issuer.running import bodies, running
from issuer import status_lists
from issuer.app import build
from issuer.config import IssuerSettings
from issuer.status_lists import StatusChangeHandler, StatusListPublisher
from issuer.store import Seal, Store
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.envelope import encode
from laurel.contracts.status import Purpose, State, StatusChanged, StatusListSigned
from laurel.contracts.topics import DEAD_LETTERS, STATUS_CHANGES, STATUS_LISTS, Message, message
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.lint import lint
from laurel.credentials.proofs import ProvenDocument
from laurel.credentials.status_list import check_status
from laurel.runtime.mongo import Mongo
from laurel.runtime.record import Record
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import EPOCH, World

ACTIVE, SUSPENDED, REVOKED = State.ACTIVE, State.SUSPENDED, State.REVOKED


def change(world: World, index: int, version: int, state: State, member: str = "north") -> Message:
    """What the registry publishes about a credential's status."""
    family = f"{member}-0"
    body = StatusChanged(
        credential=world.addresses.credential(f"{member}-{index}"), issuer=member, achievement="welding",
        status=StatusPosition(family=family, index=index), state=state, version=version, changed_at=EPOCH,
    )  # fmt: skip
    return message(STATUS_CHANGES, body, key=body.credential, event_id=f"{member}-{index}-{version}",
                   source="urn:laurel:registry", time=EPOCH, partition=STATUS_CHANGES.partition_of(family))  # fmt: skip


async def signed_lists(settings: IssuerSettings) -> list[StatusListSigned]:
    records = await read_topic(settings, STATUS_LISTS)
    return [StatusListSigned.model_validate_json(record.value or b"") for record in records]


async def newest(settings: IssuerSettings, list_id: str, version: int) -> StatusListSigned:
    """The list in that version, or in a later one."""

    async def there() -> StatusListSigned | None:
        found = [each for each in await signed_lists(settings) if each.list_id == list_id and each.version >= version]
        return found[-1] if found else None

    return await eventually(there, what=f"version {version} of {list_id}")


def is_set(world: World, signed: StatusListSigned, index: int) -> bool:
    """A verifier's view: the list is proven, and the bit is read as a credential's entry asks for it."""
    key = world.members[signed.issuer]
    ProvenDocument(signed.credential).verify(
        signed.credential["proof"],
        method=VerificationMethod(world.verification_method(signed.issuer), world.did(signed.issuer), key.public, None),
    )
    lint(signed.credential)
    entry = {
        "id": "https://example.org/#entry", "type": "BitstringStatusListEntry", "statusPurpose": signed.purpose.value,
        "statusListIndex": str(index),
        "statusListCredential": world.addresses.status_list(signed.family, signed.purpose),
    }  # fmt: skip
    return check_status(entry, signed.credential)


async def showing(settings: IssuerSettings, world: World, list_id: str, index: int) -> StatusListSigned:
    """The newest version of the list once it has the bit: changes sent together may come out one after the other."""

    async def there() -> StatusListSigned | None:
        signed = await newest(settings, list_id, 1)
        return signed if is_set(world, signed, index) else None

    return await eventually(there, what=f"bit {index} of {list_id}")


async def in_store(settings: IssuerSettings, world: World, changes: Sequence[Message], at: datetime = EPOCH) -> None:
    """Store changes as an instance does that dies before it publishes them."""
    records = []
    for number, each in enumerate(changes):
        headers, value = encode(each.event)
        records.append(Record(each.topic.name, 0, number, each.key.encode(), tuple(headers), value))
    mongo = Mongo(settings)
    await StatusChangeHandler(Store(mongo.database), lambda: at, lambda _: None)(records)
    await mongo.close()


async def test_a_list_is_published_empty_first_and_then_with_every_bit(settings: IssuerSettings, world: World) -> None:
    await publish(settings, world.catalog_messages())
    async with running(settings):
        await publish(settings, [change(world, 4711, 1, ACTIVE), change(world, 12, 1, ACTIVE)])
        for purpose in Purpose:
            empty = await newest(settings, f"north-0-{purpose.value}", 1)
            assert not is_set(world, empty, 4711)
        await publish(settings, [change(world, 4711, 2, REVOKED), change(world, 12, 2, SUSPENDED)])
        revocations = await showing(settings, world, "north-0-revocation", 4711)
        suspensions = await showing(settings, world, "north-0-suspension", 12)
        assert (is_set(world, revocations, 4711), is_set(world, revocations, 12)) == (True, False)
        assert (is_set(world, suspensions, 4711), is_set(world, suspensions, 12)) == (False, True)
        await publish(settings, [change(world, 12, 3, ACTIVE), change(world, 12, 2, SUSPENDED)])
        last = max(revocations.version, suspensions.version)
        assert not is_set(world, await newest(settings, "north-0-suspension", last + 1), 12)
    versions = [each.version for each in await signed_lists(settings) if each.purpose is Purpose.REVOCATION]
    assert versions == sorted(set(versions))
    assert await read_topic(settings, DEAD_LETTERS) == []


async def test_changes_that_come_again_publish_nothing_new(settings: IssuerSettings, world: World) -> None:
    changes = [change(world, 7, 1, ACTIVE), change(world, 7, 2, SUSPENDED), change(world, 7, 3, REVOKED)]
    await publish(settings, [*world.catalog_messages(), *changes])
    async with running(settings):
        before = await showing(settings, world, "north-0-revocation", 7)
        await newest(settings, "north-0-suspension", before.version)
        count = len(await read_topic(settings, STATUS_LISTS))
        # The last one is new, so that when it shows, those before it have been handled.
        await publish(settings, [*changes, change(world, 8, 2, REVOKED)])
        after = await newest(settings, "north-0-revocation", before.version + 1)
        await newest(settings, "north-0-suspension", after.version)
    assert (is_set(world, after, 7), is_set(world, after, 8)) == (True, True)
    assert len(await read_topic(settings, STATUS_LISTS)) == count + 2


async def test_a_burst_makes_few_lists_and_loses_nothing(settings: IssuerSettings, world: World) -> None:
    interval = 0.5
    await publish(settings, world.catalog_messages())
    async with running(settings.model_copy(update={"status_list_interval_seconds": interval})):
        started = asyncio.get_running_loop().time()
        for start in range(0, 100, 5):
            await publish(settings, [change(world, index, 2, REVOKED) for index in range(start, start + 5)])

        async def complete() -> StatusListSigned | None:
            lists = [each for each in await signed_lists(settings) if each.purpose is Purpose.REVOCATION]
            return lists[-1] if lists and is_set(world, lists[-1], 99) else None

        last = await eventually(complete, what="the hundredth bit")
        took = asyncio.get_running_loop().time() - started
    assert last is not None
    assert all(is_set(world, last, index) for index in range(100))
    published = [each for each in await signed_lists(settings) if each.purpose is Purpose.REVOCATION]
    assert len(published) <= took / interval + 2


async def test_what_was_stored_and_not_published_is_published_at_the_next_start(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    await in_store(settings, world, [change(world, 7, 2, REVOKED)])
    async with running(settings):
        assert is_set(world, await newest(settings, "north-0-revocation", 1), 7)


async def test_what_another_instance_left_is_published_by_one_that_runs(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its offsets may be committed already, so that no event will tell of it."""
    monkeypatch.setattr(status_lists, "_LOOK_SECONDS", 0.1)
    await publish(settings, world.catalog_messages())
    async with running(settings, clock=lambda: EPOCH + timedelta(minutes=1)):
        await in_store(settings, world, [change(world, 7, 2, REVOKED)])
        assert is_set(world, await newest(settings, "north-0-revocation", 1), 7)


async def test_a_version_that_went_out_before_a_crash_goes_out_again_to_the_byte(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    await publish(settings, [change(world, 7, 2, REVOKED)])
    async with running(settings):
        await newest(settings, "north-0-suspension", 1)
    first = await read_topic(settings, STATUS_LISTS)
    mongo = Mongo(settings)
    families = mongo.database["status_list_families"]
    await families.update_one({"_id": "north-0"}, {"$set": {"published": 0, "unpublished": True}})
    await mongo.close()
    # Meanwhile the settings changed; a version that may be out keeps what it was signed with.
    changed = settings.model_copy(update={"status_list_ttl_seconds": 5, "status_list_valid_days": 30})
    async with running(changed):
        await bodies(settings, STATUS_LISTS, 4)
    again = (await read_topic(settings, STATUS_LISTS))[len(first) :]
    assert [(each.key, each.value) for each in again] == [(each.key, each.value) for each in first]
    assert [dict(each.headers)["ce_id"] for each in again] == [dict(each.headers)["ce_id"] for each in first]


async def test_a_list_is_renewed_long_before_it_expires(settings: IssuerSettings, world: World) -> None:
    await publish(settings, world.catalog_messages())
    await publish(settings, [change(world, 7, 2, REVOKED)])
    async with running(settings):
        first = await newest(settings, "north-0-revocation", 1)
    async with running(settings, clock=lambda: EPOCH + timedelta(days=3)):
        await publish(settings, [change(world, 7, 1, ACTIVE, "south")])
        await newest(settings, "south-0-revocation", 1)
        assert (await newest(settings, "north-0-revocation", 1)).version == 1
    async with running(settings, clock=lambda: EPOCH + timedelta(days=4)):
        renewed = await newest(settings, "north-0-revocation", 2)
    assert is_set(world, renewed, 7)
    assert first.credential["validUntil"] == "2026-06-08T12:00:00Z"
    assert (renewed.credential["validFrom"], renewed.credential["validUntil"]) == (
        "2026-06-05T12:00:00Z", "2026-06-12T12:00:00Z",
    )  # fmt: skip


WriteKeys = Callable[[dict[str, SigningKey]], Path]


async def test_a_member_without_a_key_holds_up_nobody_elses_lists(
    settings: IssuerSettings, world: World, write_keys: WriteKeys
) -> None:
    write_keys({"south": world.members["south"]})
    await publish(settings, world.catalog_messages())
    await publish(settings, [change(world, 7, 2, REVOKED, member) for member in ("north", "south")])
    async with running(settings) as app:
        assert is_set(world, await newest(settings, "south-0-revocation", 1), 7)
        assert app.state.lifecycle.health.not_live() == {}
    assert {each.issuer for each in await signed_lists(settings)} == {"south"}
    assert await read_topic(settings, DEAD_LETTERS) == []
    write_keys(world.members)
    async with running(settings):
        assert is_set(world, await newest(settings, "north-0-revocation", 1), 7)


async def test_a_version_whose_key_was_lost_is_followed_by_one_under_the_next_key(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    await in_store(settings, world, [change(world, 7, 2, REVOKED)])
    mongo = Mongo(settings)
    await Store(mongo.database).seal("north-0", 1, Seal("z6MkLost", EPOCH + timedelta(days=7), 60_000))
    await mongo.close()
    async with running(settings):
        assert (await newest(settings, "north-0-revocation", 1)).version == 2


async def test_of_two_that_store_a_version_one_wins_and_the_other_is_told(
    settings: IssuerSettings, world: World
) -> None:
    mongo = Mongo(settings)
    store = Store(mongo.database)
    for version in (1, 2):
        found = await store.family("north-0")
        results = []
        for index in (7, 8):
            body = StatusChanged.model_validate_json(change(world, index, version + 1, REVOKED).event.data)
            after = status_lists.with_changes(found, "north-0", [body], EPOCH)
            assert after is not None
            results.append(await store.put_family(after))
        assert results == [True, False]
    await store.seal("north-0", 2, Seal("first", EPOCH, 1))
    await store.seal("north-0", 2, Seal("second", EPOCH, 1))
    await store.seal("north-0", 1, Seal("older", EPOCH, 1))
    stored = await store.family("north-0")
    assert stored is not None
    assert stored.seal == Seal("first", EPOCH, 1)
    assert not await store.mark_published("north-0", 1)
    assert await store.unpublished(EPOCH) == ["north-0"]
    assert await store.unpublished(EPOCH - timedelta(seconds=1)) == []
    assert await store.mark_published("north-0", 2)
    assert await store.unpublished(EPOCH) == []
    await mongo.close()


async def test_a_list_that_comes_out_after_a_newer_one_is_followed_by_the_newer_one(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic is compacted: what comes last stays, and must not be an older list."""
    await publish(settings, world.catalog_messages())
    await in_store(settings, world, [change(world, 7, 1, ACTIVE)])
    app = build(settings, clock=lambda: EPOCH)
    kafka = app.state.handlers[0].kafka
    published = kafka.publish

    async def overtaken(messages: Sequence[Message]) -> None:
        """Another instance stores, publishes and notes version 2 between our reading and our publishing."""
        monkeypatch.setattr(kafka, "publish", published)
        await in_store(settings, world, [change(world, 7, 2, REVOKED)])
        other = Mongo(settings)
        publisher: Any = app.state.handlers[1]._changed.__self__
        assert isinstance(publisher, StatusListPublisher)
        theirs = Store(other.database)
        family = await theirs.family("north-0")
        assert family is not None
        await published(await publisher._messages(await publisher._sealed(family)))
        assert await theirs.mark_published("north-0", 2)
        await other.close()
        await published(messages)

    monkeypatch.setattr(kafka, "publish", overtaken)
    async with app.state.lifecycle:

        async def settled() -> list[int]:
            versions = [each.version for each in await signed_lists(settings) if each.purpose is Purpose.REVOCATION]
            return versions if len(versions) >= 3 else []

        assert await eventually(settled, what="the newer list again") == [2, 1, 2]
    assert is_set(world, (await signed_lists(settings))[-2], 7)
