"""What the VC-API may ask for: whatever comes, it is either a credential that can be signed or a refusal."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.requested import SIZE_LIMIT, check, read, unsigned
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.errors import Code, Rejected
from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES
from laurel.credentials.errors import CredentialError
from support.world import World

WORLD = World()
ADDRESS = WORLD.addresses.credential("token-0001")
GOOD: dict[str, Any] = {
    "@context": [CREDENTIALS_V2, OPEN_BADGES], "id": "urn:x:1", "type": ["VerifiableCredential"],
    "issuer": WORLD.did("north"), "credentialSubject": {"id": "urn:x:2", "name": "Somebody"},
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def body(credential: Any, **more: Any) -> bytes:
    return orjson.dumps({"credential": credential, **more})


def test_what_is_signed_is_what_was_asked_for_and_both_status_entries() -> None:
    wish = read(body(GOOD), WORLD.addresses)
    document = unsigned(wish, ADDRESS, StatusPosition(family="north-0", index=94567), WORLD.addresses)
    assert {name: value for name, value in document.items() if name != "credentialStatus"} == GOOD
    assert document["credentialStatus"] == [
        {"id": f"{ADDRESS}#{purpose}", "type": "BitstringStatusListEntry", "statusPurpose": purpose,
         "statusListIndex": "94567", "statusListCredential": f"{WORLD.public_url}/status-lists/north-0-{purpose}"}
        for purpose in ("revocation", "suspension")
    ]  # fmt: skip
    check(document)


def test_the_same_credential_in_another_order_is_the_same_request() -> None:
    assert read(body(GOOD), WORLD.addresses).digest == read(body(dict(reversed(GOOD.items()))), WORLD.addresses).digest
    assert read(body(GOOD), WORLD.addresses).digest != read(body({**GOOD, "name": "x"}), WORLD.addresses).digest


def test_a_credential_nested_deeper_than_any_is_refused() -> None:
    nested = b'{"a":' * 300 + b"1" + b"}" * 300
    deep = body({**GOOD, "evidence": "HERE"}).replace(b'"HERE"', nested)
    with pytest.raises(CredentialError, match="Recursion limit"):
        read(deep, WORLD.addresses)


def test_without_an_id_the_address_is_the_id() -> None:
    unnamed = {name: value for name, value in GOOD.items() if name != "id"}
    wish = read(body(unnamed), WORLD.addresses)
    assert wish.id is None
    document = unsigned(wish, ADDRESS, StatusPosition(family="north-0", index=1), WORLD.addresses)
    assert document["id"] == ADDRESS


def test_what_could_never_be_signed_is_refused_before_it_is_stored() -> None:
    alike = {"type": ["Result"], "alignment": [{"type": ["Alignment"], "targetName": "x", "targetUrl": "urn:x:3"}] * 8}
    poison = {"id": "urn:x:2", "type": ["AchievementSubject"], "result": [alike] * 2}
    wish = read(body({**GOOD, "credentialSubject": poison}), WORLD.addresses)
    with pytest.raises(CredentialError, match="differ in nothing"):
        check(unsigned(wish, ADDRESS, StatusPosition(family="north-0", index=1), WORLD.addresses))
    seven = [{"id": f"https://status.example.org/{number}", "type": "VerifiableCredential"} for number in range(7)]
    wish = read(body({**GOOD, "credentialStatus": seven}), WORLD.addresses)
    with pytest.raises(CredentialError, match="At most 8 status entries"):
        check(unsigned(wish, ADDRESS, StatusPosition(family="north-0", index=1), WORLD.addresses))


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": [CREDENTIALS_V1, OPEN_BADGES], "issuanceDate": "2026-01-01T00:00:00Z"}, {"issuer": None},
        {"issuer": {"name": "nobody"}}, {"credentialSubject": {}}, {"credentialSubject": []}, {"id": "relative"},
        {"id": ["urn:x:1"]}, {"id": None}, {"id": "urn:x:" + "y" * 500}, {"id": WORLD.public_url + "/x"},
        {"validFrom": "2026-01-01"}, {"validFrom": "2026-02-01T00:00:00Z", "validUntil": "2026-01-01T00:00:00Z"},
        {"proof": {"type": "DataIntegrityProof"}}, {"madeUp": True}, {"credentialSubject": {"id": "x", "name": "y"}},
        {"credentialStatus": {"type": ["BitstringStatusListEntry"], "statusPurpose": "revocation",
                              "statusListIndex": "1", "statusListCredential": "https://x.example/"}},
    ],
)  # fmt: skip
def test_a_credential_that_laurel_does_not_sign(changes: dict[str, Any]) -> None:
    with pytest.raises(CredentialError) as error:
        read(body(GOOD | changes), WORLD.addresses)
    assert error.value.pointer
    assert error.value.problem_type.startswith("https://")


def test_a_credential_that_no_event_could_carry_is_too_large() -> None:
    with pytest.raises(Rejected) as refusal:
        read(body({**GOOD, "name": "x" * SIZE_LIMIT}), WORLD.addresses)
    assert refusal.value.code is Code.BODY_TOO_LARGE


@given(st.binary() | JSON.map(orjson.dumps))
@settings(deadline=None, max_examples=100)
def test_whatever_bytes_come_are_refused_in_words(raw: bytes) -> None:
    with pytest.raises((Rejected, CredentialError)):
        read(raw, WORLD.addresses)


@given(st.sampled_from(["credential", "options", *GOOD]), JSON)
@settings(deadline=None, max_examples=150)
def test_whatever_value_a_member_has_it_is_taken_or_refused_in_words(name: str, value: Any) -> None:
    outer = name in ("credential", "options")
    sent = {"credential": GOOD, name: value} if outer else {"credential": GOOD | {name: value}}
    with suppress(Rejected, CredentialError):
        wish = read(orjson.dumps(sent), WORLD.addresses)
        check(unsigned(wish, ADDRESS, StatusPosition(family="north-0", index=1), WORLD.addresses))
