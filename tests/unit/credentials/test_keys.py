"""Keys, DIDs and DID documents."""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.contexts import DID_V1, MULTIKEY_V1
from laurel.credentials.controller_documents import did_document, methods_of
from laurel.credentials.dids import did_key, did_key_method, did_web, did_web_url
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, SigningKey, VerificationMethod

# From the EdDSA cryptosuites specification, appendix "Test Vectors".
PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
SECRET = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
DID = "did:web:academy.example"


def test_the_published_key_pair() -> None:
    key = SigningKey.from_multibase(SECRET)
    assert key.public.to_multibase() == PUBLIC
    assert key.to_multibase() == SECRET
    assert PublicKey.from_multibase(PUBLIC) == key.public


@settings(deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), data=st.binary(max_size=200))
def test_signatures_are_those_of_another_implementation(seed: bytes, data: bytes) -> None:
    key = SigningKey.from_seed(seed)
    other = Ed25519PrivateKey.from_private_bytes(seed)
    assert key.sign(data) == other.sign(data)
    assert key.public.raw == other.public_key().public_bytes_raw()
    assert key.public.verify(key.sign(data), data)
    assert not key.public.verify(key.sign(data), data + b"x")
    assert not key.public.verify(key.sign(data)[:-1], data)
    assert PublicKey.from_multibase(key.public.to_multibase()) == PublicKey.from_raw(key.public.raw)


def test_no_text_form_shows_the_secret() -> None:
    key = SigningKey.from_multibase(SECRET)
    for text in (repr(key), str(key), f"{key}"):
        assert text == f"SigningKey(public={PUBLIC})"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "multibase",
    [
        "",
        "z",
        PUBLIC[1:],
        PUBLIC + "\n",
        PUBLIC[:-1],
        PUBLIC[:-1] + "0",
        PUBLIC + "2" * 10_000,
        SECRET,
        None,
    ],
)
def test_a_malformed_public_key_is_refused(multibase: Any) -> None:
    with pytest.raises(KeyResolutionError, match="not a public key") as caught:
        PublicKey.from_multibase(multibase)
    assert caught.value.code == "INVALID_VERIFICATION_METHOD"


def test_a_malformed_secret_is_not_repeated() -> None:
    wrong = SECRET[:-1]
    with pytest.raises(KeyResolutionError) as caught:
        SigningKey.from_multibase(wrong)
    assert wrong not in str(caught.value)


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(KeyResolutionError, match="32 bytes, not 31"):
        PublicKey.from_raw(b"x" * 31)
    with pytest.raises(KeyResolutionError, match="32 bytes, not 33"):
        SigningKey.from_seed(b"x" * 33)


def test_did_key_names_its_own_key() -> None:
    did = did_key(PublicKey.from_multibase(PUBLIC))
    assert did == f"did:key:{PUBLIC}"
    expected = VerificationMethod(f"{did}#{PUBLIC}", did, PublicKey.from_multibase(PUBLIC))
    assert did_key_method(did) == did_key_method(expected.id) == expected


@pytest.mark.parametrize("did", ["did:web:x.example", f"did:key:{PUBLIC}#other", "did:key:zDnaeX", "", "did:key:"])
def test_what_is_no_did_key(did: str) -> None:
    with pytest.raises(KeyResolutionError):
        did_key_method(did)


@pytest.mark.parametrize(
    ("url", "did", "document"),
    [
        ("https://academy.example", DID, "https://academy.example/.well-known/did.json"),
        ("https://Academy.example/", DID, "https://academy.example/.well-known/did.json"),
        ("https://h.example:8443/a/b", "did:web:h.example%3A8443:a:b", "https://h.example:8443/a/b/did.json"),
        ("http://localhost:8000/i/1/", "did:web:localhost%3A8000:i:1", "https://localhost:8000/i/1/did.json"),
    ],
)
def test_did_web_there_and_back(url: str, did: str, document: str) -> None:
    assert did_web(url) == did
    assert did_web_url(did) == document


def test_did_web_url_over_http() -> None:
    assert did_web_url("did:web:localhost%3A80", scheme="http") == "http://localhost:80/.well-known/did.json"


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example", "https://u@x.example", "https://x.example/a?b", "https://x.example/#a", "https://", "x",
     "https://x.example/../y", "https://[::1]/", "https://[x"],
)  # fmt: skip
def test_urls_without_a_did_web(url: str) -> None:
    with pytest.raises(KeyResolutionError):
        did_web(url)


@pytest.mark.parametrize(
    "did",
    ["did:key:z6Mk", "did:web:", "did:web:x.example/a", "did:web:x.example:", "did:web:x.example:..:a",
     "did:web:x.example:a#k", "did:web:x.example%2Fa", "did:web:u%40x.example", "did:web:x.example%3A", "did:web:-x",
     "did:web:x.example:a\n", "did:web:" + "a" * 3000],
)  # fmt: skip
def test_what_is_no_did_web(did: str) -> None:
    with pytest.raises(KeyResolutionError) as caught:
        did_web_url(did)
    assert caught.value.code == "INVALID_VERIFICATION_METHOD_URL"


def _method(name: str = "key-1", revoked: datetime | None = None, did: str = DID) -> VerificationMethod:
    return VerificationMethod(f"{did}#{name}", did, PublicKey.from_multibase(PUBLIC), revoked)


def test_a_did_document_keeps_retired_keys_but_asserts_with_active_ones() -> None:
    methods = [_method("key-2"), _method("key-1", datetime(2026, 1, 2, tzinfo=UTC))]
    document = did_document(DID, methods)
    assert document["@context"] == [DID_V1, MULTIKEY_V1]
    assert document["assertionMethod"] == [f"{DID}#key-2"]
    assert document["verificationMethod"][1] == {
        "id": f"{DID}#key-1",
        "type": "Multikey",
        "controller": DID,
        "publicKeyMultibase": PUBLIC,
        "revoked": "2026-01-02T00:00:00Z",
    }
    assert methods_of(document) == {method.id: method for method in methods}


def test_a_did_document_lists_only_its_own_keys() -> None:
    with pytest.raises(KeyResolutionError, match="does not belong"):
        did_document(DID, [_method(did="did:web:other.example")])


def _entry(**changes: Any) -> dict[str, Any]:
    return {"id": f"{DID}#k", "type": "Multikey", "controller": DID, "publicKeyMultibase": PUBLIC} | changes


def test_methods_may_be_embedded_and_relative() -> None:
    assert set(methods_of({"id": DID, "assertionMethod": [_entry(id="#k")]})) == {f"{DID}#k"}
    document = {"id": DID, "verificationMethod": [_entry()], "assertionMethod": ["#k"]}
    assert set(methods_of(document)) == {f"{DID}#k"}


def test_an_expiring_key_ends_at_the_earlier_date() -> None:
    entry = _entry(revoked="2027-01-01T00:00:00Z", expires="2026-01-01T00:00:00Z")
    methods = methods_of({"id": DID, "verificationMethod": [entry]})
    assert methods[f"{DID}#k"].revoked == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "document",
    [
        {"verificationMethod": [_entry()]},
        {"verificationMethod": [_entry()], "authentication": [f"{DID}#k"]},
        {"verificationMethod": [_entry(revoked="2026-01-01T00:00:00Z")], "authentication": ["#k"]},
        {"assertionMethod": [_entry(controller="did:web:other.example")]},
        {"assertionMethod": [_entry(id="did:web:other.example#k")]},
        {"assertionMethod": [_entry(type="JsonWebKey")]},
        {"assertionMethod": [_entry(publicKeyMultibase="zDnaeSomeOtherCurve")]},
        {"assertionMethod": [_entry(publicKeyMultibase=None)]},
        {"assertionMethod": [f"{DID}#absent"]},
    ],
)
def test_keys_that_may_not_assert_are_passed_over(document: dict[str, Any]) -> None:
    assert methods_of({"id": DID, **document}) == {}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"id": 5},
        {"id": DID, "verificationMethod": {}},
        {"id": DID, "verificationMethod": [_entry()] * 129},
        {"id": DID, "assertionMethod": [5]},
        {"id": DID, "assertionMethod": [{}]},
        {"id": DID, "assertionMethod": [_entry(revoked="yesterday")]},
        {"id": DID, "assertionMethod": [_entry(publicKeyMultibase="z6Mkbroken")]},
    ],
)
def test_malformed_did_documents(document: Any) -> None:
    with pytest.raises(KeyResolutionError):
        methods_of(document)
