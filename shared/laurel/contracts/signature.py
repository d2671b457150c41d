"""A partner's signature: a detached JWS over the event's body, carried as the attribute `jws`.

Source: RFC 7515 appendix F (detached content), RFC 8037 (EdDSA with Ed25519). The protected header binds the
body to the event's `id`, `source` and `type`, so that a signed body cannot be replayed as another event.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Any

import orjson

from laurel.contracts.envelope import Envelope
from laurel.contracts.errors import Code, Rejected
from laurel.credentials.keys import KeyType, PublicKey, SigningKey

ATTRIBUTE = "jws"
HEADER_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """What a signature claims before it is checked: the key's id and, for a vouched event, the partner."""

    kid: str
    partner: str | None
    signing_input_head: str
    signature: bytes


def sign(event: Envelope, key: SigningKey, kid: str, *, partner: str | None = None) -> Envelope:
    """The event with its `jws` attribute. `partner` is set only by an intake that vouches for a partner."""
    header = {"alg": "EdDSA", "kid": kid, "id": event.id, "source": event.source, "type": event.type}
    if partner is not None:
        header["partner"] = partner
    head = _b64(orjson.dumps(header))
    signature = key.sign(f"{head}.{_b64(event.data)}".encode())
    return replace(event, extensions={**event.extensions, ATTRIBUTE: f"{head}..{_b64(signature)}"})


def read(event: Envelope) -> SignatureHeader:
    """The claims of the event's signature, after checking that they speak of this very event.

    Raises:
        Rejected: SIGNATURE_MISSING or SIGNATURE_WRONG.
    """
    compact = event.extensions.get(ATTRIBUTE)
    if compact is None:
        raise Rejected(Code.SIGNATURE_MISSING, "", "The event is not signed: add a detached JWS as the header ce_jws.")
    head, _, rest = compact.partition(".")
    payload, _, signature = rest.partition(".")
    header = _header(head)
    if payload:
        raise _wrong("The JWS must be detached: leave its middle part empty.")
    if header.get("alg") != "EdDSA" or "crit" in header:
        raise _wrong("The JWS must use alg EdDSA and no crit.")
    for name, value in (("id", event.id), ("source", event.source), ("type", event.type)):
        if header.get(name) != value:
            raise _wrong(f"The JWS was made for an event with another {name}: sign the event that is sent.")
    kid, partner = header.get("kid"), header.get("partner")
    if not isinstance(kid, str) or not kid or not (partner is None or isinstance(partner, str)):
        raise _wrong("The JWS header must name the key as kid.")
    return SignatureHeader(kid, partner, head, _unb64(signature))


def check(event: Envelope, claimed: SignatureHeader, key: PublicKey) -> None:
    """Raises Rejected(SIGNATURE_WRONG) unless `key`, of Ed25519, made this signature over the event's body."""
    if key.type is not KeyType.ED25519:
        raise _wrong(f"Events are signed with Ed25519, and the registered key is of {key.type.value}.")
    if not key.verify(claimed.signature, f"{claimed.signing_input_head}.{_b64(event.data)}".encode()):
        raise _wrong("The signature does not match the body: sign the bytes that are sent, with the registered key.")


def _header(head: str) -> dict[str, Any]:
    if len(head) > HEADER_LIMIT:
        raise _wrong("The JWS header is too long.")
    try:
        header: Any = orjson.loads(_unb64(head))
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict):
        raise _wrong("The JWS header is not a JSON object in base64url.")
    return header


def _wrong(detail: str) -> Rejected:
    return Rejected(Code.SIGNATURE_WRONG, "", detail)


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    # The decoder overlooks foreign characters and spare bits; one signature shall have one spelling.
    if _b64(raw) != text:
        raise _wrong("The JWS is not base64url without padding.")
    return raw
