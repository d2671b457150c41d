"""JSON Web Signatures in the compact form (RFC 7515 §3.1), guarded for tokens from anyone.

What would change the verification is refused before any key is looked up (RFC 8725 §3): algorithms that are not on
the list, `none` with them, headers that have extensions, or keys from elsewhere, and every second spelling.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from laurel.credentials import strict_json
from laurel.credentials.documents import MAX_BYTES
from laurel.credentials.errors import MalformedCredential, ProofError
from laurel.credentials.keys import PublicKey, SigningKey, decode_base64url, encode_base64url
from laurel.credentials.values import MAX_IRI_CHARS

# By the name in the header; RFC 9864 gives EdDSA with Ed25519 a name of its own.
_ALGORITHMS = {"EdDSA": "EdDSA", "Ed25519": "EdDSA", "ES256": "ES256", "ES384": "ES384", "RS256": "RS256"}
_MAX_HEADER_CHARS = 16_384
_MAX_SIGNATURE_CHARS = 1_024
# They change what is signed, or name a place to fetch the key from (RFC 7515 §4.1, RFC 7797; the last two are JWE's).
_REFUSED = ("crit", "b64", "jku", "x5u", "zip", "enc")


@dataclass(frozen=True)
class Jws:
    """A token taken apart. `jwk` is a key that the token brings along, which anyone can put there."""

    header: Mapping[str, Any]
    payload: dict[str, Any]
    algorithm: str
    """As `PublicKey.algorithm` names it."""
    kid: str | None
    jwk: PublicKey | None
    signing_input: bytes
    signature: bytes


def read(token: Any) -> Jws:
    """Take a token apart. Raises MalformedCredential, ProofError, or KeyResolutionError for its `jwk`."""
    if not isinstance(token, str) or len(token) > MAX_BYTES:
        raise MalformedCredential(f"A JWT is a text of at most {MAX_BYTES} characters.", code="PARSING_ERROR")
    parts = token.split(".", 3)
    if len(parts) != 3 or not all(parts):
        raise MalformedCredential(
            "A signed JWT has three parts, separated by points, none of which is empty.", code="PARSING_ERROR"
        )
    header = _object(parts[0], "header", _MAX_HEADER_CHARS)
    algorithm = _algorithm(header)
    kid, jwk = _key_hints(header)
    payload = _object(parts[1], "payload", MAX_BYTES)
    try:
        signature = decode_base64url(parts[2], limit=_MAX_SIGNATURE_CHARS)
    except ValueError as error:
        raise ProofError(f"The JWT's signature is {error}.") from None
    return Jws(header, payload, algorithm, kid, jwk, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def write(header: Mapping[str, Any], payload: Mapping[str, Any], key: SigningKey) -> str:
    """The token that `key` makes. The same arguments give the same token. Raises MalformedCredential."""
    try:
        parts = [encode_base64url(orjson.dumps(each)) for each in ({"alg": key.public.algorithm, **header}, payload)]
    except TypeError as error:
        raise MalformedCredential(f"The document is not JSON: {error}.", code="PARSING_ERROR") from None
    signing_input = ".".join(parts)
    return f"{signing_input}.{encode_base64url(key.sign(signing_input.encode('ascii')))}"


def _object(part: str, what: str, limit: int) -> dict[str, Any]:
    try:
        value = strict_json.parse(decode_base64url(part, limit=limit))
    except ValueError as error:
        raise MalformedCredential(f"The JWT's {what} is {error}.", code="PARSING_ERROR") from None
    if not isinstance(value, dict):
        raise MalformedCredential(f"The JWT's {what} must be a JSON object.", code="PARSING_ERROR")
    return value


def _algorithm(header: Mapping[str, Any]) -> str:
    named = header.get("alg")
    algorithm = _ALGORITHMS.get(named) if isinstance(named, str) else None
    if algorithm is None:
        raise ProofError(f"The JWT's alg must be one of {', '.join(_ALGORITHMS)}.")
    for name in _REFUSED:
        if name in header:
            raise ProofError(f"The JWT's header may not have {name!r}.")
    return algorithm


def _key_hints(header: Mapping[str, Any]) -> tuple[str | None, PublicKey | None]:
    kid = header.get("kid")
    if "kid" in header and not (isinstance(kid, str) and 0 < len(kid) <= MAX_IRI_CHARS):
        raise ProofError(f"The JWT's kid must be a text of 1 to {MAX_IRI_CHARS} characters.")
    if "kid" not in header and "jwk" not in header:
        raise ProofError("The JWT's header names no key: it needs a kid or a jwk.")
    return kid, PublicKey.from_jwk(header["jwk"]) if "jwk" in header else None
