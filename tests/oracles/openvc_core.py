"""`openvc-core`: Data Integrity with all four suites, in Python, on pyld."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openvc import OpenvcError, VerificationPolicy, verify_credential
from openvc.did.base import DidResolverRegistry
from openvc.did.did_key import DidKeyResolver
from openvc.did.did_web import DidWebResolver
from openvc.keys import signing_key_from_jwk
from openvc.proof.data_integrity import DataIntegrityProofSuite
from openvc.proof.di_ecdsa_rdfc import EcdsaRdfcProofSuite
from openvc.proof.di_jcs import EcdsaJcsProofSuite, EddsaJcsProofSuite

from laurel.credentials.contexts import CONTEXTS
from laurel.credentials.keys import KeyType
from oracles.oracle import CREATED, SUITES, Document, Refused, Signer, by_url

_MAKERS: Mapping[str, Callable[[], Any]] = {
    "eddsa-rdfc-2022": DataIntegrityProofSuite,
    "ecdsa-rdfc-2019": EcdsaRdfcProofSuite,
    "eddsa-jcs-2022": EddsaJcsProofSuite,
    "ecdsa-jcs-2019": EcdsaJcsProofSuite,
}


class OpenvcCore:
    """`openvc-core` 1.37, behind the interface of the oracles. It takes one proof only, no sets.

    Where it departs from the standard, and how these tests go about it:

    - With the JCS suites it signs a proof that has the document's `@context` and then leaves that out of the proof
      it hands back. EdDSA Cryptosuites 1.0 §3.3.1 and ECDSA Cryptosuites 1.0 §3.3.1 put it into the proof, and
      verifiers take the proof as it is, so nobody but openvc-core itself can verify the result. `sign` here puts
      the member back.
    - With P-384 it runs RDF canonicalisation on SHA-256. ECDSA Cryptosuites 1.0 §3 wants SHA-384 there too, and it
      shows wherever a document has two nodes without an id. So `suites` leaves that one out.
    """

    name = "openvc-core"
    suites = frozenset(SUITES) - {("ecdsa-rdfc-2019", KeyType.P384)}

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        signed = self.sign_as_it_does(document, suite, signer)
        if "-jcs-" in suite:
            signed["proof"]["@context"] = document["@context"]
        return signed

    def sign_as_it_does(self, document: Document, suite: str, signer: Signer) -> Document:
        """A copy with a proof, departures and all."""
        contexts = {} if "-jcs-" in suite else {"extra_contexts": dict(CONTEXTS)}
        signed: Document = _MAKERS[suite]().add_proof(
            document, signing_key=signing_key_from_jwk(signer.key.to_jwk(), signer.method),
            verification_method=signer.method, created=CREATED, **contexts,
        )  # fmt: skip
        return signed

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        resolver = resolver_of(documents)

        def verified_list(url: str) -> Document:
            verify_credential(documents[url], resolver=resolver, extra_contexts=dict(CONTEXTS))
            return documents[url]

        try:
            verify_credential(
                document, resolver=resolver, resolve_status_list=verified_list, extra_contexts=dict(CONTEXTS),
                policy=VerificationPolicy(require_status_issuer_binding=True),
            )  # fmt: skip
        except (OpenvcError, KeyError) as refusal:  # KeyError: what it wants to fetch is not there
            raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal


def resolver_of(documents: Mapping[str, Document]) -> DidResolverRegistry:
    """A resolver of did:key, and of the did:webs among `documents`."""
    served = by_url(documents)
    return DidResolverRegistry([DidKeyResolver(), DidWebResolver(served.__getitem__)])
