"""What reconciling finds: a balance, what is unfinished, and discrepancies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from laurel.contracts.base import utc_text


class Kind(StrEnum):
    """What is wrong. Names are stable: scripts and alerts may key on them."""

    COMPLETION_LOST = "completion-lost"
    COMPLETION_DECIDED_TWICE = "completion-decided-twice"
    OUTCOME_UNEXPLAINED = "outcome-unexplained"
    EVENT_ISSUED_TWICE = "event-issued-twice"
    INDEX_USED_TWICE = "status-index-used-twice"
    INDEX_OUTSIDE = "status-index-outside"
    REJECTION_MISSING = "rejection-missing"
    REJECTION_UNEXPLAINED = "rejection-unexplained"
    REJECTION_DIFFERS = "rejection-differs"
    CREDENTIAL_MISSING = "credential-missing"
    CREDENTIAL_UNEXPLAINED = "credential-unexplained"
    CREDENTIAL_DIFFERS = "credential-differs"
    REGISTRATION_MISSING = "registration-missing"
    REGISTRATION_UNEXPLAINED = "registration-unexplained"
    REGISTRATION_DIFFERS = "registration-differs"
    STATUS_MISSING = "status-missing"
    STATUS_UNEXPLAINED = "status-unexplained"
    STATUS_DIFFERS = "status-differs"
    HISTORY_NOT_IN_LOG = "history-not-in-log"
    REQUEST_LOST = "status-request-lost"
    REQUEST_UNEXPLAINED = "status-request-unexplained"
    REQUEST_DIFFERS = "status-request-differs"
    CHANGE_UNEXPLAINED = "status-change-unexplained"
    LIST_MISSING = "status-list-missing"
    LIST_UNEXPLAINED = "status-list-unexplained"
    LIST_DIFFERS = "status-list-differs"
    LIST_BIT_WRONG = "status-list-bit-wrong"
    CATALOG_MISSING = "catalog-missing"
    CATALOG_UNEXPLAINED = "catalog-unexplained"
    CATALOG_DIFFERS = "catalog-differs"
    RECIPIENT_MISSING = "recipient-missing"
    RECIPIENT_LOST = "recipient-lost"
    RECIPIENT_UNEXPLAINED = "recipient-unexplained"
    DELIVERY_MISSING = "delivery-missing"
    DELIVERY_UNEXPLAINED = "delivery-unexplained"
    DELIVERY_DOUBLED = "delivery-doubled"
    DELIVERY_DIFFERS = "delivery-differs"
    DELIVERY_STATE_UNEXPLAINED = "delivery-state-unexplained"
    DELIVERY_STUCK = "delivery-stuck"
    MAIL_MISSING = "mail-missing"
    MAIL_DOUBLED = "mail-doubled"
    MAIL_UNREPORTED = "mail-unreported"
    MAIL_UNEXPLAINED = "mail-unexplained"
    ROW_UNREADABLE = "row-unreadable"


@dataclass(frozen=True, slots=True, order=True)
class Discrepancy:
    """One thing that does not fit. `subject` names it: a record, an id, a position; `detail` says why in a sentence."""

    kind: Kind
    subject: str
    detail: str = field(compare=False)


class Why(StrEnum):
    """Why something has not gone all its way, without being lost."""

    WAITING = "waiting"
    DEAD_LETTERED = "dead-lettered"


@dataclass(frozen=True, slots=True, order=True)
class Unfinished:
    """Something on its way: `stage` is what it waits for, or where it was given up."""

    stage: str
    why: Why
    subject: str


@dataclass(slots=True)
class Balance:
    """The counts. The first line of the balance is
    published = issued + rejected + duplicates + passed over + dead-lettered + waiting + lost.

    `duplicates` are the codes LRL-1012 and LRL-1013, `passed_over` records of event types unknown here. What
    `deleted_by_retention` counts are outcomes whose completion the topic no longer has; they are in no other count
    of completions. `requests` counts the registry's status requests by what became of them. `perhaps_repeated` counts
    mails of which an attempt's end was never recorded, so that they may have gone out once more. `mails_failed`,
    `mails_superseded` and `mails_without_recipient` are deliveries that ended without a mail.
    """

    published: int = 0
    issued: int = 0
    rejected: int = 0
    duplicates: int = 0
    passed_over: int = 0
    dead_lettered: int = 0
    waiting: int = 0
    lost: int = 0
    deleted_by_retention: int = 0
    rejections_deleted_by_retention: int = 0
    requests_deleted_by_retention: int = 0

    rejection_codes: dict[str, int] = field(default_factory=dict)
    requested: int = 0
    catalog: int = 0
    credentials: int = 0
    registered: int = 0
    states: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    indexes: int = 0
    status_lists: int = 0
    deliveries: dict[str, int] = field(default_factory=dict)
    mails_sent: int = 0
    mails_failed: int = 0
    mails_superseded: int = 0
    mails_without_recipient: int = 0
    perhaps_repeated: int = 0
    repeated: int = 0
    mailbox: int | None = None
    unreadable: dict[str, int] = field(default_factory=dict)

    @property
    def accounted(self) -> int:
        """What has become of the published completions, taken together."""
        return (
            self.issued + self.rejected + self.duplicates + self.passed_over + self.dead_lettered + self.waiting
            + self.lost
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What was found at a moment."""

    at: datetime
    balance: Balance
    unfinished: tuple[Unfinished, ...]
    discrepancies: tuple[Discrepancy, ...]

    @property
    def balanced(self) -> bool:
        """Whether everything fits. What still waits or was given up openly is no discrepancy."""
        return not self.discrepancies

    @property
    def settled(self) -> bool:
        """Whether everything fits and nothing is on its way any more."""
        return self.balanced and not any(each.why is Why.WAITING for each in self.unfinished)

    def confirmed_by(self, later: Report) -> Report:
        """The later report with those discrepancies only that both have: the others were in motion."""
        seen = set(self.discrepancies)
        return replace(later, discrepancies=tuple(each for each in later.discrepancies if each in seen))

    def facts(self) -> dict[str, Any]:
        """The report as one JSON document."""
        return {
            "at": utc_text(self.at), "balanced": self.balanced, "settled": self.settled,
            "balance": {_camel(name): value for name, value in asdict(self.balance).items()},
            "unfinished": [asdict(each) for each in self.unfinished],
            "discrepancies": [asdict(each) for each in self.discrepancies],
        }  # fmt: skip


class Findings:
    """Where the comparisons put what they find."""

    def __init__(self) -> None:
        self._discrepancies: set[Discrepancy] = set()
        self._unfinished: set[Unfinished] = set()

    def wrong(self, kind: Kind, subject: str, detail: str) -> None:
        """Something does not fit."""
        self._discrepancies.add(Discrepancy(kind, subject, detail))

    def unfinished(self, stage: str, why: Why, subject: str) -> None:
        """Something is on its way, or was given up openly."""
        self._unfinished.add(Unfinished(stage, why, subject))

    def report(self, at: datetime, balance: Balance) -> Report:
        """All of it, sorted."""
        return Report(at, balance, tuple(sorted(self._unfinished)), tuple(sorted(self._discrepancies)))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
