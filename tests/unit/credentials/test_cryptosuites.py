"""eddsa-rdfc-2022: the published vector, determinism, and that no change goes unseen."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from laurel.credentials import contexts
from laurel.credentials.cryptosuites import hash_data, proof_of, sign, verify_proof
from laurel.credentials.errors import CredentialError, MalformedCredential, ProofError
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.terms import root_context

Document = dict[str, Any]
Build = Callable[[], Document]
Sign = Callable[[Document], Document]

# W3C vc-di-eddsa, appendix "Test Vectors", "Representation: eddsa-rdfc-2022".
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
VECTOR_SECRET = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
VECTOR: Document = {
    "@context": [contexts.CREDENTIALS_V2, EXAMPLES],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
VECTOR_METHOD = (
    "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
)
VECTOR_CREATED = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
VECTOR_HASHES = (
    "bea7b7acfbad0126b135104024a5f1733e705108f42d59668b05c0c50004c6b0"
    "517744132ae165a5349155bef0bb0cf2258fff99dfe1dbd914b938d775a36017"
)
VECTOR_PROOF = "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme"


@pytest.fixture
def examples_context(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # The published examples context is a bare @vocab, which safe mode refuses, so its terms are spelt out here.
    vocabulary = "https://www.w3.org/ns/credentials/examples#"
    terms = {name: vocabulary + name for name in ("AlumniCredential", "alumniOf")}
    known = {**contexts.CONTEXTS, EXAMPLES: {"@context": terms}}
    monkeypatch.setattr(contexts, "CONTEXTS", known)
    root_context.cache_clear()
    yield
    root_context.cache_clear()


@pytest.mark.usefixtures("examples_context")
def test_the_published_vector() -> None:
    key = SigningKey.from_multibase(VECTOR_SECRET)
    signed = sign(VECTOR, key=key, verification_method=VECTOR_METHOD, created=VECTOR_CREATED)
    assert signed["proof"] == {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": VECTOR_METHOD,
        "proofPurpose": "assertionMethod",
        "proofValue": VECTOR_PROOF,
    }
    options = {name: value for name, value in signed["proof"].items() if name != "proofValue"}
    assert hash_data(VECTOR, options).hex() == VECTOR_HASHES
    verify_proof(signed, method=VerificationMethod(VECTOR_METHOD, VECTOR["issuer"], key.public))


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
        verify_proof(signed, method=method)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_removed_value_is_refused(
    badge: Build, sign_it: Sign, method: VerificationMethod, data: st.DataObject
) -> None:
    signed = sign_it(badge())
    path = data.draw(st.sampled_from(list(_leaves(signed))))
    del _holder(signed, path)[path[-1]]
    with pytest.raises(ProofError):
        verify_proof(signed, method=method)


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
        verify_proof({**sign_it(badge()), **added}, method=method)
    assert (caught.value.code, caught.value.pointer) == ("PROOF_TRANSFORMATION_ERROR", pointer)
    assert caught.value.problem_type == "https://w3id.org/security#PROOF_TRANSFORMATION_ERROR"


def test_what_the_signature_would_not_cover_is_not_signed(badge: Build, sign_it: Sign) -> None:
    with pytest.raises(MalformedCredential) as caught:
        sign_it({**badge(), "grade": "A"})
    assert caught.value.pointer == "/grade"


def test_a_list_of_one_proof_is_as_good(badge: Build, sign_it: Sign, method: VerificationMethod) -> None:
    signed = sign_it(badge())
    listed = {**signed, "proof": [signed["proof"]]}
    assert proof_of(listed) == signed["proof"]
    verify_proof(listed, method=method)


def test_a_signed_document_is_not_signed_again(badge: Build, sign_it: Sign) -> None:
    with pytest.raises(ProofError, match="already has a proof") as caught:
        sign_it(sign_it(badge()))
    assert caught.value.code == "PROOF_GENERATION_ERROR"


def test_a_verification_method_must_be_a_url(badge: Build, key: SigningKey) -> None:
    with pytest.raises(ProofError, match="must be a URL"):
        sign(badge(), key=key, verification_method="key-1", created=VECTOR_CREATED)


def test_a_created_without_time_zone_is_a_mistake(badge: Build, key: SigningKey) -> None:
    naive = VECTOR_CREATED.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        sign(badge(), key=key, verification_method=VECTOR_METHOD, created=naive)


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"type": "Ed25519Signature2020"}, "/proof/cryptosuite", "DataIntegrityProof"),
        ({"cryptosuite": "eddsa-jcs-2022"}, "/proof/cryptosuite", "eddsa-rdfc-2022"),
        ({"proofPurpose": "authentication"}, "/proof/proofPurpose", "assertionMethod"),
        ({"verificationMethod": None}, "/proof/verificationMethod", "one string"),
        ({"expires": ["2030-01-01T00:00:00Z"]}, "/proof/expires", "one string"),
        ({"verificationMethod": "did:web:academy.example#key-2"}, "/proof/verificationMethod", "another"),
        ({"domain": "https://x.example"}, "/proof", "'domain' is not supported"),
        ({"challenge": "1"}, "/proof", "'challenge' is not supported"),
        ({"previousProof": "urn:x"}, "/proof", "'previousProof' is not supported"),
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
        verify_proof(signed, method=method)
    assert (caught.value.pointer, caught.value.code) == (pointer, "PROOF_VERIFICATION_ERROR")


@pytest.mark.parametrize(
    ("proof", "says"),
    [
        (None, "no proof"),
        ([], "no proof"),
        ("x", "no proof"),
        ([{}, {}], "several proofs"),
        ({"type": "DataIntegrityProof"}, "needs a cryptosuite"),
    ],
)
def test_documents_without_exactly_one_proof(badge: Build, proof: Any, says: str) -> None:
    with pytest.raises(ProofError, match=says):
        proof_of({**badge(), "proof": proof})


def test_another_key_does_not_verify(badge: Build, sign_it: Sign, method: VerificationMethod) -> None:
    other = SigningKey.from_seed(b"o" * 32).public
    with pytest.raises(ProofError, match="does not match"):
        verify_proof(sign_it(badge()), method=VerificationMethod(method.id, method.controller, other))


def test_a_retired_key_verifies_what_it_signed_before_and_nothing_after(
    badge: Build, sign_it: Sign, method: VerificationMethod
) -> None:
    signed = sign_it(badge())
    created = datetime.fromisoformat(signed["proof"]["created"])

    def retired(moment: datetime) -> VerificationMethod:
        return VerificationMethod(method.id, method.controller, method.public_key, moment)

    verify_proof(signed, method=retired(created + timedelta(seconds=1)))
    with pytest.raises(ProofError, match="retired on 2026-03-01T09:30:00Z"):
        verify_proof(signed, method=retired(created))
    del signed["proof"]["created"]
    with pytest.raises(ProofError, match="does not say when"):
        verify_proof(signed, method=retired(created))


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
        verify_proof(signed, method=method)


def _unwrapped(value: Any) -> Any:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


@pytest.mark.parametrize("document", [{}, {"proof": 5}, {"@context": [], "proof": {}}, {"type": {"@set": []}}])
def test_documents_that_are_hardly_any(document: Document, method: VerificationMethod) -> None:
    with pytest.raises(CredentialError):
        verify_proof(document, method=method)
