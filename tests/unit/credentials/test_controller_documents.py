"""Documents that publish keys: what is read from them, and what is not."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.contexts import DID_V1, MULTIKEY_V1
from laurel.credentials.controller_documents import JWK_V1, did_document, jwk_method_id, methods_of
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, VerificationMethod

PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
DID = "did:web:academy.example"
KEYS = {key_type: SigningKey.generate(key_type).public for key_type in KeyType}


def _method(
    name: str = "key-1", revoked: datetime | None = None, did: str = DID, key: PublicKey | None = None
) -> VerificationMethod:
    return VerificationMethod(f"{did}#{name}", did, key or PublicKey.from_multibase(PUBLIC), revoked)


def test_a_did_document_keeps_retired_keys_but_asserts_with_active_ones() -> None:
    methods = [_method("key-2"), _method("key-1", datetime(2026, 1, 2, tzinfo=UTC), key=KEYS[KeyType.P256])]
    document = did_document(DID, methods)
    active, retired = (jwk_method_id(DID, method.public_key) for method in methods)
    assert document["@context"] == [DID_V1, MULTIKEY_V1, JWK_V1]
    assert document["assertionMethod"] == [f"{DID}#key-2", active]
    assert document["verificationMethod"][2] == {
        "id": f"{DID}#key-1",
        "type": "Multikey",
        "controller": DID,
        "publicKeyMultibase": KEYS[KeyType.P256].to_multibase(),
        "revoked": "2026-01-02T00:00:00Z",
    }
    assert document["verificationMethod"][3] == {
        "id": retired,
        "type": "JsonWebKey",
        "controller": DID,
        "publicKeyJwk": {**KEYS[KeyType.P256].to_jwk(), "alg": "ES256", "kid": KEYS[KeyType.P256].thumbprint},
        "revoked": "2026-01-02T00:00:00Z",
    }
    as_jwk = [replace(method, id=jwk_method_id(DID, method.public_key)) for method in methods]
    assert methods_of(document) == {method.id: method for method in [*methods, *as_jwk]}
    assert methods_of(document, "authentication") == {}


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
        {"assertionMethod": [_entry(publicKeyMultibase="z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc")]},
        {"assertionMethod": [_entry(type=["Multikey"])]},
        {"assertionMethod": [_entry(type="Ed25519VerificationKey2020", publicKeyMultibase="zDnaeSomeOtherCurve")]},
        {"assertionMethod": [_entry(type="JsonWebKey", publicKeyJwk={"kty": "EC", "crv": "secp256k1", "x": 1})]},
        {"assertionMethod": [_entry(type="JsonWebKey", publicKeyJwk={"kty": ["EC"], "crv": {}})]},
        {"assertionMethod": [_entry(type="JsonWebKey", publicKeyJwk="x")]},
        {"verificationMethod": [_entry(expires="2126-01-01T00:00:00Z")]},
        {"keyAgreement": [_entry(publicKeyMultibase="z6Mkbroken")]},
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
        {"id": "academy"},
        {"id": f"{DID}#k"},
        {"id": DID, "verificationMethod": {}},
        {"id": DID, "verificationMethod": [_entry()] * 129},
        {"id": DID, "assertionMethod": [5]},
        {"id": DID, "assertionMethod": [{}]},
        {"id": DID, "assertionMethod": [_entry(revoked="yesterday")]},
        {"id": DID, "assertionMethod": [_entry(publicKeyMultibase="z6Mkbroken")]},
        {"id": DID, "assertionMethod": [_entry(publicKeyMultibase="zDnaeSomeOtherCurve")]},
        {"id": DID, "assertionMethod": [_entry(type="JsonWebKey", publicKeyJwk={"kty": "EC", "crv": "P-256"})]},
        {"id": DID, "assertionMethod": [_entry(), _entry(publicKeyMultibase=KEYS[KeyType.P256].to_multibase())]},
        {"id": DID, "assertionMethod": [_entry(expires=5)]},
        {"id": DID, "authentication": [_entry()] * 129},
    ],
)
def test_malformed_did_documents(document: Any) -> None:
    with pytest.raises(KeyResolutionError):
        methods_of(document)


def _jwk_entry(key: PublicKey, kind: str) -> dict[str, Any]:
    return {"id": f"{DID}#k", "type": kind, "controller": DID, "publicKeyJwk": key.to_jwk()}


@pytest.mark.parametrize("kind", ["JsonWebKey", "JsonWebKey2020"])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_json_web_keys_of_all_types_are_read(key: PublicKey, kind: str) -> None:
    methods = methods_of({"id": DID, "assertionMethod": [_jwk_entry(key, kind)]})
    assert methods == {f"{DID}#k": VerificationMethod(f"{DID}#k", DID, key)}


@pytest.mark.parametrize("key", [KEYS[KeyType.ED25519], KEYS[KeyType.P256], KEYS[KeyType.P384]])
def test_multikeys_of_all_types_are_read(key: PublicKey) -> None:
    methods = methods_of({"id": DID, "assertionMethod": [_entry(publicKeyMultibase=key.to_multibase())]})
    assert methods[f"{DID}#k"].public_key == key


def test_the_older_form_of_ed25519_is_read() -> None:
    methods = methods_of({"id": DID, "assertionMethod": [_entry(type="Ed25519VerificationKey2020")]})
    assert methods[f"{DID}#k"].public_key == PublicKey.from_multibase(PUBLIC)


def test_an_https_controller_document_is_read() -> None:
    url = "https://university.example/issuers/565049"
    entry = _entry(id=f"{url}#key-123", controller=url)
    document = {"id": url, "verificationMethod": [entry], "assertionMethod": ["#key-123"], "name": "A university"}
    assert list(methods_of(document)) == [f"{url}#key-123"]
    assert methods_of(document | {"id": f"{url}/"}) == {}


def test_a_key_serves_the_purposes_it_is_listed_for() -> None:
    both = {"id": DID, "verificationMethod": [_entry()], "authentication": ["#k"]}
    assert set(methods_of(both, "authentication")) == {f"{DID}#k"}
    assert methods_of(both) == {}
    assert methods_of({"id": DID, "assertionMethod": [_entry()]}, "authentication") == {}
    retired = {"id": DID, "verificationMethod": [_entry(revoked="2026-01-01T00:00:00Z")]}
    assert set(methods_of(retired)) == {f"{DID}#k"}
    assert methods_of(retired, "authentication") == {}


@pytest.mark.parametrize(
    "other",
    [
        _entry(id="#other", type="JsonWebKey", publicKeyJwk={**KEYS[KeyType.RSA].to_jwk(), "alg": "PS256"}),
        _entry(id="#other", type="JsonWebKey", publicKeyJwk={**KEYS[KeyType.RSA].to_jwk(), "use": "enc"}),
        _entry(id="#other", publicKeyMultibase="z6Mkbroken"),
        _entry(id="#other", revoked="yesterday"),
    ],
)
def test_a_key_that_cannot_be_read_does_the_others_no_harm(other: dict[str, Any]) -> None:
    for entries in ([_entry(), other], [other, _entry()]):
        document = {"id": DID, "verificationMethod": entries, "assertionMethod": ["#k", "#other"]}
        assert set(methods_of(document)) == {f"{DID}#k"}


def test_the_error_names_the_entry() -> None:
    with pytest.raises(KeyResolutionError, match="#k' cannot be read") as caught:
        methods_of({"id": DID, "assertionMethod": ["#x", _entry(publicKeyMultibase="z6Mkbroken")]})
    assert (caught.value.code, caught.value.pointer) == ("INVALID_VERIFICATION_METHOD", "/assertionMethod/1")
    with pytest.raises(KeyResolutionError, match="is not an XSD") as caught:
        methods_of({"id": DID, "assertionMethod": [_entry(revoked="yesterday")]})
    assert caught.value.code == "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT"


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from([DID, f"{DID}#k", PUBLIC])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*_entry(), "publicKeyJwk", "kty", "crv", "revoked"]), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(document=st.dictionaries(st.sampled_from(["verificationMethod", "assertionMethod", "authentication"]), _JSON))
def test_nothing_but_a_key_error_comes_of_any_document(document: dict[str, Any]) -> None:
    with suppress(KeyResolutionError):
        assert all(method.controller == DID for method in methods_of({"id": DID, **document}).values())
