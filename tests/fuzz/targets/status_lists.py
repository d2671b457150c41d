"""Status lists: the encoded list, and an entry held against a list."""

from __future__ import annotations

import gzip
from base64 import urlsafe_b64encode
from functools import cache
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import mutated_bytes, mutated_json
from fuzz.samples import Document, status_list, unsigned
from laurel.credentials.status_list import check_status, decode


@cache
def _compressed() -> list[bytes]:
    return [gzip.compress(data, mtime=0) for data in (bytes(16384), bytes(range(256)) * 64, bytes(1 << 24), b"", b"x")]


def _draw_encoded(random: Random) -> Any:
    compressed = random.choice(_compressed())
    match random.randrange(3):
        case 0:
            return mutated_json(random, "u" + urlsafe_b64encode(compressed).rstrip(b"=").decode())
        case 1:
            text = b"u" + urlsafe_b64encode(compressed)
            return mutated_bytes(random, text).decode(errors="surrogateescape")
        case _:
            changed = mutated_bytes(random, compressed, _compressed())
            return "u" + urlsafe_b64encode(changed).rstrip(b"=").decode()


def _run_encoded(given: Any) -> None:
    bits = decode(given)
    assert bits.get(bits.length - 1) in (True, False)


@cache
def _pair() -> Document:
    return {"entry": unsigned()[0]["credentialStatus"][0], "list": status_list()}


def _draw_pair(random: Random) -> Any:
    pair = mutated_json(random, _pair(), [_pair()])
    if isinstance(pair, dict) and isinstance(pair.get("entry"), dict) and isinstance(pair.get("list"), dict):
        return pair
    return _pair()


def _run_pair(given: Any) -> None:
    assert check_status(given["entry"], given["list"]) in (True, False)


TARGETS = (
    Target("encoded-list", _draw_encoded, _run_encoded),
    Target("status", _draw_pair, _run_pair),
)
