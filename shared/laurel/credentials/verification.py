"""Verifying a credential as a log of steps, each valid, invalid or unknown.

"Could not check" is not "bad", and it is never "good" either: a status list out of reach leaves the credential
unknown. Policy comes last and belongs to the caller; every step that can be taken is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from laurel.credentials.errors import CredentialError, KeyResolutionError, Unavailable, UnsupportedCredential
from laurel.credentials.form import issuer_id, status_entries, validity
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.open_badges import check_profile
from laurel.credentials.recipients import recipient_matches
from laurel.credentials.related_resources import check_related_resources
from laurel.credentials.report import (
    NOT_CHECKED,
    Outcome,
    Reason,
    Step,
    Verification,
    bad,
    good,
    not_checked,
    open_question,
    worst,
)
from laurel.credentials.schema_check import check_schemas
from laurel.credentials.secured import Secured, Signature, read_credential
from laurel.credentials.status_list import is_bitstring_entry
from laurel.credentials.values import format_datetime

_STATUS = {
    "revocation": ("REVOKED", Reason.revoked, "The issuer has revoked the credential for good."),
    "suspension": ("SUSPENDED", Reason.suspended, "The issuer has suspended the credential for now."),
}
# Bitstring Status List 1.0 §2.1: these say something else than whether the credential holds.
_TELLS_NOTHING = ("message", "refresh")


class Sources(Protocol):
    """Where a verifier gets keys and statuses from: its own view of the record, or the network."""

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The key of that name, which its controller uses for `purpose`.

        Raises KeyResolutionError if there is none, Unavailable if it is out of reach.
        """

    async def method_with(
        self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The method of `controller` that holds `key`. Raises as `method` does."""

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the entry's bit is set, in a status list that has itself been verified as the issuer's.

        Raises StatusListError if the list does not hold, Unavailable if it is out of reach or too old.
        """


@dataclass(frozen=True)
class Expected:
    """What whoever asks knows: what the proofs must be bound to (Data Integrity 1.0 §2.1 `domain` and `challenge`),
    if to anything, and `recipient`, the e-mail address of whom a credential must be about, if it matters."""

    domain: str | None = None
    challenge: str | None = None
    recipient: str | None = None

    @property
    def in_presentation(self) -> "Expected":
        """What is expected of the credentials in a presentation that is itself bound to domain and challenge."""
        return Expected(recipient=self.recipient)


ANYBODY = Expected()
"""The proofs must not be bound to anything, and whom a credential is about is not asked."""


async def verify(document: Any, sources: Sources, now: datetime, expected: Expected = ANYBODY) -> Verification:
    """Verify a credential, in any form that `secured` reads. Raises nothing for what is wrong with it.

    The steps are `form`; `key`, `issuer` and `proof` for each signature (`key:2` for the second); `dates`; then one
    `status:<purpose>` for each status entry, or `status` where there is none; where the credential gives cause, one
    `schema` for each that it declares, `open badge`, and one `related resource` for each that it pins; `recipient`
    where one is expected. A step whose ground is missing is `unknown` with the code NOT_CHECKED.
    """
    # 1. Form: what follows relies on it.
    form, secured = _form(document)
    if secured is None:
        rest = [not_checked(name, "the form of the credential is wrong") for name in _AFTER_FORM]
        return Verification((form, *rest), now)
    credential = secured.document
    issuer = issuer_id(credential)
    # 2. The signatures: the keys, whose they are, and whether the proofs hold.
    signed = [await check_signature(each, issuer, sources, now, expected) for each in secured.signatures]
    checks = _owned(signed, issuer)
    # 3. The dates.
    dates = _dates(credential, now)
    # 4. The status, only for what the issuer has signed: anyone can write a status entry.
    authentic = worst(step.outcome for step in checks) is Outcome.valid
    statuses = await _statuses(credential, issuer, sources, authentic)
    # 5. What it declares itself to be, and what it refers to.
    further = [*_schemas(credential), *_open_badge(credential), *check_related_resources(credential)]
    # 6. Whether it is about whom the asker has before him.
    whom = () if expected.recipient is None else (_recipient(credential, expected.recipient),)
    return Verification((form, *checks, dates, *statuses, *further, *whom), now)


async def with_status_anew(verification: Verification, credential: dict[str, Any], sources: Sources) -> Verification:
    """The verification of what its issuer has certainly signed, with its status looked up once more.

    For when something slow has come between: a status is worth as much as it is young.
    """
    statuses = iter(await _statuses(credential, issuer_id(credential), sources, authentic=True))
    return replace(
        verification,
        steps=tuple(next(statuses) if step.kind == "status" else step for step in verification.steps),
    )


_AFTER_FORM = ("key", "issuer", "proof", "dates", "status")


def _form(document: Any) -> tuple[Step, Secured | None]:
    try:
        secured = read_credential(document)
    except CredentialError as error:
        return bad("form", error, Reason.malformed), None
    return good("form", "The document is a well-formed credential, and every part of it is defined."), secured


# --- Signatures ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """One signature: the steps on its key and its proof, and the key's owner where the key is known."""

    key: Step
    controller: str | None
    proof: Step


async def check_signature(
    signature: Signature, party: str, sources: Sources, now: datetime, expected: Expected,
    purpose: str = "assertionMethod",
) -> Checked:  # fmt: skip
    """Look up the key of one signature and hold the signature against it. `party` is whose it should be."""
    key, method = await _key(signature, party, sources, purpose)
    if method is None:
        return Checked(key, None, not_checked("proof", "the key is not known"))
    return Checked(key, method.controller, _proof(signature, method, now, expected))


async def _key(
    signature: Signature, party: str, sources: Sources, purpose: str
) -> tuple[Step, VerificationMethod | None]:
    try:
        method = await _method(signature, party, sources, purpose)
    except KeyResolutionError as error:
        detail = f"The issuer has no such key: {error.detail}"
        return bad("key", error, Reason.untrusted_issuer, detail), None
    except Unavailable as error:
        detail = f"The issuer's key could not be reached, so try again later: {error.detail}"
        return open_question("key", "KEY_UNAVAILABLE", detail), None
    if method.revoked is not None and (signature.created is None or signature.created >= method.revoked):
        when = format_datetime(method.revoked)
        detail = f"The key was retired on {when}, before this signature was made; ask the issuer for a new credential."
        return Step("key", Outcome.invalid, "KEY_RETIRED", detail, Reason.untrusted_issuer), None
    return good("key", f"The key that made the proof was found: {method.id}"), method


async def _method(signature: Signature, party: str, sources: Sources, purpose: str) -> VerificationMethod:
    if signature.verification_method is not None:
        return await sources.method(signature.verification_method, party, purpose)
    if signature.key is not None:
        return await sources.method_with(signature.key, party, purpose)
    raise KeyResolutionError("The signature names no key; ask for one that does.")


def _proof(signature: Signature, method: VerificationMethod, now: datetime, expected: Expected) -> Step:
    for name, bound, wanted in (
        ("domain", signature.domain, expected.domain), ("challenge", signature.challenge, expected.challenge)
    ):  # fmt: skip
        step = _binding(name, bound, wanted)
        if step is not None:
            return step
    try:
        signature.check(method)
    except CredentialError as error:
        if error.code == UnsupportedCredential.default_code:
            detail = f"Whether the signature covers all of the document cannot be checked here: {error.detail}"
            return replace(open_question("proof", error.code, detail), pointer=error.pointer)
        # What no proof can cover says nothing of who changed what.
        unsafe = error.code == "PROOF_TRANSFORMATION_ERROR"
        return bad("proof", error, Reason.malformed if unsafe else Reason.altered)
    if signature.begins is not None and signature.begins > now:
        detail = f"The signature counts only from {format_datetime(signature.begins)} on."
        return Step("proof", Outcome.invalid, "PROOF_VERIFICATION_ERROR", detail, Reason.not_yet_valid)
    if signature.expires is not None and signature.expires <= now:
        detail = f"The proof expired on {format_datetime(signature.expires)}; ask the issuer for a new one."
        return Step("proof", Outcome.invalid, "PROOF_VERIFICATION_ERROR", detail, Reason.expired)
    return good("proof", "The signature holds: nothing was changed after the key signed it.")


def _binding(name: str, bound: Sequence[str], wanted: str | None) -> Step | None:
    code = f"INVALID_{name.upper()}_ERROR"
    if wanted is None and bound:
        detail = f"The proof was made for the {name} {bound[0][:200]!r} only; say which {name} you asked for."
        return open_question("proof", code, detail)
    if wanted is not None and wanted not in bound:
        detail = f"The proof was not made for the {name} {wanted[:200]!r}, so it was meant for somebody else."
        return Step("proof", Outcome.invalid, code, detail, Reason.misdirected)
    return None


def _owned(signed: Sequence[Checked], issuer: str) -> list[Step]:
    """The steps of all signatures, each with whose key it was. One has to be the issuer's.

    Data Integrity leaves the comparison with the issuer to the application.
    """
    by_issuer = any(each.controller == issuer and each.proof.outcome is Outcome.valid for each in signed)
    steps = []
    for number, each in enumerate(signed, 1):
        suffix = f":{number}" if number > 1 else ""
        owner = _owner(each.controller, issuer, by_issuer)
        steps += [replace(step, name=step.name + suffix) for step in (each.key, owner, each.proof)]
    return steps


def _owner(controller: str | None, issuer: str, by_issuer: bool) -> Step:
    if controller is None:
        return not_checked("issuer", "the key is not known")
    if controller == issuer:
        return good("issuer", f"The key belongs to the issuer {issuer}.")
    if by_issuer:
        return good("issuer", f"This proof is an additional one, by {controller}.")
    detail = f"The key belongs to {controller}, not to the issuer {issuer}, so the issuer did not make this."
    return Step("issuer", Outcome.invalid, "ISSUER_MISMATCH", detail, Reason.untrusted_issuer)


# --- Dates and status ------------------------------------------------------------------------------------------


def _dates(credential: dict[str, Any], now: datetime) -> Step:
    begins, ends = validity(credential)
    if begins is not None and begins > now:
        detail = f"The credential is valid only from {format_datetime(begins)} on."
        return Step("dates", Outcome.invalid, "NOT_YET_VALID", detail, Reason.not_yet_valid)
    if ends is None:
        return good("dates", "The credential does not expire.")
    if ends < now:
        detail = f"The credential was valid until {format_datetime(ends)} and has expired."
        return Step("dates", Outcome.invalid, "EXPIRED", detail, Reason.expired)
    return good("dates", f"The credential is valid until {format_datetime(ends)}.")


async def _statuses(credential: dict[str, Any], issuer: str, sources: Sources, authentic: bool) -> Sequence[Step]:
    entries = status_entries(credential)
    if not entries:
        return [good("status", "The credential names no status list, so its issuer has no way to revoke it.")]
    if not authentic:
        reason = "it is not certain that the issuer signed the credential"
        return [not_checked(_status_name(entry), reason) for entry in entries]
    return [await _status(entry, issuer, sources) for entry in entries]


async def _status(entry: dict[str, Any], issuer: str, sources: Sources) -> Step:
    name, purpose = _status_name(entry), entry.get("statusPurpose")
    if is_bitstring_entry(entry) and purpose in _TELLS_NOTHING:
        return good(name, f"The status list for {purpose!r} says nothing about whether the credential holds.")
    if not is_bitstring_entry(entry) or purpose not in _STATUS:
        detail = "The credential has a status of a kind that cannot be checked here; ask the issuer."
        return open_question(name, "STATUS_UNSUPPORTED", detail)
    try:
        is_set = await sources.status(entry, issuer)
    except Unavailable as error:
        detail = f"Whether the credential still holds could not be checked, so try again later: {error.detail}"
        return open_question(name, "STATUS_RETRIEVAL_ERROR", detail)
    except CredentialError as error:
        reason = Reason.altered if error.code == "STATUS_VERIFICATION_ERROR" else Reason.malformed
        return bad(name, error, reason, f"The issuer's status list does not hold: {error.detail}")
    if not is_set:
        return good(name, f"The issuer has recorded no {purpose}.")
    code, reason, detail = _STATUS[purpose]
    return Step(name, Outcome.invalid, code, detail, reason)


def _status_name(entry: dict[str, Any]) -> str:
    purpose = entry.get("statusPurpose")
    return f"status:{purpose}" if isinstance(purpose, str) else "status"


# --- What it declares itself to be -----------------------------------------------------------------------------


def _schemas(credential: dict[str, Any]) -> Sequence[Step]:
    steps = []
    for number, finding in enumerate(check_schemas(credential), 1):
        name = "schema" if number == 1 else f"schema:{number}"
        if finding.outcome == "valid":
            steps.append(good(name, finding.detail))
        elif finding.outcome == "unknown":
            steps.append(open_question(name, finding.code or NOT_CHECKED, finding.detail, advisory=True))
        else:
            error = CredentialError(finding.detail, pointer=finding.pointer, code=finding.code)
            steps.append(bad(name, error, Reason.malformed))
    return steps


def _open_badge(credential: dict[str, Any]) -> Sequence[Step]:
    profile = check_profile(credential)
    if profile.kind is None:
        return ()
    if not profile.errors:
        return [good("open badge", "The credential has what Open Badges 3.0 demands.")]
    first, *others = profile.errors
    more = f" (and {len(others)} more)" if others else ""
    error = CredentialError(f"{first.detail}{more}", pointer=first.pointer, code=first.code)
    return [bad("open badge", error, Reason.malformed)]


def _recipient(credential: dict[str, Any], address: str) -> Step:
    if recipient_matches(credential, address):
        return good("recipient", "The credential was awarded to the person with this e-mail address.")
    detail = "The credential does not name this e-mail address; ask the learner for the address it was awarded under."
    return Step("recipient", Outcome.invalid, "RECIPIENT_MISMATCH", detail, Reason.misdirected)
