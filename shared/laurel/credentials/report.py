"""What a verification came to: a list of steps, each with its outcome, its reason and a sentence to act on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from laurel.credentials.errors import CredentialError
from laurel.credentials.values import format_datetime


class Outcome(StrEnum):
    """What a step, or all of them, came to."""

    valid = "valid"
    invalid = "invalid"
    unknown = "unknown"


class Reason(StrEnum):
    """Why a step is not valid, in the terms of whoever has to decide on it."""

    altered = "altered"
    untrusted_issuer = "untrusted issuer"
    revoked = "revoked"
    suspended = "suspended"
    expired = "expired"
    not_yet_valid = "not yet valid"
    malformed = "malformed"
    misdirected = "meant for somebody else"
    could_not_check = "could not check"


@dataclass(frozen=True)
class Step:
    """One step. `code` and `reason` are stable and set unless all is well; `detail` is a sentence for whoever asked.

    `pointer` is the JSON pointer of the culprit, where there is one. An `advisory` step that is unknown leaves the
    rest standing: what it is about does not decide whether the credential holds.
    """

    name: str
    outcome: Outcome
    code: str | None
    detail: str
    reason: Reason | None = None
    pointer: str | None = None
    advisory: bool = False

    @property
    def kind(self) -> str:
        """The name without what tells several steps of a kind apart: `status` of `status:revocation`."""
        return self.name.partition(":")[0]

    def to_document(self) -> dict[str, Any]:
        """The step as JSON."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "reason": self.reason and self.reason.value,
            "code": self.code,
            "pointer": self.pointer,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Verification:
    """The steps taken, as of one moment."""

    steps: tuple[Step, ...]
    as_of: datetime

    @property
    def outcome(self) -> Outcome:
        """Invalid if any step is; otherwise unknown if any step that decides is; otherwise valid."""
        return worst(step.outcome for step in self.steps if not (step.advisory and step.outcome is Outcome.unknown))

    def to_document(self) -> dict[str, Any]:
        """The verification as JSON; `verified` is true for `valid` alone."""
        return {
            "outcome": self.outcome.value,
            "verified": self.outcome is Outcome.valid,
            "asOf": format_datetime(self.as_of),
            "steps": [step.to_document() for step in self.steps],
        }


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Invalid before unknown before valid; unknown of none, since no steps are no verification."""
    found = set(outcomes)
    for outcome in (Outcome.invalid, Outcome.unknown, Outcome.valid):
        if outcome in found:
            return outcome
    return Outcome.unknown


def good(name: str, detail: str) -> Step:
    """A step that is as it should be."""
    return Step(name, Outcome.valid, None, detail)


def bad(name: str, error: CredentialError, reason: Reason, detail: str | None = None) -> Step:
    """A step that failed as `error` says, in its words unless others are given."""
    where = f" (at {error.pointer})" if error.pointer else ""
    return Step(name, Outcome.invalid, error.code, detail or f"{error.detail}{where}", reason, error.pointer or None)


def open_question(name: str, code: str, detail: str, *, advisory: bool = False) -> Step:
    """A step whose answer could not be had."""
    return Step(name, Outcome.unknown, code, detail, Reason.could_not_check, advisory=advisory)


NOT_CHECKED = "NOT_CHECKED"


def not_checked(name: str, reason: str) -> Step:
    """A step that was not taken, since what it stands on is missing."""
    return open_question(name, NOT_CHECKED, f"This was not checked, because {reason}.")
