"""Verifying a credential as a log of steps, each valid, invalid or unknown.

"Could not check" is not "bad", and it is never "good" either: a status list out of reach leaves the credential
unknown. Policy comes last and belongs to the caller; every step that can be taken is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import orjson

from laurel.credentials.canonical import MAX_BYTES
from laurel.credentials.errors import CredentialError, KeyResolutionError, MalformedCredential, ProofError, Unavailable
from laurel.credentials.form import check_form, issuer_id, status_entries
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import Proof, proofs_of, verify_proof
from laurel.credentials.status_list import is_bitstring_entry
from laurel.credentials.values import format_datetime, parse_datetime

_STATUS_CODES = {"revocation": "REVOKED", "suspension": "SUSPENDED"}


class Outcome(StrEnum):
    """What a step, or all of them, came to."""

    valid = "valid"
    invalid = "invalid"
    unknown = "unknown"


@dataclass(frozen=True)
class Step:
    """One step. `code` is stable and set unless all is well; `detail` is a sentence for whoever asked."""

    name: str
    outcome: Outcome
    code: str | None
    detail: str


@dataclass(frozen=True)
class Verification:
    """The steps taken, as of one moment."""

    steps: tuple[Step, ...]
    as_of: datetime

    @property
    def outcome(self) -> Outcome:
        """Invalid if any step is; otherwise unknown if any step is; otherwise valid."""
        outcomes = {step.outcome for step in self.steps}
        for outcome in (Outcome.invalid, Outcome.unknown):
            if outcome in outcomes:
                return outcome
        # No steps is no verification.
        return Outcome.valid if outcomes else Outcome.unknown

    def to_document(self) -> dict[str, Any]:
        """The verification as JSON; `verified` is true for `valid` alone."""
        return {
            "outcome": self.outcome.value,
            "verified": self.outcome is Outcome.valid,
            "asOf": format_datetime(self.as_of),
            "steps": [
                {"name": step.name, "outcome": step.outcome.value, "code": step.code, "detail": step.detail}
                for step in self.steps
            ],
        }


class Sources(Protocol):
    """Where a verifier gets keys and statuses from: its own view of the record, or the network."""

    async def method(self, verification_method: str, issuer: str) -> VerificationMethod:
        """The key of that name. Raises KeyResolutionError if there is none, Unavailable if it is out of reach."""

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the entry's bit is set, in a status list that has itself been verified as the issuer's.

        Raises StatusListError if the list does not hold, Unavailable if it is out of reach or too old.
        """


async def verify(document: Any, sources: Sources, now: datetime) -> Verification:
    """Verify a credential, given as parsed JSON or as its bytes or text. Raises nothing for what is wrong with it.

    The steps are `form`, `key`, `issuer`, `proof`, `dates`, then one `status:<purpose>` for each status entry
    (or `status` where there is none). A step whose ground is missing is `unknown` with the code NOT_CHECKED.
    """
    # 1. Form: what follows relies on it.
    form, credential = _form(document)
    if credential is None:
        rest = [_not_checked(name, "the form of the credential is wrong") for name in _AFTER_FORM]
        return Verification((form, *rest), now)
    issuer = issuer_id(credential)
    # 2. The key, and whose it is. Data Integrity leaves the comparison with the issuer to the application.
    key, method = await _key(credential, issuer, sources)
    owner = _issuer(method, issuer)
    # 3. The proof.
    proof = _proof(credential, method, now)
    # 4. The dates.
    dates = _dates(credential, now)
    # 5. The status, only for what the issuer has signed: anyone can write a status entry.
    authentic = owner.outcome is Outcome.valid and proof.outcome is Outcome.valid
    statuses = await _statuses(credential, issuer, sources, authentic)
    return Verification((form, key, owner, proof, dates, *statuses), now)


_AFTER_FORM = ("key", "issuer", "proof", "dates", "status")


def _form(document: Any) -> tuple[Step, dict[str, Any] | None]:
    try:
        credential = _parse(document)
        check_form(credential)
        _only_proof(credential)
    except CredentialError as error:
        where = f" (at {error.pointer})" if error.pointer else ""
        return Step("form", Outcome.invalid, error.code, f"{error.detail}{where}"), None
    return _good("form", "The document is a well-formed credential, and every part of it is defined."), credential


def _only_proof(credential: dict[str, Any]) -> Proof:
    proofs = proofs_of(credential)
    if len(proofs) > 1:
        raise ProofError("There are several proofs; only a single one is supported.", pointer="/proof")
    return proofs[0]


def _parse(document: Any) -> Any:
    if not isinstance(document, bytes | str):
        return document
    if len(document) > MAX_BYTES:
        raise MalformedCredential(f"The document is longer than {MAX_BYTES} bytes.")
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise MalformedCredential("The document is not JSON.", code="PARSING_ERROR") from error


async def _key(credential: dict[str, Any], issuer: str, sources: Sources) -> tuple[Step, VerificationMethod | None]:
    name = _only_proof(credential)["verificationMethod"]
    try:
        method = await sources.method(name, issuer)
    except KeyResolutionError as error:
        return Step("key", Outcome.invalid, error.code, f"The issuer has no such key: {error.detail}"), None
    except Unavailable as error:
        detail = f"The issuer's key could not be reached, so try again later: {error.detail}"
        return Step("key", Outcome.unknown, "KEY_UNAVAILABLE", detail), None
    return _good("key", f"The key that made the proof was found: {method.id}"), method


def _issuer(method: VerificationMethod | None, issuer: str) -> Step:
    if method is None:
        return _not_checked("issuer", "the key is not known")
    if method.controller != issuer:
        detail = f"The key belongs to {method.controller}, not to the issuer {issuer}, so the issuer did not make this."
        return Step("issuer", Outcome.invalid, "ISSUER_MISMATCH", detail)
    return _good("issuer", f"The key belongs to the issuer {issuer}.")


def _proof(credential: dict[str, Any], method: VerificationMethod | None, now: datetime) -> Step:
    if method is None:
        return _not_checked("proof", "the key is not known")
    try:
        verify_proof(credential, _only_proof(credential), method=method, now=now)
    except CredentialError as error:
        return Step("proof", Outcome.invalid, error.code, error.detail)
    return _good("proof", "The signature holds: nothing was changed after the key signed it.")


def _dates(credential: dict[str, Any], now: datetime) -> Step:
    begins, ends = credential.get("validFrom"), credential.get("validUntil")
    if begins is not None and parse_datetime(begins) > now:
        return Step("dates", Outcome.invalid, "NOT_YET_VALID", f"The credential is valid only from {begins} on.")
    if ends is not None and parse_datetime(ends) < now:
        return Step("dates", Outcome.invalid, "EXPIRED", f"The credential was valid until {ends} and has expired.")
    return _good("dates", f"The credential is valid until {ends}." if ends else "The credential does not expire.")


async def _statuses(credential: dict[str, Any], issuer: str, sources: Sources, authentic: bool) -> Sequence[Step]:
    entries = status_entries(credential)
    if not entries:
        return [_good("status", "The credential names no status list, so its issuer has no way to revoke it.")]
    if not authentic:
        reason = "it is not certain that the issuer signed the credential"
        return [_not_checked(_status_name(entry), reason) for entry in entries]
    return [await _status(entry, issuer, sources) for entry in entries]


async def _status(entry: dict[str, Any], issuer: str, sources: Sources) -> Step:
    name, purpose = _status_name(entry), entry.get("statusPurpose")
    if not is_bitstring_entry(entry) or purpose not in _STATUS_CODES:
        detail = "The credential has a status of a kind that cannot be checked here; ask the issuer."
        return Step(name, Outcome.unknown, "STATUS_UNSUPPORTED", detail)
    try:
        is_set = await sources.status(entry, issuer)
    except Unavailable as error:
        detail = f"Whether the credential still holds could not be checked, so try again later: {error.detail}"
        return Step(name, Outcome.unknown, "STATUS_RETRIEVAL_ERROR", detail)
    except CredentialError as error:
        return Step(name, Outcome.invalid, error.code, f"The issuer's status list does not hold: {error.detail}")
    if not is_set:
        return _good(name, f"The issuer has recorded no {purpose}.")
    done = {"revocation": "revoked the credential for good", "suspension": "suspended the credential for now"}
    return Step(name, Outcome.invalid, _STATUS_CODES[purpose], f"The issuer has {done[purpose]}.")


def _status_name(entry: dict[str, Any]) -> str:
    purpose = entry.get("statusPurpose")
    return f"status:{purpose}" if isinstance(purpose, str) else "status"


def _good(name: str, detail: str) -> Step:
    return Step(name, Outcome.valid, None, detail)


def _not_checked(name: str, reason: str) -> Step:
    return Step(name, Outcome.unknown, "NOT_CHECKED", f"This was not checked, because {reason}.")
