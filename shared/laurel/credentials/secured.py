"""Reading what somebody hands over: a document with embedded proofs, or a JWT, bare or in an envelope.

However it was secured, verification sees a document and its signatures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from laurel.credentials.baking import is_image, unbake
from laurel.credentials.baking.carried import is_jws
from laurel.credentials.documents import MAX_BYTES, read_json
from laurel.credentials.enveloping import enveloped, is_envelope
from laurel.credentials.errors import CredentialError, MalformedCredential
from laurel.credentials.form import check_form, check_presentation_form
from laurel.credentials.jwt import DecodedJwt, Profile, decode, verify_signature
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.proofs import ProvenDocument
from laurel.credentials.values import parse_datetime


class Signature(Protocol):
    """One signature of a document, however it is attached to it."""

    @property
    def verification_method(self) -> str | None:
        """The URL of the key that made it, if it names one."""

    @property
    def key(self) -> PublicKey | None:
        """The key that it brings along, if it does. Anybody can: it counts if the signer's document lists it."""

    @property
    def created(self) -> datetime | None:
        """When it was made, as far as it says so."""

    @property
    def begins(self) -> datetime | None:
        """From when on it counts, if not at once."""

    @property
    def expires(self) -> datetime | None:
        """From when on it no longer counts, if ever."""

    @property
    def domain(self) -> Sequence[str]:
        """What it is meant for; empty: for anything."""

    @property
    def challenge(self) -> Sequence[str]:
        """What it answers; empty: nothing."""

    def check(self, method: VerificationMethod) -> None:
        """Raise ProofError unless the signature holds with this key."""


@dataclass(frozen=True)
class Secured:
    """A document and its signatures, of which there is at least one."""

    document: dict[str, Any]
    signatures: Sequence[Signature]


@dataclass(frozen=True)
class EmbeddedProof:
    """A Data Integrity proof in the document it proves."""

    proven: ProvenDocument
    proof: dict[str, Any]
    purpose: str

    @property
    def verification_method(self) -> str:
        """The URL of the key that made it."""
        return str(self.proof["verificationMethod"])

    @property
    def key(self) -> PublicKey | None:
        """None: a proof names its key."""
        return None

    @property
    def created(self) -> datetime | None:
        """When it was made, as far as it says so."""
        return self._moment("created")

    @property
    def begins(self) -> None:
        """A proof counts at once."""

    @property
    def expires(self) -> datetime | None:
        """From when on it no longer counts, if ever."""
        return self._moment("expires")

    @property
    def domain(self) -> Sequence[str]:
        """What it is meant for; empty: for anything."""
        declared = self.proof.get("domain", [])
        return declared if isinstance(declared, list) else [declared]

    @property
    def challenge(self) -> Sequence[str]:
        """What it answers; empty: nothing."""
        return [self.proof["challenge"]] if "challenge" in self.proof else []

    def check(self, method: VerificationMethod) -> None:
        """Raise ProofError unless the signature holds with this key."""
        self.proven.verify(self.proof, method=method, purpose=self.purpose)

    def _moment(self, name: str) -> datetime | None:
        return parse_datetime(self.proof[name]) if name in self.proof else None


@dataclass(frozen=True)
class Token:
    """The signature of a JWT."""

    decoded: DecodedJwt

    @property
    def verification_method(self) -> str | None:
        """The URL of the key that made it, if it names one."""
        return self.decoded.verification_method

    @property
    def key(self) -> PublicKey | None:
        """The key that it brings along, if it does."""
        return self.decoded.jws.jwk

    @property
    def created(self) -> datetime | None:
        """When it was made, as far as it says so."""
        return self.decoded.issued

    @property
    def begins(self) -> datetime | None:
        """From when on it counts (RFC 7519 §4.1.5); an Open Badges JWT says there from when on the badge is valid."""
        return None if self.decoded.profile is Profile.OPEN_BADGE else self.decoded.not_before

    @property
    def expires(self) -> datetime | None:
        """From when on it no longer counts, if ever; an Open Badges JWT says there until when the badge is valid."""
        return None if self.decoded.profile is Profile.OPEN_BADGE else self.decoded.expires

    @property
    def domain(self) -> Sequence[str]:
        """What it is meant for; empty: for anything."""
        audience = self.decoded.claims.get("aud", [])
        return audience if isinstance(audience, list) else [audience]

    @property
    def challenge(self) -> Sequence[str]:
        """What it answers; empty: nothing."""
        return [self.decoded.claims["nonce"]] if "nonce" in self.decoded.claims else []

    def check(self, method: VerificationMethod) -> None:
        """Raise ProofError unless the signature holds with this key."""
        verify_signature(self.decoded, method)


def read_credential(given: Any) -> Secured:
    """The credential in `given`: parsed JSON, JSON text or bytes, a JWT, an envelope, or a baked PNG or SVG.

    Raises CredentialError unless it has the form of a credential and of proofs, which are not verified here.
    """
    return _read(given, check_form, "assertionMethod")


def read_presentation(given: Any) -> Secured:
    """The presentation in `given`, as `read_credential` reads a credential. Raises CredentialError."""
    return _read(given, check_presentation_form, "authentication")


def is_presentation(given: Any) -> bool:
    """Whether `given` says of itself that it is a presentation; False for what cannot be read."""
    return "VerifiablePresentation" in _types(claimed(given))


def claimed(given: Any) -> dict[str, Any]:
    """The document in `given` as it stands there, with nothing checked; empty where none can be read."""
    try:
        document = parsed(given)
        token = _token(document)
        document = document if token is None else decode(token).document
    except CredentialError:
        return {}
    return document if isinstance(document, dict) else {}


def parsed(given: Any) -> Any:
    """`given` as JSON: text, or what a badge's picture carries, is parsed; a JWT stays text.

    Raises MalformedCredential.
    """
    if isinstance(given, bytes):
        given = unbake(given) if is_image(given) else _text(given)
    if not isinstance(given, str):
        return given
    return given.strip() if is_jws(given.strip()) else read_json(given)


def _text(given: bytes) -> str:
    if len(given) > MAX_BYTES:
        raise MalformedCredential(f"The document is longer than {MAX_BYTES} bytes.")
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise MalformedCredential("The document is not text in UTF-8.", code="PARSING_ERROR") from None


def _read(given: Any, check: Callable[[Any], None], purpose: str) -> Secured:
    document = parsed(given)
    token = _token(document)
    if token is None:
        check(document)
        proven = ProvenDocument(document)
        return Secured(document, [EmbeddedProof(proven, each, purpose) for each in proven.proofs])
    decoded = decode(token)
    check(decoded.document)
    return Secured(decoded.document, [Token(decoded)])


def _token(document: Any) -> str | None:
    """The JWT that `document` is, or is the envelope of. Raises MalformedCredential for an envelope of no JWT."""
    if isinstance(document, str):
        return document
    return enveloped(document) if is_envelope(document) else None


def _types(document: dict[str, Any]) -> list[Any]:
    declared = document.get("type")
    return declared if isinstance(declared, list) else [declared]
