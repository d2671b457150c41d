"""DIDs, and the form that 1EdTech adds to them."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.dids import (
    did_jwk_method,
    did_key,
    did_key_method,
    did_web,
    did_web_url,
    issuer_key_method,
    listed,
)
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, VerificationMethod, encode_base64url

PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
DID = "did:web:academy.example"
ISSUER = "https://example.edu/issuers/565049"


@pytest.mark.parametrize(
    ("did", "crv", "x", "y"),
    [  # did:key Method Specification, test vectors "nist-curves"
        ("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", "P-256",
         "fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI", "hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU"),
        ("did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", "P-256",
         "igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns", "efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM"),
        ("did:key:z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9", "P-384",
         "lInTxl8fjLKp_UCrxI0WDklahi-7-_6JbtiHjiRvMvhedhKVdHBfi2HCY8t_QJyc",
         "y6N1IC-2mXxHreETBW7K3mBcw0qGr3CWHCs-yl09yCQRLcyfGv7XhqAngHOu51Zv"),
        ("did:key:z82LkvCwHNreneWpsgPEbV3gu1C6NFJEBg4srfJ5gdxEsMGRJUz2sG9FE42shbn2xkZJh54", "P-384",
         "CA-iNoHDg1lL8pvX3d1uvExzVfCz7Rn6tW781Ub8K5MrDf2IMPyL0RTDiaLHC1JT",
         "Kpnrn8DkXUD3ge4mFxi-DKr0DYO2KuJdwNBrhzLRtfMa3WFMZBiPKUPfJj8dYNl_"),
    ],
)  # fmt: skip
def test_the_published_did_keys_of_the_nist_curves(did: str, crv: str, x: str, y: str) -> None:
    method = did_key_method(did)
    assert method.public_key.to_jwk() == {"kty": "EC", "crv": crv, "x": x, "y": y}
    assert (method.id, method.controller) == (f"{did}#{did.removeprefix('did:key:')}", did)
    assert did_key(method.public_key) == did


def test_did_key_names_its_own_key() -> None:
    did = did_key(PublicKey.from_multibase(PUBLIC))
    assert did == f"did:key:{PUBLIC}"
    expected = VerificationMethod(f"{did}#{PUBLIC}", did, PublicKey.from_multibase(PUBLIC))
    assert did_key_method(did) == did_key_method(expected.id) == expected


@pytest.mark.parametrize(
    "did",
    [
        "did:web:x.example",
        f"did:key:{PUBLIC}#other",
        "did:key:zDnaeX",
        "",
        "did:key:",
        "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
    ],
)
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


@pytest.mark.parametrize("key_type", KeyType)
def test_a_did_jwk_is_its_key(key_type: KeyType) -> None:
    key = SigningKey.generate(key_type).public
    did = f"did:jwk:{encode_base64url(json.dumps(key.to_jwk()).encode())}"
    assert did_jwk_method(did) == did_jwk_method(f"{did}#0") == VerificationMethod(f"{did}#0", did, key)


def test_the_published_did_jwk() -> None:
    """did:jwk Method Specification, the example of P-256."""
    did = (
        "did:jwk:eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImFjYklRaXVNczNpOF91c3pFakoydHBUdFJNNEVVM3l6OTFQSDZDZEgy"
        "VjAiLCJ5IjoiX0tjeUxqOXZXTXB0bm1LdG00NkdxRHo4d2Y3NEk1TEtncmwyR3pIM25TRSJ9"
    )
    assert did_jwk_method(did).public_key.to_jwk() == {
        "kty": "EC",
        "crv": "P-256",
        "x": "acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0",
        "y": "_KcyLj9vWMptnmKtm46GqDz8wf74I5LKgrl2GzH3nSE",
    }


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '"x"', "\xff", '{"kty": "OKP", "kty": "EC"}', "[" * 100_000, json.dumps({"kty": "oct", "k": "A"})],
)
def test_what_is_no_did_jwk(content: str) -> None:
    for did in (f"did:jwk:{encode_base64url(content.encode('latin-1'))}", f"did:jwk:{content}"):
        with pytest.raises(KeyResolutionError):
            did_jwk_method(did)


def test_a_did_jwk_has_one_method() -> None:
    did = f"did:jwk:{encode_base64url(json.dumps(PublicKey.from_multibase(PUBLIC).to_jwk()).encode())}"
    for wrong in (f"{did}#1", f"{did}#{PUBLIC}", did.replace("jwk", "key"), ""):
        with pytest.raises(KeyResolutionError):
            did_jwk_method(wrong)


def test_an_issuer_url_with_a_key_is_a_claim_until_the_issuer_lists_the_key() -> None:
    claimed = issuer_key_method(f"{ISSUER}#{PUBLIC}")
    assert claimed == VerificationMethod(f"{ISSUER}#{PUBLIC}", ISSUER, PublicKey.from_multibase(PUBLIC))
    with pytest.raises(KeyResolutionError, match="does not list"):
        listed(claimed, [])
    stranger = VerificationMethod(f"{ISSUER}#1", ISSUER, SigningKey.generate().public)
    elsewhere = VerificationMethod("https://other.example#1", "https://other.example", claimed.public_key)
    with pytest.raises(KeyResolutionError, match="does not list"):
        listed(claimed, [stranger, elsewhere])
    published = VerificationMethod(f"{ISSUER}#key-1", ISSUER, claimed.public_key)
    assert listed(claimed, [stranger, published]) == claimed


def test_a_listed_key_is_retired_when_its_issuer_says_so() -> None:
    claimed = issuer_key_method(f"{ISSUER}#{PUBLIC}")
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    published = [
        VerificationMethod(f"{ISSUER}#{each}", ISSUER, claimed.public_key, each) for each in (late, early, None)
    ]
    assert listed(claimed, published).revoked == early


@pytest.mark.parametrize(
    "name",
    ["", ISSUER, f"{ISSUER}#", f"{ISSUER}#key-1", f"http://example.edu#{PUBLIC}", f"{DID}#{PUBLIC}", f"https://#{PUBLIC[1:]}",
     f"https://exa mple.edu#{PUBLIC}", f"https://{'a' * 3000}#{PUBLIC}", f"{ISSUER}#{PUBLIC}#{PUBLIC}"],
)  # fmt: skip
def test_what_is_no_issuer_url_with_a_key(name: str) -> None:
    with pytest.raises(KeyResolutionError):
        issuer_key_method(name)


@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda rest: f"did:jwk:{rest}")))
def test_nothing_but_a_key_error_comes_of_any_text(text: str) -> None:
    for read in (did_key_method, did_jwk_method, issuer_key_method, did_web_url):
        with pytest.raises(KeyResolutionError):
            read(text)
