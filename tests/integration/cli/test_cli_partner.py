"""`laurel partner`: a file of completions onto a real broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from laurel.contracts import signature
from laurel.contracts.envelope import decode
from laurel.contracts.topics import COMPLETIONS
from laurel.runtime.kafka import provision
from laurel.runtime.settings import KafkaSettings
from support.command import Run
from support.log import read_topic
from support.world import World

SOURCE = "https://campus.example.org/lms"


def entry(event_id: str, **changes: Any) -> str:
    learner = {"reference": f"l-{event_id}", "name": "Ada", "email": "ada@example.org"}
    data = {"achievement": "welding", "learner": learner, "completedAt": "2026-05-01T12:00:00Z"}
    return json.dumps({"id": event_id, "data": data | changes})


@pytest.fixture
def key_file(tmp_path: Path, world: World) -> Path:
    file = tmp_path / "campus.key"
    file.write_text(world.partners["campus"].to_multibase() + "\n")
    return file


@pytest.fixture
def publish_options(kafka_settings: KafkaSettings, key_file: Path) -> list[object]:
    flag = "--idempotence" if kafka_settings.kafka_idempotence else "--no-idempotence"
    return ["--bootstrap", kafka_settings.kafka_bootstrap, "--partner-source", SOURCE, "--kid", "campus-1",
            "--key-file", key_file, flag]  # fmt: skip


def test_a_file_is_published_signed_and_its_bad_lines_are_told(
    run: Run, kafka_settings: KafkaSettings, publish_options: list[object], world: World, tmp_path: Path
) -> None:
    asyncio.run(provision(kafka_settings))
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join([*(entry(f"e-{n}") for n in range(1200)), "nonsense", entry("last")]))

    ran = run("partner", "publish", file, *publish_options)

    assert ran.code == 1
    assert f"{file}:1201: The body is not JSON" in ran.err
    assert "1201 completions published; 1 finding to mend." in ran.err
    records = asyncio.run(read_topic(kafka_settings, COMPLETIONS))
    events = [decode(record.headers, record.value) for record in records]
    assert {event.id for event in events} == {*(f"e-{n}" for n in range(1200)), "last"}
    assert len(events) == 1201
    for event in events[::100]:
        signature.check(event, signature.read(event), world.partners["campus"].public)


def test_each_record_carries_a_trace_of_its_own(
    kafka_settings: KafkaSettings, publish_options: list[object], tmp_path: Path
) -> None:
    asyncio.run(provision(kafka_settings))
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("a") + "\n" + entry("b"))
    command = [sys.executable, "-c", "import sys; from laurel.cli.main import main; sys.exit(main())"]

    ran = subprocess.run(
        [*command, "partner", "publish", str(file), *map(str, publish_options)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "2 completions published.\n", "")
    records = asyncio.run(read_topic(kafka_settings, COMPLETIONS))
    assert len({dict(record.headers)["traceparent"].split(b"-")[1] for record in records}) == 2


def test_publishing_is_told_as_json(
    run: Run, kafka_settings: KafkaSettings, publish_options: list[object], tmp_path: Path
) -> None:
    asyncio.run(provision(kafka_settings))
    file = tmp_path / "completions.json"
    file.write_text(f"[{entry('a')}, {entry('b')}]")

    ran = run("partner", "publish", file, *publish_options, "--json")

    assert ran.code == 0, ran.err
    assert ran.document == {"published": 2, "findings": []}


def test_a_broker_that_is_away_is_exit_3(run: Run, key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("a"))

    ran = run("partner", "publish", file, "--bootstrap", "127.0.0.1:9", "--partner-source", SOURCE, "--kid", "campus-1",
              "--key-file", key_file, "--no-idempotence", "--json")  # fmt: skip

    assert ran.code == 3
    assert ran.document["error"]["published"] == 0
    assert ran.err.startswith("0 of 1 completions were confirmed. The broker at 127.0.0.1:9")


def test_a_key_file_that_holds_no_key_is_wrong_use(run: Run, key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("a"))
    secret = key_file.read_text().strip()
    key_file.write_text(secret[:-2])

    ran = run("partner", "publish", file, "--bootstrap", "127.0.0.1:9", "--partner-source", SOURCE, "--kid", "campus-1",
              "--key-file", key_file)  # fmt: skip

    assert ran.code == 2
    assert secret[:-2] not in ran.err
    assert "no secret key" in ran.err


def test_a_file_is_checked_without_sending(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("a") + "\n" + entry("b", achievement="No!", completedAt="never") + "\n" + entry("c"))

    ran = run("partner", "check", file, "--json")

    assert ran.code == 1
    assert ran.document["error"]["good"] == 2
    assert [(each["line"], each["pointer"]) for each in ran.document["error"]["findings"]] == [
        (2, "/data/achievement"), (2, "/data/completedAt"),
    ]  # fmt: skip
    file.write_text(entry("a"))
    assert run("partner", "check", file, "--json").document == {"good": 1, "findings": []}
    assert "1 completion can be sent" in run("partner", "check", file).out
