"""Presentations: made by their holder, for whoever asks, and as good as the credentials in them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from laurel.credentials import jws
from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.dids import did_key
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.presentations import MAX_CREDENTIALS, PresentationVerification, verify_presentation
from laurel.credentials.proofs import sign
from laurel.credentials.report import Outcome, Verification
from laurel.credentials.verification import Expected, verify
from support.sources import MemorySources

Document = dict[str, Any]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOLDER = SigningKey.from_seed(b"the holder" + bytes(22))
DID = did_key(HOLDER.public)
KEY = f"{DID}#{HOLDER.public.to_multibase()}"
ASKED = Expected("verifier.example", "challenge-1")


@pytest.fixture
def sources(sources: MemorySources) -> MemorySources:
    sources.methods[KEY] = VerificationMethod(KEY, DID, HOLDER.public)
    return sources


def presentation(*credentials: Document, purpose: str = "authentication", **members: Any) -> Document:
    document: Document = {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": DID, **members}
    if credentials:
        document["verifiableCredential"] = list(credentials)
    return sign(
        document, key=HOLDER, verification_method=KEY, created=NOW, proof_purpose=purpose, domain=ASKED.domain,
        challenge=ASKED.challenge,
    )  # fmt: skip


async def check(document: Any, sources: MemorySources, expected: Expected = ASKED) -> PresentationVerification:
    async def one(credential: Any) -> Verification:
        return await verify(credential, sources, NOW)

    return await verify_presentation(document, sources, NOW, expected, one)


def codes(verification: PresentationVerification) -> dict[str, str]:
    return {step.name: step.code for step in verification.presentation.steps if step.code is not None}


@pytest.mark.parametrize("form", [lambda given: given, orjson.dumps])
async def test_a_good_one(signed: Document, sources: MemorySources, form: Callable[[Any], Any]) -> None:
    verification = await check(form(presentation(signed)), sources)
    assert verification.outcome is Outcome.valid, verification.to_document()
    assert [step.name for step in verification.presentation.steps] == ["form", "key", "holder", "proof"]
    document = verification.to_document()
    assert document["verified"] is True
    assert [each["outcome"] for each in document["credentials"]] == ["valid"]


async def test_it_is_as_bad_as_the_worst_credential_in_it(
    badge: Callable[[], Document], signed: Document, sources: MemorySources
) -> None:
    forged = {**badge(), "id": "urn:uuid:7d3c7c51-1111-4b7e-8f3e-9a1f4a4f0005", "proof": signed["proof"]}
    forged["credentialSubject"] = {"type": "AchievementSubject", "id": "did:example:ada"} | {
        "achievement": {**badge()["credentialSubject"]["achievement"], "name": "Brain surgery"}
    }
    verification = await check(presentation(signed, forged), sources)
    assert [each.outcome for each in verification.credentials] == [Outcome.valid, Outcome.invalid]
    assert verification.presentation.outcome is Outcome.valid
    assert verification.outcome is Outcome.invalid
    assert verification.to_document()["verified"] is False


@pytest.mark.parametrize(
    ("expected", "code", "outcome"),
    [
        (Expected("verifier.example", "another"), "INVALID_CHALLENGE_ERROR", Outcome.invalid),
        (Expected("elsewhere.example", "challenge-1"), "INVALID_DOMAIN_ERROR", Outcome.invalid),
        (Expected(), "INVALID_DOMAIN_ERROR", Outcome.unknown),
    ],
)
async def test_one_that_was_made_for_somebody_else(
    signed: Document, sources: MemorySources, expected: Expected, code: str, outcome: Outcome
) -> None:
    verification = await check(presentation(signed), sources, expected)
    assert codes(verification) == {"proof": code}
    assert verification.outcome is outcome


async def test_the_holder_is_whose_key_it_is(signed: Document, sources: MemorySources) -> None:
    verification = await check(presentation(signed, holder="did:web:somebody.example"), sources)
    assert codes(verification) == {"holder": "HOLDER_MISMATCH"}
    assert verification.outcome is Outcome.invalid


async def test_a_proof_made_to_assert_is_not_one_to_authenticate(signed: Document, sources: MemorySources) -> None:
    verification = await check(presentation(signed, purpose="assertionMethod"), sources)
    assert codes(verification) == {"proof": "PROOF_VERIFICATION_ERROR"}


def as_jwt(header: Document, **claims: Any) -> str:
    document = {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": DID}
    return jws.write({"kid": KEY, **header}, document | claims, HOLDER)


# VC-JOSE-COSE 1.0 §3.1.2 only recommends the typ.
@pytest.mark.parametrize("header", [{"typ": "vp+jwt"}, {}])
@pytest.mark.parametrize("audience", [ASKED.domain, [ASKED.domain, "other.example"]])
async def test_one_that_is_a_jwt(signed: Document, sources: MemorySources, header: Document, audience: Any) -> None:
    token = as_jwt(header, verifiableCredential=[signed], aud=audience, nonce=ASKED.challenge)
    assert (await check(token, sources)).outcome is Outcome.valid
    assert codes(await check(token, sources, Expected("other.test", ASKED.challenge))) == {
        "proof": "INVALID_DOMAIN_ERROR"
    }


async def test_one_that_was_changed(signed: Document, sources: MemorySources) -> None:
    document = presentation(signed)
    verification = await check({**document, "id": "urn:uuid:7d3c7c51-1111-4b7e-8f3e-9a1f4a4f0009"}, sources)
    assert codes(verification) == {"proof": "PROOF_VERIFICATION_ERROR"}


async def test_it_may_hold_no_credential_but_not_too_many(signed: Document, sources: MemorySources) -> None:
    assert (await check(presentation(), sources)).outcome is Outcome.valid
    many = await check({**presentation(signed), "verifiableCredential": [signed] * (MAX_CREDENTIALS + 1)}, sources)
    assert codes(many)["form"] == "MALFORMED_VALUE_ERROR"
    assert many.credentials == ()


@pytest.mark.parametrize(
    "given",
    [None, [], {}, b"{", "x", {"@context": [CREDENTIALS_V2], "type": "VerifiablePresentation"}],
)
async def test_what_is_no_presentation(given: Any, sources: MemorySources) -> None:
    verification = await check(given, sources)
    assert verification.outcome is Outcome.invalid
    assert verification.presentation.steps[0].outcome is Outcome.invalid
