"""`laurel status bulk` against a site that answers as the registry's admin API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.command import Run
from support.site import Site

PATH = "/admin/status-changes"
ID = "https://badges.example.org/credentials/4xT9"
TOKEN = "a-token-of-at-least-32-characters-0123"
DIGEST = "d" * 64
WHY = ("--reason", "Wrong cohort", "--by", "Ada", "--request-id", "mistake")


def posted(site: Site) -> list[Any]:
    return [json.loads(body) for method, _, _, body in site.requests if method == "POST"]


def seen(changes: int = 2) -> dict[str, Any]:
    return {
        "action": "suspend", "selected": 3, "counts": {"changes": changes, "already": 3 - changes}, "digest": DIGEST,
        "achievements": {"welding": changes}, "sample": [{"credential": ID, "fate": "changes", "state": "active"}],
        "leftOut": [],
    }  # fmt: skip


def progress(changed: int = 2, refused: int = 0, *, finished: bool = True) -> dict[str, Any]:
    refusals = [{"credential": ID, "code": "LRL-2005", "detail": "Changed \u001b[31mmeanwhile."}] * refused
    told: dict[str, Any] = {"id": "mistake", "action": "suspend", "total": 2, "changed": changed, "refused": refused,
                            "refusals": refusals, "reason": "Wrong cohort", "requestedBy": "Ada"}  # fmt: skip
    return told | ({"finishedAt": "2026-06-01T12:00:00Z"} if finished else {})


@pytest.fixture
def registry(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A registry that the environment names, with two credentials to suspend."""
    monkeypatch.setenv("LAUREL_REGISTRY_URL", site.url)
    monkeypatch.setenv("LAUREL_ADMIN_TOKEN", TOKEN)
    monkeypatch.setattr("laurel.cli.bulk.POLL_SECONDS", 0.01)
    site.serve(f"{PATH}/preview", seen(), method="POST")
    site.serve(PATH, progress(0, finished=False), method="POST", status=202)
    return site


def test_a_preview_does_nothing(run: Run, registry: Site) -> None:
    ran = run("status", "bulk", "suspend", "--achievement", "welding", "--from", "2026-05-01", *WHY, "--preview")

    assert ran.code == 0, ran.err
    assert "3 selected: changes 2, already 1" in ran.out
    assert ID in ran.out
    assert registry.paths == [f"{PATH}/preview"]
    assert posted(registry) == [
        {"selection": {"achievement": "welding", "issuedFrom": "2026-05-01T00:00:00+00:00"}, "action": "suspend"}
    ]
    shown = run("status", "bulk", "suspend", "--partner", "campus", *WHY, "--preview", "--json")
    assert shown.document == {"preview": seen()}


def test_what_was_previewed_is_what_is_asked_for(run: Run, registry: Site, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(f"{ID}\n\n  {ID}-2\n{ID}\n")
    ran = run("status", "bulk", "suspend", "--ids", file, "--reason", "Wrong cohort", "--by", "Ada", "--yes", "--json")

    assert ran.code == 1  # nothing is served under the new id
    asked = posted(registry)[1]
    registry.serve(f"{PATH}/{asked['requestId']}", progress())
    assert len(asked["requestId"]) == 36
    assert {name: value for name, value in asked.items() if name != "requestId"} == {
        "selection": {"credentials": [ID, f"{ID}-2"]}, "action": "suspend", "reason": "Wrong cohort",
        "requestedBy": "Ada", "digest": DIGEST,
    }  # fmt: skip

    # The same id again is followed, and asks for nothing more.
    again = run("status", "bulk", "suspend", "--ids", file, "--reason", "Wrong cohort", "--yes", "--json",
                "--request-id", asked["requestId"])  # fmt: skip
    assert (again.code, again.document) == (0, {"bulk": progress()})
    other = run("status", "bulk", "revoke", "--ids", file, "--reason", "x", "--yes", "--request-id", asked["requestId"])
    assert (other.code, "is to suspend" in other.err) == (1, True)
    assert len(posted(registry)) == 2


def test_nothing_is_done_where_nobody_can_be_asked(run: Run, registry: Site) -> None:
    ran = run("status", "bulk", "revoke", "--of", "earlier", *WHY, "--json")

    assert ran.code == 2
    assert "--yes" in ran.err
    assert posted(registry) == [{"selection": {"bulk": "earlier"}, "action": "revoke"}]


def test_nothing_to_change_is_no_error(run: Run, registry: Site) -> None:
    registry.serve(f"{PATH}/preview", seen(0), method="POST")

    assert run("status", "bulk", "suspend", "--partner", "campus", *WHY, "--yes").out.endswith("nothing was done.\n")
    assert len(posted(registry)) == 1


def test_a_selection_that_has_changed_is_refused(run: Run, registry: Site) -> None:
    problem = {"code": "LRL-2005", "pointer": "/digest", "detail": "What is selected has changed.", "status": 409}
    registry.serve(PATH, problem, method="POST", status=409)

    ran = run("status", "bulk", "suspend", "--partner", "campus", *WHY, "--yes")

    assert ran.code == 1
    assert "Refused (LRL-2005 at /digest): What is selected has changed." in ran.err


def test_those_that_somebody_else_changed_are_listed(run: Run, registry: Site) -> None:
    registry.serve(f"{PATH}/mistake", progress(1, 1))

    ran = run("status", "bulk", "suspend", "--partner", "campus", *WHY, "--yes")

    assert ran.code == 1
    assert f"{ID}: Changed \ufffd[31mmeanwhile. (LRL-2005)" in ran.err
    assert "1 of 2 credentials changed" in ran.err
    assert run("status", "bulk", "show", "mistake", "--json").document == progress(1, 1)
    assert "requestedBy: Ada" in run("status", "bulk", "show", "mistake").out


def test_a_registry_that_does_not_answer_leaves_the_id_to_ask_by(
    run: Run, registry: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laurel.cli.bulk.TRIES", 2)
    registry.serve(f"{PATH}/new", {"detail": "Starting."}, status=503)
    ran = run("status", "bulk", "suspend", "--partner", "campus", "--reason", "x", "--request-id", "new", "--yes")
    assert ran.code == 3

    registry.serve(PATH, {"detail": "Starting."}, method="POST", status=503)
    ran = run("status", "bulk", "suspend", "--partner", "campus", *WHY, "--yes")
    assert ran.code == 3
    assert "laurel status bulk show mistake" in ran.err


def test_the_newest_are_listed(run: Run, registry: Site) -> None:
    registry.serve(PATH, {"bulkChanges": [progress()]})

    assert "Wrong cohort" in run("status", "bulk", "list").out
    assert run("status", "bulk", "list", "--json").document == {"bulkChanges": [progress()]}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--of", "x", "--partner", "campus"],
        ["--from", "yesterday"],
        ["--ids", "absent"],
        ["--ids", "/dev/null"],
    ],
)
def test_a_selection_that_is_none_goes_nowhere(run: Run, registry: Site, arguments: list[str]) -> None:
    assert run("status", "bulk", "revoke", *WHY, "--yes", *arguments).code == 2
    assert registry.requests == []
