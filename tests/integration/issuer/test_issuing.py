"""Completions become credentials exactly once, on real brokers and a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from integration.issuer.running import bodies, completion_records, everything, handle, running, update
from issuer.config import IssuerSettings
from laurel.contracts.addresses import verification_method
from laurel.contracts.catalog import IssuerKey, IssuerPublished, PartnerPublished
from laurel.contracts.errors import Code
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, DEAD_LETTERS, RECIPIENTS, REJECTED_COMPLETIONS, Message
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.proofs import ProvenDocument
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import EPOCH, World, key


@pytest.fixture(params=["motor", "pymongo"])
def settings(request: pytest.FixtureRequest, settings: IssuerSettings) -> IssuerSettings:
    return settings.model_copy(update={"mongo_driver": request.param})


def north(world: World) -> IssuerPublished:
    return next(each for each in world.published() if isinstance(each, IssuerPublished) and each.id == "north")


def campus(world: World) -> PartnerPublished:
    return next(each for each in world.published() if isinstance(each, PartnerPublished) and each.id == "campus")


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
        ProvenDocument(each["credential"]).verify(each["credential"]["proof"], method=method)
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
    sent = [world.completion(f"e{number}", learner=number) for number in range(6)]
    await publish(settings, [*sent, sent[0], *bad_events(world).values()])
    async with running(settings):
        await bodies(settings, CREDENTIALS, 7)
        await bodies(settings, REJECTED_COMPLETIONS, 10)
    first = await everything(settings)
    # Since then the partner was given another key and source, so that each of its old events would be refused now.
    retired = tuple(each.model_copy(update={"retired": EPOCH}) for each in campus(world).keys)
    await publish(settings, [update(campus(world), keys=retired, sources=("https://campus.example.org/new",))])
    await handle(settings, await completion_records(settings), clock=lambda: EPOCH + timedelta(days=4000))
    again = await everything(settings)
    for topic, events in first.items():
        assert sorted(again[topic], key=str) == sorted(events * 2, key=str)


async def test_a_rejection_names_the_partner_that_signed_not_the_owner_of_the_claimed_source(
    settings: IssuerSettings, world: World
) -> None:
    await publish(settings, world.catalog_messages())
    foreign = "https://forge.example.org/lms"
    await publish(settings, [
        world.completion("signed", source=foreign), world.completion("forged", source=foreign, kid="stranger-1"),
        world.completion("unheard-of", source="https://nobody.example.org", kid="stranger-1"),
    ])  # fmt: skip
    async with running(settings):
        rejected = {each["eventId"]: each for each in await bodies(settings, REJECTED_COMPLETIONS, 3)}
    assert {name: each.get("partner") for name, each in rejected.items()} == {
        "signed": "campus", "forged": "forge", "unheard-of": None,
    }  # fmt: skip


async def test_a_topic_that_is_made_anew_does_not_inherit_what_was_decided_on_the_old_one(
    settings: IssuerSettings, world: World
) -> None:
    """The database outlives the broker's disk: other records then lie where refused ones lay."""
    await publish(settings, world.catalog_messages())
    await publish(settings, [world.completion("bad", "juggling")])
    (old,) = await completion_records(settings)
    await handle(settings, [old])
    await publish(settings, [world.completion("good")])
    new = next(each for each in await completion_records(settings) if each.value != old.value)
    await handle(settings, [replace(new, partition=old.partition, offset=old.offset)])
    assert len(await bodies(settings, CREDENTIALS, 1)) == 1
    assert len(await bodies(settings, REJECTED_COMPLETIONS, 1)) == 1


WriteKeys = Callable[[dict[str, SigningKey]], Path]


async def test_a_member_without_a_key_costs_only_its_own_completions(
    settings: IssuerSettings, world: World, write_keys: WriteKeys
) -> None:
    write_keys({name: secret for name, secret in world.members.items() if name != "south"})
    await publish(settings, world.catalog_messages())
    mixed = [world.completion(f"{slug}-{number}", slug, learner=number)
             for number in range(4) for slug in ("welding", "python")]  # fmt: skip
    await publish(settings, mixed)
    async with running(settings):
        letters = await bodies(settings, DEAD_LETTERS, 4)
        issued = await bodies(settings, CREDENTIALS, 4)
    assert {each["achievement"] for each in issued} == {"welding"}
    assert {each["code"] for each in letters} == {Code.ISSUER_NOT_READY}
    assert all("south" in each["reason"] for each in letters)
    assert {each["record"]["topic"] for each in letters} == {COMPLETIONS.name}


async def test_a_new_key_signs_what_is_new_and_what_was_decided_keeps_its_key(
    settings: IssuerSettings, world: World, write_keys: WriteKeys
) -> None:
    old, new = world.members["north"], key("the new key of north")
    await publish(settings, world.catalog_messages())
    await publish(settings, [world.completion("before")])
    await handle(settings, await completion_records(settings))
    keys = (
        IssuerKey(public_key_multibase=old.public.to_multibase(), retired=EPOCH + timedelta(hours=1)),
        IssuerKey(public_key_multibase=new.public.to_multibase()),
    )
    await publish(settings, [update(north(world), keys=keys)])
    write_keys({"north": old, "north-2": new})
    await publish(settings, [world.completion("after", learner=2)])
    await handle(settings, await completion_records(settings), clock=lambda: EPOCH + timedelta(hours=1))

    records = [each["credential"] for each in await bodies(settings, CREDENTIALS, 3)]
    by_method: dict[str, list[bytes]] = {}
    for each in records:
        by_method.setdefault(each["proof"]["verificationMethod"], []).append(orjson.dumps(each))
    did = world.did("north")
    before = by_method[verification_method(did, old.public.to_multibase())]
    assert len(before) == 2
    assert before[0] == before[1]
    assert len(by_method[verification_method(did, new.public.to_multibase())]) == 1

    # The old secret is thrown away too early: what it was chosen for waits for it, and the rest goes on.
    write_keys({"north": new})
    await publish(settings, [world.completion("later", learner=3)])
    # In a group that read nothing yet, so it begins with the first record.
    async with running(settings):
        letters = await bodies(settings, DEAD_LETTERS, 1)
        await bodies(settings, CREDENTIALS, 5)
    assert letters[0]["code"] == Code.ISSUER_NOT_READY
    assert old.public.to_multibase() in letters[0]["reason"]
    assert old.to_multibase() not in str(letters)


async def test_what_the_catalog_learns_just_now_is_waited_for(settings: IssuerSettings, world: World) -> None:
    """A completion may overtake the catalog's change that allows it, since each is on a topic of its own."""
    await publish(settings, world.catalog_messages()[:1])
    async with running(settings):
        await publish(settings, [*world.catalog_messages()[1:], world.completion("at-once")])
        await eventually(lambda: read_topic(settings, CREDENTIALS), what="the credential")
        assert await read_topic(settings, REJECTED_COMPLETIONS) == []
