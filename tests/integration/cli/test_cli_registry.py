"""`laurel catalog` and `laurel status` against a site that answers as the registry's admin API does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from laurel.runtime.web import json_body
from support.command import Run
from support.site import Site
from support.world import World

ID = "https://badges.example.org/credentials/4xT9"
TOKEN = "a-token-of-at-least-32-characters-0123"


@pytest.fixture
def registry(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A registry that the environment names."""
    monkeypatch.setenv("LAUREL_REGISTRY_URL", site.url)
    monkeypatch.setenv("LAUREL_ADMIN_TOKEN", TOKEN)
    return site


@pytest.fixture
def catalog_file(tmp_path: Path, world: World) -> Path:
    file = tmp_path / "catalog.yaml"
    file.write_text(yaml.safe_dump(json_body(world.catalog)))
    return file


def test_a_catalog_is_applied_and_what_changed_is_told(
    run: Run, registry: Site, catalog_file: Path, world: World
) -> None:
    entries = [{"kind": "issuer", "id": "north", "version": 2, "changed": True},
               {"kind": "issuer", "id": "south", "version": 1, "changed": False}]  # fmt: skip
    registry.serve("/admin/catalog", {"entries": entries, "changed": 1}, method="PUT")

    ran = run("catalog", "apply", catalog_file)

    assert ran.code == 0, ran.err
    assert "1 of 2 entries changed" in ran.out
    assert "north" in ran.out
    assert "south" not in ran.out
    assert registry.bodies == [json_body(world.catalog)]
    assert registry.requests[0][2]["Authorization"] == f"Bearer {TOKEN}"
    assert run("catalog", "apply", catalog_file, "--json").document["changed"] == 1


def an_action(number: int) -> dict[str, Any]:
    return {"id": str(number), "at": "2026-06-01T12:00:00Z", "operator": "desk", "action": "status.revoke",
            "target": f"urn:x:{number}", "outcome": "done", "detail": "version 2"}  # fmt: skip


def test_the_audit_is_read_page_after_page_and_told_with_the_newest_last(run: Run, registry: Site) -> None:
    first, second = [an_action(9), an_action(8)], [an_action(7)]
    asked = "/admin/audit?operator=desk&outcome=done"
    registry.serve(f"{asked}&limit=1000", {"actions": first, "next": 8})
    registry.serve(f"{asked}&before=8&limit=998", {"actions": second})

    ran = run("audit", "list", "--operator", "desk", "--outcome", "done", "--limit", 1000, "--json")

    assert ran.code == 0, ran.err
    assert [each["id"] for each in ran.document["actions"]] == ["7", "8", "9"]
    assert all(request[2]["Authorization"] == f"Bearer {TOKEN}" for request in registry.requests)
    shown = run("audit", "list", "--operator", "desk", "--outcome", "done", "--limit", 1000).out
    assert shown.index("urn:x:7") < shown.index("urn:x:9")
    registry.serve("/admin/audit?limit=50", {"actions": []})
    assert "Nothing was done yet." in run("audit", "list").out


def test_a_right_that_is_lacking_is_told(run: Run, registry: Site) -> None:
    registry.serve("/admin/audit?limit=50", {"code": "LRL-3011", "detail": "The operator may not."}, status=403)
    ran = run("audit", "list", "--json")
    assert (ran.code, ran.document["error"]["code"], ran.document["error"]["status"]) == (1, "LRL-3011", 403)


def test_a_catalog_that_is_wrong_goes_nowhere(run: Run, registry: Site, catalog_file: Path) -> None:
    catalog_file.write_text(catalog_file.read_text().replace("issuer: north", "issuer: nobody"))

    for arguments in (["--json"], ["--check", "--json"]):
        ran = run("catalog", "apply", catalog_file, *arguments)
        assert ran.code == 1
        (finding,) = ran.document["error"]["findings"]
        assert "unknown issuer 'nobody'" in finding["detail"]
    assert registry.requests == []


def test_checking_asks_nobody(run: Run, catalog_file: Path) -> None:
    ran = run("catalog", "apply", catalog_file, "--check")

    assert ran.code == 0
    assert ran.out == "The catalog is right: 3 issuers, 2 partners, 4 achievements, 0 operators.\n"


PROBLEM = {"code": "LRL-2002", "pointer": "/action", "detail": "It is revoked already.", "status": 409}


@pytest.mark.parametrize(
    ("status", "answer", "code", "says"),
    [
        (200, {"credential": ID, "state": "revoked", "changedAt": "2026-06-01T12:00:00Z"}, 0, "is revoked since 2026"),
        (202, {"requestId": "r-1"}, 0, "Accepted as r-1"),
        (409, PROBLEM, 1, "Refused (LRL-2002 at /action): It is revoked already."),
        (401, {"code": "LRL-3001", "detail": "The token is wrong."}, 1, "does not accept the token"),
        (503, {"code": "LRL-3006", "detail": "Starting."}, 3, "--request-id r-1"),
        (200, b"<html>", 3, "without JSON"),
    ],
)  # fmt: skip
def test_a_status_request_and_its_answers(
    run: Run, registry: Site, status: int, answer: Any, code: int, says: str
) -> None:
    registry.serve("/admin/status-requests", answer, method="POST", status=status)

    ran = run("status", "revoke", ID, "--reason", "By mistake", "--by", "Ada", "--request-id", "r-1")

    assert ran.code == code
    assert says in ran.out + ran.err
    assert registry.bodies == [
        {"credential": ID, "action": "revoke", "reason": "By mistake", "requestedBy": "Ada", "requestId": "r-1"}
    ]


@pytest.mark.parametrize("action", ["suspend", "reinstate"])
def test_the_other_actions(run: Run, registry: Site, action: str) -> None:
    registry.serve("/admin/status-requests", {"requestId": "r"}, method="POST", status=202)

    ran = run("status", action, ID, "--reason", "Review", "--json")

    assert ran.document == {"done": False, "requestId": "r"}
    assert registry.bodies[0]["action"] == action
    assert len(registry.bodies[0]["requestId"]) == 36


def test_a_refusal_as_json(run: Run, registry: Site) -> None:
    registry.serve("/admin/status-requests", PROBLEM, method="POST", status=409)

    error = run("status", "revoke", ID, "--reason", "x", "--request-id", "r-1", "--json").document["error"]

    assert error == {
        "exitCode": 1, "detail": "Refused (LRL-2002 at /action): It is revoked already.", "code": "LRL-2002",
        "pointer": "/action", "status": 409, "requestId": "r-1",
    }  # fmt: skip


@pytest.mark.parametrize("given", [ID, "4xT9"])
def test_a_history_is_shown(run: Run, registry: Site, given: str) -> None:
    history = [{"version": 1, "state": "active"}, {"version": 2, "state": "revoked", "reason": "By \u001b[31mmistake"}]
    registry.serve("/admin/credentials/4xT9", {"id": ID, "state": "revoked", "history": history})

    ran = run("status", "show", given)

    assert ran.code == 0
    assert "state: revoked" in ran.out
    assert "mistake" in ran.out
    assert "\u001b[31m" not in ran.out
    assert run("status", "show", given, "--json").document["history"] == history


def test_an_unknown_credential_is_refused(run: Run, registry: Site) -> None:
    assert run("status", "show", "nothing").code == 1


def test_what_is_missing_is_said(run: Run, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAUREL_ADMIN_TOKEN", raising=False)
    monkeypatch.delenv("LAUREL_REGISTRY_URL", raising=False)
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")

    assert "LAUREL_ADMIN_TOKEN" in run("status", "show", ID).err
    assert "LAUREL_REGISTRY_URL" in run("status", "show", ID, "--token-file", token).err
    for registry, says in (("badges.example.org", "not an address"), ("http://badges.example.org", "https")):
        ran = run("status", "show", ID, "--token-file", token, "--registry", registry)
        assert (ran.code, says in ran.err) == (2, True)
    assert run("status", "show", ID, "--token-file", token, "--registry", "http://127.0.0.1:9").code == 3
    assert run("status", "show", ID, "--token-file", tmp_path / "absent", "--registry", site.url).code == 2
    assert run("status", "revoke", "4xT9", "--reason", "x", "--token-file", token, "--registry", site.url).code == 2
    assert site.requests == []
