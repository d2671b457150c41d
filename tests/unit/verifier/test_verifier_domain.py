"""The verifier's decisions, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.status import State
from laurel.credentials.errors import KeyResolutionError, Unavailable
from laurel.credentials.report import Outcome, Step, Verification
from support.world import EPOCH, World
from verifier import domain
from verifier.domain import Standing

STALE = "What is known here is 20 s old."
ADDRESSES = Addresses("https://badges.example.org")
ACTIVE = Standing(State.ACTIVE, 1, "north", "north-1", 7)
SUSPENDED = replace(ACTIVE, state=State.SUSPENDED)
REVOKED = replace(ACTIVE, state=State.REVOKED)


@pytest.mark.parametrize(
    ("purpose", "standing", "listed", "stale", "wanted"),
    [
        # The changes decide.
        ("revocation", ACTIVE, None, None, False),
        ("revocation", SUSPENDED, False, None, False),
        ("revocation", REVOKED, False, None, True),
        ("suspension", ACTIVE, None, None, False),
        ("suspension", SUSPENDED, None, None, True),
        ("suspension", REVOKED, None, None, False),
        # A list lags: what it says of a suspension does not count beside the changes, a revocation does.
        ("suspension", ACTIVE, True, None, False),
        ("suspension", SUSPENDED, False, None, True),
        ("revocation", ACTIVE, True, None, True),
        # Without changes the list is all there is.
        ("revocation", None, True, None, True),
        ("revocation", None, False, None, False),
        ("suspension", None, True, None, True),
        ("suspension", None, False, None, False),
        ("revocation", None, None, None, "Neither the credential"),
        ("suspension", None, None, None, "Neither the credential"),
        # Too old: only what is final is said.
        ("revocation", REVOKED, None, STALE, True),
        ("revocation", None, True, STALE, True),
        ("revocation", ACTIVE, False, STALE, STALE),
        ("suspension", ACTIVE, False, STALE, STALE),
        ("suspension", SUSPENDED, True, STALE, STALE),
        ("suspension", None, True, STALE, STALE),
    ],
)
def test_whether_a_status_is_set(
    purpose: str, standing: Standing | None, listed: bool | None, stale: str | None, wanted: bool | str
) -> None:
    if isinstance(wanted, str):
        with pytest.raises(Unavailable, match=wanted):
            domain.is_set(purpose, standing, listed, stale)
    else:
        assert domain.is_set(purpose, standing, listed, stale) is wanted


def entries(family: str = "north-1", index: str = "7") -> list[dict[str, Any]]:
    return [
        {
            "type": "BitstringStatusListEntry",
            "statusListCredential": f"{ADDRESSES.public_url}/status-lists/{family}-{purpose}",
            "statusListIndex": index,
        }
        for purpose in ("revocation", "suspension")
    ]


@pytest.mark.parametrize(
    ("standing", "issuer", "given", "registered"),
    [
        (ACTIVE, "north", entries(), True),
        (REVOKED, "north", entries(), True),
        (ACTIVE, "north", entries()[::-1], True),
        (None, "north", entries(), False),
        (ACTIVE, "east", entries(), False),
        (ACTIVE, "north", entries(index="8"), False),
        (ACTIVE, "north", entries(family="north-2"), False),
        (ACTIVE, "north", entries()[:1], False),
        (ACTIVE, "north", entries()[:1] * 2, False),
        (ACTIVE, "north", [*entries(), {"type": "Other", "statusListCredential": ["a", "list"]}], True),
        (ACTIVE, "north", [*entries(), *entries(family="north-2")], False),
        (ACTIVE, "north", [], False),
    ],
)
def test_whether_a_credential_is_the_registered_one(
    standing: Standing | None, issuer: str, given: list[dict[str, Any]], registered: bool
) -> None:
    step = domain.registration(standing, issuer, given, ADDRESSES)
    assert step.name == "registration"
    assert (step.outcome, step.code) == (
        (Outcome.valid, None) if registered else (Outcome.unknown, "UNKNOWN_CREDENTIAL")
    )


def good(name: str) -> Step:
    return Step(name, Outcome.valid, None, "Fine.")


def verification(**changed: tuple[str, str | None]) -> Verification:
    """All steps valid but those named, given as outcome and code."""
    steps = {name: good(name) for name in ("form", "key", "issuer", "proof", "dates", "status:revocation")}
    for name, (outcome, code) in changed.items():
        steps[name] = Step(name, Outcome(outcome), code, f"About the {name}.")
    return Verification(tuple(steps.values()), EPOCH)


@pytest.mark.parametrize(
    ("case", "status", "codes"),
    [
        (verification(), 200, []),
        (verification(dates=("invalid", "EXPIRED")), 200, ["EXPIRED"]),
        (verification(**{"status:revocation": ("invalid", "REVOKED")}), 200, ["REVOKED"]),
        (verification(registration=("unknown", "UNKNOWN_CREDENTIAL")), 200, ["UNKNOWN_CREDENTIAL"]),
        (
            verification(key=("unknown", "KEY_UNAVAILABLE"), proof=("unknown", "NOT_CHECKED")),
            200, ["KEY_UNAVAILABLE"],
        ),
        (
            verification(proof=("invalid", "PROOF_VERIFICATION_ERROR"), dates=("invalid", "EXPIRED")),
            400, ["PROOF_VERIFICATION_ERROR", "EXPIRED"],
        ),
        (verification(form=("invalid", "PARSING_ERROR"), key=("unknown", "NOT_CHECKED")), 400, ["PARSING_ERROR"]),
        (verification(key=("invalid", "INVALID_VERIFICATION_METHOD")), 400, ["INVALID_VERIFICATION_METHOD"]),
        (verification(issuer=("invalid", "ISSUER_MISMATCH")), 400, ["ISSUER_MISMATCH"]),
    ],
)  # fmt: skip
def test_how_a_verification_is_answered(case: Verification, status: int, codes: list[str]) -> None:
    assert domain.http_status(case) == status
    body = domain.answer(case)
    assert [problem["code"] for problem in body["problemDetails"]] == codes
    assert body["verified"] == (not codes)
    assert len(body["steps"]) == len(case.steps)


@pytest.mark.parametrize(
    ("step", "code", "problem_type", "title"),
    [
        ("status:revocation", "REVOKED", "urn:laurel:problem:REVOKED", "The credential was revoked."),
        ("proof", "PROOF_VERIFICATION_ERROR", "https://w3id.org/security#PROOF_VERIFICATION_ERROR",
         "The proof does not hold."),
        ("form", "PARSING_ERROR", "https://www.w3.org/TR/vc-data-model#PARSING_ERROR",
         "The document is not a well-formed credential."),
        ("other", None, "urn:laurel:problem:UNSPECIFIED", "The credential could not be verified."),
    ],
)  # fmt: skip
def test_what_a_problem_says(step: str, code: str | None, problem_type: str, title: str) -> None:
    (problem,) = domain.answer(verification(**{step: ("invalid", code)}))["problemDetails"]
    assert (problem["type"], problem["title"]) == (problem_type, title)
    assert (problem["step"], problem["outcome"], problem["detail"]) == (step, "invalid", f"About the {step}.")


def test_authentic_is_what_the_issuer_certainly_signed() -> None:
    assert domain.authentic(verification(dates=("invalid", "EXPIRED")))
    assert not domain.authentic(verification(key=("unknown", "KEY_UNAVAILABLE")))
    assert not domain.authentic(verification(proof=("invalid", "PROOF_VERIFICATION_ERROR")))


def test_an_answer_is_as_old_as_the_view_it_rests_on() -> None:
    earlier, later = EPOCH - timedelta(seconds=4), EPOCH + timedelta(seconds=4)
    for as_of, wanted in ((None, EPOCH), (earlier, earlier), (later, EPOCH)):
        concluded = domain.conclude(verification(), good("registration"), as_of)
        assert concluded.as_of == wanted
        assert concluded.steps[-1].name == "registration"


def test_a_member_has_the_keys_it_registered() -> None:
    world = World()
    issuer = next(each for each in world.published() if isinstance(each, IssuerPublished) and each.id == "north")
    method = domain.method_of(issuer, world.verification_method("north"))
    assert (method.controller, method.public_key) == (issuer.did, world.members["north"].public)
    assert method.revoked is None
    retired = issuer.model_copy(update={"keys": (issuer.keys[0].model_copy(update={"retired": EPOCH}),)})
    assert domain.method_of(retired, method.id).revoked == EPOCH
    with pytest.raises(KeyResolutionError, match="registered no key"):
        domain.method_of(issuer, world.verification_method("east"))
