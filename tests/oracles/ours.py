"""Laurel's side: how it signs for these tests, and what it finds in what the oracles signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from laurel.credentials.controller_documents import methods_of
from laurel.credentials.cryptosuites import CRYPTOSUITES
from laurel.credentials.dids import did_key_method
from laurel.credentials.errors import CredentialError, KeyResolutionError
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import ProvenDocument, sign
from oracles.oracle import CREATED, Document, Refused, Signer


class Laurel:
    """Laurel behind the interface of the oracles, so that it can be put in their place."""

    name = "Laurel"
    suites = frozenset((suite.name, key_type) for suite in CRYPTOSUITES.values() for key_type in suite.key_types)

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        return sign(document, key=signer.key, verification_method=signer.method, created=CREATED, cryptosuite=suite)

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        try:
            proven = ProvenDocument(document)
            for proof in proven.proofs:
                method = resolve(proof["verificationMethod"], documents)
                proven.verify(proof, method=method, now=datetime.now(UTC))
        except CredentialError as refusal:
            raise Refused(f"{refusal.code}: {refusal.detail}") from refusal


def resolve(method: str, documents: Mapping[str, Document]) -> VerificationMethod:
    """The key with that URL. Raises KeyResolutionError."""
    if method.startswith("did:key:"):
        return did_key_method(method)
    found = methods_of(documents.get(method.partition("#")[0])).get(method)
    if found is None:
        raise KeyResolutionError(f"The document has no key {method} for assertions.")
    return found
