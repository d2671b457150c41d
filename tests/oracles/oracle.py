"""What every oracle can be asked, and who signs in these tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from laurel.credentials.contexts import DID_V1
from laurel.credentials.controller_documents import JWK_V1, did_document, jwk_method_id
from laurel.credentials.dids import did_key, did_web_url
from laurel.credentials.keys import KeyType, SigningKey, VerificationMethod

Document = dict[str, Any]
Suite = tuple[str, KeyType]
"""A Data Integrity cryptosuite with the type of key it is used with."""

CREATED = datetime(2025, 3, 1, 12, tzinfo=UTC)
"""When everything in these tests is signed. The oracles have only the clock on the wall, so it lies in the past."""

SUITES: tuple[Suite, ...] = (
    ("eddsa-rdfc-2022", KeyType.ED25519),
    ("eddsa-jcs-2022", KeyType.ED25519),
    ("ecdsa-rdfc-2019", KeyType.P256),
    ("ecdsa-rdfc-2019", KeyType.P384),
    ("ecdsa-jcs-2019", KeyType.P256),
    ("ecdsa-jcs-2019", KeyType.P384),
)


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The credential does not hold; the message is the oracle's own."""


@dataclass(frozen=True)
class Signer:
    """An issuer with one key, and what has to be known to resolve it."""

    key: SigningKey
    controller: str
    method: str
    """The URL of the key."""

    @classmethod
    def with_did_key(cls, key: SigningKey) -> Signer:
        """The issuer is the key."""
        did = did_key(key.public)
        return cls(key, did, f"{did}#{key.public.to_multibase()}")

    @classmethod
    def with_did_web(cls, key: SigningKey) -> Signer:
        """The issuer is a host that serves a DID document."""
        return cls(key, "did:web:college.example", "did:web:college.example#key-1")

    @property
    def documents(self) -> Mapping[str, Document]:
        """What a verifier can fetch to resolve the key, by DID: nothing for a did:key."""
        if self.controller.startswith("did:key:"):
            return {}
        if self.key.public.type is KeyType.RSA:
            return {self.controller: self._document_with_rsa()}
        return {self.controller: did_document(self.controller, [self.verification_method])}

    def _document_with_rsa(self) -> Document:
        # Laurel publishes no RSA keys: they have no Multikey form. Others do.
        method = jwk_method_id(self.controller, self.key.public)
        return {
            "@context": [DID_V1, JWK_V1],
            "id": self.controller,
            "verificationMethod": [
                {
                    "id": method, "type": "JsonWebKey", "controller": self.controller,
                    "publicKeyJwk": self.key.public.to_jwk(),
                }
            ],
            "assertionMethod": [method],
        }  # fmt: skip

    @property
    def verification_method(self) -> VerificationMethod:
        """The key as verifiers know it."""
        return VerificationMethod(self.method, self.controller, self.key.public)


class Oracle(Protocol):
    """Somebody else's signer and verifier of credentials with Data Integrity proofs."""

    name: str
    suites: frozenset[Suite]
    """Those that it has in common with Laurel."""

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        """A copy with a proof, made at CREATED."""

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        """Raise Refused unless the credential holds and no bit of its status is set.

        `documents` is all that can be fetched: DID documents by DID, status lists by URL.
        """


def by_url(documents: Mapping[str, Document]) -> Mapping[str, Document]:
    """The same documents, a did:web's under the address at which it is served."""
    return {did_web_url(name) if name.startswith("did:web:") else name: each for name, each in documents.items()}
