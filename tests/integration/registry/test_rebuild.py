"""A registry that is rebuilt from the log: equal, safe against replays, and whole for credentials of before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from integration.registry.running import Registry, running
from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.status import Action, Purpose, State, StatusChanged
from laurel.contracts.topics import AUDIT, CREDENTIALS, STATUS_CHANGES, STATUS_LISTS, STATUS_REQUESTS, Message, message
from laurel.runtime.clock import utc_now
from laurel.runtime.kafka import committed
from laurel.runtime.mongo import Mongo
from registry.announcer import Announcer
from registry.config import RegistrySettings
from registry.contents import contents
from registry.handlers import Handlers
from registry.operating import OperatingSettings, Report, rebuild, republish
from registry.outcomes import Outcomes
from registry.rows import StoredRequest
from registry.store import Store
from support.waiting import eventually
from support.world import World
from unit.registry.issuing import Issuer
from unit.registry.states import accepted, changed_by

ONE, TWO = "token-number-one", "token-number-two"


def operating(settings: RegistrySettings) -> OperatingSettings:
    return OperatingSettings(**settings.model_dump(include=set(OperatingSettings.model_fields)))


async def rebuilt(registry: Registry, name: str) -> Report:
    return await rebuild(operating(registry.settings), name, registry.settings.mongo_database, lambda *_: None)


async def until_passed(registry: Registry) -> None:
    """Until the registry has passed all requests there are."""
    last = {record.partition: record.offset for record in await registry.records(STATUS_REQUESTS)}

    async def passed() -> bool:
        reached = await committed(registry.settings, "registry", STATUS_REQUESTS)
        return all(reached[partition] > offset for partition, offset in last.items())

    await eventually(passed, what="the registry has passed all requests")


async def in_store(settings: RegistrySettings, database: str, use: Callable[[Store], Awaitable[Any]]) -> Any:
    mongo = Mongo(settings.model_copy(update={"mongo_database": database, "mongo_url": settings.mongo_url}))
    try:
        return await use(Store(mongo))
    finally:
        await mongo.close()


async def live(registry: Registry, issuer: Issuer) -> None:
    """Two credentials, changed by the admin API and by a partner, with refusals of both."""
    await registry.send(issuer.issued(ONE, index=1), issuer.issued(TWO, index=2))
    await registry.send(*(issuer.signed_list(version, 1, purpose=purpose) for purpose in Purpose for version in (1, 2)))
    await registry.filed(ONE)
    await registry.filed(TWO)
    for action, status in ((Action.SUSPEND, 200), (Action.SUSPEND, 409), (Action.REINSTATE, 200)):
        answer = await registry.change(ONE, action, requestId=f"admin-{action}-{status}")
        assert answer.status_code == status, answer.text
    # Refused where it stands: the credential is active. Later it is suspended, and a replay must not change that.
    await registry.send(issuer.wish(TWO, Action.REINSTATE, event_id="refused"))
    await until_passed(registry)
    await registry.send(issuer.wish(TWO, Action.SUSPEND, event_id="applied"))

    async def suspended() -> bool:
        return bool((await registry.filed(TWO))["state"] == "suspended")

    await eventually(suspended, what="the partner's suspension")
    await until_passed(registry)

    async def lists_are_kept() -> bool:
        kept = await in_store(registry.settings, registry.settings.mongo_database, contents)
        return len([name for name in kept if name.startswith("status-lists/")]) == len(Purpose)

    await eventually(lists_are_kept, what="the lists")


async def test_a_rebuilt_registry_is_equal_and_takes_every_record_again_without_a_change(
    registry: Registry, issuer: Issuer, database_name: str
) -> None:
    await live(registry, issuer)
    name = f"{database_name}-rebuilt"

    report = await rebuilt(registry, name)

    assert (report.rebuilt.refused, report.rebuilt.incomplete, report.differing) == ([], [], [])
    assert report.hash == report.compared
    published: list[Message] = []

    async def replay(store: Store) -> None:
        assert await store.consortium() == registry.world.catalog.consortium

        async def keep(messages: Any) -> None:
            published.extend(messages)

        announcer = Announcer(store, keep, utc_now)
        handlers = Handlers(store, announcer, keep, Outcomes(store.requests), registry.world.addresses, utc_now)
        before = await contents(store)
        await handlers.register(await registry.records(CREDENTIALS))
        await handlers.keep_list(await registry.records(STATUS_LISTS))
        for record in await registry.records(STATUS_REQUESTS):
            await handlers.change_status([record])
        assert await contents(store) == before
        known: dict[str, StoredRequest] = await store.requests.with_outcomes(["admin-suspend-200"])
        assert known["admin-suspend-200"].applied is not None

    await in_store(registry.settings, name, replay)
    newest = {record.key: record.value for record in await registry.records(STATUS_CHANGES)}
    assert published
    assert {each.event.data for each in published} <= set(newest.values())


async def test_a_rebuilt_registry_takes_over(
    settings: RegistrySettings, world: World, issuer: Issuer, database_name: str
) -> None:
    name = f"{database_name}-rebuilt"
    # It takes the first one's place: beside it, each would take some of the requests, and know none of the other's.
    async with running(settings, world) as first:
        await first.apply_catalog()
        await live(first, issuer)
        await rebuilt(first, name)
    async with running(settings.model_copy(update={"mongo_database": name}), world) as second:
        assert [entry["by"] for entry in (await second.filed(TWO))["history"]] == [
            "issuer", "Partner's registrar (partner campus)",
        ]  # fmt: skip
        again = await second.change(ONE, Action.SUSPEND, requestId="new-after-the-rebuild")
        assert again.status_code == 200, again.text
        assert len((await second.filed(ONE))["history"]) == 4
        assert await second.dead_letters() == []


async def test_what_was_published_without_its_history_is_incomplete_until_it_is_published_again(
    registry: Registry, issuer: Issuer, database_name: str
) -> None:
    await registry.send(issuer.issued(ONE, index=1))
    await registry.filed(ONE)
    (held,) = await registry.bodies(STATUS_CHANGES, StatusChanged)
    request = accepted(issuer, ONE, at=held.changed_at)

    async def change(store: Store) -> None:
        before = await store.credential(held.credential)
        assert before is not None
        await store.advance([(before, changed_by(before, request, Action.REVOKE))])

    await in_store(registry.settings, registry.settings.mongo_database, change)
    old = held.model_copy(update={"state": State.REVOKED, "version": 2, "reason": "a mistake"})
    (record,) = [each for each in await registry.records(STATUS_CHANGES) if each.key == old.credential.encode()]
    await registry.send(as_an_earlier_version_would(old, record.partition))

    report = await rebuilt(registry, f"{database_name}-old")
    assert (report.rebuilt.incomplete, report.differing) == ([old.credential], [f"credentials/{old.credential}"])
    assert await republish(operating(registry.settings), registry.settings.mongo_database, "somebody") == 1
    entered = [(each.operator, each.action) for each in await registry.bodies(AUDIT, AdminActionRecorded)]
    assert ("somebody", "status.republish") in entered
    report = await rebuilt(registry, f"{database_name}-new")
    assert (report.rebuilt.incomplete, report.hash) == ([], report.compared)


def as_an_earlier_version_would(body: StatusChanged, partition: int) -> Message:
    return message(
        STATUS_CHANGES, body, key=body.credential, source="urn:laurel:registry", event_id="of-an-earlier-version",
        time=body.changed_at + timedelta(seconds=1), partition=partition,
    )  # fmt: skip
