"""Data Integrity proofs: one, a set of them, or a chain (VC Data Integrity 1.0 §4).

Each proof of a set covers the document without its proofs. A proof that names others in `previousProof` covers
those as well, so none of them can be taken away or changed afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from laurel.credentials.canonical import check_size
from laurel.credentials.cryptosuites import CRYPTOSUITES, ED25519_SIGNATURE_2020, Cryptosuite, default_for
from laurel.credentials.errors import CredentialError, MalformedCredential, ProofError, UnsupportedCredential
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.terms import check_terms
from laurel.credentials.values import (
    decode_base58btc,
    encode_base58btc,
    format_datetime,
    is_absolute_iri,
    parse_datetime,
)

Document = dict[str, Any]
Proof = dict[str, Any]

# Each costs its verifier a key to look up, and at worst the document to canonicalise.
MAX_PROOFS = 8
_REQUIRED = ("type", "verificationMethod", "proofPurpose", "proofValue")
_TEXTS = (*_REQUIRED, "cryptosuite", "id", "created", "expires", "challenge", "nonce")
_TEXT_LISTS = ("domain", "previousProof")
_DATES = ("created", "expires")


def sign(
    document: Document,
    *,
    key: SigningKey,
    verification_method: str,
    created: datetime,
    cryptosuite: str | None = None,
    proof_purpose: str = "assertionMethod",
    expires: datetime | None = None,
    domain: str | Sequence[str] | None = None,
    challenge: str | None = None,
    proof_id: str | None = None,
    previous_proof: str | Sequence[str] | None = None,
) -> Document:
    """A copy of `document` with one proof more; the same arguments give the same bytes.

    `verification_method` is the URL under which verifiers find the key's public half; `created` and `expires` are
    cut to whole seconds. Without a `cryptosuite`, the key's type decides. `previous_proof` names, by id, the
    proofs that this one covers too. A first proof is put in as an object, further ones make it a list.

    Raises ProofError (PROOF_GENERATION_ERROR) for what makes no proof, and MalformedCredential if anything in the
    document would not be covered by the signature.
    """
    suite = _suite_to_sign_with(key, cryptosuite)
    if not is_absolute_iri(verification_method):
        _not_signed("The verification method must be a URL.")
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    options: Proof = {
        "id": proof_id,
        "type": "DataIntegrityProof",
        "cryptosuite": suite.name,
        "created": format_datetime(created),
        "expires": None if expires is None else format_datetime(expires),
        "verificationMethod": verification_method,
        "proofPurpose": proof_purpose,
        "domain": _as_json(domain),
        "challenge": challenge,
        "previousProof": _as_json(previous_proof),
        # EdDSA Cryptosuites 1.0 §3.3.1 step 2.
        "@context": document.get("@context") if suite.carries_context else None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    existing = _proofs_to_join(document, options)
    check_size(document)
    check_terms({**unsecured, "proof": [*existing, options] if existing else options}, rdf=not suite.carries_context)
    signature = key.sign(suite.hash_data(_covered(unsecured, existing, options), options, key.public))
    proof = {**options, "proofValue": encode_base58btc(signature)}
    return {**unsecured, "proof": [*existing, proof] if existing else proof}


def proofs_of(document: Document) -> list[Proof]:
    """The document's proofs, one at least, given as one object or as a list, with their form checked.

    That is: members of the right type, suites that are known here, and `previousProof` that names other proofs of
    the document, never in a circle. Whether the proofs hold is for `ProvenDocument` to say. Raises ProofError.
    """
    declared = document.get("proof")
    proofs: list[Any] = declared if isinstance(declared, list) else [declared]
    if not proofs or declared is None:
        _refuse("The document has no proof, so nothing shows who made it.", "/proof")
    if len(proofs) > MAX_PROOFS:
        _refuse(f"At most {MAX_PROOFS} proofs are accepted.", "/proof")
    for index, proof in enumerate(proofs):
        _check_form(proof, _pointer(document, index))
    _check_chains(document, proofs)
    return proofs


class ProvenDocument:
    """A document and its proofs, to be verified one by one; what several of them cover is canonicalised once."""

    def __init__(self, document: Document) -> None:
        """Raises ProofError as `proofs_of` does. The document must not change from here on."""
        self.document = document
        self.proofs: Sequence[Proof] = proofs_of(document)
        self._unsecured = {name: value for name, value in document.items() if name != "proof"}
        self._safe_for: set[bool] = set()
        self._content_hashes: dict[tuple[Any, ...], bytes] = {}
        self._refusals: dict[bool, MalformedCredential] = {}

    def verify(
        self,
        proof: Proof,
        *,
        method: VerificationMethod,
        purpose: str = "assertionMethod",
        domain: str | Sequence[str] | None = None,
        challenge: str | None = None,
        now: datetime | None = None,
    ) -> None:
        """Raise ProofError unless `proof`, one of `proofs`, holds with the key of `method`.

        A retired key (`method.revoked`) verifies what it signed before its retirement and nothing after. A proof
        must have been made for `purpose` and, if they are given, for exactly this `domain` (INVALID_DOMAIN_ERROR)
        and `challenge` (INVALID_CHALLENGE_ERROR), and must not have expired by `now`. Anything the signature does
        not cover makes the proof fail (PROOF_TRANSFORMATION_ERROR, or UNSUPPORTED_DOCUMENT where it cannot be told).

        Whether `method` may speak for the issuer is the caller's question. A proof with `previousProof` counts
        only if those proofs hold too, which the caller finds by verifying every proof of the document.
        """
        if proof not in self.proofs:
            _refuse("The proof is not one of the document's.", "/proof")
        here = _pointer(self.document, self.proofs.index(proof))
        suite = _suite_of(proof, here)
        _check_method(proof, here, suite, method)
        _check_bindings(proof, here, purpose, domain, challenge)
        _check_times(proof, here, method, now)
        try:
            signature = decode_base58btc(proof["proofValue"], size=method.public_key.signature_bytes)
        except ValueError as error:
            raise ProofError(f"The proof value is {error}.", pointer=f"{here}/proofValue") from error
        try:
            data = self._hash_data(suite, proof, method.public_key.hash_name)
        except MalformedCredential as error:
            code = error.code if isinstance(error, UnsupportedCredential) else "PROOF_TRANSFORMATION_ERROR"
            raise ProofError(error.detail, pointer=error.pointer, code=code) from error
        if not method.public_key.verify(signature, data):
            _refuse(
                "The signature does not match: the credential was changed after it was signed, or another key signed"
                " it.",
                f"{here}/proofValue",
            )

    def _hash_data(self, suite: Cryptosuite, proof: Proof, hash_name: str) -> bytes:
        """What was signed (`Cryptosuite.hash_data`). Raises MalformedCredential if it does not cover everything."""
        rdf = not suite.carries_context
        # What cannot be canonicalised is found out once: eight proofs would make eight times the work of finding it.
        if rdf in self._refusals:
            raise self._refusals[rdf]
        try:
            if rdf not in self._safe_for:
                check_size(self.document)
                check_terms(self.document, rdf=rdf)
                self._safe_for.add(rdf)
            options = {name: value for name, value in proof.items() if name != "proofValue"}
            content_hash = self._content_hash(suite, proof, options, hash_name)
            return suite.hash_options(self._unsecured, options, hash_name) + content_hash
        except MalformedCredential as error:
            self._refusals[rdf] = error
            raise

    def _content_hash(self, suite: Cryptosuite, proof: Proof, options: Proof, hash_name: str) -> bytes:
        previous = sorted(_texts(proof.get("previousProof")))
        covers = (suite.carries_context, hash_name, repr(options.get("@context")), *previous)
        if covers not in self._content_hashes:
            covered = _covered(self._unsecured, self.proofs, proof)
            self._content_hashes[covers] = suite.hash_content(covered, options, hash_name)
        return self._content_hashes[covers]


def _suite_to_sign_with(key: SigningKey, name: str | None) -> Cryptosuite:
    suite = default_for(key.public.type) if name is None else CRYPTOSUITES.get(name)
    if suite is None and name is not None:
        _not_signed("There is no such cryptosuite; sign with one of " + ", ".join(CRYPTOSUITES) + ".")
    if suite is None or key.public.type not in suite.key_types:
        _not_signed(f"{name or 'Data Integrity'} does not take {key.public.type} keys.")
    return suite


def _as_json(value: str | Sequence[str] | None) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else list(value)


def _proofs_to_join(document: Document, options: Proof) -> list[Proof]:
    """The proofs that are there, if the proof to be can be added to them."""
    try:
        existing = proofs_of(document) if "proof" in document else []
    except CredentialError as error:
        raise ProofError(error.detail, pointer=error.pointer, code="PROOF_GENERATION_ERROR") from error
    known = {proof["id"] for proof in existing if "id" in proof}
    if len(existing) == MAX_PROOFS:
        _not_signed(f"The document already has {MAX_PROOFS} proofs.")
    if options.get("id") in known:
        _not_signed("The document already has a proof with this id.")
    if not known.issuperset(_texts(options.get("previousProof"))):
        _not_signed("The document has no proof with the id that previousProof names.")
    return existing


def _covered(unsecured: Document, proofs: Sequence[Proof], proof: Proof) -> Document:
    # §4.3 steps 4 to 6 and §4.5 step 3. With no proof to put in, the suites' algorithms take the member away.
    previous = _texts(proof.get("previousProof"))
    matching = [each for each in proofs if each.get("id") in previous] if previous else []
    return {**unsecured, "proof": matching} if matching else unsecured


def _check_form(proof: Any, here: str) -> None:
    if not isinstance(proof, dict):
        _refuse("A proof must be an object.", here)
    for name in _REQUIRED:
        if name not in proof:
            _refuse(f"The proof needs a {name}.", f"{here}/{name}")
    for name in _TEXTS:
        if not isinstance(proof.get(name, ""), str):
            _refuse(f"The proof's {name} must be one string.", f"{here}/{name}")
    for name in _TEXT_LISTS:
        if name in proof and not _texts(proof[name]):
            _refuse(f"The proof's {name} must be a string or a list of strings.", f"{here}/{name}")
    for name in _DATES:
        try:
            parse_datetime(proof.get(name, "2000-01-01T00:00:00Z"))
        except ValueError as error:
            raise ProofError(f"The proof's {name} is {error}.", pointer=f"{here}/{name}") from error
    suite = _suite_of(proof, here)
    if "@context" in proof and not suite.carries_context:
        _refuse(f"With {suite.name} a proof has no @context of its own; leave it out.", f"{here}/@context")


def _texts(value: Any) -> list[str]:
    """A string, or a list of them, as a list; an empty one for anything else."""
    texts = value if isinstance(value, list) else [value]
    return texts if all(isinstance(text, str) for text in texts) else []


def _check_chains(document: Document, proofs: list[Proof]) -> None:
    known = [proof["id"] for proof in proofs if "id" in proof]
    if len(set(known)) < len(known):
        _refuse("Two proofs have the same id.", "/proof")
    waiting = dict(enumerate(proofs))
    for index, proof in waiting.items():
        if not set(known).issuperset(_texts(proof.get("previousProof"))):
            here = _pointer(document, index)
            _refuse("The document has no proof with the id that previousProof names.", f"{here}/previousProof")
    # Take away whatever waits for none of the others; what waits for each other is left.
    while waiting:
        ids = {proof.get("id") for proof in waiting.values()}
        ready = [index for index, proof in waiting.items() if ids.isdisjoint(_texts(proof.get("previousProof")))]
        if not ready:
            _refuse("The proofs name each other as previous, in a circle.", "/proof")
        for index in ready:
            del waiting[index]


def _suite_of(proof: Proof, here: str) -> Cryptosuite:
    if proof["type"] == ED25519_SIGNATURE_2020.name:
        return ED25519_SIGNATURE_2020
    if proof["type"] != "DataIntegrityProof":
        _refuse("Only proofs of type DataIntegrityProof or Ed25519Signature2020 can be verified here.", f"{here}/type")
    suite = CRYPTOSUITES.get(proof.get("cryptosuite", ""))
    if suite is None:
        _refuse("The cryptosuite must be one of " + ", ".join(CRYPTOSUITES) + ".", f"{here}/cryptosuite")
    return suite


def _check_method(proof: Proof, here: str, suite: Cryptosuite, method: VerificationMethod) -> None:
    if proof["verificationMethod"] != method.id:
        _refuse("The proof names another verification method than the key at hand.", f"{here}/verificationMethod")
    if method.public_key.type not in suite.key_types:
        _refuse(f"{suite.name} does not take {method.public_key.type} keys.", f"{here}/verificationMethod")


def _check_bindings(
    proof: Proof, here: str, purpose: str, domain: str | Sequence[str] | None, challenge: str | None
) -> None:
    if proof["proofPurpose"] != purpose:
        _refuse(f"The proof's purpose must be {purpose}.", f"{here}/proofPurpose")
    # §4.4 step 6: the same strings, in any order.
    if domain is not None and set(_texts(proof.get("domain"))) != set(_texts(_as_json(domain))):
        _refuse("The proof was made for another domain.", f"{here}/domain", "INVALID_DOMAIN_ERROR")
    if challenge is not None and proof.get("challenge") != challenge:
        _refuse("The proof answers another challenge.", f"{here}/challenge", "INVALID_CHALLENGE_ERROR")


def _check_times(proof: Proof, here: str, method: VerificationMethod, now: datetime | None) -> None:
    expires = proof.get("expires")
    if now is not None and expires is not None and parse_datetime(expires) <= now:
        _refuse(f"The proof expired on {expires}.", f"{here}/expires")
    if method.revoked is None:
        return
    if "created" not in proof:
        _refuse("The key has been retired and the proof does not say when it was made.", f"{here}/created")
    if parse_datetime(proof["created"]) >= method.revoked:
        _refuse(
            f"The key was retired on {format_datetime(method.revoked)}, before this proof was made.",
            f"{here}/created",
        )


def _pointer(document: Document, index: int) -> str:
    return f"/proof/{index}" if isinstance(document["proof"], list) else "/proof"


def _refuse(detail: str, pointer: str, code: str = "PROOF_VERIFICATION_ERROR") -> NoReturn:
    raise ProofError(detail, pointer=pointer, code=code)


def _not_signed(detail: str) -> NoReturn:
    raise ProofError(detail, code="PROOF_GENERATION_ERROR")
