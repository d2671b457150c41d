"""Changes to valid samples: bytes, and JSON as a tree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import orjson

_MAX_COPIES = 1 << 17
"""Bytes of JSON that one change may add by copying."""

_BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xed\xa0\x80",
    b"\xef\xbf\xbf",
    b"\xe2\x80\xa8",
)
_TEXTS = (
    "", " ", "\0", "\ud800", "\uffff", "\u202e", "é", "\U0001f393", "a" * 3000, "/" * 300, "%", "#", ":", "a:b", "_:b0",
    "@id", "@type", "@none", "https://", "https://[", "https://example.org/\0", "did:key:z", "did:web:", "urn:", "u",
    "z", "0", "-1", "9" * 30, "1e999", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    "2026-01-01", "DataIntegrityProof", "eddsa-jcs-2022", "ecdsa-rdfc-2019", "VerifiableCredential",
    "https://www.w3.org/2018/credentials/v1",
)  # fmt: skip
_NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"))
_NAMES = (
    "@context", "@id", "@type", "@value", "@graph", "@list", "@set", "@reverse", "@included", "@nest", "@index", "id",
    "type", "proof", "issuer", "credentialSubject", "credentialStatus", "statusListIndex", "statusPurpose", "validFrom",
    "validUntil", "previousProof", "expires", "created", "cryptosuite", "verificationMethod", "proofValue", "domain",
    "challenge", "termsOfUse", "evidence", "relatedResource", "credentialSchema", "encodedList", "publicKeyJwk",
    "revoked", "publicKeyMultibase", "controller", "assertionMethod", "digestSRI", "digestMultibase", "",
)  # fmt: skip


def mutated_bytes(random: Random, data: bytes, others: Sequence[bytes] = (), tokens: Sequence[bytes] = ()) -> bytes:
    """`data` with one to four changes."""
    for _ in range(random.choice((1, 1, 2, 4))):
        data = _changed_bytes(random, data, others, tokens)
    return data


def _changed_bytes(random: Random, data: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((0, 1, 4, 30, 1000)))
    match random.randrange(6):
        case 0 if data:
            at = min(start, len(data) - 1)
            return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
        case 1:
            return data[:start] + data[end:]
        case 2:
            return data[:start] + data[start:end] * random.choice((2, 3, 100)) + data[end:]
        case 3 if others:
            other = random.choice(others)
            return data[:start] + other[random.randrange(len(other) + 1) :]
        case 4 if tokens:
            return data[:start] + random.choice(tokens) * random.choice((1, 1, 2, 400)) + data[end:]
        case _:
            return data[:start] + random.choice(_BYTES) + data[end:]


def mutated_json(random: Random, sample: Any, others: Sequence[Any] = ()) -> Any:
    """A copy of `sample` with one to four changes. It may hold what JSON cannot, as parsers other than ours allow."""
    box = [_copy(sample)]
    for _ in range(random.choice((1, 1, 2, 4))):
        _change(random, box, others)
    return box[0]


def _change(random: Random, box: list[Any], others: Sequence[Any]) -> None:
    holder, key = random.choice(_places(box))
    value = holder[key]
    match random.randrange(9):
        case 0 if holder is not box:
            del holder[key]
        case 1:
            holder[key] = [value]
        case 2:
            holder[key] = [_copy(value) for _ in range(min(random.choice((0, 2, 3, 40, 2000)), _room(value)))]
        case 3 if isinstance(holder, dict):
            del holder[key]
            holder[random.choice(_NAMES)] = value
        case 4:
            holder[key] = _copy(random.choice([place[place_key] for place, place_key in _places([*others, box])]))
        case 5 if isinstance(value, dict):
            value[random.choice(_NAMES)] = _leaf(random)
        case 6 if random.random() < 0.2:
            holder[key] = _nested(random, value)
        case 7 if isinstance(value, str):
            holder[key] = mutated_bytes(random, value.encode(errors="surrogatepass")).decode(errors="replace")
        case _:
            holder[key] = _leaf(random)


def _places(box: list[Any]) -> list[tuple[Any, Any]]:
    """Every value in there, as its container and its key."""
    found: list[tuple[Any, Any]] = [(box, index) for index in range(len(box))]
    for container, key in found:  # It grows while it is walked.
        value = container[key]
        if len(found) < 5000:
            if isinstance(value, dict):
                found.extend((value, name) for name in value)
            elif isinstance(value, list):
                found.extend((value, index) for index in range(len(value)))
    return found


def _leaf(random: Random) -> Any:
    match random.randrange(4):
        case 0:
            return random.choice(_NUMBERS)
        case 1:
            return random.choice((None, True, False, {}, [], [[]], [None], {"": None}))
        case _:
            return random.choice(_TEXTS)


def _nested(random: Random, value: Any) -> Any:
    name = random.choice(_NAMES)
    for _ in range(random.choice((5, 70, 300, 3000))):
        value = [value] if random.random() < 0.5 else {name: value}
    return value


def _room(value: Any) -> int:
    """How many copies of the value are not too much."""
    try:
        return _MAX_COPIES // len(orjson.dumps(value))
    except TypeError:
        return 1


def _copy(value: Any) -> Any:
    if not isinstance(value, dict | list):
        return value
    try:
        return orjson.loads(orjson.dumps(value))
    except (TypeError, ValueError):
        return "not to be copied"  # It is too deep, or holds what JSON cannot.


def as_json(value: Any) -> bytes:
    """The value as JSON text, or what comes nearest to it."""
    try:
        return json.dumps(value).encode()
    except (RecursionError, ValueError):
        return b'{"a":' * 3000
