"""JWTs in two profiles: what is signed and verified, and what is refused before any key is looked up."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import import_key
from joserfc.jws import CompactSignature, JWSRegistry, deserialize_compact, serialize_compact

from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2
from laurel.credentials.controller_documents import did_document, jwk_method_id, methods_of
from laurel.credentials.dids import listed
from laurel.credentials.enveloping import envelope, enveloped, is_envelope
from laurel.credentials.errors import CredentialError, KeyResolutionError, MalformedCredential, ProofError
from laurel.credentials.form import check_form
from laurel.credentials.jwt import (
    DecodedJwt,
    Profile,
    decode,
    sign_open_badge_jwt,
    sign_vc_jwt,
    sign_vp_jwt,
    verify_signature,
)
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, VerificationMethod, encode_base64url
from support.generated import credentials
from unit.credentials.conftest import CREATED, ISSUER, build_badge

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc's word on RFC 9864

Document = dict[str, Any]
KEYS = {key_type: SigningKey.generate(key_type) for key_type in KeyType}
BY_ALGORITHM = {key.public.algorithm: key for key in KEYS.values()}
KID = f"{ISSUER}#key-1"
VC_ALGORITHMS = ["EdDSA", "ES256", "ES384"]
BADGE_ALGORITHMS = ["RS256", "ES256", "EdDSA"]
WITH_ID = {"id": "did:example:ada", "type": ["AchievementSubject"]}


def method_of(key: SigningKey, revoked: datetime | None = None) -> VerificationMethod:
    return VerificationMethod(KID, ISSUER, key.public, revoked)


def holds(token: str, key: SigningKey) -> DecodedJwt:
    decoded = decode(token)
    verify_signature(decoded, method_of(key))
    return decoded


def theirs(header: Document, payload: Any, key: SigningKey = BY_ALGORITHM["EdDSA"]) -> str:
    """A token made by another implementation, with the key's algorithm unless the header has one."""
    header = {"alg": key.public.algorithm, "kid": KID, **header}
    header = {name: value for name, value in header.items() if value is not None}
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return serialize_compact(header, text, import_key(dict(key.to_jwk())), registry=registry(key))


def seen(token: str, key: SigningKey) -> CompactSignature:
    """The token as another implementation reads it, after it has verified it."""
    return deserialize_compact(token, import_key(dict(key.public.to_jwk())), registry=registry(key))


def registry(key: SigningKey) -> JWSRegistry:
    allowed = JWSRegistry(algorithms=[key.public.algorithm], strict_check_header=False)
    allowed.max_header_length = 2048  # a JWK of RSA does not fit into their 512 bytes
    return allowed


def claims_of(badge: Document, **changes: Any) -> Document:
    """The payload of an Open Badges JWT; None leaves a member out."""
    registered = {
        "iss": ISSUER,
        "jti": badge["id"],
        "nbf": int(CREATED.timestamp()),
        "exp": int(datetime(2029, 3, 1, tzinfo=UTC).timestamp()),
    }
    return {name: value for name, value in (badge | registered | changes).items() if value is not None}


def with_subject_id(badge: Document) -> Document:
    return badge | {"credentialSubject": badge["credentialSubject"] | {"id": "did:example:ada"}}


@pytest.mark.parametrize("algorithm", VC_ALGORITHMS)
def test_a_credential_as_vc_jwt(algorithm: str) -> None:
    key = BY_ALGORITHM[algorithm]
    token = sign_vc_jwt(build_badge(), key=key, kid=KID, issued=CREATED)
    assert token == sign_vc_jwt(build_badge(), key=key, kid=KID, issued=CREATED)

    read = seen(token, key)
    assert read.headers() == {"alg": algorithm, "typ": "vc+jwt", "cty": "vc", "kid": KID}
    payload = json.loads(read.payload or b"")
    assert payload == build_badge() | {"iss": ISSUER, "iat": int(CREATED.timestamp())}

    decoded = holds(token, key)
    assert (decoded.profile, decoded.document) == (Profile.VC, build_badge())
    assert (decoded.signer, decoded.verification_method, decoded.issued) == (ISSUER, KID, CREATED)
    check_form(decoded.document)


@pytest.mark.parametrize("algorithm", BADGE_ALGORITHMS)
@pytest.mark.parametrize("kid", [KID, None])
def test_a_badge_as_open_badges_jwt(algorithm: str, kid: str | None) -> None:
    key, badge = BY_ALGORITHM[algorithm], with_subject_id(build_badge())
    token = sign_open_badge_jwt(badge, key=key, kid=kid, issued=CREATED)

    read = seen(token, key)
    named = {"kid": kid} if kid else {"jwk": key.public.to_jwk()}
    assert read.headers() == {"alg": algorithm, "typ": "JWT", **named}
    payload = json.loads(read.payload or b"")
    assert payload == claims_of(badge, sub="did:example:ada", iat=int(CREATED.timestamp()))

    decoded = holds(token, key)
    assert (decoded.profile, decoded.document, decoded.signer) == (Profile.OPEN_BADGE, badge, ISSUER)
    assert (decoded.verification_method, decoded.jws.jwk) == ((KID, None) if kid else (None, key.public))


def test_a_badge_without_subject_id_has_no_sub() -> None:
    key = KEYS[KeyType.ED25519]
    decoded = holds(sign_open_badge_jwt(build_badge(), key=key, kid=KID, issued=CREATED), key)
    assert (decoded.document, "sub" in decoded.claims) == (build_badge(), False)


def test_a_presentation_as_vp_jwt() -> None:
    key = KEYS[KeyType.P256]
    badge = sign_vc_jwt(build_badge(), key=KEYS[KeyType.ED25519], kid=KID, issued=CREATED)
    presentation = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": ISSUER,
        "verifiableCredential": [envelope(badge)],
    }
    token = sign_vp_jwt(presentation, key=key, kid=KID, issued=CREATED, audience="https://v.example", nonce="n-1")
    decoded = holds(token, key)
    assert (decoded.profile, decoded.document, decoded.signer) == (Profile.VP, presentation, ISSUER)
    assert (decoded.claims["aud"], decoded.claims["nonce"]) == ("https://v.example", "n-1")
    assert enveloped(decoded.document["verifiableCredential"][0]) == badge
    anonymous = {name: value for name, value in presentation.items() if name != "holder"}
    assert holds(sign_vp_jwt(anonymous, key=key, kid=KID, issued=CREATED), key).signer is None


def test_the_published_vc_jwt() -> None:
    """VC-JOSE-COSE 1.0 §3.1.2, the credential within the first presentation, and the key of its examples."""
    key = {
        "kty": "EC",
        "crv": "P-384",
        "x": "8XkmqX3pxcYduNID8cK4mYA531PV7szaGh-yk-XIM9OQKZSO94y3xe67nyFvt0QP",
        "y": "kWjcg1gBVM752eQzXlMfHwEOzuUB4zCgi2z6X1p03ljAcp6b_FEINR-eONp00gX0",
    }
    token = (
        "eyJraWQiOiJFeEhrQk1XOWZtYmt2VjI2Nm1ScHVQMnNVWV9OX0VXSU4xbGFwVXpPOHJvIiwiYWxnIjoiRVMzODQifQ.eyJAY29udGV4dCI6"
        "WyJodHRwczovL3d3dy53My5vcmcvbnMvY3JlZGVudGlhbHMvdjIiLCJodHRwczovL3d3dy53My5vcmcvbnMvY3JlZGVudGlhbHMvZXhhbXBs"
        "ZXMvdjIiXSwiaWQiOiJodHRwOi8vdW5pdmVyc2l0eS5leGFtcGxlL2NyZWRlbnRpYWxzLzE4NzIiLCJ0eXBlIjpbIlZlcmlmaWFibGVDcmVk"
        "ZW50aWFsIiwiRXhhbXBsZUFsdW1uaUNyZWRlbnRpYWwiXSwiaXNzdWVyIjoiaHR0cHM6Ly91bml2ZXJzaXR5LmV4YW1wbGUvaXNzdWVycy81"
        "NjUwNDkiLCJ2YWxpZEZyb20iOiIyMDEwLTAxLTAxVDE5OjIzOjI0WiIsImNyZWRlbnRpYWxTY2hlbWEiOnsiaWQiOiJodHRwczovL2V4YW1w"
        "bGUub3JnL2V4YW1wbGVzL2RlZ3JlZS5qc29uIiwidHlwZSI6Ikpzb25TY2hlbWEifSwiY3JlZGVudGlhbFN1YmplY3QiOnsiaWQiOiJkaWQ6"
        "ZXhhbXBsZToxMjMiLCJkZWdyZWUiOnsidHlwZSI6IkJhY2hlbG9yRGVncmVlIiwibmFtZSI6IkJhY2hlbG9yIG9mIFNjaWVuY2UgYW5kIEFy"
        "dHMifX19.d2k4O3FytQJf83kLh-HsXuPvh6yeOlhJELVo5TF71gu7elslQyOf2ZItAXrtbXF4Kz9WivNdztOayz4VUQ0Mwa8yCDZkP9B2pH-9"
        "S_tcAFxeoeJ6Z4XnFuL_DOfkR1fP"
    )
    decoded = decode(token)
    issuer = "https://university.example/issuers/565049"
    # The kid is the key's thumbprint, which stands for a method of the issuer.
    public = PublicKey.from_jwk(key)
    assert decoded.verification_method == jwk_method_id(issuer, public)
    verify_signature(decoded, VerificationMethod(jwk_method_id(issuer, public), issuer, public))
    assert (decoded.profile, decoded.signer) == (Profile.VC, issuer)
    assert decoded.document["credentialSubject"]["degree"]["name"] == "Bachelor of Science and Arts"


def test_a_token_is_verified_by_the_document_of_its_issuer() -> None:
    key = KEYS[KeyType.P384]
    published = methods_of(did_document(ISSUER, [method_of(key)]))
    kid = jwk_method_id(ISSUER, key.public)
    decoded = decode(sign_vc_jwt(build_badge(), key=key, kid=kid, issued=CREATED))
    assert decoded.verification_method == kid
    verify_signature(decoded, published[kid])


def test_a_key_that_comes_along_counts_only_if_it_is_listed() -> None:
    key = KEYS[KeyType.P256]
    decoded = decode(sign_open_badge_jwt(build_badge(), key=key, kid=None, issued=CREATED))
    assert decoded.jws.jwk is not None
    claimed = VerificationMethod(f"{ISSUER}#", ISSUER, decoded.jws.jwk)
    verify_signature(decoded, listed(claimed, methods_of(did_document(ISSUER, [method_of(key)])).values()))
    with pytest.raises(KeyResolutionError, match="does not list"):
        listed(claimed, methods_of(did_document(ISSUER, [method_of(KEYS[KeyType.P384])])).values())
    with pytest.raises(ProofError, match="brings along another key"):
        verify_signature(decoded, method_of(SigningKey.generate(KeyType.P256)))


@pytest.mark.parametrize("algorithm", BY_ALGORITHM)
@pytest.mark.parametrize("typ", ["vc+jwt", "application/VC+JWT", "JWT", None])
def test_what_another_implementation_signs_is_verified(algorithm: str, typ: str | None) -> None:
    """In both profiles with all algorithms: which one its issuer liked does not make a credential worse."""
    key = BY_ALGORITHM[algorithm]
    open_badge = typ in ("JWT", None)
    payload = claims_of(build_badge()) if open_badge else build_badge()
    decoded = holds(theirs({"typ": typ}, payload, key), key)
    assert decoded.profile is (Profile.OPEN_BADGE if open_badge else Profile.VC)
    assert decoded.document == build_badge()
    check_form(decoded.document)


def test_ed25519_by_its_newer_name() -> None:
    key = KEYS[KeyType.ED25519]
    jwk = import_key(dict(key.to_jwk()))
    header = {"alg": "Ed25519", "kid": KID, "typ": "vc+jwt"}
    token = serialize_compact(header, json.dumps(build_badge()).encode(), jwk, ["Ed25519"])
    assert holds(token, key).document == build_badge()


@settings(deadline=None, max_examples=40)
@given(document=credentials(), algorithm=st.sampled_from(VC_ALGORITHMS))
def test_any_credential_comes_out_as_it_went_in(document: Document, algorithm: str) -> None:
    key = BY_ALGORITHM[algorithm]
    decoded = decode(sign_vc_jwt(document, key=key, kid=KID, issued=CREATED))
    verify_signature(decoded, method_of(key))
    assert decoded.document == document
    if "id" in document and "validFrom" in document and isinstance(document["credentialSubject"], dict):
        signed = sign_open_badge_jwt(document, key=KEYS[KeyType.RSA], kid=KID, issued=CREATED)
        assert holds(signed, KEYS[KeyType.RSA]).document == document


TOKENS = {
    algorithm: sign_vc_jwt(build_badge(), key=BY_ALGORITHM[algorithm], kid=KID, issued=CREATED)
    for algorithm in VC_ALGORITHMS
} | {"RS256": sign_open_badge_jwt(build_badge(), key=KEYS[KeyType.RSA], kid=KID, issued=CREATED)}


@settings(deadline=None, max_examples=300)
@given(algorithm=st.sampled_from(list(TOKENS)), where=st.integers(0, 8191), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused(algorithm: str, where: int, byte: int) -> None:
    token = TOKENS[algorithm].encode()
    where %= len(token)
    altered = token[:where] + bytes([byte]) + token[where + 1 :]
    if altered != token:
        with pytest.raises(CredentialError):
            holds(altered.decode("latin-1"), BY_ALGORITHM[algorithm])


@settings(deadline=None, max_examples=100)
@given(algorithm=st.sampled_from(list(TOKENS)), start=st.integers(0, 8191), length=st.integers(1, 50))
def test_any_part_left_out_is_missed(algorithm: str, start: int, length: int) -> None:
    token = TOKENS[algorithm]
    start %= len(token)
    with pytest.raises(CredentialError):
        holds(token[:start] + token[start + length :], BY_ALGORITHM[algorithm])


def test_the_key_decides_how_it_is_verified() -> None:
    for algorithm, token in TOKENS.items():
        for other, key in BY_ALGORITHM.items():
            if other != algorithm:
                with pytest.raises(ProofError, match=f"says {algorithm}, but the key signs with {other}"):
                    verify_signature(decode(token), method_of(key))
    same_type = SigningKey.generate(KeyType.P256)
    with pytest.raises(ProofError, match="does not match"):
        verify_signature(decode(TOKENS["ES256"]), method_of(same_type))
    with pytest.raises(ProofError, match="names another key"):
        verify_signature(decode(TOKENS["ES256"]), replace(method_of(KEYS[KeyType.P256]), id=f"{ISSUER}#key-2"))


def unsigned(header: Document | bytes, payload: Any = None, signature: str = "AAAA") -> str:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = payload if isinstance(payload, bytes) else json.dumps(payload or build_badge()).encode()
    return f"{encode_base64url(head)}.{encode_base64url(body)}.{signature}"


HEADER = {"alg": "ES256", "typ": "vc+jwt", "cty": "vc", "kid": KID}


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"}, {"alg": "None"}, {"alg": "HS256"}, {"alg": "ES256K"}, {"alg": "RS512"}, {"alg": "PS256"},
        {"alg": "es256"}, {"alg": None}, {"alg": ["ES256"]}, {"alg": ""}, {"alg": "dir", "enc": "A256GCM"},
        {"crit": ["b64"], "b64": False}, {"crit": []}, {"crit": ["exp"]}, {"b64": True}, {"b64": False},
        {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}, {"zip": "DEF"}, {"cty": "JWT"},
        {"cty": "vp"}, {"cty": 5}, {"typ": "vp+jwt"}, {"typ": "JOSE"}, {"typ": "at+jwt"}, {"typ": "vc+sd-jwt"},
        {"typ": "kb+jwt"}, {"typ": None}, {"typ": ["vc+jwt"]}, {"typ": "JWT"}, {"kid": ""}, {"kid": 5}, {"kid": None},
        {"kid": "x" * 2049}, {"jwk": KEYS[KeyType.P256].to_jwk()}, {"jwk": None}, {"jwk": {}}, {"jwk": "x"},
        {"x": "y" * 20_000},
    ],
)  # fmt: skip
def test_headers_that_are_refused_before_any_key_is_looked_up(change: Document) -> None:
    with pytest.raises(CredentialError):
        decode(unsigned(HEADER | change))
    missing = {name: value for name, value in (HEADER | change).items() if value is not None}
    if len(missing) < len(HEADER) and "typ" in missing:
        with pytest.raises(CredentialError):
            decode(unsigned(missing))


def test_an_unsigned_token_is_none_at_all() -> None:
    assert decode(unsigned(HEADER)).document == build_badge(), "the header of the cases above is else accepted"
    with pytest.raises(MalformedCredential, match="three parts"):
        decode(unsigned({"alg": "none", "typ": "vc+jwt", "kid": KID}, signature=""))
    with pytest.raises(ProofError, match="alg must be one of"):
        decode(unsigned({"alg": "none", "typ": "vc+jwt", "kid": KID}))


def test_headers_that_are_not_understood_are_ignored_except_with_open_badges() -> None:
    """VC-JOSE-COSE 1.0 §3.1.3 has them ignored, Open Badges allow none."""
    assert decode(unsigned(HEADER | {"x5t": "abc", "iss": ISSUER})).document == build_badge()
    with pytest.raises(ProofError, match="nothing else"):
        decode(theirs({"typ": "JWT", "x5t": "abc"}, claims_of(build_badge())))
    with pytest.raises(ProofError, match="nothing else"):
        decode(theirs({"typ": "JWT", "cty": "vc"}, claims_of(build_badge())))


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b"{", None), (b"[]", None), (b'"x"', None), (b"\xff", None),
        (HEADER, b"[]"), (HEADER, b"{"), (HEADER, b"\xff"),
        (HEADER, b'{"issuer": NaN}'), (HEADER, b'{"a": 1, "a": 1}'), (HEADER, b'{"x": {"a": 1, "\\u0061": 2}}'),
        (b'{"alg": "ES256", "kid": "k", "typ": "vc+jwt", "alg": "none"}', None),
        (HEADER, b"[" * 100_000), (HEADER, b'{"a":' * 5_000 + b"1" + b"}" * 5_000), (HEADER, TOKENS["ES256"].encode()),
        (HEADER, b'"' + TOKENS["ES256"].encode() + b'"'), (HEADER, {"a": 1}), (HEADER, {"issuer": "academy"}),
        (HEADER, {"@context": [CREDENTIALS_V2], "issuer": ISSUER, "name": "\ud800"}),
        (HEADER, {"issuer": ISSUER, "x": [0] * 20_001}),
    ],
)  # fmt: skip
def test_parts_that_are_no_json_objects_or_no_credential(header: Any, payload: Any) -> None:
    with pytest.raises(MalformedCredential):
        decode(unsigned(header, payload))


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", None, 5, b"a.b.c", "x" * 5_000_000, "." * 1_000_000,
        TOKENS["ES256"] + "~", TOKENS["ES256"] + "\n", " " + TOKENS["ES256"], TOKENS["ES256"].replace(".", ".=", 1),
        TOKENS["ES256"] + ".", json.dumps(build_badge()), TOKENS["ES256"] + "A", TOKENS["ES256"][:-2] + "é",
    ],
)  # fmt: skip
def test_texts_that_are_no_jwt(token: Any) -> None:
    with pytest.raises(CredentialError):
        holds(token, KEYS[KeyType.P256])


def test_base64url_has_one_spelling() -> None:
    """The last character of 64 bytes has four bits to spare."""
    head, body, signature = TOKENS["ES256"].split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelt = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    with pytest.raises(ProofError, match="one spelling"):
        decode(f"{head}.{body}.{spelt}")


@pytest.mark.parametrize(
    "change",
    [
        {"vc": build_badge()}, {"vp": {}}, {"vc": None}, {"iss": "did:web:other.example"}, {"iss": 5}, {"iss": []},
        {"sub": 5}, {"jti": {}}, {"aud": "https://verifier.example"}, {"iat": "now"}, {"exp": True}, {"nbf": 1e300},
        {"exp": -(10**30)}, {"exp": None}, {"nbf": [1]}, {"_sd_alg": "sha-256"}, {"_sd": []},
    ],
)  # fmt: skip
def test_claims_that_a_vc_jwt_may_not_have(change: Document) -> None:
    with pytest.raises(ProofError) as caught:
        decode(theirs({"typ": "vc+jwt"}, build_badge() | change))
    assert caught.value.pointer == f"/{next(iter(change))}"


@pytest.mark.parametrize("audience", [None, 5, [5], {}, [[]], ["https://verifier.example", None]])
def test_an_audience_is_a_text_or_a_list_of_texts(audience: Any) -> None:
    with pytest.raises(ProofError) as caught:
        decode(
            theirs(
                {"typ": "vp+jwt"},
                {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": ISSUER, "aud": audience},
            )
        )
    assert caught.value.pointer == "/aud"


def test_claims_of_a_vc_jwt_are_about_the_signature() -> None:
    key = KEYS[KeyType.ED25519]
    until = CREATED + timedelta(days=1)
    claims = {"exp": until.timestamp(), "nbf": CREATED.timestamp() + 0.5, "jti": "urn:x:1", "sub": "urn:x:2"}
    decoded = holds(theirs({"typ": "vc+jwt"}, build_badge() | claims, key), key)
    assert decoded.document == build_badge()
    assert (decoded.not_before, decoded.expires) == (CREATED + timedelta(seconds=0.5), until)


def test_the_times_of_an_open_badges_jwt_are_the_credentials() -> None:
    decoded = decode(theirs({"typ": "JWT"}, claims_of(build_badge())))
    assert decoded.expires == datetime(2029, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": None}, {"iss": "did:web:other.example"}, {"jti": None}, {"jti": "urn:x:1"}, {"nbf": None}, {"nbf": 1},
        {"nbf": int(CREATED.timestamp()) + 1}, {"nbf": str(int(CREATED.timestamp()))}, {"exp": None}, {"exp": 1},
        {"sub": "did:example:ada"}, {"id": None}, {"validFrom": None}, {"validFrom": "2026-03-01"}, {"issuer": None},
        {"credentialSubject": None}, {"credentialSubject": [WITH_ID, WITH_ID]}, {"credentialSubject": []},
        {"credentialSubject": WITH_ID}, {"credentialSubject": WITH_ID, "sub": "did:example:bob"},
        {"credentialSubject": {"id": ["x"]}, "sub": "x"}, {"aud": "x"}, {"vc": build_badge()}, {"vp": {}},
        {"validUntil": "2029-03-01T00:00:01Z"}, {"validUntil": "2020-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_claims_at_odds_with_the_badge(change: Document) -> None:
    with pytest.raises(CredentialError):
        decode(theirs({"typ": "JWT"}, claims_of(build_badge(), **change)))


def test_a_fraction_of_a_second_may_be_cut_off() -> None:
    badge = build_badge() | {"validFrom": "2026-03-01T09:30:00.75Z"}
    for nbf in (CREATED.timestamp(), int(CREATED.timestamp()), CREATED.timestamp() + 0.75):
        assert decode(theirs({"typ": "JWT"}, claims_of(badge, nbf=nbf))).document == badge


def test_exp_sets_the_end_that_a_badge_leaves_out() -> None:
    """Open Badges 3.0, "Verify a Credential VC-JWT Signature"."""
    decoded = decode(theirs({"typ": "JWT"}, claims_of(build_badge(), validUntil=None, exp=1_900_000_000.5)))
    assert decoded.document["validUntil"] == "2030-03-17T17:46:40Z"


OLD_BADGE = {
    "@context": [CREDENTIALS_V1, "https://purl.imsglobal.org/spec/ob/v3p0/context.json"],
    "id": "http://example.edu/credentials/3732",
    "type": ["VerifiableCredential", "OpenBadgeCredential"],
    "issuer": {"id": "http://example.edu/issuers/565049", "type": ["Profile"], "name": "Example University"},
    "issuanceDate": "2010-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:ada", "type": ["AchievementSubject"]},
}
OLD_CLAIMS = {
    "vc": OLD_BADGE,
    "iss": "http://example.edu/issuers/565049",
    "nbf": 1_262_304_000,
    "jti": "http://example.edu/credentials/3732",
    "sub": "did:example:ada",
}


def test_badges_of_vc_1_1_stand_in_a_claim_of_their_own() -> None:
    decoded = decode(theirs({"typ": "JWT", "kid": "#key-1"}, OLD_CLAIMS))
    assert (decoded.profile, decoded.document) == (Profile.OPEN_BADGE, OLD_BADGE)
    assert decoded.verification_method == "http://example.edu/issuers/565049#key-1"
    ending = decode(theirs({}, OLD_CLAIMS | {"exp": 1_900_000_000}))
    assert ending.document["expirationDate"] == "2030-03-17T17:46:40Z"
    changes: list[Document] = [{"vc": []}, {"vc": "x"}, {"nbf": 1}, {"name": "Another"}, {"@context": [CREDENTIALS_V1]}]
    for change in changes:
        with pytest.raises(CredentialError):
            decode(theirs({"typ": "JWT"}, OLD_CLAIMS | change))
    for name in ("iss", "nbf", "jti", "sub"):
        with pytest.raises(ProofError, match=r"at odds|needs the claim"):
            decode(theirs({"typ": "JWT"}, {each: value for each, value in OLD_CLAIMS.items() if each != name}))


def test_a_retired_key_verifies_what_it_signed_before() -> None:
    key = KEYS[KeyType.ED25519]
    decoded = decode(sign_vc_jwt(build_badge(), key=key, kid=KID, issued=CREATED))
    verify_signature(decoded, method_of(key, CREATED + timedelta(seconds=1)))
    with pytest.raises(ProofError, match="retired on 2026-03-01T09:30:00Z"):
        verify_signature(decoded, method_of(key, CREATED))
    undated = decode(theirs({"typ": "JWT"}, claims_of(build_badge()), key))
    verify_signature(undated, method_of(key))
    with pytest.raises(ProofError, match="does not say when"):
        verify_signature(undated, method_of(key, CREATED + timedelta(days=9999)))


@pytest.mark.parametrize(
    ("sign", "algorithm"), [(sign_vc_jwt, "RS256"), (sign_vp_jwt, "RS256"), (sign_open_badge_jwt, "ES384")]
)
def test_a_profile_has_its_algorithms(sign: Callable[..., str], algorithm: str) -> None:
    with pytest.raises(ProofError, match="does") as caught:
        sign(build_badge(), key=BY_ALGORITHM[algorithm], kid=KID, issued=CREATED)
    assert caught.value.code == "PROOF_GENERATION_ERROR"


@pytest.mark.parametrize(
    "change",
    [{"exp": 5}, {"sub": "x"}, {"nonce": "x"}, {"vc": {}}, {"issuer": "academy"}, {"x": object()}, {"x": {5: 6}}],
)
@pytest.mark.parametrize("sign", [sign_vc_jwt, sign_open_badge_jwt])
def test_what_no_verifier_would_take_is_not_signed(sign: Callable[..., str], change: Document) -> None:
    with pytest.raises(CredentialError):
        sign(build_badge() | change, key=KEYS[KeyType.ED25519], kid=KID, issued=CREATED)
    with pytest.raises(ProofError, match="URL of the key"):
        sign(build_badge(), key=KEYS[KeyType.ED25519], kid="key-1", issued=CREATED)


@pytest.mark.parametrize("missing", ["id", "validFrom", "issuer", "credentialSubject"])
def test_an_open_badges_jwt_needs_what_it_repeats(missing: str) -> None:
    badge = {name: value for name, value in build_badge().items() if name != missing}
    with pytest.raises(MalformedCredential):
        sign_open_badge_jwt(badge, key=KEYS[KeyType.ED25519], kid=KID, issued=CREATED)


_TEXT = st.one_of(
    st.text(max_size=80),
    st.text(".-_=Aaeyz0", max_size=80),
    st.tuples(*[st.one_of(st.binary(max_size=40), st.text('{}[]":,algESky0', max_size=40).map(str.encode))] * 3).map(
        lambda parts: ".".join(encode_base64url(part) for part in parts)
    ),
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
_MEMBERS = ["vc", "iss", "sub", "aud", "jti", "nbf", "exp", "iat", "id", "@context", "issuer", "credentialSubject"]


@settings(deadline=None, max_examples=200)
@given(text=_TEXT)
def test_nothing_but_a_credential_error_comes_of_any_text(text: str) -> None:
    with pytest.raises(CredentialError):
        holds(text, KEYS[KeyType.ED25519])


@settings(deadline=None, max_examples=200)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "jwk", "typ", "cty", "crit", "x"]), _JSON, max_size=3),
    kind=st.sampled_from([{}, {"typ": "JWT"}, {"typ": "vp+jwt", "cty": "vp"}, {"typ": "vc+jwt"}]),
    base=st.sampled_from([{}, build_badge(), claims_of(build_badge()), OLD_CLAIMS]),
    change=st.dictionaries(
        st.sampled_from([*_MEMBERS, "validFrom", "validUntil", "holder", "nonce"]), _JSON, max_size=3
    ),
)
def test_nothing_but_a_credential_error_comes_of_any_claims(
    header: Document, kind: Document, base: Document, change: Document
) -> None:
    with suppress(CredentialError):
        decode(unsigned({"alg": "ES256", "kid": KID} | kind | header, base | change))


def test_envelopes_there_and_back() -> None:
    token = TOKENS["EdDSA"]
    document = envelope(token)
    assert document == {
        "@context": [CREDENTIALS_V2],
        "id": f"data:application/vc+jwt,{token}",
        "type": "EnvelopedVerifiableCredential",
    }
    assert (is_envelope(document), enveloped(document)) == (True, token)
    assert enveloped(document | {"type": ["EnvelopedVerifiableCredential"], "@context": CREDENTIALS_V2}) == token
    bare = {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": ISSUER}
    presentation = envelope(sign_vp_jwt(bare, key=KEYS[KeyType.P256], kid=KID, issued=CREATED))
    assert presentation["type"] == "EnvelopedVerifiablePresentation"
    assert holds(enveloped(presentation), KEYS[KeyType.P256]).document == bare
    assert not is_envelope(build_badge())
    with pytest.raises(CredentialError):
        envelope("a.b.c")


@pytest.mark.parametrize(
    "change",
    [
        {"id": "data:application/jwt,a.b.c"}, {"id": "data:application/vc+jwt;base64,YQ"}, {"id": None}, {"id": 5},
        {"id": f"data:application/vp+jwt,{TOKENS['ES256']}"}, {"id": TOKENS["ES256"]}, {"type": "VerifiableCredential"},
        {"type": []}, {"type": [5]}, {"type": None}, {"type": "EnvelopedVerifiablePresentation"}, {"@context": None},
        {"@context": [CREDENTIALS_V1]}, {"@context": {}}, {"name": "A badge that nobody signed"}, {"proof": {}},
    ],
)  # fmt: skip
def test_malformed_envelopes(change: Document) -> None:
    with pytest.raises(MalformedCredential):
        enveloped(envelope(TOKENS["ES256"]) | change)


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"type": {}}])
def test_what_is_no_envelope(document: Any) -> None:
    assert not is_envelope(document)
    with pytest.raises(MalformedCredential):
        enveloped(document)
