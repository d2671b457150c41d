"""Bitstring Status List: bits, their encoding, the list credential, and the check."""

import gzip
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.errors import StatusListError
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.lint import lint
from laurel.credentials.proofs import ProvenDocument, sign
from laurel.credentials.status_list import (
    MINIMUM_LENGTH,
    Bitstring,
    check_status,
    decode,
    encode,
    status_list_credential,
)

Document = dict[str, Any]
LIST = "https://registry.example/status/revocation/1"
FROM = datetime(2026, 3, 1, tzinfo=UTC)


def published(bits: Bitstring, purpose: Any = "revocation") -> Document:
    return status_list_credential(
        list_id=LIST,
        issuer="did:web:academy.example",
        purpose=purpose,
        bits=bits,
        valid_from=FROM,
        valid_until=FROM + timedelta(days=1),
        ttl_ms=300_000,
    )


def entry(index: Any = "7", **changes: Any) -> Document:
    return {
        "id": "urn:uuid:1",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": index,
        "statusListCredential": LIST,
    } | changes


def test_index_zero_is_the_leftmost_bit() -> None:
    bits = Bitstring(16)
    assert bits.set(0, True)
    assert bits.set(15, True)
    assert bits.to_bytes() == b"\x80\x01"
    assert (bits.get(0), bits.get(1), bits.get(15)) == (True, False, True)


def test_set_tells_whether_it_changed_anything() -> None:
    bits = Bitstring()
    assert bits.length == MINIMUM_LENGTH == 131_072
    assert [bits.set(9, True), bits.set(9, True), bits.set(9, False), bits.set(9, False)] == [True, False, True, False]
    assert bits == Bitstring()
    assert bits != "other"
    assert repr(bits) == "Bitstring(length=131072)"


@settings(max_examples=40, deadline=None)
@given(indexes=st.sets(st.integers(0, MINIMUM_LENGTH - 1), max_size=50))
def test_encoding_is_gzip_that_others_read_and_the_same_every_time(indexes: set[int]) -> None:
    bits = Bitstring()
    for index in indexes:
        bits.set(index, True)
    encoded = encode(bits)
    assert encoded == encode(Bitstring.from_bytes(bits.to_bytes()))
    assert "=" not in encoded
    raw = gzip.decompress(urlsafe_b64decode(encoded[1:] + "=" * (-(len(encoded) - 1) % 4)))
    assert {index for index in range(MINIMUM_LENGTH) if raw[index // 8] & (0x80 >> index % 8)} == indexes
    assert decode(encoded) == bits


@settings(deadline=None)
@given(raw=st.binary(min_size=1, max_size=500))
def test_decodes_what_others_encode(raw: bytes) -> None:
    encoded = "u" + urlsafe_b64encode(gzip.compress(raw)).rstrip(b"=").decode()
    assert decode(encoded).to_bytes() == raw


def _wrapped(data: bytes) -> str:
    return "u" + urlsafe_b64encode(data).rstrip(b"=").decode()


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (None, "MALFORMED_VALUE_ERROR"),
        ("", "MALFORMED_VALUE_ERROR"),
        ("u", "MALFORMED_VALUE_ERROR"),
        ("zAAAA", "MALFORMED_VALUE_ERROR"),
        ("uAA AA", "MALFORMED_VALUE_ERROR"),
        ("uAAAAA", "MALFORMED_VALUE_ERROR"),
        (_wrapped(b"no gzip at all"), "MALFORMED_VALUE_ERROR"),
        (_wrapped(gzip.compress(b"")), "MALFORMED_VALUE_ERROR"),
        (_wrapped(gzip.compress(b"x" * 99)[:-3]), "MALFORMED_VALUE_ERROR"),
        (_wrapped(gzip.compress(b"x") + b"more"), "MALFORMED_VALUE_ERROR"),
        (_wrapped(BOMB), "STATUS_LIST_LENGTH_ERROR"),
        ("u" + "A" * 5_000_000, "STATUS_LIST_LENGTH_ERROR"),
    ],
)
def test_malformed_and_oversized_lists(encoded: Any, code: str) -> None:
    with pytest.raises(StatusListError) as caught:
        decode(encoded)
    assert caught.value.code == code


def test_the_decompression_limit_is_exact() -> None:
    encoded = _wrapped(gzip.compress(bytes(1000)))
    assert decode(encoded, max_bytes=1000).length == 8000
    with pytest.raises(StatusListError, match="more than 999 bytes"):
        decode(encoded, max_bytes=999)


@pytest.mark.parametrize("index", [-1, 16])
def test_indexes_outside_the_list(index: int) -> None:
    with pytest.raises(StatusListError) as caught:
        Bitstring(16).get(index)
    assert caught.value.code == "RANGE_ERROR"
    with pytest.raises(StatusListError):
        Bitstring(16).set(index, True)


@pytest.mark.parametrize("length", [0, -8, 12])
def test_lengths_that_are_none(length: int) -> None:
    with pytest.raises(StatusListError, match="multiple of 8"):
        Bitstring(length)


def test_the_list_credential_is_lintable_signable_and_verifiable(key: SigningKey, method: VerificationMethod) -> None:
    bits = Bitstring()
    bits.set(7, True)
    document = published(bits)
    lint(document)
    assert document["validUntil"] == "2026-03-02T00:00:00Z"
    assert document["credentialSubject"]["ttl"] == 300_000
    signed = sign(document, key=key, verification_method=method.id, created=FROM)
    ProvenDocument(signed).verify(signed["proof"], method=method)
    assert check_status(entry("7"), signed) is True
    assert check_status(entry("8"), signed) is False
    assert check_status(entry("131071"), signed) is False


def test_a_list_below_the_minimum_is_not_published() -> None:
    with pytest.raises(StatusListError) as caught:
        published(Bitstring(MINIMUM_LENGTH - 8))
    assert caught.value.problem_type == "https://www.w3.org/ns/credentials/status-list#STATUS_LIST_LENGTH_ERROR"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "StatusList2021Entry"}, "MALFORMED_VALUE_ERROR"),
        ({"statusSize": 2}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": 7}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "07"}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "-1"}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "\u0667"}, "MALFORMED_VALUE_ERROR"),
        ({"statusListIndex": "131072"}, "RANGE_ERROR"),
        ({"statusListIndex": "9" * 16}, "RANGE_ERROR"),
        ({"statusPurpose": "suspension"}, "STATUS_VERIFICATION_ERROR"),
        ({"statusPurpose": None}, "STATUS_VERIFICATION_ERROR"),
        ({"statusListCredential": LIST + "0"}, "STATUS_VERIFICATION_ERROR"),
    ],
)
def test_entries_that_do_not_fit_the_list(changes: Document, code: str) -> None:
    with pytest.raises(StatusListError) as caught:
        check_status(entry(**changes), published(Bitstring()))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "Other"}, "STATUS_VERIFICATION_ERROR"),
        ({"statusPurpose": None}, "STATUS_VERIFICATION_ERROR"),
        ({"encodedList": "x"}, "MALFORMED_VALUE_ERROR"),
        ({"encodedList": encode(Bitstring(8))}, "STATUS_LIST_LENGTH_ERROR"),
        ({"statusPurpose": ["suspension", "message"]}, "STATUS_VERIFICATION_ERROR"),
    ],
)
def test_lists_that_do_not_hold(changes: Document, code: str) -> None:
    document = published(Bitstring())
    document["credentialSubject"] |= changes
    with pytest.raises(StatusListError) as caught:
        check_status(entry(), document)
    assert caught.value.code == code


def test_a_list_may_serve_several_purposes() -> None:
    document = published(Bitstring())
    document["credentialSubject"]["statusPurpose"] = ["suspension", "revocation"]
    assert check_status(entry(), document) is False


def test_a_purpose_that_neither_names_is_no_match() -> None:
    document = published(Bitstring())
    del document["credentialSubject"]["statusPurpose"]
    with pytest.raises(StatusListError, match="purpose"):
        check_status(entry(statusPurpose=None), document)


def test_a_document_that_is_no_list() -> None:
    with pytest.raises(StatusListError, match="holds no BitstringStatusList"):
        check_status(entry(), {"credentialSubject": []})
