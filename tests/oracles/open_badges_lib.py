"""`openbadgeslib`: Open Badges 3.0 in Python, with eddsa-rdfc-2022 on pyld, JWTs and baked images."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt import PyJWK
from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.ob3 import OB3LdpVerifier, add_data_integrity_proof, verify_data_integrity_proof
from openbadgeslib.ob3.did import resolve_verification_method

from laurel.credentials.contexts import CONTEXTS
from laurel.credentials.keys import KeyType, SigningKey
from oracles.oracle import CREATED, Document, Refused, Signer, by_url


class OpenBadgesLib:
    """`openbadgeslib` 4.6, behind the interface of the oracles. It takes one proof only, no sets.

    It is looser than the standard in taking any method of a DID document, whichever relationship that stands under
    (Controlled Identifiers 1.0 §3.3), and stricter in verifying status lists only if they are JWTs; of one with an
    embedded proof, `verify` here has it verify that proof first.
    """

    name = "openbadgeslib"
    suites = frozenset({("eddsa-rdfc-2022", KeyType.ED25519)})

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        return add_data_integrity_proof(
            document, private_pem(signer.key), signer.method, created=CREATED, extra_contexts=CONTEXTS
        )

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        served = by_url(documents)

        def download(url: str) -> bytes:
            if served[url].get("proof"):
                verify_proof(served[url])
            return orjson.dumps(served[url])

        def verify_proof(other: Document) -> None:
            pem = resolve_verification_method(other["proof"]["verificationMethod"], download=download)
            verify_data_integrity_proof(other, pem, extra_contexts=CONTEXTS)

        try:
            OB3LdpVerifier().verify(document, download=download, check_status=True, verify_status_list=False)
        except (LibOpenBadgesException, KeyError) as refusal:  # KeyError: what it wants to fetch is not there
            raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal


def private_pem(key: SigningKey) -> bytes:
    """The secret in PKCS #8, which is what the library takes."""
    secret = PyJWK(key.to_jwk(), key.public.algorithm).key
    pem: bytes = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem
