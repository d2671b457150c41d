"""Ed25519 keys as Multikeys, the DIDs they go by, and the DID documents that publish them.

Multikey (Controlled Identifiers 1.0 §2.2.2) is base58btc over a two-byte prefix and the key.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nacl import bindings
from nacl.exceptions import BadSignatureError

from laurel.credentials.contexts import DID_V1, MULTIKEY_V1
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.values import (
    MAX_IRI_CHARS,
    decode_base58btc,
    encode_base58btc,
    format_datetime,
    parse_datetime,
)

_PUBLIC_PREFIX = bytes([0xED, 0x01])
_SECRET_PREFIX = bytes([0x80, 0x26])
_KEY_BYTES = 32
SIGNATURE_BYTES = 64

# A host name with an optional port, then path segments. No IP literal in brackets, no user, no empty segment;
# a segment of dots alone would climb out of the path once it is a URL.
_DID_WEB = re.compile(
    r"did:web:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?:%3[Aa][0-9]{1,5})?"
    r"(?::(?!\.+(?::|$))(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)*"
)
_WEB_URL = re.compile(r"https?://(?P<host>[^/?#]+)(?P<path>[^?#]*)")
_OTHER_USES = ("authentication", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
_MAX_METHODS = 128


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _KEY_BYTES:
            raise KeyResolutionError(f"An Ed25519 public key has 32 bytes, not {len(self.raw)}.")

    @classmethod
    def from_raw(cls, raw: bytes) -> "PublicKey":
        """The key with these 32 bytes. Raises KeyResolutionError."""
        return cls(bytes(raw))

    @classmethod
    def from_multibase(cls, multibase: str) -> "PublicKey":
        """The key a Multikey `z6Mk…` holds. Raises KeyResolutionError."""
        return cls(_decode(multibase, _PUBLIC_PREFIX, "a public"))

    def to_multibase(self) -> str:
        """The key as Multikey, `z6Mk…`."""
        return encode_base58btc(_PUBLIC_PREFIX + self.raw)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's signature of `data` (RFC 8032, pure Ed25519)."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            bindings.crypto_sign_open(signature + data, self.raw)
        except BadSignatureError:
            return False
        return True


class SigningKey:
    """An Ed25519 signing key. Its text forms never show the secret; only `to_multibase` gives it away."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _KEY_BYTES:
            raise KeyResolutionError(f"An Ed25519 seed has 32 bytes, not {len(seed)}.")
        public, self._secret = bindings.crypto_sign_seed_keypair(bytes(seed))
        self.public = PublicKey(public)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key that these 32 bytes of entropy give. Raises KeyResolutionError."""
        return cls(seed)

    @classmethod
    def from_multibase(cls, multibase: str) -> "SigningKey":
        """The key of a secret Multikey `z3u2…`. Raises KeyResolutionError, which does not repeat the value."""
        return cls(_decode(multibase, _SECRET_PREFIX, "a secret"))

    def to_multibase(self) -> str:
        """The secret, as Multikey. Whoever has it can sign."""
        return encode_base58btc(_SECRET_PREFIX + self._secret[:_KEY_BYTES])

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature of `data`; the same bytes every time."""
        return bindings.crypto_sign(data, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.to_multibase()})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled; pass to_multibase() where it really has to travel")


@dataclass(frozen=True)
class VerificationMethod:
    """A public key with its name and owner.

    `id` is a URL (such as `did:web:example.org#key-1`), `controller` the id of whoever the key speaks for.
    From the moment `revoked` on, it signs nothing more; what it signed before still holds.
    """

    id: str
    controller: str
    public_key: PublicKey
    revoked: datetime | None = None


def _decode(multibase: str, prefix: bytes, kind: str) -> bytes:
    try:
        raw = decode_base58btc(multibase, size=len(prefix) + _KEY_BYTES)
    except ValueError as error:
        raise KeyResolutionError(f"This is not {kind} Ed25519 key in Multikey form: {error}.") from error
    if raw[: len(prefix)] != prefix:
        raise KeyResolutionError(f"This is not {kind} Ed25519 key in Multikey form: its prefix is another one.")
    return raw[len(prefix) :]


# --- did:key and did:web ---------------------------------------------------------------------------------------


def did_key(public: PublicKey) -> str:
    """The did:key of an Ed25519 key, `did:key:z6Mk…`."""
    return f"did:key:{public.to_multibase()}"


def did_key_method(did: str) -> VerificationMethod:
    """The one verification method of a did:key, given as DID or as DID URL with its only possible fragment.

    Raises KeyResolutionError.
    """
    subject, _, fragment = did.partition("#")
    multibase = subject.removeprefix("did:key:")
    if multibase == subject or fragment not in ("", multibase):
        raise KeyResolutionError(
            "This is not a did:key, or its fragment is not its own key.", code="INVALID_VERIFICATION_METHOD_URL"
        )
    return VerificationMethod(f"{subject}#{multibase}", subject, PublicKey.from_multibase(multibase))


def did_web(url: str) -> str:
    """The did:web for a base URL: `https://host:8443/a/b` → `did:web:host%3A8443:a:b`.

    Raises KeyResolutionError for URLs that have no did:web (with a user, a query or a fragment).
    """
    parts = _WEB_URL.fullmatch(url)
    path = [segment for segment in (parts["path"] if parts else "").split("/") if segment]
    did = ":".join(["did", "web", parts["host"].lower().replace(":", "%3A") if parts else "", *path])
    if not _DID_WEB.fullmatch(did):
        raise KeyResolutionError(f"{url[:200]!r} cannot be written as a did:web; use https://host/path.")
    return did


def did_web_url(did: str, *, scheme: str = "https") -> str:
    """Where the DID document of a did:web is served (did:web Method Specification, "Read").

    `scheme` is "http" only for trying things out on one machine. Raises KeyResolutionError.
    """
    if len(did) > MAX_IRI_CHARS or not _DID_WEB.fullmatch(did):
        raise KeyResolutionError(
            f"{did[:200]!r} is not a did:web; it should read did:web:host or did:web:host:path.",
            code="INVALID_VERIFICATION_METHOD_URL",
        )
    host, *path = did.removeprefix("did:web:").split(":")
    base = f"{scheme}://{host.replace('%3A', ':').replace('%3a', ':')}"
    return "/".join([base, *(path or [".well-known"]), "did.json"])


# --- DID documents ---------------------------------------------------------------------------------------------


def did_document(did: str, methods: Sequence[VerificationMethod]) -> dict[str, Any]:
    """The DID document of `did` with its keys as Multikeys.

    Active keys are listed under `assertionMethod`; a retired one stays, with `revoked`, so that what it signed
    can still be verified. Raises KeyResolutionError for a method that is not of this DID.
    """
    for method in methods:
        if method.controller != did or method.id.partition("#")[0] != did:
            raise KeyResolutionError(f"The method {method.id!r} does not belong to {did!r}.")
    return {
        "@context": [DID_V1, MULTIKEY_V1],
        "id": did,
        "verificationMethod": [
            {
                "id": method.id,
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": method.public_key.to_multibase(),
                **({"revoked": format_datetime(method.revoked)} if method.revoked else {}),
            }
            for method in methods
        ],
        "assertionMethod": [method.id for method in methods if method.revoked is None],
    }


def methods_of(document: Any) -> Mapping[str, VerificationMethod]:
    """The Ed25519 Multikeys with which the subject of a DID document makes claims, by their full id.

    These are the keys under `assertionMethod`, and retired ones (with `revoked`) that are under no other
    relationship. Keys of other kinds are passed over. So are keys that another DID controls or whose id lies
    outside the document: whoever serves a document may speak for its own id alone.

    Raises KeyResolutionError if the document is malformed.
    """
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise _malformed("The DID document must be an object with an id.")
    subject: str = document["id"]
    asserting = {_absolute(subject, entry) for entry in _entries(document, "assertionMethod")}
    otherwise = {_absolute(subject, entry) for name in _OTHER_USES for entry in _entries(document, name)}
    embedded = [entry for entry in _entries(document, "assertionMethod") if isinstance(entry, dict)]
    methods = {}
    for entry in [*_entries(document, "verificationMethod"), *embedded]:
        method = _method(subject, entry)
        if method is None:
            continue
        if method.id in asserting or (method.revoked is not None and method.id not in otherwise):
            methods[method.id] = method
    return methods


def _entries(document: Mapping[str, Any], name: str) -> list[Any]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or len(entries) > _MAX_METHODS:
        raise _malformed(f"{name} must be a list of at most {_MAX_METHODS} entries.")
    return entries


def _absolute(subject: str, entry: Any) -> str:
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str):
        raise _malformed("A verification method must be a URL or an object with an id.")
    return subject + name if name.startswith("#") else name


def _method(subject: str, entry: Any) -> VerificationMethod | None:
    name = _absolute(subject, entry)
    if not isinstance(entry, dict) or entry.get("type") != "Multikey":
        return None
    if entry.get("controller") != subject or name.partition("#")[0] != subject:
        return None
    multibase = entry.get("publicKeyMultibase")
    if not isinstance(multibase, str) or not multibase.startswith("z6Mk"):
        return None
    try:
        # CID 1.0 §2.2: from `expires` on a key verifies no new proof, which is what `revoked` means here.
        ends = [parse_datetime(entry[end]) for end in ("revoked", "expires") if end in entry]
    except ValueError as error:
        raise _malformed(f"The end of the key {name!r} is {error}.") from error
    return VerificationMethod(name, subject, PublicKey.from_multibase(multibase), min(ends, default=None))


def _malformed(detail: str) -> KeyResolutionError:
    return KeyResolutionError(detail, code="INVALID_CONTROLLED_IDENTIFIER_DOCUMENT")
