"""The cryptosuites against the specifications' own test vectors: every hash and every signature, byte for byte.

All the vectors' signatures can be reproduced: Ed25519 is deterministic, and the ECDSA ones were made by RFC 6979.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from laurel.credentials import contexts
from laurel.credentials.active_context import root_context
from laurel.credentials.contexts import pruning
from laurel.credentials.cryptosuites import CRYPTOSUITES, ED25519_SIGNATURE_2020, default_for
from laurel.credentials.errors import ProofError
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, VerificationMethod
from laurel.credentials.proofs import ProvenDocument, sign
from laurel.credentials.values import decode_base58btc, encode_base58btc

Document = dict[str, Any]

VECTORS = Path(__file__).parents[2] / "vectors" / "data-integrity"
PROOFS: Document = json.loads((VECTORS / "proofs.json").read_bytes())
CHAIN: Document = json.loads((VECTORS / "chain.json").read_bytes())
CREATED = "2023-02-24T23:36:38Z"

# The published examples context is a bare @vocab, which safe mode refuses, and that of the employment document is a
# draft's, so the terms that the vectors use are spelt out, as the vectors' canonical forms show them.
_EXAMPLES = "https://www.w3.org/ns/credentials/examples#"
_CITIZENSHIP = "https://w3id.org/citizenship#"
_SCHEMA = "https://schema.org/"
_DATE = "http://www.w3.org/2001/XMLSchema#dateTime"
STAND_INS: Document = {
    "https://www.w3.org/ns/credentials/examples/v2": {
        name: _EXAMPLES + name for name in ("AlumniCredential", "alumniOf")
    },
    "https://w3id.org/citizenship/v4rc1": {
        **{
            name: _CITIZENSHIP + name
            for name in (
                "EmploymentAuthorizationDocumentCredential", "EmployablePerson", "EmploymentAuthorizationDocument",
                "employmentAuthorizationDocument", "birthCountry", "lprCategory", "lprNumber",
            )
        },
        **{
            name: _SCHEMA + name
            for name in ("Person", "additionalName", "familyName", "givenName", "gender", "identifier")
        },
        "image": {"@id": _SCHEMA + "image", "@type": "@id"},
        "birthDate": {"@id": _SCHEMA + "birthDate", "@type": _DATE},
        "residentSince": {"@id": _CITIZENSHIP + "residentSince", "@type": _DATE},
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (root_context, pruning._term_names, pruning._pruned)
    known = {url: {"@context": context} for url, context in STAND_INS.items()}
    monkeypatch.setattr(contexts, "CONTEXTS", {**contexts.CONTEXTS, **known})
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def ids(vector: Document) -> str:
    return f"{vector['cryptosuite']}-{vector['key']}-{vector['document']}"


def signing_key(vector: Document) -> SigningKey:
    return SigningKey.from_multibase(PROOFS["keys"][vector["key"]]["secretKeyMultibase"])


def method_named(multibase: str) -> VerificationMethod:
    did = f"did:key:{multibase}"
    return VerificationMethod(f"{did}#{multibase}", did, PublicKey.from_multibase(multibase))


def unsigned(vector: Document) -> tuple[Document, Document]:
    """The vector's document and proof options."""
    document = PROOFS["documents"][vector["document"]]
    multibase = PROOFS["keys"][vector["key"]]["publicKeyMultibase"]
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": vector["cryptosuite"],
        "created": CREATED,
        "verificationMethod": method_named(multibase).id,
        "proofPurpose": "assertionMethod",
    }
    if vector["cryptosuite"] == "Ed25519Signature2020":
        document = {**document, "@context": [*document["@context"], contexts.ED25519_2020_V1]}
        options["type"] = options.pop("cryptosuite")
    if "jcs" in vector["cryptosuite"]:
        options["@context"] = document["@context"]
    return document, options


@pytest.mark.parametrize("vector", PROOFS["proofs"], ids=ids)
def test_the_published_hashes_and_signatures(vector: Document) -> None:
    key = signing_key(vector)
    assert key.public.to_multibase() == PROOFS["keys"][vector["key"]]["publicKeyMultibase"]
    suite = CRYPTOSUITES.get(vector["cryptosuite"], ED25519_SIGNATURE_2020)
    assert suite.name == vector["cryptosuite"]
    data = suite.hash_data(*unsigned(vector), key.public)
    assert data.hex() == vector["optionsHash"] + vector["documentHash"]
    assert encode_base58btc(key.sign(data)) == vector["proofValue"]
    assert key.public.verify(decode_base58btc(vector["proofValue"], size=key.public.signature_bytes), data)


# The employment document's birth date has no time zone, so safe mode refuses it.
WHOLE = [vector for vector in PROOFS["proofs"] if vector["document"] == "alumni"]


@pytest.mark.parametrize("vector", WHOLE, ids=ids)
def test_the_published_credentials(vector: Document) -> None:
    document, options = unsigned(vector)
    signed = {**document, "proof": {**options, "proofValue": vector["proofValue"]}}
    key = signing_key(vector)
    ProvenDocument(signed).verify(signed["proof"], method=method_named(key.public.to_multibase()))
    if vector["cryptosuite"] in CRYPTOSUITES:
        created = datetime.fromisoformat(CREATED)
        method = options["verificationMethod"]
        assert signed == sign(
            document, key=key, verification_method=method, created=created, cryptosuite=vector["cryptosuite"]
        )


def test_the_published_set_and_chain() -> None:
    document = {name: value for name, value in CHAIN["signed"].items() if name != "proof"}
    for secret, proof in zip(CHAIN["secretKeys"], CHAIN["signed"]["proof"], strict=True):
        document = sign(
            document,
            key=SigningKey.from_multibase(secret),
            verification_method=proof["verificationMethod"],
            created=datetime.fromisoformat(proof["created"]),
            proof_id=proof.get("id"),
            previous_proof=proof.get("previousProof"),
        )
    assert document == CHAIN["signed"]
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        proven.verify(proof, method=method_named(proof["verificationMethod"].partition("#")[2]))


@pytest.mark.parametrize("change", [[], ["https://www.w3.org/ns/credentials/examples/v2"], [contexts.MULTIKEY_V1]])
@pytest.mark.parametrize("vector", [vector for vector in WHOLE if "jcs" in vector["cryptosuite"]], ids=ids)
def test_the_proofs_context_must_begin_the_documents(vector: Document, change: list[str]) -> None:
    document, options = unsigned(vector)
    signed = {**document, "proof": {**options, "proofValue": vector["proofValue"]}}
    signed["proof"]["@context"] = change
    method = method_named(signing_key(vector).public.to_multibase())
    with pytest.raises(ProofError, match="must be that of the document") as caught:
        ProvenDocument(signed).verify(signed["proof"], method=method)
    assert caught.value.pointer == "/proof/@context"


@pytest.mark.parametrize("vector", [vector for vector in WHOLE if "jcs" in vector["cryptosuite"]], ids=ids)
def test_a_context_may_be_appended_after_a_jcs_proof(vector: Document) -> None:
    document, options = unsigned(vector)
    signed = {**document, "proof": {**options, "proofValue": vector["proofValue"]}}
    signed["@context"] = [*document["@context"], contexts.ED25519_2020_V1]
    ProvenDocument(signed).verify(signed["proof"], method=method_named(signing_key(vector).public.to_multibase()))


def test_the_type_of_a_key_decides_its_suite() -> None:
    chosen = {key_type: default_for(key_type) for key_type in KeyType}
    assert {key_type: suite.name for key_type, suite in chosen.items() if suite} == {
        KeyType.ED25519: "eddsa-rdfc-2022",
        KeyType.P256: "ecdsa-rdfc-2019",
        KeyType.P384: "ecdsa-rdfc-2019",
    }
