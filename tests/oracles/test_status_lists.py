"""Bitstring Status List 1.0: lists that Laurel makes, read by others, and theirs read by Laurel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

import pytest
from openbadgeslib.ob3 import build_status_list_credential as open_badges_list
from openbadgeslib.ob3 import decode_encoded_list, set_indices
from openvc.status import build_status_list_credential as openvc_list
from openvc.status.bitstring import decode_bitstring, get_status_bit, new_bitstring, set_status_bit

from laurel.credentials.errors import StatusListError
from laurel.credentials.keys import KeyType, SigningKey
from laurel.credentials.model import to_document
from laurel.credentials.status_list import MINIMUM_LENGTH, Bitstring, check_status, decode, status_list_credential
from laurel.credentials.values import format_datetime
from oracles.digital_bazaar import DigitalBazaar, NodeProcess
from oracles.open_badges_lib import OpenBadgesLib
from oracles.openvc_core import OpenvcCore
from oracles.oracle import CREATED, Document, Oracle, Refused, Signer
from oracles.ours import Laurel
from oracles.samples import badge, entry, list_address

SUITE = "eddsa-rdfc-2022"
FAR_OFF = datetime(2125, 1, 1, tzinfo=UTC)
INDEX = 94567
SET = (0, 7, 8, INDEX, MINIMUM_LENGTH - 1)
CLEAR = (1, 9, INDEX - 1, INDEX + 1, MINIMUM_LENGTH - 2)

Purpose = Literal["revocation", "suspension"]
PURPOSES: tuple[Purpose, ...] = ("revocation", "suspension")
SAID_OF = {"revocation": "revocation'? is set|is revoked", "suspension": "suspension'? is set|is suspended"}


@pytest.fixture
def issuer(keys: Mapping[KeyType, SigningKey]) -> Signer:
    return Signer.with_did_web(keys[KeyType.ED25519])


def our_list(issuer: Signer, purpose: Purpose, set_bits: tuple[int, ...], length: int = MINIMUM_LENGTH) -> Document:
    """An unsigned list of Laurel's."""
    bits = Bitstring(length)
    for index in set_bits:
        bits.set(index, True)
    return status_list_credential(
        list_id=list_address(purpose), issuer=issuer.controller, purpose=purpose, bits=bits,
        valid_from=CREATED, valid_until=FAR_OFF, ttl_ms=60_000,
    )  # fmt: skip


def their_lists(node: NodeProcess) -> Mapping[str, Callable[[Signer, Purpose], Document]]:
    """Unsigned lists with the bits of SET, as each oracle makes them."""

    def of_openvc(issuer: Signer, purpose: Purpose) -> Document:
        bits = new_bitstring(MINIMUM_LENGTH)
        for index in SET:
            set_status_bit(bits, index, 1)
        return openvc_list(
            id=list_address(purpose), issuer=issuer.controller, bitstring=bits, status_purpose=purpose,
            valid_from=CREATED,
        )  # fmt: skip

    def of_digital_bazaar(issuer: Signer, purpose: Purpose) -> Document:
        made: Document = node.ask(
            "statusList", id=list_address(purpose), issuer=issuer.controller, statusPurpose=purpose,
            length=MINIMUM_LENGTH, set=SET, validFrom=format_datetime(CREATED),
        )  # fmt: skip
        return made

    return {
        DigitalBazaar.name: of_digital_bazaar,
        OpenvcCore.name: of_openvc,
        OpenBadgesLib.name: lambda issuer, purpose: open_badges_list(
            issuer.controller, list_address(purpose), purpose, SET, issued=CREATED
        ),
    }


@pytest.mark.parametrize("changed", [None, *PURPOSES])
def test_the_oracle_finds_the_status_that_laurel_set(oracle: Oracle, issuer: Signer, changed: Purpose | None) -> None:
    lists = {
        list_address(each): Laurel().sign(our_list(issuer, each, SET if each == changed else CLEAR), SUITE, issuer)
        for each in PURPOSES
    }
    document = Laurel().sign(badge(issuer, [entry(each, INDEX) for each in PURPOSES]), SUITE, issuer)
    if changed is None:
        oracle.verify(document, {**issuer.documents, **lists})
    else:
        with pytest.raises(Refused, match=SAID_OF[changed]):
            oracle.verify(document, {**issuer.documents, **lists})


def test_the_oracle_refuses_a_list_that_another_key_signed(oracle: Oracle, issuer: Signer) -> None:
    forger = Signer(SigningKey.generate(), issuer.controller, issuer.method)
    lists = {list_address("revocation"): Laurel().sign(our_list(issuer, "revocation", ()), SUITE, forger)}
    document = Laurel().sign(badge(issuer, [entry("revocation", INDEX)]), SUITE, issuer)
    with pytest.raises(Refused):
        oracle.verify(document, {**issuer.documents, **lists})


def test_a_list_out_of_reach_is_never_taken_for_a_clear_one(oracle: Oracle, issuer: Signer) -> None:
    document = Laurel().sign(badge(issuer, [entry("revocation", INDEX)]), SUITE, issuer)
    with pytest.raises(Refused):
        oracle.verify(document, issuer.documents)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_laurel_reads_the_list_that_the_oracle_made_and_signed(
    node: NodeProcess, oracle: Oracle, issuer: Signer, purpose: Purpose
) -> None:
    status_list = oracle.sign(their_lists(node)[oracle.name](issuer, purpose), SUITE, issuer)
    Laurel().verify(status_list, issuer.documents)
    for index, expected in [*((each, True) for each in SET), *((each, False) for each in CLEAR)]:
        assert check_status(to_document(entry(purpose, index)), status_list) is expected


def test_all_read_the_same_bits_from_laurels_list(node: NodeProcess, issuer: Signer) -> None:
    encoded = our_list(issuer, "revocation", SET)["credentialSubject"]["encodedList"]
    assert set_indices(decode_encoded_list(encoded)) == set(SET)
    assert [get_status_bit(decode_bitstring(encoded), each) for each in SET + CLEAR] == [1] * 5 + [0] * 5
    found = node.ask("statusesIn", encodedList=encoded, indexes=SET + CLEAR)
    assert found == [True] * 5 + [False] * 5


def test_laurel_reads_the_same_bits_from_every_oracles_list(node: NodeProcess, issuer: Signer) -> None:
    expected = Bitstring()
    for index in SET:
        expected.set(index, True)
    for made in their_lists(node).values():
        assert decode(made(issuer, "revocation")["credentialSubject"]["encodedList"]) == expected


def test_a_purpose_that_the_list_does_not_serve_is_refused_by_all(oracle: Oracle, issuer: Signer) -> None:
    """Bitstring Status List 1.0 §3.2: the purposes of the entry and of the list must be the same."""
    other = {**our_list(issuer, "suspension", ()), "id": list_address("revocation")}
    signed = Laurel().sign(other, SUITE, issuer)
    document = Laurel().sign(badge(issuer, [entry("revocation", INDEX)]), SUITE, issuer)
    with pytest.raises(Refused):
        oracle.verify(document, {**issuer.documents, list_address("revocation"): signed})
    with pytest.raises(StatusListError):
        check_status(document["credentialStatus"][0], signed)


def test_only_laurel_refuses_a_list_too_short_to_hide_in(oracle: Oracle, node: NodeProcess, issuer: Signer) -> None:
    """Bitstring Status List 1.0 §3.2 raises STATUS_LIST_LENGTH_ERROR below 131,072 entries; no oracle does."""
    made: Document = node.ask(
        "statusList", id=list_address("revocation"), issuer=issuer.controller, statusPurpose="revocation",
        length=1024, set=[], validFrom=format_datetime(CREATED),
    )  # fmt: skip
    signed = Laurel().sign(made, SUITE, issuer)
    document = Laurel().sign(badge(issuer, [entry("revocation", 7)]), SUITE, issuer)
    oracle.verify(document, {**issuer.documents, list_address("revocation"): signed})
    with pytest.raises(StatusListError) as refusal:
        check_status(document["credentialStatus"][0], signed)
    assert refusal.value.code == "STATUS_LIST_LENGTH_ERROR"


def test_digital_bazaar_says_verified_of_a_revoked_credential(node: NodeProcess, issuer: Signer) -> None:
    """Why `DigitalBazaar.verify` looks at every bit: the library's own verdict leaves the bits to the caller."""
    signed = Laurel().sign(our_list(issuer, "revocation", SET), SUITE, issuer)
    document = Laurel().sign(badge(issuer, [entry("revocation", INDEX)]), SUITE, issuer)
    found = node.ask("verify", document=document, documents={**issuer.documents, list_address("revocation"): signed})
    assert found["verified"]
    assert found["statuses"] == [{"purpose": "revocation", "set": True}]
