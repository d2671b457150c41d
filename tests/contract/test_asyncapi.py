"""The generated documents: true to AsyncAPI's schema, true to the catalogue, and not left behind by the code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from contract.samples import GOLDEN
from laurel.contracts.asyncapi import document, main, rendered
from laurel.contracts.errors import Code
from laurel.contracts.reference import markdown, schemas
from laurel.contracts.topics import TOPICS, Topic
from laurel.runtime.kafka.provisioning import _new_topic

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json"
DOCUMENT = document(GOLDEN)
MARKDOWN = markdown(GOLDEN)
TOPIC_IDS = [topic.name for topic in TOPICS]


def test_the_document_is_valid_asyncapi() -> None:
    raw = SCHEMA.read_bytes()
    assert sha256(raw).hexdigest() in (SCHEMA.parent / "README.md").read_text(), "the schema is the one we say it is"
    validator = Draft7Validator(json.loads(raw))
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(DOCUMENT)] == []
    assert list(validator.iter_errors(DOCUMENT | {"channels": {"x": {"address": 7}}})), "the schema finds fault"


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    found = set(references(DOCUMENT))
    for reference in found:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    assert {f"#/components/schemas/{name}" for name in schemas()} <= found
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("topic", TOPICS, ids=TOPIC_IDS)
def test_a_channel_is_the_topic_as_it_is_created(topic: Topic) -> None:
    channel = DOCUMENT["channels"][topic.name]
    assert channel["address"] == topic.name
    assert list(channel["messages"]) == list(topic.events)
    binding = channel["bindings"]["kafka"]
    created = _new_topic(topic, 1)
    assert binding["partitions"] == created.num_partitions
    told = {name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in binding["topicConfiguration"].items()}  # fmt: skip
    assert told == created.topic_configs


@pytest.mark.parametrize("topic", TOPICS, ids=TOPIC_IDS)
def test_each_writer_sends_and_each_reader_receives(topic: Topic) -> None:
    channel = f"#/channels/{topic.name}"
    done = {(each["tags"][0]["name"], each["action"]) for each in DOCUMENT["operations"].values()
            if each["channel"]["$ref"] == channel}  # fmt: skip
    assert done == {(who, "send") for who in topic.writers} | {(who, "receive") for who in topic.readers}


@pytest.mark.parametrize("topic", TOPICS, ids=TOPIC_IDS)
def test_a_message_tells_its_headers_key_body_and_an_example(topic: Topic) -> None:
    for event_type, contract in topic.events.items():
        told = DOCUMENT["components"]["messages"][event_type]
        assert told["payload"]["$ref"].endswith(f"/{contract.__name__}")
        assert told["headers"]["properties"]["ce_type"]["const"] == event_type
        assert ("ce_jws" in told["headers"]["properties"]) is (topic.signed != "none")
        assert ("ce_jws" in told["headers"]["required"]) is (topic.signed == "all")
        assert {"traceparent", "ce_subject"} <= told["headers"]["properties"].keys()
        assert told["bindings"]["kafka"]["key"]["description"] == topic.key
        assert told["examples"][0]["payload"] == json.loads((GOLDEN / topic.name / f"{event_type}.json").read_text())


def test_names_are_those_of_the_wire_and_what_has_no_value_is_left_out() -> None:
    completion = schemas()["CompletionRecorded"]
    assert completion["required"] == ["achievement", "learner", "completedAt"]
    assert completion["properties"]["score"] == {
        "type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[^\\x00-\\x1f]+$",
        "description": "The result, as the partner words it.",
    }  # fmt: skip
    assert '"null"' not in json.dumps(schemas())


def test_the_readable_reference_names_every_topic_event_and_code() -> None:
    for topic in TOPICS:
        assert f"\n## {topic.name}\n" in MARKDOWN
        for event_type in topic.events:
            assert f"\n### {event_type}\n" in MARKDOWN
    for code in Code:
        assert f"| `{code.value}` | {code.name} | {code.meaning} |" in MARKDOWN


def test_every_field_of_every_event_has_a_meaning_and_every_row_its_cells() -> None:
    tables = [line for line in MARKDOWN.splitlines() if line.startswith("| ")]
    assert not [line for line in tables if line.endswith("|  |")], "write a docstring under the field in its contract"
    for name, schema in schemas().items():
        assert schema.get("description"), f"{name} has no docstring"
    assert "| `learner.email` | e-mail address | at most 254 characters | yes |" in MARKDOWN
    assert "| `evidence[].url` | URL |" in MARKDOWN
    assert "| `status.index` | integer | at least 0; below 2147483648 | yes |" in MARKDOWN
    assert "| `headers` | list of list of text and text |" in MARKDOWN
    assert "| `code` | [code](#codes) |" in MARKDOWN
    assert r"`^(valid\|invalid\|unknown)$`" in MARKDOWN


def test_the_files_in_docs_are_what_the_code_says() -> None:
    for name, text in rendered(GOLDEN).items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run python -m laurel.contracts.asyncapi"


def test_check_names_what_differs_and_writing_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--directory", str(tmp_path / "docs"), "--golden", str(GOLDEN)]
    assert main([*where, "--check"]) == 1
    assert {"asyncapi.json", "events.md"} == {
        line.split()[0].rsplit("/", 1)[1] for line in capsys.readouterr().err.splitlines()
    }
    assert not (tmp_path / "docs").exists(), "checking writes nothing"
    assert main(where) == 0
    assert main([*where, "--check"]) == 0
    (tmp_path / "docs" / "events.md").write_text("old")
    capsys.readouterr()
    assert main([*where, "--check"]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'docs' / 'events.md'} is not what the code says")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_same_code_gives_the_same_bytes_in_every_process(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "laurel.contracts.asyncapi", "--check"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONHASHSEED": seed}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
