"""A hash of the public record: equal for two databases that say the same, whatever the order of their rows.

It is over the catalog's entries, the credentials with their whole status history, and the newest status lists. Of a
history that is longer than the log keeps, it is over what the log keeps. Who runs the registry and which requests
came in are not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import orjson

from laurel.contracts.status import kept_history
from registry.database import Row
from registry.store import Store


async def contents(store: Store) -> dict[str, bytes]:
    """A digest of each row by its name, such as credentials/https://…: about 30 MB for 100,000 credentials."""
    return {name: _digest(row) async for name, row in store.contents()}


def _digest(row: Row) -> bytes:
    history = row.get("history")
    if isinstance(history, list):
        row = row | {"history": kept_history(history)}
    return sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=repr)).digest()


def content_hash(rows: Mapping[str, bytes]) -> str:
    """SHA-256 in hexadecimal over all names and digests, sorted by name."""
    whole = sha256()
    for name, digest in sorted(rows.items()):
        whole.update(b"%d:%s%s" % (len(encoded := name.encode()), encoded, digest))
    return whole.hexdigest()


def differing(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """The names of rows that only one of the two has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
