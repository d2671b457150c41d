"""Data Integrity proofs with the cryptosuite eddsa-rdfc-2022 (VC Data Integrity 1.0, EdDSA Cryptosuites 1.0 §3.2)."""

import hashlib
from datetime import datetime
from typing import Any

from laurel.credentials.canonical import canonicalize, check_size
from laurel.credentials.errors import MalformedCredential, ProofError
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.terms import check_terms
from laurel.credentials.values import (
    decode_base58btc,
    encode_base58btc,
    format_datetime,
    is_absolute_iri,
    parse_datetime,
)

CRYPTOSUITE = "eddsa-rdfc-2022"

_REQUIRED = ("type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue")
# domain, challenge and previousProof bind a proof to something outside the credential; a verifier that
# ignored them would accept what its signer did not mean, so they are refused until they are honoured.
_UNDERSTOOD = {*_REQUIRED, "id", "created", "expires"}


def sign(
    document: dict[str, Any],
    *,
    key: SigningKey,
    verification_method: str,
    created: datetime,
    proof_purpose: str = "assertionMethod",
) -> dict[str, Any]:
    """A copy of `document` with a `proof`; the same arguments give the same bytes.

    `verification_method` is the URL under which verifiers find the key's public half; `created` is cut to
    whole seconds. Raises ProofError (PROOF_GENERATION_ERROR) if the document already has a proof, and
    MalformedCredential if anything in it would not be covered by the signature.
    """
    if "proof" in document:
        raise ProofError(
            "The document already has a proof; sign it without.", pointer="/proof", code="PROOF_GENERATION_ERROR"
        )
    if not is_absolute_iri(verification_method):
        raise ProofError("The verification method must be a URL.", code="PROOF_GENERATION_ERROR")
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": format_datetime(created),
        "verificationMethod": verification_method,
        "proofPurpose": proof_purpose,
    }
    check_size(document)
    check_terms({**document, "proof": options})
    signature = key.sign(hash_data(document, options))
    return {**document, "proof": {**options, "proofValue": encode_base58btc(signature)}}


def verify_proof(document: dict[str, Any], *, method: VerificationMethod) -> None:
    """Raise ProofError unless the document's one proof holds with the key of `method`.

    A retired key (`method.revoked`) verifies what it signed before its retirement and nothing after. Whether
    `method` belongs to the credential's issuer, and whether the proof has expired, are the caller's questions.
    Anything the signature does not cover makes the proof fail (PROOF_TRANSFORMATION_ERROR).
    """
    proof = proof_of(document)
    if proof["verificationMethod"] != method.id:
        raise ProofError(
            "The proof names another verification method than the key at hand.",
            pointer="/proof/verificationMethod",
        )
    _check_not_retired(proof, method)
    try:
        signature = decode_base58btc(proof["proofValue"], size=method.public_key.signature_bytes)
    except ValueError as error:
        raise ProofError(f"The proof value is {error}.", pointer="/proof/proofValue") from error
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        check_size(document)
        check_terms(document)
        data = hash_data(unsecured, options)
    except MalformedCredential as error:
        raise ProofError(error.detail, pointer=error.pointer, code="PROOF_TRANSFORMATION_ERROR") from error
    if not method.public_key.verify(signature, data):
        raise ProofError(
            "The signature does not match: the credential was changed after it was signed, or another key signed it.",
            pointer="/proof/proofValue",
        )


def proof_of(document: dict[str, Any]) -> dict[str, Any]:
    """The document's proof, given as one object or as a list of one, with its form checked.

    Raises ProofError if there is none, if there are several, or if it is not an eddsa-rdfc-2022 proof made to
    assert a claim.
    """
    proof = document.get("proof")
    if isinstance(proof, list):
        if len(proof) > 1:
            raise ProofError("There are several proofs; only a single one is supported.", pointer="/proof")
        proof = proof[0] if proof else None
    if not isinstance(proof, dict):
        raise ProofError("The credential has no proof, so nothing shows who made it.", pointer="/proof")
    for name in _REQUIRED:
        if name not in proof:
            raise ProofError(f"The proof needs a {name}.", pointer=f"/proof/{name}")
    for name, value in proof.items():
        if name not in _UNDERSTOOD:
            raise ProofError(f"The proof member {name!r} is not supported.", pointer="/proof")
        if not isinstance(value, str):
            raise ProofError(f"The proof's {name} must be one string.", pointer=f"/proof/{name}")
    if (proof["type"], proof["cryptosuite"]) != ("DataIntegrityProof", CRYPTOSUITE):
        raise ProofError(
            f"Only proofs of type DataIntegrityProof with {CRYPTOSUITE} are supported.",
            pointer="/proof/cryptosuite",
        )
    if proof["proofPurpose"] != "assertionMethod":
        raise ProofError("The proof's purpose must be assertionMethod.", pointer="/proof/proofPurpose")
    return proof


def hash_data(document: dict[str, Any], options: dict[str, Any]) -> bytes:
    """The 64 bytes that are signed: SHA-256 of the canonical proof options, then of the canonical document.

    EdDSA Cryptosuites 1.0 §3.2.3 to §3.2.5; the options are read with the document's contexts. Raises
    MalformedCredential.
    """
    configuration = {"@context": document.get("@context"), **options}
    return hashlib.sha256(canonicalize(configuration)).digest() + hashlib.sha256(canonicalize(document)).digest()


def _check_not_retired(proof: dict[str, Any], method: VerificationMethod) -> None:
    if method.revoked is None:
        return
    try:
        created = parse_datetime(proof.get("created"))
    except ValueError as error:
        raise ProofError(
            "The key has been retired and the proof does not say when it was made.", pointer="/proof/created"
        ) from error
    if created >= method.revoked:
        raise ProofError(
            f"The key was retired on {format_datetime(method.revoked)}, before this proof was made.",
            pointer="/proof/created",
        )
