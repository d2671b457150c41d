"""Write the reference of the events: `python -m laurel.contracts.asyncapi [--check] [--directory docs]`.

`asyncapi.json` (AsyncAPI 3.0) and `events.md` come from the catalogue, the body models and the golden records that
pin what was published. The same code gives the same bytes, so `--check` can tell when a file was left behind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from laurel.contracts.envelope import JSON
from laurel.contracts.reference import SCHEMAS, Example, about, header_schema, markdown, read_example, schemas
from laurel.contracts.topics import TOPICS, Topic

Document = dict[str, Any]

_BINDING = "0.5.0"
_ABOUT = (
    "Every event that Laurel sends or accepts: CloudEvents 1.0 over Kafka in binary mode. Readers ignore fields and "
    "event types they do not know; an optional field without a value is left out. A compacted topic is a table: "
    "the newest record of a key is its full state."
)


def document(golden: Path) -> Document:
    """The AsyncAPI 3.0 document."""
    operations = [operation for topic in TOPICS for operation in _operations(topic)]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Laurel's events", "version": "1", "description": _ABOUT},
        "defaultContentType": JSON,
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(operations),
        "components": {
            "messages": {
                event_type: _message(topic, event_type, read_example(golden, topic, event_type))
                for topic in TOPICS
                for event_type in topic.events
            },
            "schemas": schemas(),
        },
    }


def topic_configuration(topic: Topic) -> Document:
    """The settings a topic is created with, in the binding's form."""
    if topic.retention is None:
        return {"cleanup.policy": ["compact"]}
    return {"cleanup.policy": ["delete"], "retention.ms": int(topic.retention.total_seconds() * 1000)}


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name,
        "summary": topic.summary,
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in topic.events},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": topic_configuration(topic),
                "bindingVersion": _BINDING,
            }
            | ({"x-partitioned-by": topic.partitioned_by} if topic.partitioned_by else {})
        },
    }


def _message(topic: Topic, event_type: str, example: Example) -> Document:
    contract = topic.events[event_type]
    return {
        "name": event_type,
        "summary": about(contract).partition("\n")[0],
        "description": about(contract),
        "contentType": JSON,
        "headers": header_schema(topic, event_type),
        "payload": {"$ref": SCHEMAS + contract.__name__},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": _BINDING},
        },
        "examples": [{"name": event_type, "headers": dict(example.headers), "payload": example.body}],
    }


def _operations(topic: Topic) -> Iterator[tuple[str, Document]]:
    """Who sends and who receives what."""
    channel = f"#/channels/{topic.name}"
    for action, verb, parties in (("send", "writes", topic.writers), ("receive", "reads", topic.readers)):
        for party in parties:
            yield (
                f"{party}.{action}.{topic.name}",
                {
                    "action": action,
                    "summary": f"{party} {verb} {topic.name}",
                    "channel": {"$ref": channel},
                    "messages": [{"$ref": f"{channel}/messages/{each}"} for each in topic.events],
                    "tags": [{"name": party}],
                },
            )


def rendered(golden: Path) -> dict[str, str]:
    """The text of each generated file, by name."""
    return {
        "asyncapi.json": json.dumps(document(golden), indent=2, ensure_ascii=False) + "\n",
        "events.md": markdown(golden),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` name those that differ and return 1."""
    parser = argparse.ArgumentParser(
        prog="python -m laurel.contracts.asyncapi", description="Write the event reference."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    parser.add_argument("--directory", type=Path, default=Path("docs"), help="where the files are")
    parser.add_argument("--golden", type=Path, default=Path("tests/contract/golden"), help="where the examples are")
    given = parser.parse_args(arguments)
    stale = 0
    for name, text in rendered(given.golden).items():
        path = given.directory / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if given.check:
            sys.stderr.write(f"{path} is not what the code says: run python -m laurel.contracts.asyncapi.\n")
            stale = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return stale


if __name__ == "__main__":
    sys.exit(main())
