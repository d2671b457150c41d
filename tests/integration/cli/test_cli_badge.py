"""`laurel badge`: from files to a badge and back, with errors that are sentences."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from laurel.credentials.baking import MAX_IMAGE_BYTES, bake, unbake
from support.command import Run
from support.pictures import SVGS, badge_chunk, png, with_chunks

JWT = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.c2ln"
CREDENTIAL = '{\n  "name": "né \u009b2J"\n}\n'


@pytest.fixture(params=["png", "svg"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A picture, under a name that says nothing of its kind."""
    file = tmp_path / "picture"
    file.write_bytes(png() if request.param == "png" else SVGS["plain"].encode())
    return file


@pytest.mark.parametrize("text", [JWT, CREDENTIAL])
def test_there_and_back(run: Run, tmp_path: Path, image: Path, text: str) -> None:
    credential, badge = tmp_path / "credential", tmp_path / "badge"
    credential.write_text(text)

    ran = run("badge", "bake", credential, image, "-o", badge)
    assert (ran.code, ran.err) == (0, "")
    assert str(badge) in ran.out
    assert unbake(badge.read_bytes()) == text.strip()

    ran = run("badge", "unbake", badge)
    assert ran.code == 0
    assert ran.out.strip() == text.strip().replace("\u009b", "\\u009b")
    expected = text if text == JWT else json.loads(text)
    assert run("badge", "unbake", badge, "--json").document == {"credential": expected}


def test_bake_tells_programs_what_it_wrote(run: Run, tmp_path: Path, image: Path) -> None:
    credential, badge = tmp_path / "credential", tmp_path / "badge"
    credential.write_text(JWT)

    written = run("badge", "bake", credential, image, "--out", badge, "--json").document

    assert written == {"badge": str(badge), "bytes": len(badge.read_bytes())}


def test_files_can_come_on_stdin(run: Run, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    badge = tmp_path / "badge"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(JWT.encode())))
    assert run("badge", "bake", "-", image, "-o", badge).code == 0

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(badge.read_bytes())))
    assert run("badge", "unbake", "-").out == f"{JWT}\n"

    assert run("badge", "bake", "-", "-", "-o", badge).code == 2


def test_a_refusal_is_a_sentence_and_exit_1(run: Run, tmp_path: Path, image: Path) -> None:
    ran = run("badge", "unbake", image)
    assert (ran.code, ran.out, ran.err) == (1, "", "The image carries no Open Badges 3.0 credential.\n")

    credential = tmp_path / "credential"
    credential.write_text("{")
    ran = run("badge", "bake", credential, image, "-o", tmp_path / "badge", "--json")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "is not JSON" in ran.err
    assert ran.document["error"]["code"] == "PARSING_ERROR"
    assert not (tmp_path / "badge").exists()


def test_what_begins_like_a_credential_and_is_none_is_not_printed(run: Run, tmp_path: Path) -> None:
    badge = tmp_path / "badge"
    badge.write_bytes(with_chunks(png(), badge_chunk(b"{\x1b[2J}")))

    ran = run("badge", "unbake", badge)

    assert (ran.code, ran.out) == (1, "")
    assert "\x1b" not in ran.err


def test_files_that_cannot_be_read_or_written_are_exit_2(run: Run, tmp_path: Path, image: Path) -> None:
    badge = tmp_path / "badge"
    badge.write_bytes(bake(image.read_bytes(), JWT))

    for arguments in (
        ["unbake", tmp_path / "none"],
        ["unbake", tmp_path],
        ["bake", tmp_path / "none", image, "-o", badge],
    ):
        ran = run("badge", *arguments)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
    credential = tmp_path / "credential"
    credential.write_text(JWT)
    ran = run("badge", "bake", credential, image, "-o", tmp_path / "none" / "badge")
    assert (ran.code, "cannot be written" in ran.err) == (2, True)


def test_a_file_without_end_is_not_read_to_it(run: Run) -> None:
    ran = run("badge", "unbake", "/dev/zero")

    assert ran.code == 1
    assert str(MAX_IMAGE_BYTES) in ran.err
