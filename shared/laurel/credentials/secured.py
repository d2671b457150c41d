"""Reading what somebody hands over: a document with embedded proofs, or a JWT, bare or in an envelope.

However it was secured, verification sees a document and its signatures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from laurel.credentials.canonical import MAX_BYTES
from laurel.credentials.errors import CredentialError, MalformedCredential, ProofError
from laurel.credentials.form import check_form, check_presentation_form
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import proofs_of, verify_proof
from laurel.credentials.values import parse_datetime


class Signature(Protocol):
    """One signature of a document, however it is attached to it."""

    @property
    def verification_method(self) -> str:
        """The URL of the key that made it."""

    @property
    def created(self) -> datetime | None:
        """When it was made, as far as it says so."""

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

    document: dict[str, Any]
    proof: dict[str, Any]
    purpose: str

    @property
    def verification_method(self) -> str:
        """The URL of the key that made it."""
        return str(self.proof["verificationMethod"])

    @property
    def created(self) -> datetime | None:
        """When it was made, as far as it says so."""
        return self._moment("created")

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
        verify_proof(self.document, self.proof, method=method, purpose=self.purpose)

    def _moment(self, name: str) -> datetime | None:
        return parse_datetime(self.proof[name]) if name in self.proof else None


def read_credential(given: Any) -> Secured:
    """The credential in `given`: parsed JSON, JSON text or bytes, or a JWT.

    Raises CredentialError unless it has the form of a credential and of proofs, which are not verified here.
    """
    return _read(given, check_form, "assertionMethod")


def read_presentation(given: Any) -> Secured:
    """The presentation in `given`, as `read_credential` reads a credential. Raises CredentialError."""
    return _read(given, check_presentation_form, "authentication")


def is_presentation(given: Any) -> bool:
    """Whether `given` says of itself that it is a presentation; False for what cannot be read."""
    try:
        document = parsed(given)
    except CredentialError:
        return False
    declared = document.get("type") if isinstance(document, dict) else None
    return "VerifiablePresentation" in (declared if isinstance(declared, list) else [declared])


def _read(given: Any, check: Callable[[Any], None], purpose: str) -> Secured:
    document = parsed(given)
    check(document)
    proofs = proofs_of(document)
    if not proofs:
        raise ProofError("The credential has no proof, so nothing shows who made it.", pointer="/proof")
    return Secured(document, [EmbeddedProof(document, each, purpose) for each in proofs])


def parsed(given: Any) -> Any:
    """The JSON that `given` is, or is the text of. Raises MalformedCredential."""
    if not isinstance(given, bytes | str):
        return given
    if len(given) > MAX_BYTES:
        raise MalformedCredential(f"The document is longer than {MAX_BYTES} bytes.")
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise MalformedCredential("The document is not JSON.", code="PARSING_ERROR") from error
