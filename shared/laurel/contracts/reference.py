"""The event reference in words, and what the AsyncAPI document is made from too: schemas, headers and examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from laurel.contracts.base import Contract
from laurel.contracts.envelope import ATTRIBUTE_LIMIT, EVENT_SIZE_LIMIT, HEADER_COUNT_LIMIT, JSON
from laurel.contracts.errors import Code
from laurel.contracts.signature import ATTRIBUTE
from laurel.contracts.topics import TOPICS, Topic

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"
_SIGNATURE = f"ce_{ATTRIBUTE}"
_SIGNED = {"none": "no", "partners": "where a partner writes", "all": "yes"}
_INTRO = f"""\
# Events

This file and [asyncapi.json](asyncapi.json) are generated: change the code and run `make docs`.

All that passes between Laurel's services, and between partners and Laurel, is one of the events below.

- An event is a CloudEvent 1.0 in Kafka's binary mode: its attributes are the record's headers, its data is the
  record's body, as JSON. Structured mode (`content-type: application/cloudevents+json`) is read too.
- A record's body is at most {EVENT_SIZE_LIMIT // 1024} KiB. It has at most {HEADER_COUNT_LIMIT} headers, each of at
  most {ATTRIBUTE_LIMIT} bytes.
- The same `ce_source` and `ce_id` are the same event: whoever sends it again sends the same bytes.
- Readers ignore fields and event types that they do not know, so optional fields may be added. A change that would
  break a reader is a new topic with the next number.
- An optional field without a value is left out, never null. Texts are read without the white space around them and
  hold no control characters. Times are RFC 3339 with an offset.
- A compacted topic is a table: the newest record of each key is its full state, and it is kept for good.
"""


@dataclass(frozen=True, slots=True)
class Example:
    """A record as it was published: its key, its headers in their order, and its body."""

    key: str
    headers: dict[str, str]
    body: Any


def read_example(golden: Path, topic: Topic, event_type: str) -> Example:
    """A golden record. Raises FileNotFoundError."""
    told = json.loads((golden / topic.name / f"{event_type}.headers.json").read_text(encoding="utf-8"))
    body = json.loads((golden / topic.name / f"{event_type}.json").read_text(encoding="utf-8"))
    return Example(told["key"], dict(told["headers"]), body)


def schemas() -> dict[str, Schema]:
    """The JSON schema of every body and of what bodies are made of, by the model's name."""
    contracts: list[tuple[type[Contract], Any]] = [
        (contract, "validation") for topic in TOPICS for contract in topic.events.values()
    ]
    _, found = models_json_schema(contracts, by_alias=True, ref_template=SCHEMAS + "{model}")
    return {name: _plain(schema) for name, schema in sorted(found["$defs"].items())}


def _plain(schema: Any) -> Any:
    """A schema without the titles that are made from names, and without null: what has no value is left out."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        name: _plain(each) for name, each in schema.items()
        if not (name == "title" and isinstance(each, str)) and not (name == "default" and each is None)
    }  # fmt: skip
    if "prefixItems" in plain:
        plain["items"] = plain.pop("prefixItems")  # as JSON Schema draft 7, AsyncAPI's dialect, says it
    match plain.get("anyOf"):
        case [other, {"type": "null"}]:
            del plain["anyOf"]
            return other | plain
    return plain


def header_schema(topic: Topic, event_type: str) -> Schema:
    """What a record's headers hold (CloudEvents' Kafka binding, binary mode)."""
    text = {"type": "string", "minLength": 1, "maxLength": 500}
    trace = {"type": "string", "description": "W3C Trace Context; transport, not part of the event."}
    headers: Schema = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": text | {"description": "The event's id: with its source it names the event for good."},
        "ce_source": text | {"description": "Who says so; for a partner, one of the sources it registered."},
        "ce_type": {"type": "string", "const": event_type},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "ce_subject": {"type": "string", "maxLength": ATTRIBUTE_LIMIT, "description": "What it is about."},
        "content-type": {"type": "string", "const": JSON},
        "traceparent": trace,
        "tracestate": trace,
    }
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"]
    if topic.signed != "none":
        headers[_SIGNATURE] = {
            "type": "string", "maxLength": ATTRIBUTE_LIMIT, "pattern": r"^[A-Za-z0-9_\-]+\.\.[A-Za-z0-9_\-]+$",
            "description": "A detached JWS (EdDSA) over the body's bytes. Its protected header repeats the event's id, "
                           "source and type, and names the key as kid.",
        }  # fmt: skip
    if topic.signed == "all":
        required.append(_SIGNATURE)
    return {"type": "object", "required": required, "properties": headers}


def about(contract: type[Contract]) -> str:
    """A body's docstring, its paragraphs unwrapped."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (getdoc(contract) or "").split("\n\n"))


def markdown(golden: Path) -> str:
    """The readable reference. Raises FileNotFoundError when an event has no golden record."""
    known = schemas()
    parts = [_INTRO, _topics(), _headers()]
    for topic in TOPICS:
        parts.append(f"## {topic.name}\n\n{topic.summary}\n\n{_facts(topic)}\n")
        for event_type, contract in topic.events.items():
            parts.append(_event(event_type, contract, known, read_example(golden, topic, event_type)))
    parts.append(_codes())
    return "\n".join(parts)


def _topics() -> str:
    rows = [
        (f"[{topic.name}](#{topic.name.replace('.', '')})", _listed(topic.events), ", ".join(topic.writers),
         ", ".join(topic.readers), topic.key, str(topic.partitions), _kept(topic))
        for topic in TOPICS
    ]  # fmt: skip
    return "## Topics\n\n" + _table(("topic", "events", "writers", "readers", "key", "partitions", "kept"), rows)


def _kept(topic: Topic) -> str:
    return "compacted" if topic.retention is None else f"{topic.retention.days} days"


def _headers() -> str:
    topic = next(topic for topic in TOPICS if topic.signed == "all")
    schema = header_schema(topic, next(iter(topic.events)))
    rows = []
    for name, each in schema["properties"].items():
        must = "yes" if name in schema["required"] else "no"
        said = each.get("description") or ("The event's type." if name == "ce_type" else f"`{each['const']}`")
        rows.append((f"`{name}`", "where the topic is signed" if name == _SIGNATURE else must, said))
    return "## Headers\n\n" + _table(("header", "required", "what it holds"), rows)


def _facts(topic: Topic) -> str:
    facts = [
        f"- Key: {topic.key}" + (f"; partitioned by {topic.partitioned_by}" if topic.partitioned_by else ""),
        f"- Writers: {', '.join(topic.writers)}",
        f"- Readers: {', '.join(topic.readers)}",
        f"- Partitions: {topic.partitions}; kept: {_kept(topic)}",
        f"- Signed: {_SIGNED[topic.signed]}",
    ]
    return "\n".join(facts)


def _event(event_type: str, contract: type[Contract], known: dict[str, Schema], example: Example) -> str:
    rows = list(_fields(known[contract.__name__], known, ""))
    headers = "\n".join(f"{name}: {text}" for name, text in example.headers.items())
    body = json.dumps(example.body, indent=2, ensure_ascii=False)
    return (
        f"### {event_type}\n\n{about(contract)}\n\n"
        + _table(("field", "type", "limits", "required", "meaning"), rows)
        + f"\nExample, with the key `{example.key}`:\n\n```text\n{headers}\n```\n\n```json\n{body}\n```\n"
    )


def _fields(schema: Schema, known: dict[str, Schema], prefix: str) -> Iterator[tuple[str, ...]]:
    """A row for each field, and beneath it those of the object it holds."""
    for name, field in schema["properties"].items():
        path = prefix + name
        must = "yes" if name in schema.get("required", ()) else "no"
        inner = _resolved(field, known)
        yield f"`{path}`", _type(field, known), "; ".join(_limits(inner)), must, field.get("description", "")
        item = _resolved(inner.get("items", {}), known)
        if "properties" in inner:
            yield from _fields(inner, known, f"{path}.")
        elif "properties" in item:
            yield from _fields(item, known, f"{path}[].")


def _resolved(schema: Schema, known: dict[str, Schema]) -> Schema:
    return known[schema["$ref"].removeprefix(SCHEMAS)] if "$ref" in schema else schema


def _type(schema: Schema, known: dict[str, Schema]) -> str:
    schema = _resolved(schema, known)
    if schema == known["Code"]:
        return "[code](#codes)"
    if "enum" in schema:
        return "one of " + _listed(schema["enum"])
    if isinstance(schema.get("items"), list):
        return "list of " + " and ".join(_type(each, known) for each in schema["items"])
    match schema.get("type"), schema.get("format"):
        case "array", _:
            return f"list of {_type(schema['items'], known)}"
        case "string", "date-time":
            return "time"
        case "string", "uri":
            return "URL"
        case "string", "email":
            return "e-mail address"
        case "string", _:
            return "text"
        case kind, _:
            return str(kind)


def _limits(schema: Schema) -> Iterator[str]:
    """What a value may be, in words; of a list, also what an item may be."""
    for least, most, unit in (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"),
                              ("minimum", "maximum", "")):  # fmt: skip
        if least in schema and most in schema:
            yield f"{schema[least]} to {schema[most]}{unit}"
        elif least in schema:
            yield f"at least {schema[least]}{unit}"
        elif most in schema:
            yield f"at most {schema[most]}{unit}"
    if "exclusiveMaximum" in schema:
        yield f"below {schema['exclusiveMaximum']}"
    if "pattern" in schema:
        yield f"`{schema['pattern']}`"
    if schema.get("default", []) != []:
        yield f"default `{schema['default']}`"
    if isinstance(schema.get("items"), dict):
        yield from (f"each {limit}" for limit in _limits(schema["items"]))


def _codes() -> str:
    """The table of refusals."""
    rows = [(f"`{code.value}`", code.name, code.meaning) for code in Code]
    return "## Codes\n\nReasons for saying no. A code's number and meaning never change.\n\n" + _table(
        ("code", "name", "meaning"), rows
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
