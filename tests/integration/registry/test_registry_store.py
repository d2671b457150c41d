"""The store's conditional writes, on both drivers, and publishing that another handler overtakes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from laurel.contracts.errors import Code
from laurel.contracts.status import Action, StatusChanged, StatusHeartbeat
from laurel.contracts.topics import CREDENTIALS, STATUS_REQUESTS, Message
from laurel.runtime.faults import Poison, Transient
from laurel.runtime.health import Health
from laurel.runtime.record import Record
from registry.announcer import Announcer, Heartbeat
from registry.catalog import Kind, plan
from registry.database import Overtaken
from registry.domain import application
from registry.rows import Refused, StoredList
from registry.store import Store
from support.world import EPOCH, World
from unit.registry.issuing import Issuer
from unit.registry.states import accepted, changed_by, filed


async def test_catalog_entries_rise_one_version_at_a_time(store: Store, world: World) -> None:
    first = [each.entry for each in plan(world.catalog, {}, world.addresses, EPOCH)]
    await store.put_entries([])
    await store.put_entries(first)
    assert await store.entries() == {each.key: each for each in first}
    with pytest.raises(Overtaken):
        await store.put_entries(first)
    second = first[0].model_copy(update={"version": 2})
    await store.put_entries([second])
    with pytest.raises(Overtaken):
        await store.put_entries([second])
    await store.mark_published(first)
    assert {each.published_version for each in (await store.entries(Kind.ISSUER)).values()} == {0, 1}
    assert (await store.entries())[second.key].published_version == 0


async def test_the_catalog_is_found_by_what_it_is_asked_by(store: Store, world: World) -> None:
    assert await store.consortium() is None
    await store.set_consortium(world.catalog.consortium)
    assert await store.consortium() == world.catalog.consortium
    await store.put_entries([each.entry for each in plan(world.catalog, {}, world.addresses, EPOCH)])
    found = await store.issuers(["north", "nobody"])
    assert (found["north"], found["nobody"]) == (await store.issuer("north"), None)
    assert {each.id for each in await store.achievements_of("north", 10)} == {"welding", "first-aid"}
    assert len(await store.achievements_of("north", 1)) == 1
    partners = await store.partners_of_keys(["campus-1", "nobody-1"])
    assert {kid: partner.id for kid, partner in partners.items()} == {"campus-1": "campus"}
    assert await store.partners_of_keys([]) == {}
    assert await store.achievement("nothing") is None


async def test_a_credential_is_filed_once(store: Store, world: World) -> None:
    issuer = Issuer(world)
    first, second = filed(issuer, "token-0001"), filed(issuer, "token-0002")
    assert await store.register([first]) == [first]
    other = filed(issuer, "token-0001", slug="first-aid")
    assert await store.register([other, second, second]) == [first, second, second]
    assert await store.credential_of_token("token-0001") == first
    assert await store.credentials([first.id, second.id, "nothing"]) == {first.id: first, second.id: second}


async def test_an_address_is_given_once(store: Store, world: World) -> None:
    issuer = Issuer(world)
    first = filed(issuer, "token-0001")
    other = first.model_copy(update={"id": "urn:x:1", "digest": "0" * 64})
    assert await store.register([first]) == [first]
    assert await store.register([other, filed(issuer, "token-0002")]) == [first, filed(issuer, "token-0002")]


async def test_a_status_moves_from_the_version_it_was_decided_on(store: Store, world: World) -> None:
    issuer = Issuer(world)
    before, request = filed(issuer, "token-0001"), accepted(issuer, "token-0001")
    after = changed_by(before, request, Action.SUSPEND)
    await store.register([before])
    await store.advance([(before, after)])
    assert await store.credential(before.id) == after
    with pytest.raises(Overtaken):
        await store.advance([(before, changed_by(before, accepted(issuer, "token-0001", id_="other"), Action.REVOKE))])
    again = changed_by(after, accepted(issuer, "token-0001", id_="again"), Action.REINSTATE)
    await store.advance([(after, again)])
    with pytest.raises(Overtaken):
        await store.advance([(after, changed_by(after, accepted(issuer, "token-0001", id_="x"), Action.REVOKE))])
    assert await store.credential_of_token("token-0001") == again
    after = again
    assert await store.risen({before.id: 1}) == [after]
    assert await store.risen({before.id: 2}) == [after]
    assert await store.risen({before.id: 3}) == []
    assert await store.risen({}) == []


async def test_of_many_the_overtaken_one_alone_stays(store: Store, world: World) -> None:
    issuer = Issuer(world)
    befores = [filed(issuer, f"token-000{number}") for number in range(1, 4)]
    await store.register(befores)
    changes = [
        (each, changed_by(each, accepted(issuer, f"token-000{number}", id_=f"r-{number}"), Action.SUSPEND))
        for number, each in enumerate(befores, 1)
    ]
    await store.advance(changes[1:2])
    with pytest.raises(Overtaken):
        await store.advance(changes)
    assert await store.credentials(each.id for each in befores) == {after.id: after for _, after in changes}
    # Two steps at once, as two requests for one credential in one batch make them.
    last = changes[0][1]
    back = changed_by(last, accepted(issuer, "token-0001", id_="back"), Action.REINSTATE)
    gone = changed_by(back, accepted(issuer, "token-0001", id_="gone"), Action.REVOKE)
    await store.advance([(last, gone)])
    assert await store.credential(last.id) == gone


async def test_a_request_has_one_content_and_one_outcome(store: Store, world: World) -> None:
    issuer, requests = Issuer(world), store.requests
    before, request = filed(issuer, "token-0001"), accepted(issuer, "token-0001")
    late = accepted(issuer, "token-0001", id_="late")
    ids = [request.id, late.id]
    assert await requests.accept([]) == []
    assert await requests.accept([request]) == [request]
    assert await requests.accept([late, request.model_copy(update={"digest": "1" * 64})]) == [late, request]
    after = changed_by(before, request, Action.REVOKE)
    applied = application(after.history, request.id)
    assert applied is not None
    refused = Refused(code=Code.TRANSITION_NOT_ALLOWED, pointer="", detail="Too late.")
    await store.register([before])
    await store.advance([(before, after)])
    decided = [request.model_copy(update={"applied": applied}), late.model_copy(update={"refused": refused})]
    await requests.refuse(decided)
    # Whatever comes later changes nothing.
    again = refused.model_copy(update={"detail": "Again."})
    await requests.refuse([each.model_copy(update={"refused": again}) for each in (request, late)])
    assert await requests.with_outcomes(ids) == dict(zip(ids, decided, strict=True))
    assert await requests.accept([request, late]) == decided


async def test_a_request_has_no_outcome_until_its_change_is_published(store: Store, world: World) -> None:
    issuer, requests = Issuer(world), store.requests
    before = [filed(issuer, "token-0001"), filed(issuer, "token-0002")]
    asked = [accepted(issuer, "token-0001"), accepted(issuer, "token-0002", id_="other")]
    await store.register(before)
    await requests.accept(asked)
    assert await requests.owed() == set()
    await requests.owe([asked[0].id])
    await requests.owe(each.id for each in asked)
    await store.advance([(one, changed_by(one, each, Action.SUSPEND)) for one, each in zip(before, asked, strict=True)])
    assert await requests.owed() == {each.id for each in asked}
    assert [each.decided for each in (await requests.with_outcomes(each.id for each in asked)).values()] == [False] * 2
    await requests.settle([asked[1].id, "one that never was"])
    found = await requests.with_outcomes(each.id for each in asked)
    assert [found[each.id].decided for each in asked] == [False, True]
    await requests.settle([asked[0].id])
    assert await requests.owed() == set()
    assert all(each.applied for each in (await requests.with_outcomes(each.id for each in asked)).values())


async def test_a_status_that_an_earlier_release_kept_with_the_credential_goes_on(store: Store, world: World) -> None:
    issuer = Issuer(world)
    suspended = changed_by(filed(issuer, "token-0001"), accepted(issuer, "token-0001"), Action.SUSPEND)
    await store.register([suspended])  # its row has the history, as every row had
    assert await store.credential(suspended.id) == suspended
    assert [each async for each in store.changed_credentials()] == [[suspended]]
    reinstated = changed_by(suspended, accepted(issuer, "token-0001", id_="back"), Action.REINSTATE)
    revoked = changed_by(suspended, accepted(issuer, "token-0001", id_="gone"), Action.REVOKE)
    await store.advance([(suspended, reinstated)])
    with pytest.raises(Overtaken):
        await store.advance([(suspended, revoked)])
    assert await store.credential(suspended.id) == reinstated
    assert [len(row["history"]) async for _, row in store.contents()] == [3]


async def test_a_list_only_rises(store: Store) -> None:
    def version(number: int, issuer: str = "north") -> StoredList:
        return StoredList(list_id="north-1-revocation", issuer=issuer, version=number, document="{}", digest="0" * 64,
                          ttl_ms=1000)  # fmt: skip

    for offered, held in ((2, 2), (1, 2), (2, 2), (3, 3)):
        assert (await store.put_list(version(offered))).version == held
    assert (await store.put_list(version(9, "south"))).issuer == "north"
    assert await store.status_list("nothing") is None


# --- the announcer ---


def record(partition: int, topic: str = CREDENTIALS.name) -> Record:
    return Record(topic, partition, 0, None, (), None)


async def test_what_is_overtaken_is_published_again(store: Store, world: World) -> None:
    """A registration's event that reaches the topic after a revocation's must not be the last one there."""
    issuer = Issuer(world)
    before, request = filed(issuer, "token-0001"), accepted(issuer, "token-0001")
    await store.register([before])
    topic: list[int] = []

    async def publish(messages: Sequence[Message]) -> None:
        if not topic:  # the other handler is faster than our first message
            after = changed_by(before, request, Action.REVOKE)
            await store.advance([(before, after)])
            topic.append(after.version)
        topic.extend(StatusChanged.model_validate_json(each.event.data).version for each in messages)

    await Announcer(store, publish, lambda: EPOCH).announce([(before, {})])
    assert topic == [2, 1, 2]
    stored = await store.credential(before.id)
    assert stored is not None
    assert application(stored.history, request.id) is not None


async def test_a_heartbeat_waits_for_what_is_stored_and_not_published(store: Store) -> None:
    now, beats = EPOCH, list[StatusHeartbeat]()

    async def publish(messages: Sequence[Message]) -> None:
        beats.extend(StatusHeartbeat.model_validate_json(each.event.data) for each in messages)

    announcer = Announcer(store, publish, lambda: now)
    heartbeat = Heartbeat(announcer, publish, lambda: now, 0.01, Health().not_live)
    assert await heartbeat.run_once()
    assert [each.partition for each in beats] == list(range(6))
    assert not await heartbeat.run_once()  # nothing new to say

    now += timedelta(seconds=1)
    batch = announcer.owing([record(1), record(2)])
    batch.__enter__()
    now += timedelta(seconds=1)
    assert await heartbeat.run_once()
    assert beats[-1].at == EPOCH + timedelta(seconds=1)  # when the batch began
    away = Transient("the database is away")
    assert not batch.__exit__(Transient, away, None)
    now += timedelta(seconds=60)
    assert not await heartbeat.run_once()
    with announcer.owing([record(1)]):
        pass
    assert not await heartbeat.run_once()  # partition 2 is still held
    with pytest.raises(Poison), announcer.owing([record(2)]):
        raise Poison(Code.PROOF_REFUSED, "never to be handled")
    with announcer.owing([record(2, STATUS_REQUESTS.name)]):
        pass
    assert await heartbeat.run_once()
    assert beats[-1].at == now


async def test_nothing_is_vouched_for_while_a_change_is_stored_that_an_unexpected_failure_left_unpublished(
    world: World, store: Store
) -> None:
    now, away, published = EPOCH, True, list[str]()

    async def publish(messages: Sequence[Message]) -> None:
        if away and any(each.event.type == "status.changed" for each in messages):
            raise Transient("the broker is away")
        published.extend(each.event.type for each in messages)

    issuer, token = Issuer(world), "k" * 22
    before, request = filed(issuer, token), accepted(issuer, token)
    announcer = Announcer(store, publish, lambda: now)
    heartbeat = Heartbeat(announcer, publish, lambda: now, 0.01, Health().not_live)
    await store.register([before])
    await store.requests.accept([request])
    await store.requests.owe([request.id])
    await store.advance([(before, changed_by(before, request, Action.REVOKE))])
    with pytest.raises(ValueError, match="ours"), announcer.owing([record(1, STATUS_REQUESTS.name)]):
        raise ValueError("a mistake of ours")
    now += timedelta(seconds=60)
    with announcer.owing([record(1, STATUS_REQUESTS.name)]):
        pass  # the next record, after the one before has become a dead letter
    with pytest.raises(Transient):
        await heartbeat.run_once()
    assert announcer.complete_until() == EPOCH
    away = False
    assert await heartbeat.run_once()
    assert published == ["status.changed", *["status.heartbeat"] * 6]
    assert announcer.complete_until() == now


async def test_a_registry_that_has_stopped_vouches_for_nothing(store: Store) -> None:
    health, beats = Health(), list[Message]()

    async def publish(messages: Sequence[Message]) -> None:
        beats.extend(messages)

    heartbeat = Heartbeat(Announcer(store, publish, lambda: EPOCH), publish, lambda: EPOCH, 0.01, health.not_live)
    health.fail("five records in a row failed unexpectedly")
    assert not await heartbeat.run_once()
    assert not beats


async def test_the_heartbeat_outlives_a_broker_that_is_away(store: Store) -> None:
    moments = iter(EPOCH + timedelta(seconds=number) for number in range(1000))
    tries = 0

    async def publish(_: Sequence[Message]) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            raise RuntimeError("a mistake of ours")
        raise Transient("the broker is away")

    def clock() -> object:
        return next(moments)

    announcer = Announcer(store, publish, clock)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="ours"):
        await asyncio.wait_for(Heartbeat(announcer, publish, clock, 0.001, Health().not_live).run(), 10)  # type: ignore[arg-type]
