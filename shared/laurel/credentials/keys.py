"""Keys of the four types that sign credentials, as Multikeys and as JSON Web Keys.

A type of key signs in exactly one way here, and the key says which (`algorithm`), never the document at hand:
Ed25519 with EdDSA, P-256 with ES256, P-384 with ES384, RSA with RS256. Data Integrity and JOSE agree in it (ECDSA
Cryptosuites 1.0 §3.2.8, RFC 7518 §3.1), down to the raw form of an ECDSA signature, r ‖ s.

Multikey (Controlled Identifiers 1.0 §2.2.2) is base58btc over a two-byte prefix and the key; RSA has none.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from nacl import bindings
from nacl.exceptions import BadSignatureError

from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.values import decode_base58btc, encode_base58btc


class KeyType(StrEnum):
    """What kind of key it is."""

    ED25519 = "Ed25519"
    P256 = "P-256"
    P384 = "P-384"
    RSA = "RSA"


@dataclass(frozen=True)
class _Kind:
    algorithm: str
    """The JOSE name of the one way in which keys of this type sign."""
    hash: str
    """The hash that goes with it, as hashlib names it."""
    signature_bytes: int
    """0 where it depends on the key."""
    public_prefix: bytes = b""
    secret_prefix: bytes = b""
    public_bytes: int = 0
    secret_bytes: int = 0


_KINDS = {
    KeyType.ED25519: _Kind("EdDSA", "sha256", 64, b"\xed\x01", b"\x80\x26", 32, 32),
    KeyType.P256: _Kind("ES256", "sha256", 64, b"\x80\x24", b"\x86\x26", 33, 32),
    KeyType.P384: _Kind("ES384", "sha384", 96, b"\x81\x24", b"\x87\x26", 49, 48),
    KeyType.RSA: _Kind("RS256", "sha256", 0),
}
_CURVES: Mapping[KeyType, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    KeyType.P256: (ec.SECP256R1(), hashes.SHA256()),
    KeyType.P384: (ec.SECP384R1(), hashes.SHA384()),
}
_RSA_BITS = range(2048, 4097)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True)
class PublicKey:
    """A public key.

    `raw` is 32 bytes for Ed25519, the compressed point (33 or 49 bytes) for the curves, and the DER of a
    SubjectPublicKeyInfo for RSA. Raises KeyResolutionError for what is no such key.
    """

    raw: bytes
    type: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        if self.type is KeyType.ED25519:
            if len(self.raw) != 32:
                raise KeyResolutionError(f"An Ed25519 public key has 32 bytes, not {len(self.raw)}.")
        elif self.type is KeyType.RSA:
            _rsa_key(self.raw)
        else:
            _curve_point(self.raw, self.type)

    @classmethod
    def from_multibase(cls, multibase: str) -> "PublicKey":
        """The key a Multikey (`z6Mk…` Ed25519, `zDn…` P-256, `z82…` P-384) holds. Raises KeyResolutionError."""
        for key_type, kind in _KINDS.items():
            raw = _decoded(multibase, kind.public_prefix, kind.public_bytes)
            if raw is not None:
                return cls(raw, key_type)
        raise KeyResolutionError("This is not a public key in Multikey form, of Ed25519, P-256 or P-384.")

    @classmethod
    def from_jwk(cls, jwk: Any) -> "PublicKey":
        """The key that a public JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037 §2) holds. Raises KeyResolutionError."""
        if not isinstance(jwk, Mapping):
            raise KeyResolutionError("A publicKeyJwk must be an object.")
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise KeyResolutionError("The JWK holds a secret, which must not be published.")
        _check_intent(jwk)
        match jwk.get("kty"), jwk.get("crv"):
            case "OKP", "Ed25519":
                return cls(_octets(jwk, "x", 32))
            case "EC", "P-256":
                return cls(_compressed(_octets(jwk, "x", 32), _octets(jwk, "y", 32)), KeyType.P256)
            case "EC", "P-384":
                return cls(_compressed(_octets(jwk, "x", 48), _octets(jwk, "y", 48)), KeyType.P384)
            case "RSA", None:
                return cls(_rsa_der(_octets(jwk, "n"), _octets(jwk, "e")), KeyType.RSA)
        raise KeyResolutionError("Only JWKs of Ed25519, P-256, P-384 and RSA are supported.", pointer="/kty")

    @property
    def algorithm(self) -> str:
        """The JOSE name of the one way in which this key signs: EdDSA, ES256, ES384 or RS256."""
        return _KINDS[self.type].algorithm

    @property
    def hash_name(self) -> str:
        """The hash that Data Integrity uses with this type of key, as hashlib names it."""
        return _KINDS[self.type].hash

    @property
    def thumbprint(self) -> str:
        """The JWK Thumbprint (RFC 7638) with SHA-256, in base64url."""
        members = json.dumps(self.to_jwk(), separators=(",", ":"), sort_keys=True)
        return encode_base64url(sha256(members.encode()).digest())

    @property
    def signature_bytes(self) -> int:
        """How long its signatures are."""
        return _KINDS[self.type].signature_bytes or (_rsa_key(self.raw).key_size + 7) // 8

    def to_multibase(self) -> str:
        """The key as Multikey. Raises KeyResolutionError for RSA, which has no such form."""
        kind = _KINDS[self.type]
        if not kind.public_prefix:
            raise KeyResolutionError("An RSA key has no Multikey form; write it as a JWK.")
        return encode_base58btc(kind.public_prefix + self.raw)

    def to_jwk(self) -> dict[str, str]:
        """The key as public JSON Web Key, without alg, kid or use."""
        if self.type is KeyType.ED25519:
            return {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(self.raw)}
        if self.type is KeyType.RSA:
            numbers = _rsa_key(self.raw).public_numbers()
            return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
        point = _curve_point(self.raw, self.type).public_numbers()
        size = _KINDS[self.type].secret_bytes
        x, y = (encode_base64url(number.to_bytes(size)) for number in (point.x, point.y))
        return {"kty": "EC", "crv": self.type.value, "x": x, "y": y}

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is this key's signature of `data`, made with its `algorithm`."""
        if len(signature) != self.signature_bytes:
            return False
        try:
            if self.type is KeyType.ED25519:
                bindings.crypto_sign_open(signature + data, self.raw)
            elif self.type is KeyType.RSA:
                _rsa_key(self.raw).verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                half = len(signature) // 2
                r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
                hashed = ec.ECDSA(_CURVES[self.type][1])
                _curve_point(self.raw, self.type).verify(encode_dss_signature(r, s), data, hashed)
        except (BadSignatureError, InvalidSignature):
            return False
        return True


_Secret = bytes | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class SigningKey:
    """A signing key. Its text forms never show the secret; only `to_multibase` and `to_jwk` give it away."""

    __slots__ = ("_secret", "public")

    def __init__(self, secret: _Secret) -> None:
        """From an Ed25519 seed of 32 bytes, or from a private key of P-256, P-384 or RSA. Raises KeyResolutionError."""
        self._secret: _Secret
        if isinstance(secret, bytes):
            if len(secret) != 32:
                raise KeyResolutionError(f"An Ed25519 seed has 32 bytes, not {len(secret)}.")
            public, self._secret = bindings.crypto_sign_seed_keypair(bytes(secret))
            self.public = PublicKey(public)
        else:
            self._secret = secret
            self.public = _public_half(secret)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The Ed25519 key that these 32 bytes of entropy give. Raises KeyResolutionError."""
        return cls(bytes(seed))

    @classmethod
    def generate(cls, key_type: KeyType = KeyType.ED25519) -> "SigningKey":
        """A new key of that type."""
        if key_type is KeyType.ED25519:
            return cls(bindings.randombytes(32))
        if key_type is KeyType.RSA:
            return cls(rsa.generate_private_key(65537, 3072))
        return cls(ec.generate_private_key(_CURVES[key_type][0]))

    @classmethod
    def from_multibase(cls, multibase: str) -> "SigningKey":
        """The key of a secret Multikey. Raises KeyResolutionError, which does not repeat the value."""
        for key_type, kind in _KINDS.items():
            raw = _decoded(multibase, kind.secret_prefix, kind.secret_bytes)
            if raw is None:
                continue
            if key_type is KeyType.ED25519:
                return cls(raw)
            try:
                return cls(ec.derive_private_key(int.from_bytes(raw), _CURVES[key_type][0]))
            except ValueError:
                break
        raise KeyResolutionError("This is not a secret key in Multikey form, of Ed25519, P-256 or P-384.")

    @classmethod
    def from_jwk(cls, jwk: Any) -> "SigningKey":
        """The key of a secret JSON Web Key. Raises KeyResolutionError, which does not repeat the value."""
        if not isinstance(jwk, Mapping):
            raise KeyResolutionError("A secret JWK must be an object.")
        public = PublicKey.from_jwk({name: value for name, value in jwk.items() if name not in _PRIVATE_MEMBERS})
        try:
            if public.type is KeyType.RSA:
                secret: _Secret = _rsa_secret(jwk)
            elif public.type is KeyType.ED25519:
                secret = _octets(jwk, "d", 32)
            else:
                number = int.from_bytes(_octets(jwk, "d", _KINDS[public.type].secret_bytes))
                secret = ec.derive_private_key(number, _CURVES[public.type][0])
            key = cls(secret)
        except (ValueError, TypeError):
            raise KeyResolutionError("This is not a secret JWK.") from None
        if key.public != public:
            raise KeyResolutionError("The secret and the public part of the JWK are of different keys.")
        return key

    def to_multibase(self) -> str:
        """The secret, as Multikey. Whoever has it can sign. Raises KeyResolutionError for RSA."""
        kind = _KINDS[self.public.type]
        if isinstance(self._secret, rsa.RSAPrivateKey):
            raise KeyResolutionError("An RSA key has no Multikey form; write it as a JWK.")
        return encode_base58btc(kind.secret_prefix + self._number())

    def to_jwk(self) -> dict[str, str]:
        """The secret, as JSON Web Key. Whoever has it can sign."""
        if not isinstance(self._secret, rsa.RSAPrivateKey):
            return {**self.public.to_jwk(), "d": encode_base64url(self._number())}
        numbers = self._secret.private_numbers()
        names = {
            "d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp
        }  # fmt: skip
        return {**self.public.to_jwk(), **{name: _integer(number) for name, number in names.items()}}

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`; the same bytes every time, with ECDSA too (RFC 6979)."""
        if isinstance(self._secret, bytes):
            return bindings.crypto_sign(data, self._secret)[:64]
        if isinstance(self._secret, rsa.RSAPrivateKey):
            return self._secret.sign(data, padding.PKCS1v15(), hashes.SHA256())
        hashed = ec.ECDSA(_CURVES[self.public.type][1], deterministic_signing=True)
        r, s = decode_dss_signature(self._secret.sign(data, hashed))
        size = _KINDS[self.public.type].secret_bytes
        return r.to_bytes(size) + s.to_bytes(size)

    def _number(self) -> bytes:
        if isinstance(self._secret, bytes):
            return self._secret[:32]
        assert isinstance(self._secret, ec.EllipticCurvePrivateKey)
        return self._secret.private_numbers().private_value.to_bytes(_KINDS[self.public.type].secret_bytes)

    def __repr__(self) -> str:
        named = self.public.to_jwk()["n"] if self.public.type is KeyType.RSA else self.public.to_multibase()
        return f"SigningKey(public={named})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled; pass to_multibase() or to_jwk() where it really has to travel")


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


def encode_base64url(raw: bytes) -> str:
    """`raw` as base64url without padding (RFC 4648 §5, as JOSE writes it)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: Any, *, limit: int) -> bytes:
    """The bytes of unpadded base64url, `limit` characters at most, in their one spelling. Raises ValueError."""
    if not isinstance(text, str) or not 0 < len(text) <= limit:
        raise ValueError(f"not base64url of 1 to {limit} characters")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("not base64url without padding") from None
    # The decoder overlooks foreign characters, and the last character may have bits to spare.
    if encode_base64url(raw) != text:
        raise ValueError("not base64url in its one spelling")
    return raw


def _decoded(multibase: Any, prefix: bytes, size: int) -> bytes | None:
    if not prefix:
        return None
    try:
        raw = decode_base58btc(multibase, size=len(prefix) + size)
    except ValueError:
        return None
    return raw[len(prefix) :] if raw.startswith(prefix) else None


@lru_cache(maxsize=1024)
def _curve_point(raw: bytes, key_type: KeyType) -> ec.EllipticCurvePublicKey:
    if len(raw) != _KINDS[key_type].public_bytes:
        raise KeyResolutionError(f"A {key_type.value} public key is a compressed point, not {len(raw)} bytes.")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[key_type][0], raw)
    except ValueError:
        raise KeyResolutionError(f"These bytes are no point of {key_type.value}.") from None


def _compressed(x: bytes, y: bytes) -> bytes:
    key_type = KeyType.P256 if len(x) == 32 else KeyType.P384
    raw = bytes([2 | y[-1] & 1]) + x
    if _curve_point(raw, key_type).public_numbers().y != int.from_bytes(y):
        raise KeyResolutionError(f"The JWK's x and y are no point of {key_type.value}.", pointer="/y")
    return raw


@lru_cache(maxsize=256)
def _rsa_key(der: bytes) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_der_public_key(der)
    except ValueError:
        raise KeyResolutionError("These bytes are no RSA public key.") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in _RSA_BITS:
        raise KeyResolutionError(f"An RSA key must have {_RSA_BITS.start} to {_RSA_BITS.stop - 1} bits.")
    return key


def _rsa_der(modulus: bytes, exponent: bytes) -> bytes:
    try:
        key = rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    except ValueError:
        raise KeyResolutionError("The JWK's n and e are no RSA key.", pointer="/n") from None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _rsa_secret(jwk: Mapping[str, Any]) -> rsa.RSAPrivateKey:
    number = {name: int.from_bytes(_octets(jwk, name)) for name in ("d", "p", "q", "dp", "dq", "qi", "n", "e")}
    public = rsa.RSAPublicNumbers(number["e"], number["n"])
    return rsa.RSAPrivateNumbers(
        number["p"], number["q"], number["d"], number["dp"], number["dq"], number["qi"], public
    ).private_key()


def _public_half(secret: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> PublicKey:
    public = secret.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return PublicKey(der, KeyType.RSA)
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    for key_type, (curve, _) in _CURVES.items():
        if curve.name == public.curve.name:
            return PublicKey(point, key_type)
    raise KeyResolutionError(f"Keys of the curve {public.curve.name} are not supported.")


def _octets(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    try:
        raw = decode_base64url(jwk.get(name), limit=1400)
    except ValueError as error:
        raise KeyResolutionError(f"The JWK's {name} is {error}.", pointer=f"/{name}") from None
    if size is not None and len(raw) != size:
        raise KeyResolutionError(f"The JWK's {name} must be {size} bytes.", pointer=f"/{name}")
    return raw


def _check_intent(jwk: Mapping[str, Any]) -> None:
    """RFC 7517 §4.2 to §4.4: a key that is for something else makes no signature that counts."""
    if jwk.get("use", "sig") != "sig":
        raise KeyResolutionError("The JWK is not for signatures (its use must be sig, or absent).", pointer="/use")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not any(each in operations for each in ("verify", "sign")):
        raise KeyResolutionError("The JWK is not for signatures (its key_ops lack verify).", pointer="/key_ops")
    if jwk.get("alg") is not None and jwk["alg"] not in _algorithms(jwk):
        raise KeyResolutionError("The JWK's alg does not fit its kty and crv.", pointer="/alg")


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    if jwk.get("kty") == "RSA":
        return ("RS256",)
    if jwk.get("crv") == KeyType.ED25519:
        return ("EdDSA", "Ed25519")  # RFC 9864 gives it a name of its own
    return tuple(_KINDS[key_type].algorithm for key_type in _CURVES if key_type == jwk.get("crv"))


def _integer(number: int) -> str:
    return encode_base64url(number.to_bytes((number.bit_length() + 7) // 8))
