"""Credentials and presentations as JWTs: taken apart, and changed before they were signed."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import cache
from random import Random
from typing import Any

import orjson

from fuzz.harness import Target
from fuzz.mutation import as_json, mutated_bytes, mutated_json
from fuzz.samples import CREATED, KEY, METHOD, unsigned
from laurel.credentials.jwt import decode, sign_open_badge_jwt, sign_vc_jwt, sign_vp_jwt, verify_signature
from laurel.credentials.keys import decode_base64url

_TOKENS = (b".", b"..", b"=", b"eyJ9", b"-", b"_", b"+", b"/", b"\n", b"~", b"e30")


@cache
def _tokens() -> list[str]:
    badge, plain, _ = unsigned()
    presentation = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": METHOD.controller,
    }
    return [
        sign_vc_jwt(badge, key=KEY, kid=METHOD.id, issued=CREATED),
        sign_vc_jwt(plain, key=KEY, kid=METHOD.id, issued=CREATED),
        sign_vp_jwt(presentation, key=KEY, kid=METHOD.id, issued=CREATED, audience="v.example", nonce="n"),
        sign_open_badge_jwt(badge, key=KEY, kid=METHOD.id, issued=CREATED),
        sign_open_badge_jwt(badge, key=KEY, kid=None, issued=CREATED),
    ]


def _parts(token: str) -> list[Any]:
    return [orjson.loads(decode_base64url(part, limit=1 << 20)) for part in token.split(".")[:2]]


def _draw(random: Random) -> str:
    token = random.choice(_tokens())
    if random.random() < 0.3:
        others = [each.encode() for each in _tokens()]
        return mutated_bytes(random, token.encode(), others, _TOKENS).decode(errors="surrogateescape")
    parts, samples = _parts(token), [_parts(each) for each in _tokens()]
    at = random.randrange(2)
    parts[at] = mutated_json(random, parts[at], samples)
    texts = [as_json(part) for part in parts]
    if random.random() < 0.2:
        texts[at] = mutated_bytes(random, texts[at])
    signed = b".".join(_encoded(text) for text in texts)
    return (signed + b"." + _encoded(KEY.sign(signed))).decode()


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _run(token: str) -> None:
    decoded = decode(token)
    verify_signature(decoded, METHOD)


TARGETS = (Target("jwt", _draw, _run),)
