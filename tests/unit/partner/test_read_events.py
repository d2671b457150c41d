"""Files of completions: every entry is either a completion or findings that say where and what to mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from laurel.contracts.envelope import EVENT_SIZE_LIMIT
from laurel.partner import Completion, Finding, read_events


def entry(event_id: str = "e-1", **changes: Any) -> dict[str, Any]:
    learner = {"reference": "l-1", "name": "Ada", "email": "ada@example.org"}
    data = {"achievement": "welding", "learner": learner, "completedAt": "2026-05-01T12:00:00Z"}
    return {"id": event_id, "data": data | changes}


def written(path: Path, *lines: str | dict[str, Any]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_json_lines_are_read_in_order_and_blank_lines_count(tmp_path: Path) -> None:
    found = list(read_events(written(tmp_path / "f", "", entry("a"), "", entry("b"), "nonsense")))

    assert [each.id for each in found if isinstance(each, Completion)] == ["a", "b"]
    assert [each.number for each in found if isinstance(each, Finding)] == [5]


def test_an_array_is_read_too_and_a_byte_order_mark_forgiven(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("\ufeff\n" + json.dumps([entry("a"), {"id": "b"}, entry("c")], indent=1))

    found = list(read_events(path))

    assert [each.id for each in found if isinstance(each, Completion)] == ["a", "c"]
    assert [(each.number, each.pointer) for each in found if isinstance(each, Finding)] == [(2, "/data")]


@pytest.mark.parametrize(
    ("line", "pointer", "says"),
    [
        ("{", "", "not JSON"),
        ("7", "", "not right"),
        (entry(achievement="Not A Slug"), "/data/achievement", "Correct it."),
        (entry(completedAt="2026-05-01T12:00:00"), "/data/completedAt", "timezone"),
        (entry(scor="9"), "/data/scor", "not known: correct its name"),
        (entry(evidence=[{"url": "ftp://x.example/1"}]), "/data/evidence/0/url", "http or https"),
        ({"data": entry()["data"]}, "/id", "missing: add it"),
        (entry("a\nb"), "/id", "not right"),
        (entry("x" * 501), "/id", "500"),
        ({"id": "x", "pad": "y" * EVENT_SIZE_LIMIT}, "", "over 262144 bytes"),
    ],
)
def test_a_bad_line_is_reported_and_the_next_is_read(
    tmp_path: Path, line: str | dict[str, Any], pointer: str, says: str
) -> None:
    finding, good = read_events(written(tmp_path / "f", line, entry("good")))

    assert isinstance(finding, Finding)
    assert (finding.number, finding.pointer) == (1, pointer)
    assert says in finding.detail
    assert "\n" not in finding.detail
    assert isinstance(good, Completion)
    assert good.id == "good"


def test_all_that_is_wrong_with_a_line_is_told(tmp_path: Path) -> None:
    bad = entry(achievement="No!", completedAt="yesterday")

    found = [each for each in read_events(written(tmp_path / "f", bad)) if isinstance(each, Finding)]

    assert {each.pointer for each in found} == {"/data/achievement", "/data/completedAt"}


def test_a_finding_does_not_repeat_personal_data(tmp_path: Path) -> None:
    learner = {"reference": "l-1", "name": "Ada\u0007Lovelace", "email": "ada.lovelace"}

    found = [each for each in read_events(written(tmp_path / "f", entry(learner=learner))) if isinstance(each, Finding)]

    assert {each.pointer for each in found} == {"/data/learner/name", "/data/learner/email"}
    assert not any("ovelace" in each.detail for each in found)


def test_an_id_stands_for_one_completion(tmp_path: Path) -> None:
    found = list(read_events(written(tmp_path / "f", entry("a"), entry("b"), entry("a", achievement="python"))))

    assert isinstance(found[2], Finding)
    assert (found[2].number, found[2].pointer) == (3, "/id")
    assert "entry 1 already" in found[2].detail


def test_a_broken_array_is_one_finding(tmp_path: Path) -> None:
    (finding,) = read_events(written(tmp_path / "f", "[", '{"id": "a"},', "nonsense]"))

    assert isinstance(finding, Finding)
    assert finding.number == 3
    assert "not a JSON array" in finding.detail


def test_an_item_nested_too_deeply_is_a_finding_like_others(tmp_path: Path) -> None:
    found = list(read_events(written(tmp_path / "f", f"[{'[' * 300}{']' * 300},", f"{json.dumps(entry('good'))}]")))

    assert [type(each) for each in found] == [Finding, Completion]


def test_an_array_may_not_be_endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laurel.partner.ARRAY_SIZE_LIMIT", 1000)

    (finding,) = read_events(written(tmp_path / "f", json.dumps([entry(str(number)) for number in range(20)])))

    assert isinstance(finding, Finding)
    assert "over 1000 bytes" in finding.detail
