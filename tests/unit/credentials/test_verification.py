"""Verification: every step reported, the unknown never taken for the good, and what each answer says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials import jws
from laurel.credentials.baking import bake
from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.enveloping import envelope
from laurel.credentials.errors import StatusListError, Unavailable
from laurel.credentials.jwt import sign_open_badge_jwt, sign_vc_jwt
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, VerificationMethod
from laurel.credentials.proofs import sign
from laurel.credentials.report import Outcome, Step, Verification
from laurel.credentials.status_list import Bitstring, status_list_credential
from laurel.credentials.verification import Expected, verify
from support.sources import MemorySources

Document = dict[str, Any]
Build = Callable[[], Document]
Sign = Callable[[Document], Document]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
METHOD = "did:web:academy.example#key-1"
STEPS = ["form", "key", "issuer", "proof", "dates", "status:revocation", "status:suspension", "open badge"]


Sources = MemorySources


def outcomes(verification: Verification) -> dict[str, str]:
    """The steps that are not valid, by name."""
    return {step.name: step.outcome for step in verification.steps if step.outcome is not Outcome.valid}


def codes(verification: Verification) -> dict[str, str | None]:
    return {step.name: step.code for step in verification.steps if step.code is not None}


def reasons(verification: Verification) -> dict[str, str | None]:
    return {step.name: step.reason for step in verification.steps if step.reason is not None}


async def test_a_good_credential_is_valid_in_every_step(signed: Document, sources: Sources) -> None:
    verification = await verify(signed, sources, NOW)
    assert verification.outcome is Outcome.valid
    assert [step.name for step in verification.steps] == STEPS
    document = verification.to_document()
    assert (document["outcome"], document["verified"], document["asOf"]) == ("valid", True, "2026-06-01T00:00:00Z")
    assert document["steps"][3] == {
        "name": "proof",
        "outcome": "valid",
        "reason": None,
        "code": None,
        "pointer": None,
        "detail": "The signature holds: nothing was changed after the key signed it.",
    }
    assert orjson.loads(orjson.dumps(document)) == document


@pytest.mark.parametrize("as_text", [orjson.dumps, lambda document: orjson.dumps(document).decode()])
async def test_bytes_and_text_are_read_as_json(signed: Document, sources: Sources, as_text: Any) -> None:
    assert (await verify(as_text(signed), sources, NOW)).outcome is Outcome.valid


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"{", "PARSING_ERROR"),
        ("", "PARSING_ERROR"),
        (b"x" * (1 << 20) + b"x", "MALFORMED_VALUE_ERROR"),
        (None, "PARSING_ERROR"),
        ([], "PARSING_ERROR"),
        ({}, "MALFORMED_VALUE_ERROR"),
    ],
)
async def test_what_is_no_credential(document: Any, code: str, sources: Sources) -> None:
    verification = await verify(document, sources, NOW)
    assert verification.outcome is Outcome.invalid
    assert codes(verification)["form"] == code
    assert [step.outcome for step in verification.steps[1:]] == [Outcome.unknown] * 5
    assert sources.asked == []


async def test_the_form_step_says_where(signed: Document, sources: Sources) -> None:
    verification = await verify({**signed, "grade": "A"}, sources, NOW)
    assert verification.steps[0].detail.endswith("(at /grade)")


async def test_a_credential_without_proof(badge: Build, sources: Sources) -> None:
    verification = await verify(badge(), sources, NOW)
    assert codes(verification)["form"] == "PROOF_VERIFICATION_ERROR"
    assert "no proof" in verification.steps[0].detail


async def test_a_changed_credential_is_invalid_and_its_status_not_asked_for(signed: Document, sources: Sources) -> None:
    signed["name"] = "Rocket Science"
    verification = await verify(signed, sources, NOW)
    assert verification.outcome is Outcome.invalid
    assert outcomes(verification) == {
        "proof": "invalid",
        "status:revocation": "unknown",
        "status:suspension": "unknown",
    }
    assert codes(verification)["proof"] == "PROOF_VERIFICATION_ERROR"
    assert sources.asked == []


async def test_a_key_the_issuer_does_not_have(signed: Document, sources: Sources) -> None:
    sources.methods.clear()
    verification = await verify(signed, sources, NOW)
    assert verification.outcome is Outcome.invalid
    assert codes(verification) == {
        "key": "INVALID_VERIFICATION_METHOD",
        "issuer": "NOT_CHECKED",
        "proof": "NOT_CHECKED",
        "status:revocation": "NOT_CHECKED",
        "status:suspension": "NOT_CHECKED",
    }


async def test_a_key_out_of_reach_leaves_the_credential_unknown(signed: Document, sources: Sources) -> None:
    for name in sources.methods:
        sources.methods[name] = Unavailable("academy.example does not answer.")
    verification = await verify(signed, sources, NOW)
    assert verification.outcome is Outcome.unknown
    assert verification.to_document()["verified"] is False
    assert codes(verification)["key"] == "KEY_UNAVAILABLE"
    assert "academy.example does not answer." in verification.steps[1].detail


async def test_the_issuer_must_be_the_one_whose_key_it_is(
    signed: Document, sources: Sources, method: VerificationMethod
) -> None:
    sources.methods[method.id] = replace(method, controller="did:web:mill.example")
    verification = await verify(signed, sources, NOW)
    assert outcomes(verification)["issuer"] == "invalid"
    assert codes(verification)["issuer"] == "ISSUER_MISMATCH"
    assert "proof" not in outcomes(verification)
    assert verification.outcome is Outcome.invalid
    assert sources.asked == []


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (datetime(2026, 3, 1, 9, 29, 59, tzinfo=UTC), "NOT_YET_VALID"),
        (datetime(2026, 3, 1, 9, 30, tzinfo=UTC), None),
        (datetime(2029, 3, 1, tzinfo=UTC), None),
        (datetime(2029, 3, 1, 0, 0, 1, tzinfo=UTC), "EXPIRED"),
    ],
)
async def test_dates(signed: Document, sources: Sources, now: datetime, code: str | None) -> None:
    verification = await verify(signed, sources, now)
    assert codes(verification).get("dates") == code
    assert verification.outcome is (Outcome.invalid if code else Outcome.valid)
    assert sources.asked == ["revocation", "suspension"]


async def test_no_end_date_means_no_end(badge: Build, sign_it: Sign, sources: Sources) -> None:
    document = badge()
    del document["validUntil"]
    verification = await verify(sign_it(document), sources, NOW)
    assert verification.steps[4].detail == "The credential does not expire."


@pytest.mark.parametrize(
    ("bits", "outcome", "code"),
    [
        ({"revocation": True}, "invalid", "REVOKED"),
        ({"suspension": True}, "invalid", "SUSPENDED"),
        ({"revocation": Unavailable("The registry does not answer.")}, "unknown", "STATUS_RETRIEVAL_ERROR"),
        ({"suspension": StatusListError("Too short.", code="RANGE_ERROR")}, "invalid", "RANGE_ERROR"),
    ],
)
async def test_status(signed: Document, sources: Sources, bits: Document, outcome: str, code: str) -> None:
    (purpose,) = bits
    sources.bits |= bits
    verification = await verify(signed, sources, NOW)
    assert verification.outcome == outcome
    assert outcomes(verification) == {f"status:{purpose}": outcome}
    assert codes(verification) == {f"status:{purpose}": code}


async def test_a_status_entry_typed_by_a_list_is_checked_too(badge: Build, sign_it: Sign, sources: Sources) -> None:
    document = badge()
    document["credentialStatus"][0]["type"] = ["BitstringStatusListEntry"]
    sources.bits["revocation"] = True
    assert codes(await verify(sign_it(document), sources, NOW)) == {"status:revocation": "REVOKED"}


async def test_revoked_outweighs_unknown(signed: Document, sources: Sources) -> None:
    sources.bits = {"revocation": True, "suspension": Unavailable("away")}
    assert (await verify(signed, sources, NOW)).outcome is Outcome.invalid


async def test_a_credential_without_status_is_valid_and_says_so(badge: Build, sign_it: Sign, sources: Sources) -> None:
    document = badge()
    del document["credentialStatus"]
    verification = await verify(sign_it(document), sources, NOW)
    assert verification.outcome is Outcome.valid
    status = next(step for step in verification.steps if step.kind == "status")
    assert (status.name, status.code) == ("status", None)
    assert "names no status list" in status.detail


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "urn:x", "type": "1EdTechRevocationList"},
        {
            "type": "BitstringStatusListEntry",
            "statusPurpose": "enrolment",
            "statusListIndex": "1",
            "statusListCredential": "urn:l",
        },
    ],
)
async def test_a_status_of_an_unknown_kind_is_unknown(
    badge: Build, sign_it: Sign, sources: Sources, entry: Document
) -> None:
    document = badge()
    document["@context"].append("https://purl.imsglobal.org/spec/ob/v3p0/extensions.json")
    document["credentialStatus"] = entry
    verification = await verify(sign_it(document), sources, NOW)
    assert verification.outcome is Outcome.unknown
    assert [step.code for step in verification.steps if step.kind == "status"] == ["STATUS_UNSUPPORTED"]
    assert sources.asked == []


async def test_a_retired_key_verifies_what_it_signed_before(
    signed: Document, sources: Sources, method: VerificationMethod
) -> None:
    created = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    sources.methods[method.id] = replace(method, revoked=created + timedelta(days=1))
    assert (await verify(signed, sources, NOW)).outcome is Outcome.valid
    sources.methods[method.id] = replace(method, revoked=created)
    verification = await verify(signed, sources, NOW)
    assert codes(verification)["key"] == "KEY_RETIRED"
    assert reasons(verification)["key"] == "untrusted issuer"
    assert verification.outcome is Outcome.invalid


async def test_a_retired_key_verifies_nothing_that_does_not_say_when_it_was_signed(
    key: SigningKey, method: VerificationMethod
) -> None:
    retired = MemorySources({METHOD: replace(method, revoked=NOW)})
    header = {"typ": "vc+jwt", "kid": METHOD}
    document = {
        "@context": [CREDENTIALS_V2], "type": ["VerifiableCredential"], "issuer": method.controller,
        "credentialSubject": {"id": "urn:x"},
    }  # fmt: skip
    verification = await verify(jws.write(header, document, key), retired, NOW)
    assert codes(verification)["key"] == "KEY_RETIRED"
    assert verification.outcome is Outcome.invalid


async def test_an_expired_proof_no_longer_holds(
    badge: Build, key: SigningKey, method: VerificationMethod, sources: Sources
) -> None:
    until = datetime(2026, 7, 1, tzinfo=UTC)
    signed = sign(badge(), key=key, verification_method=method.id, created=NOW, expires=until)
    assert (await verify(signed, sources, NOW)).outcome is Outcome.valid
    verification = await verify(signed, sources, until)
    assert reasons(verification)["proof"] == "expired"
    assert "expired on 2026-07-01" in verification.steps[3].detail


@pytest.mark.parametrize(
    ("expected", "outcome", "code", "reason"),
    [
        (Expected("a.example", "xyz"), "valid", None, None),
        (Expected(), "unknown", "INVALID_DOMAIN_ERROR", "could not check"),
        (Expected("a.example"), "unknown", "INVALID_CHALLENGE_ERROR", "could not check"),
        (Expected("b.example", "xyz"), "invalid", "INVALID_DOMAIN_ERROR", "meant for somebody else"),
        (Expected("a.example", "abc"), "invalid", "INVALID_CHALLENGE_ERROR", "meant for somebody else"),
    ],
)
async def test_a_proof_for_somebody_counts_for_nobody_else(
    badge: Build, key: SigningKey, method: VerificationMethod, sources: Sources, expected: Expected, outcome: str,
    code: str | None, reason: str | None,
) -> None:  # fmt: skip
    signed = sign(
        badge(), key=key, verification_method=method.id, created=NOW, domain=["c.example", "a.example"], challenge="xyz"
    )
    verification = await verify(signed, sources, NOW, expected)
    assert (codes(verification).get("proof"), reasons(verification).get("proof")) == (code, reason)
    assert verification.outcome == outcome


@pytest.mark.parametrize(
    ("recipient", "outcome", "found"),
    [
        ("ada@example.org", "valid", {}),
        (" Ada@Example.org", "valid", {}),
        ("bob@example.org", "invalid", {"recipient": "meant for somebody else"}),
        ("", "invalid", {"recipient": "meant for somebody else"}),
    ],
)
async def test_it_is_about_whom_the_asker_knows(
    signed: Document, sources: Sources, recipient: str, outcome: str, found: dict[str, str]
) -> None:
    verification = await verify(signed, sources, NOW, Expected(recipient=recipient))
    assert (verification.outcome, reasons(verification)) == (outcome, found)
    assert verification.steps[-1].name == "recipient"


async def test_a_proof_that_is_bound_to_nothing_answers_no_challenge(signed: Document, sources: Sources) -> None:
    verification = await verify(signed, sources, NOW, Expected(challenge="xyz"))
    assert codes(verification)["proof"] == "INVALID_CHALLENGE_ERROR"
    assert verification.outcome is Outcome.invalid


OTHER = SigningKey.from_seed(b"another key " + bytes(20))
WITNESS = VerificationMethod("did:web:witness.example#key-1", "did:web:witness.example", OTHER.public)


async def test_every_proof_of_a_set_is_a_step_and_one_is_the_issuers(signed: Document, sources: Sources) -> None:
    sources.methods[WITNESS.id] = WITNESS
    both = sign(signed, key=OTHER, verification_method=WITNESS.id, created=NOW)
    verification = await verify(both, sources, NOW)
    assert verification.outcome is Outcome.valid
    assert [step.name for step in verification.steps[1:7]] == ["key", "issuer", "proof", "key:2", "issuer:2", "proof:2"]
    assert "additional" in verification.steps[5].detail

    both["proof"][1]["created"] = "2026-01-01T00:00:00Z"
    assert reasons(await verify(both, sources, NOW))["proof:2"] == "altered"


async def test_proofs_of_others_alone_do_not_make_it_the_issuers(badge: Build, sources: Sources) -> None:
    sources.methods[WITNESS.id] = WITNESS
    signed = sign(badge(), key=OTHER, verification_method=WITNESS.id, created=NOW)
    assert reasons(await verify(signed, sources, NOW))["issuer"] == "untrusted issuer"
    # Nor does a proof in the issuer's name that does not hold.
    forged = {**signed["proof"], "verificationMethod": METHOD}
    verification = await verify({**signed, "proof": [signed["proof"], forged]}, sources, NOW)
    assert reasons(verification)["issuer"] == "untrusted issuer"
    assert reasons(verification)["proof:2"] == "altered"
    assert sources.asked == []


async def test_a_status_list_is_verified_as_any_credential(
    key: SigningKey, method: VerificationMethod, sources: Sources
) -> None:
    document = status_list_credential(
        list_id="https://registry.example/status/1",
        issuer=method.controller,
        purpose="revocation",
        bits=Bitstring(),
        valid_from=NOW,
        valid_until=NOW + timedelta(days=1),
        ttl_ms=1000,
    )
    signed = sign(document, key=key, verification_method=method.id, created=NOW)
    assert (await verify(signed, sources, NOW)).outcome is Outcome.valid
    assert codes(await verify(signed, sources, NOW + timedelta(days=2))) == {"dates": "EXPIRED"}


def as_vc_jwt(badge: Document, key: SigningKey, kid: str | None) -> str:
    return sign_vc_jwt(badge, key=key, kid=kid or "urn:none", issued=NOW)


def as_badge_jwt(badge: Document, key: SigningKey, kid: str | None) -> str:
    return sign_open_badge_jwt(badge, key=key, kid=kid, issued=NOW)


@pytest.mark.parametrize("key_type", [KeyType.ED25519, KeyType.P256])
@pytest.mark.parametrize("secured", [as_vc_jwt, as_badge_jwt])
@pytest.mark.parametrize("given", [str, str.encode, envelope])
async def test_a_jwt_is_verified_as_an_embedded_proof_is(
    badge: Build, method: VerificationMethod, sources: Sources, key_type: KeyType,
    secured: Callable[[Document, SigningKey, str | None], str], given: Callable[[str], Any],
) -> None:  # fmt: skip
    key = SigningKey.generate(key_type)
    sources.methods[method.id] = replace(method, public_key=key.public)
    token = secured(badge(), key, method.id)
    verification = await verify(given(token), sources, NOW)
    assert [step.name for step in verification.steps] == STEPS
    assert verification.outcome is Outcome.valid, verification.to_document()

    sources.bits["revocation"] = True
    assert codes(await verify(given(token), sources, NOW)) == {"status:revocation": "REVOKED"}
    sources.methods[method.id] = method
    assert (await verify(given(token), sources, NOW)).outcome is Outcome.invalid


async def test_a_jwt_counts_from_its_nbf_until_its_exp(
    badge: Build, key: SigningKey, method: VerificationMethod, sources: Sources
) -> None:
    day = timedelta(days=1)
    claims = {"nbf": (NOW + day).timestamp(), "exp": (NOW + 2 * day).timestamp()}
    token = jws.write({"typ": "vc+jwt", "kid": method.id}, badge() | claims, key)
    early, due, late = [await verify(token, sources, NOW + days * day) for days in (0, 1, 2)]
    assert (reasons(early)["proof"], reasons(late)["proof"]) == ("not yet valid", "expired")
    assert due.outcome is Outcome.valid


async def test_a_key_that_a_jwt_brings_along_counts_if_the_issuer_lists_it(
    badge: Build, key: SigningKey, sources: Sources
) -> None:
    assert (await verify(as_badge_jwt(badge(), key, None), sources, NOW)).outcome is Outcome.valid
    verification = await verify(as_badge_jwt(badge(), OTHER, None), sources, NOW)
    assert reasons(verification)["key"] == "untrusted issuer"
    assert sources.asked == ["revocation", "suspension"]


async def test_a_picture_is_as_good_as_what_was_baked_into_it(signed: Document, sources: Sources) -> None:
    picture = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    assert (await verify(bake(picture, orjson.dumps(signed)), sources, NOW)).outcome is Outcome.valid
    assert reasons(await verify(picture, sources, NOW))["form"] == "malformed"


async def test_a_schema_that_is_not_bundled_decides_nothing(badge: Build, sign_it: Sign, sources: Sources) -> None:
    schema = {"id": "https://school.example/schema.json", "type": "JsonSchema"}
    verification = await verify(sign_it({**badge(), "credentialSchema": schema}), sources, NOW)
    assert outcomes(verification) == {"schema": "unknown"}
    assert reasons(verification) == {"schema": "could not check"}
    assert verification.outcome is Outcome.valid


async def test_a_badge_is_held_to_the_schema_it_declares(badge: Build, sign_it: Sign, sources: Sources) -> None:
    document = badge()
    url = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
    document["@context"].append("https://purl.imsglobal.org/spec/ob/v3p0/extensions.json")
    document["credentialSchema"] = [{"id": url, "type": "1EdTechJsonSchemaValidator2019"}]
    # The published schema has room for one status.
    document["credentialStatus"] = document["credentialStatus"][0]
    assert outcomes(await verify(sign_it(document), sources, NOW)) == {}
    document["credentialSubject"]["achievement"]["achievementType"] = "Medal"
    verification = await verify(sign_it(document), sources, NOW)
    assert reasons(verification)["schema"] == "malformed"


async def test_a_badge_must_be_one_and_other_credentials_need_not(
    badge: Build, sign_it: Sign, sources: Sources
) -> None:
    document = badge()
    del document["credentialSubject"]["achievement"]["criteria"]
    verification = await verify(sign_it(document), sources, NOW)
    assert reasons(verification) == {"open badge": "malformed"}
    other = {name: document[name] for name in ("issuer", "credentialStatus", "validFrom")}
    generic = {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"], **other}
    generic |= {"issuer": "did:web:academy.example", "credentialSubject": {"id": "did:example:ada"}}
    verification = await verify(sign_it(generic), sources, NOW)
    assert verification.outcome is Outcome.valid
    assert [step.name for step in verification.steps] == STEPS[:-1]


STEP_OUTCOMES = st.lists(st.sampled_from(Outcome), max_size=6)


@settings(deadline=None)
@given(STEP_OUTCOMES)
def test_the_outcome_is_the_worst_and_never_valid_by_default(found: list[Outcome]) -> None:
    verification = Verification(tuple(Step("s", outcome, None, "") for outcome in found), NOW)
    expected = "invalid" if "invalid" in found else "unknown" if "unknown" in found or not found else "valid"
    assert verification.outcome == expected
    assert verification.to_document()["verified"] is (expected == "valid")


@settings(max_examples=60, deadline=None)
@given(noise=st.binary(max_size=60) | st.text(max_size=60) | st.integers() | st.lists(st.none()))
async def test_verify_raises_nothing_for_what_it_is_given(noise: Any, method: VerificationMethod) -> None:
    class Nowhere:
        async def method(
            self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
        ) -> VerificationMethod:
            return method

        async def method_with(
            self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
        ) -> VerificationMethod:
            return method

        async def status(self, entry: Document, issuer: str) -> bool:
            return False

    assert (await verify(noise, Nowhere(), NOW)).outcome is Outcome.invalid


@pytest.mark.parametrize("noise", [None, [], {}, ["x"], {"id": "urn:x"}, 5, 1.5, "x", [[]], {"type": []}, True])
@pytest.mark.parametrize(
    "name", ["@context", "type", "issuer", "validFrom", "credentialSubject", "credentialStatus", "proof", "id"]
)
async def test_verify_raises_nothing_for_members_of_any_shape(
    signed: Document, sources: Sources, name: str, noise: Any
) -> None:
    verification = await verify({**signed, name: noise}, sources, NOW)
    assert verification.outcome is Outcome.invalid
