"""The registry over HTTP: what anyone may read, and what only an administrator may do."""

from __future__ import annotations

import httpx
import pytest

from integration.registry.running import Registry, running
from laurel.contracts.errors import Code
from laurel.contracts.status import Action
from laurel.credentials.controller_documents import jwk_method_id, methods_of
from registry.config import RegistrySettings
from support.waiting import eventually
from support.world import World
from unit.registry.issuing import Issuer

# What is read does not depend on which broker it came from.
pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
COMMON = {"access-control-allow-origin": "*", "x-content-type-options": "nosniff", "vary": "Accept"}


async def read(registry: Registry, path: str, **headers: str) -> httpx.Response:
    answer = await registry.http.get(path, headers=headers)
    for name, value in COMMON.items():
        assert answer.headers[name] == value
    return answer


async def test_the_public_record(registry: Registry, issuer: Issuer) -> None:
    await registry.send(issuer.issued("token-0001"), issuer.signed_list(1))
    await registry.filed("token-0001")

    async def listed() -> bool:
        return (await registry.http.get("/status-lists/north-1-revocation")).status_code == 200

    await eventually(listed)

    # A credential is one document under several names, and a page to browsers.
    document = issuer.document("token-0001")
    for accept, media in (
        ("*/*", "application/ld+json"), ("application/vc", "application/vc"), ("application/json", "application/json"),
    ):  # fmt: skip
        answer = await read(registry, "/credentials/token-0001", Accept=accept)
        assert (answer.json(), answer.headers["content-type"]) == (document, media)
        assert answer.headers["cache-control"] == "public, max-age=300"
    assert (await read(registry, "/credentials/token-0001.json", **BROWSER)).json() == document

    page = await read(registry, "/credentials/token-0001", **BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "public, max-age=5"
    for expected in ("Course welding", "Member north", "Active", "a skill", "1 June 2026", "laurel verify http://"):
        assert expected in page.text

    # Unchanged is 304, by content: the page changes with the state, the document does not.
    for name, media in (("/credentials/token-0001", "application/vc"), ("/credentials/token-0001", "text/html"),
                        ("/status-lists/north-1-revocation", "application/vc"), ("/issuers/north/did.json", "*/*"),
                        ("/issuers/north", "*/*"), ("/achievements/welding", "text/html"), ("/", "*/*"),
                        ("/assets/laurel.css", "*/*")):  # fmt: skip
        whole = await read(registry, name, Accept=media)
        tag = whole.headers["etag"]
        assert (whole.status_code, tag[0], tag[-1]) == (200, '"', '"')
        for held in (tag, f'"other", W/{tag}', "*"):
            same = await read(registry, name, Accept=media, **{"If-None-Match": held})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert (await read(registry, name, Accept=media, **{"If-None-Match": '"other"'})).status_code == 200
        head = await registry.http.head(name, headers={"Accept": media})
        assert (head.status_code, head.headers["etag"]) == (200, tag)

    assert (await registry.change("token-0001", Action.REVOKE)).status_code == 200
    after = await read(registry, "/credentials/token-0001", **BROWSER, **{"If-None-Match": page.headers["etag"]})
    assert (after.status_code, "Revoked" in after.text, "a mistake" in after.text) == (200, True, True)
    assert "registrar" not in after.text  # who asked is for administrators
    assert (await read(registry, "/credentials/token-0001")).json() == document


async def test_the_catalog_is_public(registry: Registry, world: World) -> None:
    did = (await read(registry, "/issuers/north/did.json")).json()
    assert did["id"] == world.did("north")
    public = world.members["north"].public
    assert list(methods_of(did)) == [world.verification_method("north"), jwk_method_id(did["id"], public)]
    assert {method.public_key for method in methods_of(did).values()} == {public}
    profile = (await read(registry, "/issuers/north")).json()
    assert (profile["id"], profile["type"], profile["name"]) == (world.did("north"), ["Profile"], "Member north")
    achievement = (await read(registry, "/achievements/welding")).json()
    assert achievement["id"] == world.addresses.achievement("welding")
    assert achievement["creator"]["id"] == world.did("north")
    for path, expected in (
        ("/", ("Test Consortium", "Member east", "Member north")),
        ("/issuers/north", ("Course first-aid", "Course welding", world.did("north"))),
        ("/achievements/first-aid", ("Everything in first-aid was completed.", "730 days", "Member north")),
    ):  # fmt: skip
        page = await read(registry, path, **BROWSER)
        assert [text for text in expected if text not in page.text] == []
        assert (await registry.http.get("/assets/laurel.css")).headers["content-type"].startswith("text/css")


async def test_what_is_not_there(registry: Registry) -> None:
    for path in ("/credentials/token-0009", "/credentials/a.b", "/status-lists/nothing", "/issuers/nobody",
                 "/issuers/nobody/did.json", "/achievements/nothing", "/nothing/at/all"):  # fmt: skip
        answer = await read(registry, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["code"] == Code.NOT_FOUND
        page = await read(registry, path, **BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is no such" in page.text


async def test_the_admin_api_wants_its_token(registry: Registry, world: World) -> None:
    for method, path in (("PUT", "/catalog"), ("GET", "/catalog"), ("POST", "/status-requests"),
                         ("GET", "/status-requests/x"), ("GET", "/credentials/token-0001")):  # fmt: skip
        for token in ("wrong" * 10, ""):
            answer = await registry.admin(method, path, {}, token)
            assert (answer.status_code, answer.json()["code"]) == (401, Code.UNAUTHORIZED)
    assert (await registry.http.put("/admin/catalog", content=b"not json")).status_code == 401

    stored = await registry.admin("GET", "/catalog")
    again = await registry.admin("PUT", "/catalog", stored.json())
    assert (again.status_code, again.json()["changed"]) == (200, 0)


async def test_what_is_wrong_is_named(registry: Registry, world: World) -> None:
    catalog = world.catalog.model_dump(mode="json")
    doubled = catalog | {"issuers": [*catalog["issuers"], catalog["issuers"][0]]}
    moved = catalog | {"achievements": [{**catalog["achievements"][0], "issuer": "south"}], "partners": []}
    wish = {
        "credential": world.addresses.credential("token-0001"),
        "action": "revoke",
        "reason": "r",
        "requestedBy": "x",
    }
    for method, path, body, status, code, pointer in (
        ("PUT", "/catalog", doubled, 409, Code.CATALOG_CONFLICT, ""),
        ("PUT", "/catalog", moved, 409, Code.CATALOG_CONFLICT, "/achievements/0/issuer"),
        ("PUT", "/catalog", {**catalog, "consortium": {}}, 400, Code.INVALID_BODY, "/consortium/name"),
        ("POST", "/status-requests", {**wish, "action": "burn"}, 400, Code.INVALID_BODY, "/action"),
        ("POST", "/status-requests", {**wish, "requestId": "a b"}, 400, Code.INVALID_BODY, "/requestId"),
        ("POST", "/status-requests", wish, 404, Code.UNKNOWN_CREDENTIAL, "/credential"),
        ("GET", "/status-requests/none", None, 404, Code.NOT_FOUND, ""),
        ("GET", "/credentials/none", None, 404, Code.UNKNOWN_CREDENTIAL, ""),
    ):  # fmt: skip
        answer = await registry.admin(method, path, body)
        told = answer.json()
        assert (answer.status_code, told["code"], told["pointer"]) == (status, code, pointer), told
    bad = await registry.http.put("/admin/catalog", content=b"{", headers={"Authorization": f"Bearer {'x' * 40}"})
    assert bad.status_code == 401
    assert (await registry.http.get("/openapi.json")).status_code == 200


async def test_there_is_no_catalog_before_the_first(settings: RegistrySettings, world: World) -> None:
    async with running(settings, world) as registry:
        answer = await registry.admin("GET", "/catalog")
        assert (answer.status_code, answer.json()["code"]) == (404, Code.NOT_FOUND)
        assert (await read(registry, "/", **BROWSER)).status_code == 200
