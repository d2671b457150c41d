"""Documents that say to a reader of their JSON what nobody signed, under a signature over RDF that was made for others.

RDF knows neither contexts nor which object stood in which, so a forger may change both as long as the statements stay.
"""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from laurel.credentials.canonical import canonicalize
from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2, OPEN_BADGES
from laurel.credentials.report import Outcome, Reason
from laurel.credentials.verification import verify
from support.sources import MemorySources

Document = dict[str, Any]
Sign = Callable[[Document], Document]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ADDRESS = "https://registry.example/credentials/7Hq2"
IN_THE_OLD_MODEL = {
    name: {"@id": f"https://www.w3.org/2018/credentials#{name}", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
    for name in ("issuanceDate", "expirationDate")
}


def credential(**members: Any) -> Document:
    return {
        "@context": [CREDENTIALS_V2, OPEN_BADGES],
        "id": ADDRESS,
        "type": ["VerifiableCredential"],
        "issuer": "did:web:academy.example",
        "credentialSubject": {"id": "did:example:ada"},
        **members,
    }


def statements(document: Document) -> bytes:
    return canonicalize({name: value for name, value in document.items() if name != "proof"})


@pytest.mark.parametrize(
    ("contexts", "dates", "others"),
    [
        (
            [CREDENTIALS_V1, DATA_INTEGRITY_V2],
            {"issuanceDate": "2020-01-01T00:00:00Z", "expirationDate": "2021-01-01T00:00:00Z"},
            [CREDENTIALS_V2, IN_THE_OLD_MODEL],
        ),
        (
            [CREDENTIALS_V2, IN_THE_OLD_MODEL],
            {"issuanceDate": "2020-01-01T00:00:00Z", "validUntil": "2021-01-01T00:00:00Z"},
            [CREDENTIALS_V1, DATA_INTEGRITY_V2],
        ),
    ],
    ids=["1.1 to 2.0", "2.0 to 1.1"],
)
async def test_no_other_base_context_lets_an_expired_credential_hold(
    contexts: list[Any], dates: Document, others: list[Any], sign_it: Sign, sources: MemorySources
) -> None:
    signed = sign_it(credential(**dates) | {"@context": contexts})
    forged = {**signed, "@context": others}
    assert statements(forged) == statements(signed)
    for document in (signed, forged):
        verification = await verify(document, sources, NOW)
        assert [step.code for step in verification.steps if step.outcome is Outcome.invalid] == ["EXPIRED"]


OWN = {"credentialStatus": {"@id": "https://www.w3.org/2018/credentials#credentialStatus", "@type": "@id"}}


@pytest.mark.parametrize("how", [{"@context": OWN}, {"type": ["Evidence", "VerifiableCredential"]}], ids=str)
async def test_no_status_hides_in_another_object_of_the_credentials_id(
    how: Document, sign_it: Sign, sources: MemorySources
) -> None:
    sources.bits["revocation"] = True
    entry = {
        "id": "urn:x:1",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "7",
        "statusListCredential": "https://registry.example/status/revocation/1",
    }
    signed = sign_it(credential(credentialStatus=entry, evidence=[{"id": ADDRESS, "type": ["Evidence"]}]))
    forged = copy.deepcopy(signed)
    forged["evidence"][0] |= {**how, "credentialStatus": forged.pop("credentialStatus")}
    assert statements(forged) == statements(signed)
    for document, code in ((signed, "REVOKED"), (forged, "PROOF_TRANSFORMATION_ERROR")):
        verification = await verify(document, sources, NOW)
        assert [step.code for step in verification.steps if step.outcome is Outcome.invalid] == [code]


async def test_an_endorsement_may_speak_of_the_credential_by_its_id(sign_it: Sign, sources: MemorySources) -> None:
    said = {"id": ADDRESS, "type": ["EndorsementSubject"], "endorsementComment": "Well earned."}
    endorsement = {
        "id": "urn:x:2",
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "credentialSubject": said,
    }
    assert (await verify(sign_it(credential(endorsement=[endorsement])), sources, NOW)).outcome is Outcome.valid


async def test_nothing_is_added_that_the_parser_drops_between_two_types(sign_it: Sign, sources: MemorySources) -> None:
    signed = sign_it(
        credential(evidence={"id": "urn:x:1", "type": ["Evidence", "EndorsementSubject"], "genre": "essay"})
    )
    assert (await verify(signed, sources, NOW)).outcome is Outcome.valid
    signed["evidence"]["endorsementComment"] = "Forged."
    verification = await verify(signed, sources, NOW)
    assert [step.pointer for step in verification.steps if step.pointer] == ["/evidence/endorsementComment"]
    # Another's JSON-LD processor may know better: it was not checked, which is not to say that it was altered.
    assert verification.outcome is Outcome.unknown
    assert [step.reason for step in verification.steps if step.name == "proof"] == [Reason.could_not_check]
