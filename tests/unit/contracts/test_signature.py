"""A partner's signature: over the bytes that are sent and the event they are sent as, and nothing else."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.envelope import Envelope
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.signature import ATTRIBUTE, HEADER_LIMIT, check, read, sign
from laurel.credentials.keys import KeyType, SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER = SigningKey.from_seed(bytes(range(1, 33)))
EVENT = Envelope(id="e-1", source="https://lms.example.org", type="completion.recorded", data=b'{"a": 1}')
SIGNED = sign(EVENT, KEY, "campus-1")


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_jws(jws: str) -> Envelope:
    return replace(SIGNED, extensions={ATTRIBUTE: jws})


def with_header(**members: Any) -> Envelope:
    """The event signed under a protected header of the test's making; None leaves a member out."""
    header = {"alg": "EdDSA", "kid": "campus-1", "id": EVENT.id, "source": EVENT.source, "type": EVENT.type} | members
    head = b64(json.dumps({name: value for name, value in header.items() if value is not None}).encode())
    return with_jws(f"{head}..{b64(KEY.sign(f'{head}.{b64(EVENT.data)}'.encode()))}")


def verify(event: Envelope, key: SigningKey = KEY) -> str:
    claimed = read(event)
    check(event, claimed, key.public)
    return claimed.kid


def test_what_was_signed_is_read_and_holds() -> None:
    assert verify(SIGNED) == "campus-1"
    assert read(SIGNED).partner is None
    assert replace(SIGNED, extensions={}) == EVENT, "signing changes nothing but the attribute"


def test_an_intake_vouches_for_a_partner() -> None:
    vouched = sign(EVENT, KEY, "intake", partner="campus")
    assert (verify(vouched), read(vouched).partner) == ("intake", "campus")


def test_other_attributes_stay() -> None:
    signed = sign(replace(EVENT, extensions={"zone": "z"}), KEY, "k")
    assert set(signed.extensions) == {"zone", ATTRIBUTE}


def test_signing_again_gives_the_same_bytes() -> None:
    assert sign(EVENT, KEY, "campus-1") == SIGNED
    assert sign(SIGNED, KEY, "campus-1") == SIGNED


def test_it_is_the_compact_detached_form_of_the_standard() -> None:
    head, middle, signature = SIGNED.extensions[ATTRIBUTE].split(".")
    assert middle == ""
    assert "=" not in SIGNED.extensions[ATTRIBUTE]
    assert json.loads(urlsafe_b64decode(head + "==")) == {
        "alg": "EdDSA", "kid": "campus-1", "id": "e-1", "source": "https://lms.example.org",
        "type": "completion.recorded",
    }  # fmt: skip
    raw = urlsafe_b64decode(signature + "==")
    assert KEY.public.verify(raw, f"{head}.{b64(EVENT.data)}".encode()), "RFC 7515: header, a dot, the payload"


def test_an_event_without_a_signature_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        read(EVENT)
    assert refusal.value.code is Code.SIGNATURE_MISSING
    assert "ce_jws" in refusal.value.detail


HEAD, _, SIGNATURE = SIGNED.extensions[ATTRIBUTE].split(".")
WRONG = {
    "another id": (replace(SIGNED, id="e-2"), "another id"),
    "another source": (replace(SIGNED, source="https://other.example.org"), "another source"),
    "another type": (replace(SIGNED, type="status.change.requested"), "another type"),
    "another body": (replace(SIGNED, data=b'{"a": 2}'), "does not match the body"),
    "the same JSON in other bytes": (replace(SIGNED, data=b'{"a":1}'), "does not match the body"),
    "an empty signature": (with_jws(f"{HEAD}.."), "does not match the body"),
    "half a signature": (with_jws(f"{HEAD}..{SIGNATURE[:40]}"), "does not match the body"),
    "an attached payload": (with_jws(f"{HEAD}.{b64(EVENT.data)}.{SIGNATURE}"), "must be detached"),
    "no dots": (with_jws(HEAD), "does not match the body"),
    "nothing": (with_jws(""), "not a JSON object"),
    "a header that is no base64url": (with_jws(f"a..{SIGNATURE}"), "not base64url"),
    "a signature that is no base64url": (with_jws(f"{HEAD}..é"), "not base64url"),
    "a header that is no JSON": (with_jws(f"{b64(b'{')}..{SIGNATURE}"), "not a JSON object"),
    "a header that is no object": (with_jws(f"{b64(b'[]')}..{SIGNATURE}"), "not a JSON object"),
    "a header too long": (with_jws("e" * (HEADER_LIMIT + 1) + f"..{SIGNATURE}"), "too long"),
    "no alg": (with_header(alg=None), "alg EdDSA"),
    "alg none": (with_header(alg="none"), "alg EdDSA"),
    "alg HS256": (with_header(alg="HS256"), "alg EdDSA"),
    "alg as a list": (with_header(alg=["EdDSA"]), "alg EdDSA"),
    "crit": (with_header(crit=["b64"]), "no crit"),
    "no kid": (with_header(kid=None), "name the key as kid"),
    "an empty kid": (with_header(kid=""), "name the key as kid"),
    "a kid that is no text": (with_header(kid=7), "name the key as kid"),
    "a partner that is no text": (with_header(partner=7), "name the key as kid"),
    "no id": (with_header(id=None), "another id"),
    "an id that is no text": (with_header(id=["e-1"]), "another id"),
}


@pytest.mark.parametrize(("event", "says"), WRONG.values(), ids=WRONG)
def test_a_signature_that_is_not_over_this_event_is_refused(event: Envelope, says: str) -> None:
    with pytest.raises(Rejected) as refusal:
        verify(event)
    assert refusal.value.code is Code.SIGNATURE_WRONG
    assert says in refusal.value.detail


def test_another_key_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        verify(SIGNED, OTHER)
    assert refusal.value.code is Code.SIGNATURE_WRONG


BODY = EVENT.data
JWS = SIGNED.extensions[ATTRIBUTE].encode()


def tampered(original: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with one changed, one put in, or one taken out."""
    places = st.integers(0, len(original) - 1)
    other = st.tuples(places, st.integers(0, 255)).map(
        lambda at: original[: at[0]] + bytes([at[1]]) + original[at[0] + 1 :]
    )
    more = st.tuples(places, st.integers(0, 255)).map(lambda at: original[: at[0]] + bytes([at[1]]) + original[at[0] :])
    less = places.map(lambda at: original[:at] + original[at + 1 :])
    return (other | more | less).filter(lambda made: made != original)


@settings(deadline=None)
@given(tampered(BODY))
def test_any_changed_byte_of_the_body_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected, match=Code.SIGNATURE_WRONG.value):
        verify(replace(SIGNED, data=body))


SPELLINGS = {
    "spare bits": SIGNATURE[:-1] + chr(ord(SIGNATURE[-1]) + 1),
    "padding": SIGNATURE + "==",
    "foreign characters": SIGNATURE[:40] + "!!!!" + SIGNATURE[40:],
    "a line break": SIGNATURE + "\n",
    "the other alphabet": SIGNATURE.replace("-", "+").replace("_", "/"),
}


@pytest.mark.parametrize("signature", SPELLINGS.values(), ids=SPELLINGS)
def test_a_signature_has_one_spelling(signature: str) -> None:
    assert signature != SIGNATURE
    assert urlsafe_b64decode(signature.replace("+", "-").replace("/", "_") + "==") == urlsafe_b64decode(
        SIGNATURE + "=="
    )
    with pytest.raises(Rejected, match=Code.SIGNATURE_WRONG.value):
        verify(with_jws(f"{HEAD}..{signature}"))


@settings(deadline=None)
@given(tampered(JWS))
def test_any_changed_byte_of_header_or_signature_is_refused(jws: bytes) -> None:
    with pytest.raises(Rejected, match=Code.SIGNATURE_WRONG.value):
        verify(with_jws(jws.decode("latin-1")))


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_whatever_is_signed_holds_and_only_for_itself(data: bytes, event_id: str, kid: str) -> None:
    event = replace(EVENT, data=data, id=event_id)
    signed = sign(event, KEY, kid)
    assert verify(signed) == kid
    with pytest.raises(Rejected):
        verify(replace(signed, id=event_id + "x"))


@settings(deadline=None)
@given(st.text(max_size=300))
def test_whatever_stands_there_is_a_signature_or_a_refusal(jws: str) -> None:
    with pytest.raises(Rejected, match=Code.SIGNATURE_WRONG.value):
        verify(with_jws(jws))


def test_a_key_of_another_type_signs_no_event() -> None:
    other = SigningKey.generate(KeyType.P256)
    signed = sign(EVENT, other, "campus-1")
    with pytest.raises(Rejected, match=r"signed with Ed25519.*P-256") as refusal:
        check(signed, read(signed), other.public)
    assert refusal.value.code is Code.SIGNATURE_WRONG
