"""Catalog files: YAML's traps are refused, and findings say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from laurel.cli.catalog_file import read_catalog
from laurel.cli.exits import Refused, WrongUse
from laurel.runtime.web import json_body
from support.world import World


def findings(path: Path, text: str) -> list[dict[str, Any]]:
    path.write_text(text)
    with pytest.raises(Refused) as caught:
        read_catalog(path)
    assert caught.value.exit_code == 1
    found: list[dict[str, Any]] = caught.value.facts["findings"]
    return found


def test_a_catalog_in_yaml_or_json_is_read(tmp_path: Path, world: World) -> None:
    for number, text in enumerate((yaml.safe_dump(json_body(world.catalog)), world.catalog.to_bytes().decode())):
        path = tmp_path / str(number)
        path.write_text(text)
        assert read_catalog(path) == world.catalog


def test_dates_may_be_yaml_dates(tmp_path: Path, world: World) -> None:
    path = tmp_path / "c"
    multibase = world.members["north"].public.to_multibase()
    path.write_text(
        f"consortium: {{name: C}}\npartners: []\nachievements: []\nissuers:\n- id: north\n  name: N\n"
        f"  url: https://north.example.org\n  keys:\n  - publicKeyMultibase: {multibase}\n"
        "    retired: 2026-05-01T12:00:00Z\n"
    )

    assert b'"retired":"2026-05-01T12:00:00Z"' in read_catalog(path).to_bytes()


BASE = "consortium: {name: C}\nissuers: []\npartners: []\nachievements: []\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (BASE + "issuers: []\n", 5, "stands twice"),
        ("a: &x [1]\nb: *x\n", 2, "aliases are not taken"),
        ("a: " + "[" * 30 + "]" * 30, 1, "nested over 20 deep"),
        ("a: " + "[" * 100_000, 1, "This is not"),
        ("a: [\n", 2, "This is not YAML"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "This is not YAML"),
        ("a: \x00\n", 1, "This is not YAML"),
        ("", 1, "not right"),
        ("7", 1, "not right"),
        (BASE + "extra: 1\n", 5, "/extra is not known"),
        (BASE.replace("{name: C}", "{nme: C}"), 1, "/consortium/name is missing"),
        ("? [a, b]\n: c\n", 1, "a key must be plain text"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    found = findings(tmp_path / "c", text)

    assert any(says in each["detail"] for each in found), found
    assert found[0]["line"] == line


def test_findings_point_into_the_file(tmp_path: Path, world: World) -> None:
    text = yaml.safe_dump(json_body(world.catalog)).replace("validForDays: 730", "validForDays: soon")

    (finding,) = findings(tmp_path / "c", text)

    assert finding["pointer"] == "/achievements/1/validForDays"
    assert text.splitlines()[finding["line"] - 1].strip() == "validForDays: soon"


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    lines = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "aliases" in findings(tmp_path / "c", "\n".join(lines))[0]["detail"]


def test_a_file_may_not_be_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laurel.cli.catalog_file.SIZE_LIMIT", 10)
    path = tmp_path / "c"
    path.write_text("consortium: 1")

    with pytest.raises(Refused, match="over 10 bytes"):
        read_catalog(path)
    with pytest.raises(WrongUse, match="cannot be read"):
        read_catalog(tmp_path / "absent")


def test_many_findings_are_cut_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text(BASE + "".join(f"x{n}: 1\n" for n in range(30)))

    with pytest.raises(Refused) as caught:
        read_catalog(path)

    assert caught.value.sentence.endswith("... and 10 more.")
    assert len(caught.value.facts["findings"]) == 30
