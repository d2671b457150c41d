"""Data Integrity: every suite, both directions, each oracle; and what was changed is refused by both sides."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import pytest

from laurel.credentials.contexts import CONTEXTS, CREDENTIALS_V1, DATA_INTEGRITY_V2
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.keys import KeyType, SigningKey
from oracles.digital_bazaar import DigitalBazaar, NodeProcess
from oracles.open_badges_lib import OpenBadgesLib
from oracles.openvc_core import OpenvcCore
from oracles.oracle import SUITES, Document, Oracle, Refused, Signer
from oracles.ours import Laurel
from oracles.samples import badge

Keys = Mapping[KeyType, SigningKey]

CASES = [
    pytest.param(each.name, suite, key_type, id=f"{each.name}-{suite}-{key_type}")
    for each in (DigitalBazaar, OpenvcCore, OpenBadgesLib)
    for suite, key_type in SUITES
    if (suite, key_type) in each.suites & Laurel.suites
]
in_every_suite = pytest.mark.parametrize(("oracle", "suite", "key_type"), CASES, indirect=["oracle"])
with_each_form_of_key = pytest.mark.parametrize("signer", [Signer.with_did_key, Signer.with_did_web])


@in_every_suite
@with_each_form_of_key
def test_the_oracle_verifies_what_laurel_signs(
    oracle: Oracle, suite: str, key_type: KeyType, keys: Keys, signer: Callable[[SigningKey], Signer]
) -> None:
    issuer = signer(keys[key_type])
    oracle.verify(Laurel().sign(badge(issuer), suite, issuer), issuer.documents)


@in_every_suite
@with_each_form_of_key
def test_laurel_verifies_what_the_oracle_signs(
    oracle: Oracle, suite: str, key_type: KeyType, keys: Keys, signer: Callable[[SigningKey], Signer]
) -> None:
    issuer = signer(keys[key_type])
    Laurel().verify(oracle.sign(badge(issuer), suite, issuer), issuer.documents)


def _change_text(document: Document) -> None:
    document["credentialSubject"]["achievement"]["name"] += "!"


def _change_issuer_name(document: Document) -> None:
    document["issuer"]["name"] = "Collège du Sud"


def _add_member(document: Document) -> None:
    document["credentialSubject"]["licenseNumber"] = "7"


def _add_undefined_member(document: Document) -> None:
    document["credentialSubject"]["achievement"]["grade"] = "A"


def _rename_member(document: Document) -> None:
    document["validUntil"] = document.pop("awardedDate")


def _drop_member(document: Document) -> None:
    del document["credentialSubject"]["result"]


def _drop_type(document: Document) -> None:
    document["evidence"][0]["type"] = []


def _swap_names(document: Document) -> None:
    first, second = document["evidence"]
    first["name"], second["name"] = second["name"], first["name"]


def _change_proof_time(document: Document) -> None:
    document["proof"]["created"] = "2025-03-01T12:00:01Z"


def _add_proof_member(document: Document) -> None:
    document["proof"]["nonce"] = "1"


def _change_signature(document: Document) -> None:
    value = document["proof"]["proofValue"]
    document["proof"]["proofValue"] = value[:40] + ("2" if value[40] != "2" else "3") + value[41:]


def _take_proof_away(document: Document) -> None:
    del document["proof"]


CHANGES = [
    _change_text, _change_issuer_name, _add_member, _add_undefined_member, _rename_member, _drop_member, _drop_type,
    _swap_names, _change_proof_time, _add_proof_member, _change_signature, _take_proof_away,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@in_every_suite
def test_both_refuse_what_was_changed(
    oracle: Oracle, suite: str, key_type: KeyType, keys: Keys, change: Callable[[Document], None]
) -> None:
    issuer = Signer.with_did_key(keys[key_type])
    document = Laurel().sign(badge(issuer), suite, issuer)
    change(document)
    for each in (oracle, Laurel()):
        with pytest.raises(Refused):
            each.verify(document, issuer.documents)


@in_every_suite
def test_both_refuse_the_signature_of_another_key(oracle: Oracle, suite: str, key_type: KeyType, keys: Keys) -> None:
    issuer = Signer.with_did_web(keys[key_type])
    forger = Signer(SigningKey.generate(key_type), issuer.controller, issuer.method)
    for signer, verifier in ((Laurel(), oracle), (oracle, Laurel())):
        with pytest.raises(Refused):
            verifier.verify(signer.sign(badge(issuer), suite, forger), issuer.documents)


@in_every_suite
def test_both_refuse_a_key_that_may_not_make_claims(oracle: Oracle, suite: str, key_type: KeyType, keys: Keys) -> None:
    """Controlled Identifiers 1.0 §3.3: the method must be under the relationship that the proof's purpose names.

    openbadgeslib takes any method of the document, whatever it is for.
    """
    issuer = Signer.with_did_web(keys[key_type])
    document = Laurel().sign(badge(issuer), suite, issuer)
    served = copy.deepcopy(dict(issuer.documents))
    served[issuer.controller]["authentication"] = served[issuer.controller]["assertionMethod"]
    served[issuer.controller]["assertionMethod"] = []
    with pytest.raises(Refused):
        Laurel().verify(document, served)
    if oracle.name == OpenBadgesLib.name:
        oracle.verify(document, served)
    else:
        with pytest.raises(Refused):
            oracle.verify(document, served)


@pytest.mark.parametrize("key_type", [KeyType.ED25519, KeyType.P256, KeyType.P384])
def test_a_did_key_is_the_same_document_for_digital_bazaar(node: NodeProcess, keys: Keys, key_type: KeyType) -> None:
    """Their did:key document names the method that Laurel signs with, for assertions, with the same key."""
    issuer = Signer.with_did_key(keys[key_type])
    document = node.ask("didDocument", did=issuer.controller)
    assert document["id"] == issuer.controller
    assert document["assertionMethod"] == [issuer.method]
    (method,) = [each for each in document["verificationMethod"] if each["id"] == issuer.method]
    assert method["publicKeyMultibase"] == keys[key_type].public.to_multibase()
    assert set(document["@context"]) <= set(CONTEXTS)


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384])
def test_openvc_core_leaves_out_of_a_jcs_proof_what_it_signed(node: NodeProcess, keys: Keys, key_type: KeyType) -> None:
    """Why its `sign` is mended in these tests: with its own form, @digitalbazaar/vc refuses the proof too."""
    issuer = Signer.with_did_key(keys[key_type])
    digital_bazaar = DigitalBazaar(node)
    document = OpenvcCore().sign_as_it_does(badge(issuer), "ecdsa-jcs-2019", issuer)
    with pytest.raises(Refused, match="Invalid signature"):
        digital_bazaar.verify(document, {})
    document["proof"]["@context"] = document["@context"]
    digital_bazaar.verify(document, {})


def test_openvc_core_canonicalises_with_the_wrong_hash_for_p384(node: NodeProcess, keys: Keys) -> None:
    """Why its suites lack this one. ECDSA Cryptosuites 1.0 §3 is on the side of @digitalbazaar/vc."""
    issuer = Signer.with_did_key(keys[KeyType.P384])
    with pytest.raises(Refused, match="Invalid signature"):
        DigitalBazaar(node).verify(OpenvcCore().sign(badge(issuer), "ecdsa-rdfc-2019", issuer), {})


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\x7f", "\x01"])
@pytest.mark.parametrize(("suite", "key_type"), SUITES, ids="-".join)
def test_laurel_signs_no_character_on_whose_canonical_form_others_disagree(
    node: NodeProcess, keys: Keys, suite: str, key_type: KeyType, character: str
) -> None:
    """RDFC-1.0 ("Canonical N-Quads") escapes what XML 1.1 knows as no `Char`, U+FFFE and U+FFFF among it.

    Only some do: @digitalbazaar/vc and pyld leave those two as they are. With JCS nobody is in doubt.
    """
    issuer = Signer.with_did_key(keys[key_type])
    document = {**badge(issuer), "name": f"Welding{character}"}
    theirs = DigitalBazaar(node).sign(document, suite, issuer)
    if "-jcs-" in suite:
        Laurel().verify(theirs, {})
        DigitalBazaar(node).verify(Laurel().sign(document, suite, issuer), {})
    else:
        with pytest.raises(Refused, match=r"/name|PROOF_TRANSFORMATION_ERROR"):
            Laurel().verify(theirs, {})
        with pytest.raises(MalformedCredential, match="/name"):
            Laurel().sign(document, suite, issuer)


@pytest.mark.parametrize(("suite", "key_type"), SUITES, ids="-".join)
def test_a_credential_of_vc_1_1_holds_for_both(node: NodeProcess, keys: Keys, suite: str, key_type: KeyType) -> None:
    """Its context defines no Data Integrity proof, so it brings the one that does."""
    issuer = Signer.with_did_key(keys[key_type])
    document = {
        "@context": [CREDENTIALS_V1, DATA_INTEGRITY_V2], "id": "urn:uuid:b6a1f3de-7c40-4f7e-9d1f-0f5a3f1e2d11",
        "type": ["VerifiableCredential"], "issuer": issuer.controller, "issuanceDate": "2025-03-01T12:00:00Z",
        "credentialSubject": {"id": "did:example:ana"},
    }  # fmt: skip
    digital_bazaar = DigitalBazaar(node)
    digital_bazaar.verify(Laurel().sign(document, suite, issuer), {})
    signed = digital_bazaar.sign(document, suite, issuer)
    Laurel().verify(signed, {})
    with pytest.raises(Refused):
        Laurel().verify({**signed, "issuanceDate": "2025-03-01T12:00:01Z"}, {})


def test_digital_bazaar_sorts_statements_by_utf_16(node: NodeProcess, keys: Keys) -> None:
    """RDFC-1.0 §4.4.3 sorts by code point; JavaScript's own order puts a full-width exclamation mark after an emoji.

    openvc-core, on pyld, is of Laurel's opinion. A badge is affected if two values of one member differ first where
    one has a character from U+E000 on and the other one beyond the BMP.
    """
    issuer = Signer.with_did_key(keys[KeyType.ED25519])
    document = badge(issuer)
    document["credentialSubject"]["achievement"]["tag"] = ["\uff01", "\U0001f527"]
    signed = Laurel().sign(document, "eddsa-rdfc-2022", issuer)
    OpenvcCore().verify(signed, {})
    OpenBadgesLib().verify(signed, {})
    with pytest.raises(Refused, match="Invalid signature"):
        DigitalBazaar(node).verify(signed, {})
