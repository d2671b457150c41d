"""Digests that do not depend on the order of members. Kept apart from the services' own, as a second opinion."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from laurel.contracts.status import kept_history

_SORTED = orjson.OPT_SORT_KEYS


def document_digest(document: Any) -> str:
    """SHA-256, in hexadecimal, of what a document says."""
    return sha256(orjson.dumps(document, option=_SORTED)).hexdigest()


def history_digest(entries: Sequence[dict[str, Any]]) -> bytes:
    """The beginning of a SHA-256 of a status history, as much of it as the log keeps."""
    return sha256(orjson.dumps(kept_history(entries), option=_SORTED)).digest()[:16]


def first_history_digest(issued_at: str, event_id: str) -> bytes:
    """The digest of the history of a credential that was registered and never changed: the log does not carry it."""
    return history_digest([{"version": 1, "state": "active", "at": issued_at, "by": "issuer", "request": event_id}])


def entry_digests(body: dict[str, Any]) -> tuple[str, str]:
    """Of an entry of the catalog: the digest of all it says, and that without its version."""
    return document_digest(body), document_digest({name: each for name, each in body.items() if name != "version"})


def found_by(body: dict[str, Any]) -> tuple[str, ...]:
    """What the registry finds an entry of the catalog by, besides its id."""
    if "sources" in body:
        return tuple(key["kid"] for key in body.get("keys", ()))
    if "tokenHashes" in body:
        return tuple(token["sha256"] for token in body["tokenHashes"])
    return (body["issuer"],) if "issuer" in body else ()
