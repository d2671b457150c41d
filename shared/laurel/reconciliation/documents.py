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
