"""Sets and chains of proofs, and what a proof is bound to: with `@digitalbazaar/vc`, which alone knows of sets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from laurel.credentials.dids import did_key_method
from laurel.credentials.errors import ProofError
from laurel.credentials.keys import KeyType, SigningKey
from laurel.credentials.proofs import ProvenDocument, proofs_of, sign
from laurel.credentials.values import format_datetime
from oracles.digital_bazaar import DigitalBazaar, NodeProcess, secret_multikey
from oracles.open_badges_lib import OpenBadgesLib
from oracles.openvc_core import OpenvcCore
from oracles.oracle import CREATED, SUITES, Document, Oracle, Refused, Signer
from oracles.ours import Laurel
from oracles.samples import badge

Keys = Mapping[KeyType, SigningKey]

PRESENTATION: Document = {
    "@context": ["https://www.w3.org/ns/credentials/v2"],
    "type": ["VerifiablePresentation"],
}
in_every_suite = pytest.mark.parametrize(
    ("suite", "key_type"), [each for each in SUITES if each in Laurel.suites], ids="-".join
)


@pytest.fixture
def digital_bazaar(node: NodeProcess) -> DigitalBazaar:
    return DigitalBazaar(node)


@pytest.mark.parametrize("order", [1, -1], ids=["laurel first", "laurel last"])
@in_every_suite
def test_a_set_of_proofs_by_both_holds_for_both(
    digital_bazaar: DigitalBazaar, keys: Keys, suite: str, key_type: KeyType, order: int
) -> None:
    """One issuer, one key, each side adding its proof to the other's."""
    issuer = Signer.with_did_web(keys[key_type])
    sides: tuple[Oracle, ...] = (Laurel(), digital_bazaar)
    document = badge(issuer)
    for side in sides[::order]:
        document = side.sign(document, suite, issuer)
    assert len(document["proof"]) == 2
    for side in sides:
        side.verify(document, issuer.documents)


def test_a_set_with_one_broken_proof_is_refused_by_laurel_and_half_refused_by_digital_bazaar(
    digital_bazaar: DigitalBazaar, keys: Keys
) -> None:
    """VC Data Integrity 1.0 §4.5 ("Verify Proof Sets and Chains") combines all results; theirs is content with one."""
    issuer = Signer.with_did_key(keys[KeyType.ED25519])
    document = badge(issuer)
    for _ in range(2):
        document = Laurel().sign(document, "eddsa-rdfc-2022", issuer)
    document["proof"][0]["created"] = format_datetime(CREATED + timedelta(seconds=1))
    with pytest.raises(Refused):
        Laurel().verify(document, {})
    with pytest.raises(Refused):
        digital_bazaar.verify(document, {})
    found = digital_bazaar.node.ask("verify", document=document, documents={})
    assert found["verified"]
    assert found["proofs"] == [False, True]


def test_digital_bazaar_verifies_the_first_proof_of_a_chain_only(digital_bazaar: DigitalBazaar, keys: Keys) -> None:
    """It has no chains: a second proof covers the first (VC Data Integrity 1.0 §4.5 step 3), and it leaves that out."""
    key = keys[KeyType.ED25519]
    issuer = Signer.with_did_key(key)
    first = sign(
        badge(issuer), key=key, verification_method=issuer.method, created=CREATED, proof_id="urn:uuid:1",
    )  # fmt: skip
    second = sign(
        first, key=key, verification_method=issuer.method, created=CREATED, previous_proof="urn:uuid:1"
    )  # fmt: skip
    Laurel().verify(second, {})
    assert digital_bazaar.node.ask("verify", document=second, documents={})["proofs"] == [True, False]


@in_every_suite
def test_a_presentation_of_laurels_holds_for_digital_bazaar(
    digital_bazaar: DigitalBazaar, keys: Keys, suite: str, key_type: KeyType
) -> None:
    holder = Signer.with_did_key(keys[key_type])
    presentation = sign(
        {**PRESENTATION, "holder": holder.controller}, key=holder.key, verification_method=holder.method,
        created=CREATED, cryptosuite=suite, proof_purpose="authentication", challenge="c-1", domain="verifier.example",
    )  # fmt: skip

    def verified(challenge: str, domain: str) -> bool:
        found = digital_bazaar.node.ask(
            "verifyPresentation", document=presentation, documents={}, challenge=challenge, domain=domain
        )
        return bool(found["verified"])

    assert verified("c-1", "verifier.example")
    assert not verified("c-2", "verifier.example")
    assert not verified("c-1", "other.example")


@in_every_suite
def test_a_presentation_of_digital_bazaars_holds_for_laurel(
    digital_bazaar: DigitalBazaar, keys: Keys, suite: str, key_type: KeyType
) -> None:
    holder = Signer.with_did_key(keys[key_type])
    presentation = digital_bazaar.node.ask(
        "signPresentation", document={**PRESENTATION, "holder": holder.controller}, documents={}, suite=suite,
        key=secret_multikey(holder), created=format_datetime(CREATED), challenge="c-1", domain="verifier.example",
    )  # fmt: skip
    (proof,) = proofs_of(presentation)

    def verify(challenge: str, domain: str) -> None:
        ProvenDocument(presentation).verify(proof, method=did_key_method(holder.method), purpose="authentication",
            challenge=challenge, domain=domain,
        )  # fmt: skip

    verify("c-1", "verifier.example")
    with pytest.raises(ProofError):
        verify("c-2", "verifier.example")
    with pytest.raises(ProofError):
        verify("c-1", "other.example")


def test_an_expired_proof_is_refused_by_all_but_digital_bazaar(node: NodeProcess, keys: Keys) -> None:
    """VC Data Integrity 1.0 §2.1: past `expires` a proof is not valid. @digitalbazaar/vc looks at its form alone."""
    key = keys[KeyType.ED25519]
    issuer = Signer.with_did_key(key)
    document = sign(
        badge(issuer), key=key, verification_method=issuer.method, created=CREATED, expires=CREATED + timedelta(days=1)
    )
    for verifier in (Laurel(), OpenvcCore(), OpenBadgesLib()):
        with pytest.raises(Refused, match=r"(?i)expired"):
            verifier.verify(document, {})
    DigitalBazaar(node).verify(document, {})


@in_every_suite
def test_laurel_honours_the_expiry_that_digital_bazaar_signed(
    digital_bazaar: DigitalBazaar, keys: Keys, suite: str, key_type: KeyType
) -> None:
    issuer = Signer.with_did_key(keys[key_type])

    def until(year: int) -> Document:
        signed: Document = digital_bazaar.node.ask(
            "sign", document=badge(issuer), documents={}, suite=suite, key=secret_multikey(issuer),
            created=format_datetime(CREATED), options={"expires": f"{year}-01-01T00:00:00Z"},
        )  # fmt: skip
        return signed

    Laurel().verify(until(2125), {})
    with pytest.raises(Refused, match="expired"):
        Laurel().verify(until(2026), {})
