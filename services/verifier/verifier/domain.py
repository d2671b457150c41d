"""What the verifier decides: pure functions from what its view holds to an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.status import Purpose, State
from laurel.credentials.controller_documents import jwk_method_id
from laurel.credentials.errors import CredentialError, KeyResolutionError, Unavailable
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.presentations import PresentationVerification
from laurel.credentials.report import NOT_CHECKED, Outcome, Step, Verification, good, open_question
from laurel.credentials.status_list import is_bitstring_entry

REGISTRATION = "registration"
UNKNOWN_CREDENTIAL = "UNKNOWN_CREDENTIAL"

# A fault in one of these says that this is no credential of that issuer; everything else is a finding about one.
_FOUNDATIONS = frozenset({"form", "key", "issuer", "holder", "proof"})
_TITLES = {
    "REVOKED": "The credential was revoked.",
    "SUSPENDED": "The credential is suspended.",
    "EXPIRED": "The credential has expired.",
    "NOT_YET_VALID": "The credential is not valid yet.",
    "ISSUER_MISMATCH": "The key is not the issuer's.",
    "KEY_UNAVAILABLE": "The issuer's key could not be reached.",
    "KEY_RETIRED": "The key had been retired.",
    "STATUS_RETRIEVAL_ERROR": "The status could not be checked.",
    "STATUS_UNSUPPORTED": "The status is of a kind that cannot be checked.",
    UNKNOWN_CREDENTIAL: "The registry has no such credential.",
}
_TITLE_OF_STEP = {
    "form": "The document is not a well-formed credential.",
    "key": "The key is not known.",
    "proof": "The proof does not hold.",
}
_OWN_PROBLEM = "urn:laurel:problem:"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the status changes say of one credential: its state, and which member's list it is on, and where."""

    state: State
    version: int
    issuer: str
    family: str
    index: int


def methods_of(issuer: IssuerPublished) -> Iterator[VerificationMethod]:
    """The member's keys, retired or not, as its document has them: each as Multikey and as JsonWebKey."""
    for key in issuer.keys:
        public = PublicKey.from_multibase(key.public_key_multibase)
        for name in (verification_method(issuer.did, key.public_key_multibase), jwk_method_id(issuer.did, public)):
            yield VerificationMethod(name, issuer.did, public, key.retired)


def method_of(issuer: IssuerPublished, name: str) -> VerificationMethod:
    """The member's key with the id `name`, retired or not. Raises KeyResolutionError if the member has none such."""
    for method in methods_of(issuer):
        if method.id == name:
            return method
    raise KeyResolutionError(f"{issuer.name} has registered no key {name[:300]}.")


def is_set(purpose: str, standing: Standing | None, listed: bool | None, stale: str | None) -> bool:
    """Whether one of our own credentials is revoked, or suspended, as `purpose` asks.

    `standing` comes from the status changes; `listed` is the bit in the newest signed list, None where there is no
    such list. Lists are made from the changes and can only lag behind them, so the changes decide, with two
    exceptions. Revocation is final: either source suffices, however old. And a credential that the changes do not
    know is answered from the list.

    Raises Unavailable when the answer would be no and cannot be relied on.
    """
    if purpose == Purpose.REVOCATION and (listed or (standing is not None and standing.state is State.REVOKED)):
        return True
    if stale is not None:
        raise Unavailable(stale)
    if standing is not None:
        return purpose == Purpose.SUSPENSION and standing.state is State.SUSPENDED
    if listed is None:
        raise Unavailable("Neither the credential nor its status list is known here.")
    return listed


def registration(
    standing: Standing | None, issuer: str, entries: Sequence[Mapping[str, Any]], addresses: Addresses
) -> Step:
    """Whether the registry has the credential: the step that follows for what one of our members has signed.

    A proof shows that a member's key signed, not that the consortium issued: a stolen key signs anything. Only a
    registered credential can be revoked, so one that is not registered is never valid. It is not invalid either,
    since a credential reaches its owner a moment before it reaches this view.
    """
    if standing is None:
        detail = "The registry has no such credential; if it was issued seconds ago, try again in a moment."
        return open_question(REGISTRATION, UNKNOWN_CREDENTIAL, detail)
    due = [(addresses.status_list(standing.family, each), str(standing.index)) for each in Purpose]
    # What was asked for through the VC-API may have entries of other kinds besides.
    lists = [entry for entry in entries if is_bitstring_entry(entry)]
    found = [(entry.get("statusListCredential"), entry.get("statusListIndex")) for entry in lists]
    if standing.issuer != issuer or len(found) != len(due) or any(place not in found for place in due):
        detail = "The registry has another credential under this id, with another issuer or other status entries."
        return open_question(REGISTRATION, UNKNOWN_CREDENTIAL, detail)
    return good(REGISTRATION, "The credential is in the registry.")


def authentic(verification: Verification) -> bool:
    """Whether the issuer is certain to have signed the document as it is."""
    return all(step.outcome is Outcome.valid for step in verification.steps if step.kind in _FOUNDATIONS)


def conclude(verification: Verification, registered: Step, as_of: datetime | None) -> Verification:
    """The verification of one of our own credentials: with its registration, and as old as the view it rests on."""
    moment = verification.as_of if as_of is None else min(as_of, verification.as_of)
    return replace(verification, steps=(*verification.steps, registered), as_of=moment)


def http_status(verification: Verification) -> int:
    """400 for what is no credential of that issuer; 200 for every answer about one, whatever it is (VC-API)."""
    failed = any(step.outcome is Outcome.invalid and step.kind in _FOUNDATIONS for step in verification.steps)
    return 400 if failed else 200


def answer(verification: Verification) -> dict[str, Any]:
    """The verification as the VC-API's response body."""
    return verification.to_document() | {"problemDetails": [_problem(step) for step in findings(verification)]}


def http_status_of_presentation(found: PresentationVerification) -> int:
    """As `http_status`, for a presentation: 400 if it, or a credential in it, is not what it says it is."""
    return max(http_status(each) for each in (found.presentation, *found.credentials))


def answer_on_presentation(found: PresentationVerification) -> dict[str, Any]:
    """The verification of a presentation as the VC-API's response body, with the problems of all its parts."""
    parts = (found.presentation, *found.credentials)
    return found.to_document() | {"problemDetails": [_problem(step) for part in parts for step in findings(part)]}


def findings(verification: Verification) -> list[Step]:
    """The steps that keep the credential from being valid, without those that only follow from another."""
    return [step for step in verification.steps if step.outcome is not Outcome.valid and step.code != NOT_CHECKED]


def _problem(step: Step) -> dict[str, str | None]:
    code = step.code or "UNSPECIFIED"
    standard = CredentialError("", code=code).problem_type
    return {
        "type": _OWN_PROBLEM + code if standard == "about:blank" else standard,
        "title": _TITLES.get(code) or _TITLE_OF_STEP.get(step.kind, "The credential could not be verified."),
        "detail": step.detail,
        "code": code,
        "reason": step.reason and step.reason.value,
        "pointer": step.pointer,
        "step": step.name,
        "outcome": step.outcome.value,
    }
