"""Keys and statuses of any issuer: what is believed of what it publishes, and for how long."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.addresses import Addresses
from laurel.contracts.status import Purpose
from laurel.credentials.controller_documents import did_document, jwk_method_id
from laurel.credentials.dids import did_key
from laurel.credentials.errors import CredentialError, KeyResolutionError, StatusListError, Unavailable
from laurel.credentials.jwt import sign_vc_jwt
from laurel.credentials.keys import KeyType, SigningKey, VerificationMethod
from laurel.credentials.proofs import sign
from laurel.credentials.status_list import Bitstring
from support.badges import method_of, status_list
from support.web import Web
from support.world import EPOCH, key

SITE = Addresses("https://badges.example.org")
DID = SITE.did("north")
KEYS = "https://badges.example.org/issuers/north/did.json"
KEY = key("member north")
NAME = method_of(SITE, "north", KEY)
LIST = SITE.status_list("north-1", Purpose.REVOCATION)
PROFILE = "https://college.example/issuers/7"
MULTIBASE = KEY.public.to_multibase()


def publish(web: Web, *secrets: SigningKey, **more: Any) -> None:
    methods = [VerificationMethod(method_of(SITE, "north", each), DID, each.public) for each in secrets]
    web.serve(KEYS, did_document(DID, methods) | more)


def signed_list(**more: Any) -> dict[str, Any]:
    return status_list(SITE, KEY, Purpose.REVOCATION, at=EPOCH, **{"set_bits": (7,), **more})


def signed(list_of: Callable[[dict[str, Any]], None], secret: SigningKey = KEY, name: str = NAME) -> dict[str, Any]:
    """A list that was changed before it was signed."""
    unsigned = signed_list()
    del unsigned["proof"]
    list_of(unsigned)
    return sign(unsigned, key=secret, verification_method=name, created=EPOCH)


def entry(index: int | str = 7, **more: Any) -> dict[str, Any]:
    return {
        "id": "urn:entry", "type": "BitstringStatusListEntry", "statusPurpose": "revocation",
        "statusListIndex": str(index), "statusListCredential": LIST, **more,
    }  # fmt: skip


@pytest.fixture
def web() -> Web:
    made = Web(EPOCH)
    publish(made, KEY)
    made.serve(LIST, signed_list())
    return made


# --- Keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [KeyType.ED25519, KeyType.P256, KeyType.P384])
async def test_a_did_key_needs_no_fetching(web: Web, kind: KeyType) -> None:
    public = SigningKey.generate(kind).public
    did = did_key(public)
    found = await web.sources().method(f"{did}#{public.to_multibase()}", did)
    assert (found.public_key, found.controller) == (public, did)
    assert web.asked == []


async def test_a_key_of_a_did_web_is_found_in_its_document(web: Web) -> None:
    assert await web.sources().method(NAME, DID) == VerificationMethod(NAME, DID, KEY.public)
    assert web.asked == [KEYS]


def profile(**more: Any) -> dict[str, Any]:
    method = {"id": f"{PROFILE}#key-1", "type": "Multikey", "controller": PROFILE, "publicKeyMultibase": MULTIBASE}
    return {"id": PROFILE, "type": "Profile", "verificationMethod": [method],
            "assertionMethod": [method["id"]], **more}  # fmt: skip


async def test_a_key_of_an_https_controller_document_is_found(web: Web) -> None:
    web.serve(PROFILE, profile())
    assert await web.sources().method(f"{PROFILE}#key-1", PROFILE) == VerificationMethod(
        f"{PROFILE}#key-1", PROFILE, KEY.public
    )


async def test_an_issuers_url_with_a_key_counts_only_where_the_issuer_publishes_that_key(web: Web) -> None:
    web.serve(PROFILE, profile())
    found = await web.sources().method(f"{PROFILE}#{MULTIBASE}", PROFILE)
    assert (found.public_key, found.controller) == (KEY.public, PROFILE)
    with pytest.raises(KeyResolutionError, match="does not list"):
        await web.sources().method(f"{PROFILE}#{key('other').public.to_multibase()}", PROFILE)


async def test_a_profile_that_lists_no_keys_says_nothing_about_any(web: Web) -> None:
    web.serve(PROFILE, {"id": PROFILE, "type": "Profile", "name": "A college"})
    with pytest.raises(Unavailable, match="publishes no keys"):
        await web.sources().method(f"{PROFILE}#{MULTIBASE}", PROFILE)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", b'{"id":', b"[" * 5000])
async def test_what_is_not_json_says_nothing_either(web: Web, body: bytes) -> None:
    web.serve(PROFILE, body)
    with pytest.raises(Unavailable):
        await web.sources().method(f"{PROFILE}#key-1", PROFILE)


@pytest.mark.parametrize("other", ["https://college.example/issuers/8", "http://college.example/issuers/7",
                                   f"{PROFILE}/", None, 7])  # fmt: skip
async def test_a_document_speaks_for_its_own_address_alone(web: Web, other: Any) -> None:
    web.serve(PROFILE, profile(id=other))
    with pytest.raises(KeyResolutionError) as refusal:
        await web.sources().method(f"{PROFILE}#key-1", PROFILE)
    assert refusal.value.code == "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID"


async def test_a_key_of_another_controller_is_not_the_documents(web: Web) -> None:
    method = profile()["verificationMethod"][0] | {"controller": "did:web:evil.example"}
    web.serve(PROFILE, profile(verificationMethod=[method]))
    with pytest.raises(KeyResolutionError):
        await web.sources().method(f"{PROFILE}#key-1", PROFILE)


async def test_a_key_is_used_for_what_it_is_listed_for(web: Web) -> None:
    web.serve(PROFILE, profile(assertionMethod=[], authentication=[f"{PROFILE}#key-1"]))
    found = await web.sources().method(f"{PROFILE}#key-1", PROFILE, "authentication")
    assert found.public_key == KEY.public
    with pytest.raises(KeyResolutionError) as refusal:
        await web.sources().method(f"{PROFILE}#key-1", PROFILE)
    assert refusal.value.code == "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"
    with pytest.raises(KeyResolutionError):
        await web.sources().method(f"{PROFILE}#key-1", PROFILE, "capabilityInvocation")


@pytest.mark.parametrize("name", [
    "did:ion:abc#k", "did:example:1#k", "urn:uuid:1#k", "http://college.example/1#k", "mailto:a@b.example#k",
])  # fmt: skip
async def test_keys_that_cannot_be_looked_up_are_out_of_reach(web: Web, name: str) -> None:
    with pytest.raises(Unavailable):
        await web.sources().method(name, "x")
    assert web.asked == []


JWK_URL = "https://college.example/keys/1"


@pytest.mark.parametrize("kind", [KeyType.RSA, KeyType.P256])
async def test_a_key_that_a_signature_brings_along_is_the_issuers_if_the_issuer_lists_it(
    web: Web, kind: KeyType
) -> None:
    secret = SigningKey.generate(kind)
    method = {"id": f"{PROFILE}#k", "type": "JsonWebKey", "controller": PROFILE, "publicKeyJwk": secret.public.to_jwk()}
    web.serve(PROFILE, profile(verificationMethod=[method], assertionMethod=[method["id"]]))
    web.serve(JWK_URL, secret.public.to_jwk())
    found = await web.sources().method_with(secret.public, PROFILE)
    assert (found.public_key, found.controller) == (secret.public, PROFILE)
    # A JWK at an address of its own says nothing of whose it is; the issuer's document does.
    assert await web.sources().method(JWK_URL, PROFILE) == VerificationMethod(JWK_URL, PROFILE, secret.public)
    with pytest.raises(KeyResolutionError, match="does not list"):
        await web.sources().method_with(SigningKey.generate(kind).public, PROFILE)
    web.forward(600)
    web.serve(PROFILE, profile())
    with pytest.raises(KeyResolutionError, match="does not list"):
        await web.sources().method(JWK_URL, PROFILE)
    web.forward(600)
    web.serve(PROFILE, {"id": PROFILE, "type": "Profile"})
    with pytest.raises(Unavailable, match="publishes no keys"):
        await web.sources().method(JWK_URL, PROFILE)


async def test_a_did_key_brings_its_one_key_along(web: Web) -> None:
    did = did_key(KEY.public)
    assert (await web.sources().method_with(KEY.public, did)).controller == did
    with pytest.raises(KeyResolutionError):
        await web.sources().method_with(key("other").public, did)


@pytest.mark.parametrize("content", [{}, [], {"kty": "oct", "k": "AAAA"}, {"kty": 7}, {"keys": []}])
async def test_what_is_no_jwk_is_no_key(web: Web, content: Any) -> None:
    web.serve(JWK_URL, content)
    with pytest.raises(KeyResolutionError):
        await web.sources().method(JWK_URL, PROFILE)


@pytest.mark.parametrize(
    "name",
    [DID, f"{DID}#", "urn:uuid:1", "http://a.example/", "", "#k", "did:web:#k", "did:web:a/../b#k", "did:key:z6#x"],
)
async def test_what_names_no_key_is_an_error(web: Web, name: str) -> None:
    with pytest.raises((KeyResolutionError, Unavailable)):
        await web.sources().method(name, "x")
    assert web.asked == []


async def test_keys_are_kept_for_minutes_and_a_new_one_is_found_at_once(web: Web) -> None:
    added = key("added later")
    name = method_of(SITE, "north", added)
    await web.sources().method(NAME, DID)
    publish(web, KEY, added)
    web.forward(60)
    await web.sources().method(NAME, DID)
    assert web.asked == [KEYS]
    assert (await web.sources().method(name, DID)).public_key == added.public
    assert web.asked == [KEYS, KEYS]
    web.forward(299)
    await web.sources().method(NAME, DID)
    assert web.asked == [KEYS, KEYS]
    web.forward(1)
    await web.sources().method(NAME, DID)
    assert web.asked == [KEYS, KEYS, KEYS]


async def test_asking_for_keys_that_are_not_there_costs_the_issuer_a_fetch_now_and_then(web: Web) -> None:
    web.forward(0)
    await web.sources().method(NAME, DID)
    web.forward(60)
    for number in range(20):
        with pytest.raises(KeyResolutionError):
            await web.sources().method(f"{DID}#none-{number}", DID)
    assert web.asked == [KEYS, KEYS]


@pytest.mark.parametrize("there", [True, False])
async def test_one_verification_calls_on_a_bounded_number_of_addresses(web: Web, there: bool) -> None:
    addresses = [f"https://a{number}.example/" for number in range(40)]
    web.documents |= {each: json.dumps(profile(id=each)).encode() for each in addresses if there}
    sources = web.sources()
    for each in addresses:
        with pytest.raises((KeyResolutionError, Unavailable)):
            await sources.method(f"{each}#k", "x")
    assert web.asked == addresses[:32]


# --- Status ----------------------------------------------------------------------------------------------------


async def test_a_status_is_the_bit_in_a_list_that_the_issuer_signed(web: Web) -> None:
    sources = web.sources()
    assert await sources.status(entry(7), DID) is True
    assert await sources.status(entry(8), DID) is False
    assert web.asked == [LIST, KEYS]


async def test_a_list_may_be_a_jwt(web: Web) -> None:
    unsigned = signed_list()
    del unsigned["proof"]
    token = sign_vc_jwt(unsigned, key=KEY, kid=jwk_method_id(DID, KEY.public), issued=EPOCH)
    web.serve(LIST, token.encode())
    assert await web.sources().status(entry(7), DID) is True
    assert await web.sources().status(entry(8), DID) is False


@pytest.mark.parametrize(("ttl", "kept"), [
    (1000, 1), (0, 0), (-5, 0), (60_000, 60), (None, 300), ("soon", 300), (True, 300), (10**15, 3600),
])  # fmt: skip
async def test_a_list_is_fetched_again_only_after_its_ttl(web: Web, ttl: Any, kept: int) -> None:
    def change(document: dict[str, Any]) -> None:
        subject = document["credentialSubject"]
        subject["ttl"] = ttl
        if ttl is None:
            del subject["ttl"]

    web.serve(LIST, signed(change))
    await web.sources().status(entry(), DID)
    web.asked.clear()
    web.forward(max(0, kept - 0.1))
    await web.sources().status(entry(), DID)
    assert LIST not in web.asked or kept == 0
    web.forward(0.1)
    await web.sources().status(entry(), DID)
    assert LIST in web.asked


async def test_a_list_is_never_used_past_its_end(web: Web) -> None:
    def change(document: dict[str, Any]) -> None:
        document["validUntil"] = "2026-06-01T12:01:00Z"
        document["credentialSubject"]["ttl"] = 3_600_000

    web.serve(LIST, signed(change))
    await web.sources().status(entry(), DID)
    web.forward(61)
    with pytest.raises(Unavailable, match="expired"):
        await web.sources().status(entry(), DID)
    assert web.asked.count(LIST) == 2


async def test_a_list_is_never_used_past_the_end_of_its_signature(web: Web) -> None:
    unsigned = signed_list()
    del unsigned["proof"]
    unsigned["credentialSubject"]["ttl"] = 3_600_000
    until = EPOCH + timedelta(minutes=1)
    web.serve(LIST, sign(unsigned, key=KEY, verification_method=NAME, created=EPOCH, expires=until))
    assert await web.sources().status(entry(), DID) is True
    web.forward(60)
    with pytest.raises((StatusListError, Unavailable), match="expired"):
        await web.sources().status(entry(), DID)
    assert web.asked.count(LIST) == 2


async def test_a_list_is_verified_once_for_as_long_as_it_is_kept(web: Web) -> None:
    await web.sources().status(entry(), DID)
    held = await web.cache.get(LIST, "application/vc, application/ld+json, application/json")
    verified = held.verified
    assert await web.sources().status(entry(8), DID) is False
    assert held.verified is verified
    # And as whose it was verified is asked each time.
    with pytest.raises(StatusListError, match="not the issuer's"):
        await web.sources().status(entry(), did_key(KEY.public))


async def test_a_key_that_was_retired_before_the_list_does_not_sign_it(web: Web) -> None:
    retired = VerificationMethod(NAME, DID, KEY.public, EPOCH - timedelta(days=1))
    web.serve(KEYS, did_document(DID, [retired]))
    with pytest.raises(StatusListError):
        await web.sources().status(entry(), DID)
    web.serve(KEYS, did_document(DID, [VerificationMethod(NAME, DID, KEY.public, EPOCH + timedelta(days=1))]))
    web.forward(600)
    assert await web.sources().status(entry(), DID) is True


def subject(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["credentialSubject"].update(more)


def short(document: dict[str, Any]) -> None:
    from laurel.credentials.status_list import encode

    document["credentialSubject"]["encodedList"] = encode(Bitstring(131_072 - 8))


def other_type(document: dict[str, Any]) -> None:
    document["type"] = ["VerifiableCredential"]


@pytest.mark.parametrize(("document", "asked", "code"), [
    (signed(subject(statusPurpose="suspension")), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(lambda document: document.update(id=LIST + "0")), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(lambda document: document.update(issuer="did:web:else.example")), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(other_type), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(lambda document: document.update(credentialStatus=entry())), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed_list(signer=key("thief")), entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(lambda document: document.update(validFrom="2026-06-01T12:00:01Z")), entry(), "STATUS_VERIFICATION_ERROR"),
    ({**signed_list(), "validUntil": "2030-01-01T00:00:00Z"}, entry(), "STATUS_VERIFICATION_ERROR"),
    ({"id": LIST}, entry(), "STATUS_VERIFICATION_ERROR"),
    (signed(short), entry(), "STATUS_LIST_LENGTH_ERROR"),
    (signed(subject(encodedList="uAAAA")), entry(), "MALFORMED_VALUE_ERROR"),
    (signed_list(), entry(131_072), "RANGE_ERROR"),
    (signed_list(), entry("-1"), "MALFORMED_VALUE_ERROR"),
    (signed_list(), entry(statusSize=2), "MALFORMED_VALUE_ERROR"),
])  # fmt: skip
async def test_a_list_that_does_not_hold_has_the_standards_error(
    web: Web, document: dict[str, Any], asked: dict[str, Any], code: str
) -> None:
    web.serve("https://else.example/.well-known/did.json", {})
    web.serve(LIST, document)
    with pytest.raises(StatusListError) as refusal:
        await web.sources().status(asked, DID)
    assert refusal.value.code == code


async def test_a_list_of_another_issuer_says_nothing_about_this_ones_credentials(web: Web) -> None:
    thief = key("thief")
    did = did_key(thief.public)
    forged = signed(lambda document: document.update(issuer=did), thief, f"{did}#{thief.public.to_multibase()}")
    web.serve(LIST, forged)
    with pytest.raises(StatusListError, match="not the issuer's"):
        await web.sources().status(entry(), DID)
    assert web.asked == [LIST]


@pytest.mark.parametrize("body", [None, b"<html>", b"", json.dumps(signed_list(until=EPOCH - timedelta(1))).encode()])
async def test_a_list_out_of_reach_or_too_old_is_no_answer(web: Web, body: bytes | None) -> None:
    web.documents.pop(LIST)
    if body is not None:
        web.serve(LIST, body)
    with pytest.raises(Unavailable):
        await web.sources().status(entry(), DID)


async def test_a_list_whose_key_is_out_of_reach_is_no_answer(web: Web) -> None:
    del web.documents[KEYS]
    with pytest.raises(Unavailable, match="404"):
        await web.sources().status(entry(), DID)


@pytest.mark.parametrize("address", ["urn:uuid:1", "ipfs://x/y", "data:application/json,{}", "file:///etc/passwd"])
async def test_a_list_at_no_web_address_is_out_of_reach(web: Web, address: str) -> None:
    with pytest.raises(Unavailable):
        await web.sources().status(entry(statusListCredential=address), DID)
    assert web.asked == []


# --- Hostile documents -----------------------------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = [
    "@context",
    "id",
    "type",
    "issuer",
    "validFrom",
    "validUntil",
    "credentialSubject",
    "credentialStatus",
    "proof",
]
OF_SUBJECT = ["id", "type", "statusPurpose", "encodedList", "ttl"]
OF_PROOF = ["type", "cryptosuite", "verificationMethod", "created", "expires", "proofValue"]
PARTS = [
    *[(name,) for name in MEMBERS], *[("credentialSubject", name) for name in OF_SUBJECT],
    *[("proof", name) for name in OF_PROOF],
]  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(PARTS), JSON_VALUES, st.booleans())
async def test_no_status_list_brings_forth_another_error(part: tuple[str, ...], value: Any, again: bool) -> None:
    web = Web(EPOCH)
    publish(web, KEY)

    def change(document: dict[str, Any]) -> None:
        at = document
        for name in part[:-1]:
            at = at[name]
        at[part[-1]] = value

    document = signed_list()
    if again and part[0] != "proof":
        del document["proof"]
        change(document)
        try:
            document = sign(document, key=KEY, verification_method=NAME, created=EPOCH)
        except CredentialError:
            return
    else:
        change(document)
    web.serve(LIST, document)
    try:
        held = await web.sources().status(entry(), DID)
    except (CredentialError, Unavailable):
        return
    assert held is True


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["id", "verificationMethod", "assertionMethod", "authentication"]), JSON_VALUES, JSON_VALUES)
async def test_no_key_document_brings_forth_another_error(name: str, value: Any, inner: Any) -> None:
    web = Web(EPOCH)
    web.serve(PROFILE, profile(**{name: value}))
    method = {
        **profile()["verificationMethod"][0],
        "publicKeyMultibase": inner,
        "controller": PROFILE,
        "revoked": value,
    }
    web.serve("https://b.example/", profile(id="https://b.example/", verificationMethod=[method, value]))
    web.serve("https://c.example/", inner)
    for url in (PROFILE, "https://b.example/", "https://c.example/"):
        for fragment in ("key-1", MULTIBASE, str(value)):
            try:
                found = await web.sources().method(f"{url}#{fragment}", url)
            except (KeyResolutionError, Unavailable):
                continue
            assert found.public_key == KEY.public
