"""`openbadgeslib`: Open Badges 3.0 in Python, with eddsa-rdfc-2022 on pyld, JWTs and baked images."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.ob3 import OB3LdpVerifier, add_data_integrity_proof, verify_data_integrity_proof
from openbadgeslib.ob3.did import resolve_verification_method

from laurel.credentials.contexts import CONTEXTS
from laurel.credentials.keys import KeyType, SigningKey, decode_base64url
from oracles.oracle import CREATED, Document, Refused, Signer, by_url


class OpenBadgesLib:
    """`openbadgeslib` 4.6, behind the interface of the oracles. It takes one proof only, no sets.

    It is looser than the standard in taking any method of a DID document, whichever relationship that stands under
    (Controlled Identifiers 1.0 §3.3).
    """

    name = "openbadgeslib"
    suites = frozenset({("eddsa-rdfc-2022", KeyType.ED25519)})

    def sign(self, document: Document, suite: str, signer: Signer) -> Document:
        return add_data_integrity_proof(
            document, private_pem(signer.key), signer.method, created=CREATED, extra_contexts=CONTEXTS
        )

    def verify(self, document: Document, documents: Mapping[str, Document]) -> None:
        """An Open Badge is verified as one; for anything else the library has no more than its proof."""
        served = by_url(documents)

        def download(url: str) -> bytes:
            return orjson.dumps(served[url])

        try:
            if "OpenBadgeCredential" in document["type"]:
                OB3LdpVerifier().verify(document, download=download, check_status=True)
            else:
                pem = resolve_verification_method(document["proof"]["verificationMethod"], download=download)
                verify_data_integrity_proof(document, pem, extra_contexts=CONTEXTS)
        except LibOpenBadgesException as refusal:
            raise Refused(f"{type(refusal).__name__}: {refusal}") from refusal


def private_pem(key: SigningKey) -> bytes:
    """The secret in PKCS #8, which is what the library takes."""
    secret = Ed25519PrivateKey.from_private_bytes(decode_base64url(key.to_jwk()["d"], limit=64))
    return secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
