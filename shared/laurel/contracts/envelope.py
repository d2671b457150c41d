"""CloudEvents 1.0 over Kafka: binary mode out, binary or structured mode in.

Source: CloudEvents 1.0.2 and its Kafka protocol binding §3. The body is kept as the bytes that came, because a
partner's signature is over those bytes.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from laurel.contracts.base import in_range, utc_text
from laurel.contracts.errors import Code, Rejected

EVENT_SIZE_LIMIT = 256 * 1024
ATTRIBUTE_LIMIT = 4096
HEADER_COUNT_LIMIT = 64
STRUCTURED = "application/cloudevents+json"
JSON = "application/json"

Headers = list[tuple[str, bytes]]
_ATTRIBUTE_NAME = re.compile(r"^[a-z0-9]{1,32}$")
_CORE = frozenset({"specversion", "id", "source", "type", "time", "subject", "datacontenttype"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """One CloudEvent. `extensions` holds the attributes outside the core ones, such as `jws`."""

    id: str
    source: str
    type: str
    data: bytes
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str = JSON
    extensions: Mapping[str, str] = field(default_factory=dict)


def derived_id(source: str, event_id: str, event_type: str) -> str:
    """The id of the event of `event_type` that an event causes: the same cause gives the same id, always."""
    parts = (source, event_id, event_type)
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode())
    return digest.hexdigest()[:32]


def event_type_of(headers: Iterable[tuple[str, bytes]]) -> str | None:
    """The event type as a binary-mode header tells it, without decoding; None in structured mode."""
    return next((value.decode(errors="replace") for name, value in headers if name == "ce_type"), None)


def encode(event: Envelope) -> tuple[Headers, bytes]:
    """Headers and value of a binary-mode record (Kafka binding §3.2); headers in a fixed order."""
    attributes: list[tuple[str, str]] = [
        ("ce_specversion", "1.0"), ("ce_id", event.id), ("ce_source", event.source), ("ce_type", event.type),
    ]  # fmt: skip
    if event.time is not None:
        attributes.append(("ce_time", utc_text(event.time)))
    if event.subject is not None:
        attributes.append(("ce_subject", event.subject))
    attributes.append(("content-type", event.datacontenttype))
    attributes += [(f"ce_{name}", value) for name, value in sorted(event.extensions.items())]
    return [(name, value.encode()) for name, value in attributes], event.data


def decode(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Envelope:
    """Read one record in either mode.

    Raises:
        Rejected: MALFORMED_EVENT or EVENT_TOO_LARGE, with what to mend.
    """
    if value is None or value == b"":
        raise Rejected(Code.MALFORMED_EVENT, "", "The record has no body: send the event's data as JSON.")
    if len(value) > EVENT_SIZE_LIMIT:
        raise Rejected(
            Code.EVENT_TOO_LARGE, "", f"The record is {len(value)} bytes: keep it under {EVENT_SIZE_LIMIT} bytes."
        )
    given = _header_texts(headers)
    if given.get("content-type", "").lower().startswith(STRUCTURED):
        return _decode_structured(value)
    attributes = {name[3:]: text for name, text in given.items() if name.startswith("ce_")}
    return _envelope(attributes, value, given.get("content-type", JSON))


def _header_texts(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for count, (name, raw) in enumerate(headers):
        if count >= HEADER_COUNT_LIMIT or len(raw) > ATTRIBUTE_LIMIT:
            raise Rejected(
                Code.EVENT_TOO_LARGE, "",
                f"The record has more than {HEADER_COUNT_LIMIT} headers or one over {ATTRIBUTE_LIMIT} bytes.",
            )  # fmt: skip
        try:
            texts[name.lower()] = raw.decode()
        except UnicodeDecodeError:
            raise Rejected(Code.MALFORMED_EVENT, "", f"The header {name[:64]!r} is not UTF-8 text.") from None
    return texts


def _decode_structured(value: bytes) -> Envelope:
    try:
        document: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise Rejected(Code.MALFORMED_EVENT, "", "The structured event is not JSON.") from None
    if not isinstance(document, dict):
        raise Rejected(Code.MALFORMED_EVENT, "", "The structured event is not a JSON object.")
    data = _structured_data(document)
    attributes = {name: text for name, text in document.items() if name not in ("data", "data_base64")}
    for name, text in attributes.items():
        if not isinstance(text, str) or len(text) > ATTRIBUTE_LIMIT:
            raise Rejected(
                Code.MALFORMED_EVENT, f"/{name[:64]}", f"The attribute {name[:64]!r} must be a text of at most "
                f"{ATTRIBUTE_LIMIT} characters.",
            )  # fmt: skip
    return _envelope(attributes, data, attributes.get("datacontenttype", JSON))


def _structured_data(document: dict[str, Any]) -> bytes:
    """The body of a structured event; a signer in this mode signs `data_base64`'s bytes, since JSON within JSON
    has no bytes of its own (JSON format §3.1)."""
    if "data_base64" in document:
        try:
            return b64decode(document["data_base64"], validate=True)
        except (ValueError, TypeError):
            raise Rejected(Code.MALFORMED_EVENT, "/data_base64", "The member data_base64 is not base64.") from None
    if "data" not in document:
        raise Rejected(Code.MALFORMED_EVENT, "/data", "The structured event has no data: add it.")
    try:
        return orjson.dumps(document["data"])
    except orjson.JSONEncodeError:  # it reads deeper than it writes
        raise Rejected(Code.MALFORMED_EVENT, "/data", "The data is nested too deeply: send flat JSON.") from None


def _envelope(attributes: Mapping[str, str], data: bytes, content_type: str) -> Envelope:
    for name in ("specversion", "id", "source", "type"):
        if not attributes.get(name):
            raise Rejected(Code.MALFORMED_EVENT, "", f"The attribute {name} (header ce_{name}) is missing: add it.")
        if len(attributes[name]) > 500:
            raise Rejected(Code.MALFORMED_EVENT, "", f"The attribute {name} is longer than 500 characters.")
    if attributes["specversion"] != "1.0":
        raise Rejected(Code.MALFORMED_EVENT, "", "The attribute specversion must be 1.0.")
    if not content_type.split(";", maxsplit=1)[0].strip().lower().endswith("json"):
        raise Rejected(Code.MALFORMED_EVENT, "", f"The content-type must be {JSON}.")
    extensions = {name: text for name, text in attributes.items() if name not in _CORE and _ATTRIBUTE_NAME.match(name)}
    return Envelope(
        id=attributes["id"], source=attributes["source"], type=attributes["type"], data=data,
        time=_time(attributes.get("time")), subject=attributes.get("subject"), datacontenttype=content_type,
        extensions=extensions,
    )  # fmt: skip


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not in_range(moment):
        raise Rejected(
            Code.MALFORMED_EVENT, "", "The attribute time must be RFC 3339 with an offset: 2026-05-01T12:00:00Z."
        )
    return moment
