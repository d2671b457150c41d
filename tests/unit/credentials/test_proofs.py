"""Data Integrity proofs, sets and chains of them: determinism, and that no change goes unseen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from laurel.credentials import contexts
from laurel.credentials.cryptosuites import CRYPTOSUITES, ED25519_SIGNATURE_2020, Cryptosuite
from laurel.credentials.errors import CredentialError, MalformedCredential, ProofError
from laurel.credentials.keys import KeyType, SigningKey, VerificationMethod
from laurel.credentials.proofs import MAX_PROOFS, ProvenDocument, proofs_of, sign
from laurel.credentials.values import encode_base58btc

Document = dict[str, Any]
Build = Callable[[], Document]
Sign = Callable[[Document], Document]

CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def check(document: Document, method: VerificationMethod, **expected: Any) -> None:
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        proven.verify(proof, method=method, **expected)


def test_signing_again_gives_the_same_bytes_and_leaves_the_document_alone(badge: Build, sign_it: Sign) -> None:
    document = badge()
    assert sign_it(document) == sign_it(badge())
    assert document == badge()


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _holder(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_character_is_refused(
    badge: Build, sign_it: Sign, method: VerificationMethod, data: st.DataObject
) -> None:
    signed = sign_it(badge())
    path = data.draw(st.sampled_from(list(_leaves(signed))))
    holder, last = _holder(signed, path), path[-1]
    if isinstance(holder[last], bool):
        holder[last] = not holder[last]
    else:
        text = holder[last]
        at = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.characters(exclude_categories=["Cs"]))
        assume(other != text[at])
        holder[last] = text[:at] + other + text[at + 1 :]
    with pytest.raises(ProofError):
        check(signed, method)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_removed_value_is_refused(
    badge: Build, sign_it: Sign, method: VerificationMethod, data: st.DataObject
) -> None:
    signed = sign_it(badge())
    path = data.draw(st.sampled_from(list(_leaves(signed))))
    del _holder(signed, path)[path[-1]]
    with pytest.raises(ProofError):
        check(signed, method)


@pytest.mark.parametrize(
    ("added", "pointer"),
    [
        ({"grade": "A"}, "/grade"),
        ({"evidence": []}, "/evidence"),
        ({"evidence": {"type": "Evidence", "id": "no IRI"}}, "/evidence/id"),
        ({"description": None}, "/description"),
        ({"@included": []}, "/@included"),
    ],
)
def test_what_the_signature_does_not_cover_is_refused(
    badge: Build, sign_it: Sign, method: VerificationMethod, added: Document, pointer: str
) -> None:
    with pytest.raises(ProofError) as caught:
        check({**sign_it(badge()), **added}, method)
    assert (caught.value.code, caught.value.pointer) == ("PROOF_TRANSFORMATION_ERROR", pointer)
    assert caught.value.problem_type == "https://w3id.org/security#PROOF_TRANSFORMATION_ERROR"


def test_what_the_signature_would_not_cover_is_not_signed(badge: Build, sign_it: Sign) -> None:
    with pytest.raises(MalformedCredential) as caught:
        sign_it({**badge(), "grade": "A"})
    assert caught.value.pointer == "/grade"


def test_a_list_of_one_proof_is_as_good(badge: Build, sign_it: Sign, method: VerificationMethod) -> None:
    signed = sign_it(badge())
    listed = {**signed, "proof": [signed["proof"]]}
    assert proofs_of(listed) == [signed["proof"]]
    check(listed, method)


def test_a_verification_method_must_be_a_url(badge: Build, key: SigningKey) -> None:
    with pytest.raises(ProofError, match="must be a URL"):
        sign(badge(), key=key, verification_method="key-1", created=CREATED)


def test_a_created_without_time_zone_is_a_mistake(badge: Build, key: SigningKey) -> None:
    naive = CREATED.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        sign(badge(), key=key, verification_method="did:web:academy.example#key-1", created=naive)


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"type": "BbsBlsSignature2020"}, "/proof/type", "DataIntegrityProof"),
        ({"cryptosuite": "bbs-2023"}, "/proof/cryptosuite", "eddsa-rdfc-2022"),
        ({"cryptosuite": "ecdsa-rdfc-2019"}, "/proof/verificationMethod", "does not take Ed25519"),
        ({"proofPurpose": "authentication"}, "/proof/proofPurpose", "assertionMethod"),
        ({"verificationMethod": None}, "/proof/verificationMethod", "one string"),
        ({"expires": ["2030-01-01T00:00:00Z"]}, "/proof/expires", "one string"),
        ({"verificationMethod": "did:web:academy.example#key-2"}, "/proof/verificationMethod", "another"),
        ({"domain": "https://x.example"}, "/proof/proofValue", "signature does not match"),
        ({"domain": []}, "/proof/domain", "list of strings"),
        ({"domain": ["https://x.example", 1]}, "/proof/domain", "list of strings"),
        ({"challenge": "1"}, "/proof/proofValue", "signature does not match"),
        ({"challenge": ["1"]}, "/proof/challenge", "one string"),
        ({"nonce": "1"}, "/proof/proofValue", "signature does not match"),
        ({"id": "urn:proof:1"}, "/proof/proofValue", "signature does not match"),
        ({"id": 1}, "/proof/id", "one string"),
        ({"previousProof": "urn:x"}, "/proof/previousProof", "no proof with the id"),
        ({"created": "2026-03-01T09:30:00"}, "/proof/created", "dateTimeStamp"),
        ({"@context": contexts.CREDENTIALS_V2}, "/proof/@context", "no @context"),
        ({"proofValue": "uAAAA"}, "/proof/proofValue", "64 bytes"),
        ({"proofValue": "z" + "0" * 88}, "/proof/proofValue", "alphabet"),
        ({"proofValue": "z" + "1" * 64}, "/proof/proofValue", "signature does not match"),
        ({"expires": "2030-01-01T00:00:00Z"}, "/proof/proofValue", "signature does not match"),
    ],
)
def test_proofs_that_do_not_hold(
    signed: Document, method: VerificationMethod, change: Document, pointer: str, says: str
) -> None:
    signed["proof"] |= change
    with pytest.raises(ProofError, match=says) as caught:
        check(signed, method)
    assert (caught.value.pointer, caught.value.code) == (pointer, "PROOF_VERIFICATION_ERROR")


@pytest.mark.parametrize(
    ("proof", "pointer", "says"),
    [
        (None, "/proof", "no proof"),
        ([], "/proof", "no proof"),
        ("x", "/proof", "must be an object"),
        ([{}], "/proof/0/type", "needs a type"),
        ([{}] * (MAX_PROOFS + 1), "/proof", "At most 8"),
        ({"type": "DataIntegrityProof"}, "/proof/verificationMethod", "needs a verificationMethod"),
    ],
)
def test_what_is_no_proof(badge: Build, proof: Any, pointer: str, says: str) -> None:
    with pytest.raises(ProofError, match=says) as caught:
        proofs_of({**badge(), "proof": proof})
    assert caught.value.pointer == pointer


def test_another_key_does_not_verify(badge: Build, sign_it: Sign, method: VerificationMethod) -> None:
    other = SigningKey.from_seed(b"o" * 32).public
    with pytest.raises(ProofError, match="does not match"):
        check(sign_it(badge()), VerificationMethod(method.id, method.controller, other))


def test_a_retired_key_verifies_what_it_signed_before_and_nothing_after(
    badge: Build, sign_it: Sign, method: VerificationMethod
) -> None:
    signed = sign_it(badge())
    created = datetime.fromisoformat(signed["proof"]["created"])

    def retired(moment: datetime) -> VerificationMethod:
        return VerificationMethod(method.id, method.controller, method.public_key, moment)

    check(signed, retired(created + timedelta(seconds=1)))
    with pytest.raises(ProofError, match="retired on 2026-03-01T09:30:00Z"):
        check(signed, retired(created))
    del signed["proof"]["created"]
    with pytest.raises(ProofError, match="does not say when"):
        check(signed, retired(created))


NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["@context", "@id", "type", "id", "proof", "name"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), noise=NOISE)
def test_untrusted_input_raises_the_credential_error_alone(
    badge: Build, sign_it: Sign, method: VerificationMethod, data: st.DataObject, noise: Any
) -> None:
    signed = sign_it(badge())
    path = data.draw(
        st.sampled_from([*_leaves(signed), ("@context",), ("proof",), ("issuer",), ("credentialSubject",)])
    )
    holder, last = _holder(signed, path), path[-1]
    # In JSON-LD a value and the array of it alone are the same statement, so the signature covers both.
    assume(holder[last] != _unwrapped(noise))
    holder[last] = noise
    with pytest.raises(CredentialError):
        check(signed, method)


def _unwrapped(value: Any) -> Any:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


@pytest.mark.parametrize("document", [{}, {"proof": 5}, {"@context": [], "proof": {}}, {"type": {"@set": []}}])
def test_documents_that_are_hardly_any(document: Document, method: VerificationMethod) -> None:
    with pytest.raises(CredentialError):
        check(document, method)


# Sets and chains: the teacher signs, then the dean, then the rector.
SIGNERS = {name: SigningKey.from_seed(name.encode().ljust(32)) for name in ("teacher", "dean", "rector")}


def countersigned(document: Document, name: str, **options: Any) -> Document:
    return sign(
        document,
        key=SIGNERS[name],
        verification_method=f"did:web:academy.example#{name}",
        created=CREATED,
        **options,
    )


def chained(document: Document) -> Document:
    first = countersigned(document, "teacher", proof_id="urn:proof:1")
    second = countersigned(first, "dean", proof_id="urn:proof:2", previous_proof="urn:proof:1")
    return countersigned(second, "rector", previous_proof=["urn:proof:1", "urn:proof:2"])


def check_all(document: Document) -> None:
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        name = proof["verificationMethod"].partition("#")[2]
        method = VerificationMethod(proof["verificationMethod"], "did:web:academy.example", SIGNERS[name].public)
        proven.verify(proof, method=method)


def test_a_proof_of_a_set_holds_without_the_others(badge: Build) -> None:
    document = countersigned(countersigned(badge(), "teacher"), "dean")
    assert [proof["verificationMethod"][-4:] for proof in document["proof"]] == ["cher", "dean"]
    check_all(document)
    for proof in document["proof"]:
        check_all({**document, "proof": proof})
    check_all({**document, "proof": document["proof"][::-1]})


def test_what_several_proofs_cover_is_canonicalised_once(badge: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    document = badge()
    for name in ("teacher", "dean", "rector"):
        document = countersigned(document, name, cryptosuite="eddsa-rdfc-2022")
    document = countersigned(document, "dean", cryptosuite="eddsa-jcs-2022")
    covered: list[str] = []
    for name, suite in CRYPTOSUITES.items():

        def counted(given: Document, hash_name: str, suite: Cryptosuite = suite) -> bytes:
            if "credentialSubject" in given:
                covered.append(suite.name)
            return suite.canonicalize(given, hash_name)

        monkeypatch.setitem(CRYPTOSUITES, name, replace(suite, canonicalize=counted))
    check_all(document)
    assert covered == ["eddsa-rdfc-2022", "eddsa-jcs-2022"]


def test_a_proof_of_a_chain_holds_only_with_those_before_it(badge: Build) -> None:
    document = chained(badge())
    check_all(document)
    first, second, third = document["proof"]
    check_all({**document, "proof": [first, second]})
    for incomplete in ([second, third], [first, third], [third]):
        with pytest.raises(ProofError, match="previousProof names"):
            check_all({**document, "proof": incomplete})


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "change", [{"created": "2020-01-01T00:00:00Z"}, {"nonce": "1"}, {"proofValue": "z" + "1" * 64}]
)
def test_a_proof_that_others_build_on_cannot_be_changed(badge: Build, number: int, change: Document) -> None:
    document = chained(badge())
    document["proof"][number] |= change
    third = document["proof"][2]
    method = VerificationMethod(third["verificationMethod"], "did:web:academy.example", SIGNERS["rector"].public)
    with pytest.raises(ProofError, match="does not match"):
        ProvenDocument(document).verify(third, method=method)


@pytest.mark.parametrize(
    ("ids", "previous", "pointer", "says"),
    [
        (["urn:a", "urn:b"], ["urn:b", "urn:a"], "/proof", "circle"),
        (["urn:a", "urn:b"], ["urn:a", None], "/proof", "circle"),
        (["urn:a", "urn:b"], [["urn:b"], ["urn:a"]], "/proof", "circle"),
        (["urn:a", "urn:b"], [None, ["urn:a", "urn:c"]], "/proof/1/previousProof", "no proof with the id"),
        (["urn:a", "urn:b"], [None, [{}]], "/proof/1/previousProof", "list of strings"),
        (["urn:a", "urn:b"], [None, []], "/proof/1/previousProof", "list of strings"),
        (["urn:a", "urn:a"], [None, None], "/proof", "the same id"),
        ([None, "urn:b"], [None, "urn:a"], "/proof/1/previousProof", "no proof with the id"),
    ],
)
def test_chains_that_lead_nowhere(
    signed: Document, ids: list[Any], previous: list[Any], pointer: str, says: str
) -> None:
    given = [{"id": name, "previousProof": before} for name, before in zip(ids, previous, strict=True)]
    proofs = [signed["proof"] | {name: value for name, value in each.items() if value is not None} for each in given]
    with pytest.raises(ProofError, match=says) as caught:
        proofs_of({**signed, "proof": proofs})
    assert (caught.value.pointer, caught.value.code) == (pointer, "PROOF_VERIFICATION_ERROR")


def test_a_proof_of_another_document_is_not_verified(
    badge: Build, signed: Document, method: VerificationMethod
) -> None:
    other = countersigned(badge(), "dean")
    with pytest.raises(ProofError, match="not one of the document's"):
        ProvenDocument(other).verify(signed["proof"], method=method)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"previous_proof": "urn:proof:9"}, "no proof with the id"),
        ({"previous_proof": ["urn:proof:1", "urn:proof:9"]}, "no proof with the id"),
        ({"proof_id": "urn:proof:1"}, "already has a proof with this id"),
        ({"cryptosuite": "bbs-2023"}, "no such cryptosuite"),
        ({"cryptosuite": "ecdsa-rdfc-2019"}, "does not take Ed25519"),
    ],
)
def test_proofs_that_would_not_hold_are_not_made(badge: Build, options: Document, says: str) -> None:
    document = countersigned(badge(), "teacher", proof_id="urn:proof:1")
    with pytest.raises(ProofError, match=says) as caught:
        countersigned(document, "dean", **options)
    assert caught.value.code == "PROOF_GENERATION_ERROR"


@pytest.mark.parametrize("options", [{"proof_id": "1"}, {"proof_purpose": "approval"}])
def test_options_that_would_not_be_covered_are_not_signed(badge: Build, options: Document) -> None:
    with pytest.raises(MalformedCredential) as caught:
        countersigned(badge(), "teacher", **options)
    assert caught.value.pointer.startswith("/proof/")


def test_proofs_are_not_without_number(badge: Build) -> None:
    document = badge()
    for _ in range(MAX_PROOFS):
        document = countersigned(document, "teacher")
    check_all(document)
    with pytest.raises(ProofError, match="already has 8 proofs"):
        countersigned(document, "dean")


@pytest.mark.parametrize(
    ("made", "expected", "code"),
    [
        ("https://a.example", "https://a.example", None),
        ("https://a.example", ["https://a.example"], None),
        (["https://a.example", "https://b.example"], ["https://b.example", "https://a.example"], None),
        ("https://a.example", None, None),
        ("https://a.example", "https://b.example", "INVALID_DOMAIN_ERROR"),
        (["https://a.example", "https://b.example"], "https://a.example", "INVALID_DOMAIN_ERROR"),
        (None, "https://a.example", "INVALID_DOMAIN_ERROR"),
    ],
)
def test_a_proof_is_made_for_a_domain(
    badge: Build, key: SigningKey, method: VerificationMethod, made: Any, expected: Any, code: str | None
) -> None:
    document = sign(badge(), key=key, verification_method=method.id, created=CREATED, domain=made)
    if code is None:
        check(document, method, domain=expected)
    else:
        with pytest.raises(ProofError) as caught:
            check(document, method, domain=expected)
        assert (caught.value.code, caught.value.pointer) == (code, "/proof/domain")


@pytest.mark.parametrize(
    ("made", "expected", "holds"), [("1", "1", True), ("1", None, True), ("1", "2", False), (None, "1", False)]
)
def test_a_proof_answers_a_challenge(
    badge: Build, key: SigningKey, method: VerificationMethod, made: Any, expected: Any, holds: bool
) -> None:
    document = sign(badge(), key=key, verification_method=method.id, created=CREATED, challenge=made)
    if holds:
        check(document, method, challenge=expected)
    else:
        with pytest.raises(ProofError) as caught:
            check(document, method, challenge=expected)
        assert (caught.value.code, caught.value.pointer) == ("INVALID_CHALLENGE_ERROR", "/proof/challenge")


def test_a_proof_is_made_for_a_purpose(badge: Build, key: SigningKey, method: VerificationMethod) -> None:
    document = sign(badge(), key=key, verification_method=method.id, created=CREATED, proof_purpose="authentication")
    check(document, method, purpose="authentication")
    with pytest.raises(ProofError, match="must be assertionMethod"):
        check(document, method)


def test_a_proof_expires(badge: Build, key: SigningKey, method: VerificationMethod) -> None:
    end = CREATED + timedelta(days=1)
    document = sign(badge(), key=key, verification_method=method.id, created=CREATED, expires=end)
    check(document, method)
    check(document, method, now=end - timedelta(seconds=1))
    with pytest.raises(ProofError, match="expired on 2026-03-02T09:30:00Z") as caught:
        check(document, method, now=end)
    assert caught.value.pointer == "/proof/expires"


# VC Data Model 1.1, whose base context knows no Data Integrity: a second one brings it.
VC_1: Document = {
    "@context": [contexts.CREDENTIALS_V1],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential"],
    "issuer": "did:web:academy.example",
    "issuanceDate": "2026-03-01T09:30:00Z",
    "credentialSubject": {"id": "did:example:ada"},
}


@pytest.mark.parametrize("suite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
@pytest.mark.parametrize("context", [contexts.DATA_INTEGRITY_V1, contexts.DATA_INTEGRITY_V2])
def test_a_vc_1_credential(key: SigningKey, method: VerificationMethod, context: str, suite: str) -> None:
    document = {**VC_1, "@context": [*VC_1["@context"], context]}
    signed = sign(document, key=key, verification_method=method.id, created=CREATED, cryptosuite=suite)
    check(signed, method)
    with pytest.raises(ProofError, match="does not match"):
        check({**signed, "issuanceDate": "2026-03-01T09:30:01Z"}, method)


def test_a_proof_without_a_context_that_defines_it_is_not_made(key: SigningKey, method: VerificationMethod) -> None:
    with pytest.raises(MalformedCredential) as caught:
        sign(VC_1, key=key, verification_method=method.id, created=CREATED)
    assert caught.value.pointer == "/proof/type"


def test_the_first_data_integrity_context_knows_no_chains(key: SigningKey, method: VerificationMethod) -> None:
    document = {**VC_1, "@context": [*VC_1["@context"], contexts.DATA_INTEGRITY_V1]}
    first = sign(document, key=key, verification_method=method.id, created=CREATED, proof_id="urn:proof:1")
    with pytest.raises(MalformedCredential) as caught:
        sign(first, key=key, verification_method=method.id, created=CREATED, previous_proof="urn:proof:1")
    assert caught.value.pointer == "/proof/1/previousProof"


@pytest.fixture
def signed_in_2020(key: SigningKey, method: VerificationMethod) -> Document:
    """A credential with the proof of its time, which Laurel verifies and does not make."""
    document = {**VC_1, "@context": [*VC_1["@context"], contexts.ED25519_2020_V1]}
    options = {
        "type": "Ed25519Signature2020",
        "created": "2026-03-01T09:30:00Z",
        "verificationMethod": method.id,
        "proofPurpose": "assertionMethod",
    }
    signature = key.sign(ED25519_SIGNATURE_2020.hash_data(document, options, key.public))
    return {**document, "proof": {**options, "proofValue": encode_base58btc(signature)}}


def test_an_ed25519_signature_2020_is_verified(signed_in_2020: Document, method: VerificationMethod) -> None:
    check(signed_in_2020, method)
    p256 = VerificationMethod(method.id, method.controller, SigningKey.generate(KeyType.P256).public)
    with pytest.raises(ProofError, match="does not take P-256"):
        check(signed_in_2020, p256)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"created": "2026-03-01T09:30:01Z"}, "/proof/proofValue"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "/proof/cryptosuite"),
        ({"previousProof": "urn:x"}, "/proof/previousProof"),
        ({"@context": contexts.ED25519_2020_V1}, "/proof/@context"),
        ({"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022"}, "/proof/type"),
    ],
)
def test_a_changed_ed25519_signature_2020_is_refused(
    signed_in_2020: Document, method: VerificationMethod, change: Document, pointer: str
) -> None:
    signed_in_2020["proof"] |= change
    with pytest.raises(ProofError) as caught:
        check(signed_in_2020, method)
    assert caught.value.pointer == pointer


def test_nothing_is_signed_with_ed25519_signature_2020(badge: Build) -> None:
    with pytest.raises(ProofError, match="no such cryptosuite"):
        countersigned(badge(), "teacher", cryptosuite="Ed25519Signature2020")


def test_rsa_keys_make_no_proofs(badge: Build) -> None:
    with pytest.raises(ProofError, match="Data Integrity does not take RSA"):
        sign(badge(), key=SigningKey.generate(KeyType.RSA), verification_method="urn:x", created=CREATED)
