"""Operators do what they may, where they may, and no more; and what they did stands in the audit."""

from __future__ import annotations

from typing import Any

import pytest

from integration.rights.conftest import RIGHTS, Desk, refusal, token, with_operators
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import Code
from laurel.contracts.topics import AUDIT
from laurel.runtime.settings import KafkaSettings
from support.log import read_topic
from support.system import ADMIN_TOKEN, VC_API_TOKEN, System, running
from support.waiting import eventually
from support.wishes import wish
from support.world import World

pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
NORTHS, SOUTHS = "urn:x:of-north", "urn:x:of-south"
FORBIDDEN = (403, Code.FORBIDDEN)
NOBODY = (401, Code.UNAUTHORIZED)
Desks = dict[str, Desk]


async def issued(desk: Desk, world: World, member: str, name: str) -> Any:
    body = {"credential": wish(world, member=member, id=name)}
    return await desk.call("issuer", "POST", "/credentials/issue", body)


async def filed(system: System, name: str) -> None:
    async def there() -> bool:
        answer = await Desk(system, ADMIN_TOKEN).call("registry", "GET", f"/admin/credentials/{name}")
        return answer.status_code == 200

    await eventually(there, what=f"{name} in the registry")


async def issue_as_each(system: System, desks: Desks, world: World) -> None:
    """For its members alone; the token of the settings still issues for all."""
    consortium, north_desk = desks["consortium"], desks["north-desk"]
    assert (await issued(north_desk, world, "north", NORTHS)).status_code == 201
    assert (await issued(north_desk, world, "north", NORTHS)).status_code == 201
    answer = await issued(north_desk, world, "south", SOUTHS)
    assert (*refusal(answer), answer.json()["pointer"]) == (*FORBIDDEN, "/credential/issuer")
    for name in ("auditor", "librarian", "welding-desk"):
        assert refusal(await issued(desks[name], world, "north", "urn:x:never")) == FORBIDDEN
    assert refusal(await issued(consortium, world, "north", "urn:x:never")) == NOBODY, "it is no key of the issuer's"
    assert (await issued(Desk(system, VC_API_TOKEN), world, "south", SOUTHS)).status_code == 201
    await filed(system, NORTHS)
    await filed(system, SOUTHS)


async def change_as_each(desks: Desks) -> None:
    """By either way, and once for each request."""
    consortium, north_desk, auditor = desks["consortium"], desks["north-desk"], desks["auditor"]
    for _ in range(2):
        assert (await north_desk.change(NORTHS, "suspend", "r-1")).json()["state"] == "suspended"
    assert refusal(await consortium.change(NORTHS, "suspend", "r-1")) == (409, Code.REQUEST_ID_REUSED)
    assert refusal(await north_desk.change(SOUTHS, "revoke", "r-2")) == FORBIDDEN
    assert refusal(await north_desk.change("urn:x:nothing", "revoke", "r-3")) == (404, Code.UNKNOWN_CREDENTIAL)
    assert refusal(await desks["welding-desk"].change(NORTHS, "revoke", "r-4")) == FORBIDDEN
    assert refusal(await auditor.change(NORTHS, "revoke", "r-5")) == FORBIDDEN
    entry = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    update = {"credentialId": SOUTHS, "credentialStatus": entry, "status": True}
    assert refusal(await north_desk.call("registry", "POST", "/credentials/status", update)) == FORBIDDEN
    shown = await north_desk.call("registry", "GET", f"/admin/credentials/{NORTHS}")
    assert [(each["state"], each["by"]) for each in shown.json()["history"]] == [
        ("active", "issuer"), ("suspended", "Ana (operator north-desk)"),
    ]  # fmt: skip
    for path in (f"/admin/credentials/{SOUTHS}", "/admin/catalog", "/admin/audit"):
        assert refusal(await north_desk.call("registry", "GET", path)) == FORBIDDEN
    assert (await north_desk.call("registry", "GET", "/admin/status-requests/r-1")).status_code == 200
    assert (await consortium.change(SOUTHS, "suspend", "r-6")).status_code == 200
    assert refusal(await north_desk.call("registry", "GET", "/admin/status-requests/r-6")) == FORBIDDEN


async def apply_as_each(desks: Desks, catalog: Catalog) -> None:
    """By entry; operators by the consortium alone."""
    renamed = catalog.achievements[0].model_copy(update={"name": "Welding, renamed"})
    norths = catalog.model_copy(update={"achievements": (renamed, *catalog.achievements[1:])})
    assert (await desks["north-office"].apply(norths)).json()["changed"] == 1
    python = norths.achievements[2].model_copy(update={"name": "Python, renamed"})
    souths = norths.model_copy(update={"achievements": (*norths.achievements[:2], python, norths.achievements[3])})
    assert refusal(await desks["north-office"].apply(souths)) == FORBIDDEN
    assert (await desks["librarian"].apply(souths)).json()["changed"] == 1
    powerful = souths.operators[1].model_copy(update={"rights": souths.operators[2].rights})
    greedy = souths.model_copy(update={"operators": (souths.operators[0], powerful)})
    assert refusal(await desks["librarian"].apply(greedy)) == FORBIDDEN
    seen = (await desks["north-office"].call("registry", "GET", "/admin/catalog")).json()
    assert [each["id"] for each in seen["issuers"]] == ["north"]
    assert {each["issuer"] for each in seen["achievements"]} == {"north"}
    assert seen["partners"] == seen["operators"] == []


async def find_all_audited(desks: Desks, catalog: Catalog) -> None:
    """What was done stands there once, however often it was asked for; what was refused, too."""
    auditor, operators = desks["auditor"], [each.id for each in catalog.operators]
    done = {
        ("north-desk", "credential.issue", NORTHS), ("consortium", "credential.issue", SOUTHS),
        ("north-desk", "status.suspend", NORTHS), ("consortium", "status.suspend", SOUTHS),
        ("north-office", "catalog.change", "achievement/welding"),
        ("librarian", "catalog.change", "achievement/python"),
        *(("consortium", "catalog.change", f"operator/{name}") for name in operators),
        *(("consortium", "catalog.change", f"issuer/{each.id}") for each in catalog.issuers),
        *(("consortium", "catalog.change", f"partner/{each.id}") for each in catalog.partners),
        *(("consortium", "catalog.change", f"achievement/{each.id}") for each in catalog.achievements),
    }  # fmt: skip
    refused = {
        ("north-desk", "credential.issue", "issuer/south"), ("auditor", "credential.issue", "POST /credentials/issue"),
        ("welding-desk", "credential.issue", "issuer/north"), ("north-desk", "status.change", SOUTHS),
        ("auditor", "deliveries.read", "GET /deliveries"), ("north-desk", "audit.read", "GET /admin/audit"),
        ("north-office", "catalog.change", "achievement/python"),
        ("librarian", "catalog.change", "operator/librarian"), ("north-desk", "status.read", SOUTHS),
    }  # fmt: skip

    async def audited() -> list[dict[str, Any]]:
        found = (await auditor.call("registry", "GET", "/admin/audit?limit=1000")).json()["actions"]
        told = {(each["operator"], each["action"], each["target"]) for each in found if each["outcome"] == "refused"}
        missing = (done - {(each["operator"], each["action"], each["target"]) for each in found}) | (refused - told)
        return [] if missing else found

    found = await eventually(audited, what="all of it in the audit")
    carried_out = [(each["operator"], each["action"], each["target"]) for each in found if each["outcome"] == "done"]
    assert sorted(carried_out) == sorted(done)
    assert all(each["code"] == Code.FORBIDDEN for each in found if each["outcome"] == "refused")
    paged: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": 2**40}
    while "next" in page:
        answer = await auditor.call("registry", "GET", f"/admin/audit?limit=7&before={page['next']}")
        page = answer.json()
        paged += page["actions"]
    assert paged == found
    only = await auditor.call("registry", "GET", "/admin/audit?operator=north-office&outcome=done")
    assert [each["target"] for each in only.json()["actions"]] == ["achievement/welding"]


async def test_each_operator_does_what_it_may_and_the_audit_tells_of_it(
    builds: dict[str, Any], world: World, kafka_settings: KafkaSettings
) -> None:
    catalog = with_operators(world.catalog)
    async with running(builds) as system:
        desks = {each.id: Desk(system, token(each.id)) for each in catalog.operators}
        desks["consortium"] = Desk(system, ADMIN_TOKEN)
        assert (await desks["consortium"].apply(catalog)).status_code == 200
        await issue_as_each(system, desks, world)
        await change_as_each(desks)
        assert (await desks["north-desk"].call("notifier", "GET", "/deliveries")).status_code == 200
        assert refusal(await desks["auditor"].call("notifier", "GET", "/deliveries")) == FORBIDDEN
        await apply_as_each(desks, catalog)
        for service, path in (("registry", "/admin/audit"), ("notifier", "/deliveries")):
            assert refusal(await Desk(system, "a-strangers-token").call(service, "GET", path)) == NOBODY

        await find_all_audited(desks, catalog)
    records = await read_topic(kafka_settings, AUDIT)
    text = b"".join(each.value or b"" for each in records).decode()
    assert not any(secret in text for name in RIGHTS for secret in (token(name), ADMIN_TOKEN, VC_API_TOKEN, "Ana"))


async def test_tokens_are_changed_while_everything_runs(builds: dict[str, Any], world: World) -> None:
    """Both tokens open all services during the change, and the old one none after it. Nothing is started again."""

    async def lets_in(desk: Desk, service: str) -> bool:
        path, method = {"registry": ("/admin/status-requests/none", "GET"), "issuer": ("/credentials/issue", "POST"),
                        "notifier": ("/deliveries", "GET")}[service]  # fmt: skip
        answer = await desk.call(service, method, path, {})
        assert answer.status_code in (200, 400, 401, 404), answer.text
        return answer.status_code != 401

    services = ("registry", "issuer", "notifier")
    async with running({name: build for name, build in builds.items() if name != "verifier"}) as system:
        old, new = (Desk(system, token("north-desk", number)) for number in (1, 2))
        for numbers, expected in (((1,), (True, False)), ((1, 2), (True, True)), ((2,), (False, True)),
                                  ((), (False, False))):  # fmt: skip
            answer = await Desk(system, ADMIN_TOKEN).apply(with_operators(world.catalog, numbers))
            assert answer.status_code == 200, answer.text
            for service in services:
                for desk, is_in in zip((old, new), expected, strict=True):

                    async def as_expected(desk: Desk = desk, service: str = service, is_in: bool = is_in) -> bool:
                        return await lets_in(desk, service) is is_in

                    if is_in or service == "registry":
                        assert await as_expected(), "what lets in counts at once"
                    await eventually(as_expected, what=f"{service} to go by {numbers}")
