"""JSON from outside: how large it may be, and how it is read.

Size comes first, since everything after it takes time in proportion. 1 MiB holds a badge with its picture in it;
a signed status list of a million entries takes a fifth of that.
"""

from typing import Any

import orjson

from laurel.credentials import strict_json
from laurel.credentials.errors import MalformedCredential

MAX_BYTES = 1 << 20
# Members and list items, each of which costs the term check and the canonicalisers some microseconds.
MAX_VALUES = 20_000
MAX_NESTING = 64


def read_json(data: bytes | str) -> Any:
    """The value that `data` is the JSON of, its length checked before it is parsed. Raises MalformedCredential."""
    if len(data) > MAX_BYTES:
        raise MalformedCredential(f"The document has {len(data)} bytes; at most {MAX_BYTES} are accepted.")
    try:
        return strict_json.parse(data)
    except ValueError as error:
        raise MalformedCredential(f"The document is {error}.", code="PARSING_ERROR") from error


def check_size(document: Any) -> None:
    """Raise MalformedCredential unless `document` is JSON of at most 1 MiB and 20,000 values."""
    try:
        size = len(orjson.dumps(document))
    except TypeError as error:
        # Strings that are not Unicode, integers beyond 64 bits, and nesting that no one means.
        raise MalformedCredential(f"The document is not JSON: {error}.", code="PARSING_ERROR") from error
    if size > MAX_BYTES:
        raise MalformedCredential(f"The document has {size} bytes; at most {MAX_BYTES} are accepted.")
    # Each value takes two bytes at least, one for itself and one to set it apart.
    if size > 2 * MAX_VALUES and _has_more_values(document, MAX_VALUES):
        raise MalformedCredential(f"The document has more than {MAX_VALUES} values.")


def _has_more_values(document: Any, limit: int) -> bool:
    count = 0
    stack = [document]
    while stack and count <= limit:
        value = stack.pop()
        if isinstance(value, dict):
            count += len(value)
            stack.extend(value.values())
        elif isinstance(value, list):
            count += len(value)
            stack.extend(value)
    return count > limit
