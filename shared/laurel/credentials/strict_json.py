"""JSON from outside, read in the one way in which every reader would read it (RFC 8785 §3.1, RFC 7493 §2).

A member that stands there twice is read one way here and another way there, so that two readers would see two
documents under one signature; it is refused, as are lone surrogates, NaN and what is nested too deeply.
"""

import json
from typing import Any

import orjson


def parse(text: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError, whose text completes the sentence "this is …"."""
    try:
        # orjson is the stricter of the two, but keeps the last of two members without a word.
        value = orjson.loads(text)
        json.loads(text, object_pairs_hook=_once, parse_int=float)
    except _RepeatedError as error:
        raise ValueError(str(error)) from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    return value


class _RepeatedError(ValueError):
    """Apart from the parsers' own errors, since it says something that helps."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise _RepeatedError(f"JSON in which the member {doubled[:60]!r} stands twice")
