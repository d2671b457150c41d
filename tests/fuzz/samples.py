"""The valid documents that inputs are made from, and the keys behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec

from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2
from laurel.credentials.dids import did_key, did_key_method
from laurel.credentials.keys import SigningKey
from laurel.credentials.proofs import sign
from laurel.credentials.status_list import Bitstring, status_list_credential
from unit.credentials.conftest import build_badge

Document = dict[str, Any]

CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NOW = CREATED + timedelta(days=30)
KEY = SigningKey.from_seed(bytes(range(32)))
ISSUER = did_key(KEY.public)
METHOD = did_key_method(ISSUER)


def signed(document: Document, cryptosuite: str | None = None) -> Document:
    """The document with a proof, by the issuer of all samples."""
    return sign(document, key=KEY, verification_method=METHOD.id, created=CREATED, cryptosuite=cryptosuite)


def unsigned() -> list[Document]:
    """Credentials of each kind, without proofs."""
    badge = build_badge()
    badge["issuer"]["id"] = ISSUER
    plain = {
        "@context": [CREDENTIALS_V2],
        "id": "urn:uuid:7d3c7c51-2222-4b7e-8f3e-9a1f4a4f0002",
        "type": ["VerifiableCredential"],
        "issuer": ISSUER,
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": [{"id": "did:example:1"}, {"id": "did:example:2"}],
    }
    older = plain | {"@context": [CREDENTIALS_V1, DATA_INTEGRITY_V2], "issuanceDate": "2026-01-01T00:00:00Z"}
    del older["validFrom"]
    return [badge, plain, older]


def status_list(purpose: Literal["revocation", "suspension"] = "revocation") -> Document:
    """A status list, unsigned, and the one that the badge's first entry names."""
    bits = Bitstring()
    bits.set(94567, True)
    return status_list_credential(
        list_id=f"https://registry.example/status/{purpose}/1", issuer=ISSUER, purpose=purpose, bits=bits,
        valid_from=CREATED, valid_until=NOW, ttl_ms=1000,
    )  # fmt: skip


def keys() -> list[SigningKey]:
    """One key of each type that a Multikey can be; the same ones in each run."""
    return [KEY, *(SigningKey(ec.derive_private_key(7, curve)) for curve in (ec.SECP256R1(), ec.SECP384R1()))]
