"""The registry on real parts: what it files, what it refuses, and what it publishes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integration.registry.running import Registry, running
from laurel.contracts.catalog import AchievementPublished, IssuerPublished, PartnerPublished
from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.status import Action, Purpose, State, StatusChanged, StatusHeartbeat, StatusListSigned
from laurel.contracts.topics import CATALOG, STATUS_CHANGES, STATUS_REQUESTS, Topic
from laurel.runtime.mongo import Mongo
from laurel.runtime.record import Record
from registry.catalog import plan
from registry.config import RegistrySettings
from registry.store import Store
from support.waiting import eventually
from support.world import EPOCH, World, key
from unit.registry.issuing import ISSUED_AT, Issuer
from unit.registry.states import accepted, changed_by, filed


async def changes(registry: Registry) -> list[Record]:
    """The records that tell a credential's status, without the heartbeats."""
    records = await registry.records(STATUS_CHANGES)
    return [record for record in records if not (record.key or b"").startswith(b"heartbeat-")]


def published(record: Record) -> tuple[Any, ...]:
    """What a reader sees of a record, without what only traces it."""
    headers = [(name, raw) for name, raw in record.headers if name.startswith("ce_")]
    return record.partition, record.key, sorted(headers), record.value


async def count(registry: Registry, topic: Topic) -> int:
    return len(await registry.records(topic))


async def test_a_catalog_is_published_once_a_version(registry: Registry, world: World) -> None:
    bodies = await registry.bodies(CATALOG, IssuerPublished) + await registry.bodies(CATALOG, AchievementPublished)
    bodies += await registry.bodies(CATALOG, PartnerPublished)
    assert sorted(bodies, key=repr) == sorted(world.published(), key=repr)

    again = await registry.apply_catalog()
    assert (again["changed"], len(again["entries"])) == (0, 9)
    assert await count(registry, CATALOG) == 9

    catalog = world.catalog
    renamed = catalog.issuers[0].model_copy(update={"name": "Another name"})
    result = await registry.apply_catalog(catalog.model_copy(update={"issuers": (renamed, *catalog.issuers[1:])}))
    assert [each for each in result["entries"] if each["changed"]] == [
        {"kind": "issuer", "id": "north", "version": 2, "changed": True}
    ]
    newest = (await registry.bodies(CATALOG, IssuerPublished))[-1]
    assert (await count(registry, CATALOG), newest.name, newest.version) == (10, "Another name", 2)


async def test_filing_again_changes_nothing_and_publishes_the_same(registry: Registry, issuer: Issuer) -> None:
    await registry.send(*(issuer.issued(f"token-000{number}", index=number) for number in range(3)))
    before = [await registry.filed(f"token-000{number}") for number in range(3)]
    first = await eventually_some(registry, 3)
    await registry.send(*(issuer.issued(f"token-000{number}", index=number) for number in range(3)))
    both = await eventually_some(registry, 6)
    assert sorted(map(published, both)) == sorted([published(record) for record in first] * 2)
    assert [await registry.filed(f"token-000{number}") for number in range(3)] == before
    body = (await registry.bodies(STATUS_CHANGES, StatusChanged))[0]
    assert (body.version, body.state, body.changed_at) == (1, State.ACTIVE, ISSUED_AT)
    assert {record.partition for record in first} == {STATUS_CHANGES.partition_of("north-1")}
    assert await registry.dead_letters() == []


async def eventually_some(registry: Registry, least: int) -> list[Record]:
    async def look() -> list[Record]:
        found = await changes(registry)
        return found if len(found) >= least else []

    return await eventually(look, what=f"{least} status changes")


async def test_what_does_not_verify_becomes_a_dead_letter_and_the_rest_is_filed(
    registry: Registry, issuer: Issuer
) -> None:
    tampered = issuer.document("token-0002")
    tampered["name"] = "Something better"
    await registry.send(
        issuer.issued("token-0001"),
        issuer.issued("token-0002", document=tampered),
        issuer.issued("token-0003", signer=key("a stranger")),
        issuer.issued("token-0004", document=issuer.document("token-0005")),
        issuer.issued("token-0006"),
    )
    await registry.filed("token-0006")
    letters = await registry.buried(3)
    assert {each.code for each in letters} == {Code.PROOF_REFUSED}
    assert (await registry.http.get("/credentials/token-0001")).status_code == 200
    assert (await registry.http.get("/credentials/token-0002")).status_code == 404

    # The same id with other content: nothing is overwritten, and the good one beside it is filed.
    other = issuer.document("token-0001", slug="first-aid")
    await registry.send(issuer.issued("token-0001", event_id="other", document=other), issuer.issued("token-0007"))
    await registry.filed("token-0007")
    letters = await registry.buried(4)
    assert [each.code for each in letters if each.code is not Code.PROOF_REFUSED] == [Code.CREDENTIAL_CONFLICT]
    kept = (await registry.http.get("/credentials/token-0001")).json()
    assert kept == issuer.document("token-0001")


async def test_a_credential_is_suspended_reinstated_and_revoked_for_good(registry: Registry, issuer: Issuer) -> None:
    await registry.send(issuer.issued("token-0001"))
    await registry.filed("token-0001")
    for version, (action, state) in enumerate(
        [(Action.SUSPEND, "suspended"), (Action.REINSTATE, "active"), (Action.REVOKE, "revoked")], start=2
    ):
        answer = await registry.change("token-0001", action, requestId=f"request-{version}")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["version"]) == (state, version)

    # Asked again, the answer is the same and nothing is published; sent again, the current state is published again.
    before = await changes(registry)
    again = await registry.change("token-0001", Action.SUSPEND, requestId="request-2")
    assert (again.status_code, again.json()["version"]) == (200, 2)
    other = await registry.change("token-0001", Action.REVOKE, requestId="request-2")
    assert (other.status_code, other.json()["code"]) == (409, Code.REQUEST_ID_REUSED)
    assert len(await changes(registry)) == len(before) == 4
    refused = await registry.change("token-0001", Action.REINSTATE, requestId="request-5")
    assert (refused.status_code, refused.json()["code"]) == (409, Code.TRANSITION_NOT_ALLOWED)
    unknown = await registry.change("token-0009", Action.REVOKE)
    assert (unknown.status_code, unknown.json()["code"]) == (404, Code.UNKNOWN_CREDENTIAL)

    shown = await registry.filed("token-0001")
    assert [(entry["state"], entry["by"]) for entry in shown["history"]] == [
        ("active", "issuer"), ("suspended", "registrar"), ("active", "registrar"), ("revoked", "registrar"),
    ]  # fmt: skip
    outcome = await registry.admin("GET", "/status-requests/request-5")
    assert (outcome.status_code, outcome.json()["code"]) == (409, Code.TRANSITION_NOT_ALLOWED)
    assert await registry.dead_letters() == []


async def test_partners_change_what_they_reported_and_nothing_else(registry: Registry, issuer: Issuer) -> None:
    await registry.send(issuer.issued("token-0001"), issuer.issued("token-0002", index=8))
    await registry.filed("token-0002")
    first = issuer.wish("token-0001", Action.SUSPEND, event_id="wish-1")
    await registry.send(
        issuer.wish("token-0001", Action.REVOKE, partner="forge", event_id="wish-0"),
        first,
        issuer.wish("token-0002", Action.REVOKE, event_id="forged", signed=False, source="urn:laurel:registry"),
        issuer.wish("token-0002", Action.REVOKE, event_id="unsigned", signed=False),
        issuer.wish("token-0002", Action.REVOKE, event_id="unknown", kid="nobody-1"),
        issuer.wish("token-0002", Action.REVOKE, event_id="elsewhere", source="https://forge.example.org/lms"),
        first,
    )
    letters = await registry.buried(4)
    assert {each.code for each in letters} == {
        Code.STATUS_NOT_YOURS, Code.SIGNATURE_MISSING, Code.UNKNOWN_KEY, Code.SOURCE_NOT_REGISTERED,
    }  # fmt: skip
    shown = await eventually_version(registry, "token-0001", 2)
    assert [(each["state"], each["by"]) for each in shown["history"][1:]] == [
        ("suspended", "Partner's registrar (partner campus)")
    ]
    assert (await registry.filed("token-0002"))["version"] == 1
    await eventually_some(registry, 4)  # two registrations, and the applied wish twice
    bodies = [published(record) for record in await changes(registry) if record.key == token_key(issuer, "token-0001")]
    assert len(bodies) == 3
    assert bodies[1] == bodies[2]


async def test_a_key_for_some_achievements_changes_no_others_credentials(
    registry: Registry, issuer: Issuer, world: World
) -> None:
    campus, *others = world.catalog.partners
    limited = tuple(each.model_copy(update={"achievements": ("python",)}) for each in campus.keys)
    await registry.apply_catalog(
        world.catalog.model_copy(update={"partners": (campus.model_copy(update={"keys": limited}), *others)})
    )
    await registry.send(issuer.issued("token-0001"))
    await registry.filed("token-0001")
    refused = issuer.wish("token-0001", Action.REVOKE)
    await registry.send(refused)
    await eventually(lambda: refused_request(registry, refused.event.source, refused.event.id), what="the refusal")
    assert (await registry.filed("token-0001"))["state"] == "active"

    await registry.apply_catalog()
    await registry.send(refused)  # what was refused once stays so, though the key may do it now
    await registry.send(issuer.wish("token-0001", Action.SUSPEND, event_id="wish-2"))
    assert (await eventually_version(registry, "token-0001", 2))["state"] == "suspended"


async def eventually_version(registry: Registry, token: str, version: int) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        shown = await registry.filed(token)
        return shown if shown["version"] >= version else {}

    return await eventually(look, what=f"version {version} of {token}")


def token_key(issuer: Issuer, token: str) -> bytes:
    return issuer.world.addresses.credential(token).encode()


async def test_a_status_list_only_rises(registry: Registry, issuer: Issuer) -> None:
    url = "/status-lists/north-1-revocation"

    async def served(version: int) -> bool:
        message = issuer.signed_list(version, version)
        wanted = StatusListSigned.model_validate_json(message.event.data).credential
        answer = await registry.http.get(url)
        return answer.status_code == 200 and answer.json() == wanted

    await registry.send(issuer.signed_list(2, 2))
    await eventually(lambda: served(2))
    await registry.send(
        issuer.signed_list(1, 1),
        issuer.signed_list(3, 3, signer=key("a stranger")),
        issuer.signed_list(3, 3, url=issuer.world.addresses.status_list("north-2", Purpose.REVOCATION)),
        issuer.signed_list(2, 99),
        issuer.signed_list(1, 1, purpose=Purpose.SUSPENSION),
    )
    assert sorted(each.code for each in await registry.buried(3)) == [
        Code.CREDENTIAL_CONFLICT, Code.PROOF_REFUSED, Code.PROOF_REFUSED,
    ]  # fmt: skip
    assert await served(2)
    await registry.send(issuer.signed_list(3, 3))
    await eventually(lambda: served(3))
    answer = await registry.http.get(url)
    assert answer.headers["cache-control"] == "public, max-age=15"


async def test_a_request_from_nobody_is_buried_and_one_sent_again_is_answered_alike(
    registry: Registry, issuer: Issuer
) -> None:
    """The admin API's own event, copied from the topic and changed, has another digest."""
    await registry.send(issuer.issued("token-0001"), issuer.issued("token-0002", index=9))
    await registry.filed("token-0002")
    await registry.change("token-0001", Action.SUSPEND, requestId="request-1")
    copied = issuer.wish("token-0002", Action.REVOKE, event_id="request-1", signed=False, source="urn:laurel:registry")
    await registry.send(copied)
    assert [each.code for each in await registry.buried(1)] == [Code.STATUS_NOT_YOURS]
    assert (await registry.filed("token-0002"))["state"] == "active"

    # A partner's request gets no say by claiming the registry's source afterwards.
    foreign = issuer.wish("token-0001", Action.REVOKE, partner="forge", event_id="theirs")
    await registry.send(foreign)
    request_id = await eventually(lambda: refused_request(registry, foreign.event.source, "theirs"))
    claimed = replace(foreign, event=replace(foreign.event, id=request_id, source="urn:laurel:registry", extensions={}))
    await registry.send(claimed)
    assert len(await registry.buried(2)) == 2
    assert (await registry.filed("token-0001"))["state"] == "suspended"
    assert await count(registry, STATUS_REQUESTS) == 4


async def refused_request(registry: Registry, source: str, event_id: str) -> str:
    request_id = derived_id(source, event_id, "status.change.requested")
    answer = await registry.admin("GET", f"/status-requests/{request_id}")
    return request_id if answer.status_code == 403 else ""


async def test_every_partition_has_a_heartbeat_that_rises(registry: Registry) -> None:
    async def beats() -> dict[int, list[StatusHeartbeat]]:
        found: dict[int, list[StatusHeartbeat]] = {}
        for each in await registry.bodies(STATUS_CHANGES, StatusHeartbeat):
            found.setdefault(each.partition, []).append(each)
        return found if len(found) == 6 and all(len(each) >= 2 for each in found.values()) else {}

    for partition, found in (await eventually(beats)).items():
        moments = [each.at for each in found]
        assert moments == sorted(set(moments)), partition
    for record in await registry.records(STATUS_CHANGES):
        assert record.key == f"heartbeat-{record.partition}".encode()


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_what_was_stored_before_a_crash_is_published_at_start(
    settings: RegistrySettings, world: World, issuer: Issuer
) -> None:
    mongo = Mongo(settings)
    store = Store(mongo)
    await store.ensure_indexes()
    await store.put_entries([each.entry for each in plan(world.catalog, {}, world.addresses, EPOCH)])
    before, request = filed(issuer, "token-0001"), accepted(issuer, "token-0001")
    await store.register([before])
    await store.requests.accept([request])
    await store.requests.owe([request.id])
    await store.advance([(before, changed_by(before, request, Action.SUSPEND))])
    await mongo.close()
    async with running(settings, world) as registry:
        assert await count(registry, CATALOG) == 9
        bodies = await registry.bodies(STATUS_CHANGES, StatusChanged)
        assert {(each.version, each.state) for each in bodies} == {(2, State.SUSPENDED)}
        # Unfinished changes, and then (once in a database's life) the histories: both as they are stored.
        assert len({each.to_bytes() for each in bodies}) == 1
    async with running(settings, world) as registry:
        assert await count(registry, CATALOG) == 9
