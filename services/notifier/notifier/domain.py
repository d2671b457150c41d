"""What is mailed, when, and what becomes of it: decisions, without effects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.envelope import derived_id
from laurel.contracts.operations import DeliveryFailed, DeliverySucceeded, Occasion
from laurel.contracts.status import State, StatusChanged
from laurel.contracts.topics import DELIVERIES, RECIPIENTS, Message, message

CHANNEL = "mail"
SOURCE = "urn:laurel:notifier"
LANGUAGES = ("en", "de")
"""The languages there are templates for; the first is for everybody else."""

# Contact data travels in a topic that forgets it. What has not come by then, and a day more, comes no more.
RECIPIENT_WAIT = (RECIPIENTS.retention or timedelta(0)) + timedelta(days=1)
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=10)
_DETAIL_LIMIT = 300
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
_REMOVED = "[removed]"


class DeliveryState(StrEnum):
    """`open` is yet to be decided; all others are final."""

    OPEN = "open"
    SENT = "sent"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    NO_RECIPIENT = "no-recipient"


class Outcome(StrEnum):
    """What came of one attempt: the mail server took the mail, may take it later, never will, or nobody knows."""

    SENT = "sent"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """What the mail server was answering when it said no."""

    CONNECTION = "connection"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Missing(StrEnum):
    """What an open delivery waits for; waiting is no attempt."""

    RECIPIENT = "recipient"
    CATALOG = "catalog"
    ISSUED_MAIL = "issued-mail"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to tell. Kept apart from deliveries, and only until `expires_at`."""

    credential: str
    name: str
    email: str
    language: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Wording:
    """The catalog's names as they stood when the mail was planned, or as soon as the catalog had them, so that a
    repeated mail is the same mail."""

    achievement: str
    issuer: str
    contact: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. It is recorded when it has ended, or when whoever made it was found dead: without an outcome, the mail
    may have gone out."""

    at: datetime
    outcome: Outcome | None = None
    detail: str = ""
    ended_at: datetime | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on one occasion, without personal data. `due_at` is None when nothing is left to do.

    `since` is when the credential was issued or revoked; `created_at` when the notifier heard of it.
    """

    id: str
    credential: str
    occasion: Occasion
    issuer: str
    achievement: str
    since: datetime
    created_at: datetime
    due_at: datetime | None
    reason: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    state: DeliveryState = DeliveryState.OPEN
    attempts: tuple[Attempt, ...] = ()
    waiting_for: Missing | None = None
    wording: Wording | None = None

    @property
    def perhaps_heard(self) -> bool:
        """Whether the learner got this mail, or may have."""
        return any(attempt.outcome in (Outcome.SENT, Outcome.UNKNOWN, None) for attempt in self.attempts)


def delivery_id(credential: str, occasion: Occasion) -> str:
    """The one id for a credential and an occasion: whatever is replayed, there is one row and so one mail."""
    return derived_id(credential, occasion, CHANNEL)


def counterpart_id(delivery: Delivery) -> str:
    """The id of the same credential's delivery on the other occasion."""
    other = Occasion.REVOKED if delivery.occasion is Occasion.ISSUED else Occasion.ISSUED
    return delivery_id(delivery.credential, other)


def wording_of(catalog: CatalogIndex, issuer: str, achievement: str) -> Wording | None:
    """The catalog's names now; None until it has both entries."""
    awarded, member = catalog.achievements.get(achievement), catalog.issuers.get(issuer)
    if awarded is None or member is None:
        return None
    return Wording(awarded.name, member.name, member.email or member.url)


def is_earned(event: CredentialIssued | StatusChanged) -> bool:
    """Whether a completion earned the credential: only then is there a learner to tell."""
    return event.achievement is not None


def on_issued(
    event: CredentialIssued, now: datetime, trace: Mapping[str, str], wording: Wording | None = None
) -> Delivery:
    """What a new credential that was earned leads to."""
    assert event.achievement is not None
    return Delivery(
        id=delivery_id(event.id, Occasion.ISSUED), credential=event.id, occasion=Occasion.ISSUED, issuer=event.issuer,
        achievement=event.achievement, since=event.issued_at, created_at=now, due_at=now, trace=trace, wording=wording,
    )  # fmt: skip


def is_told(event: StatusChanged) -> bool:
    """Whether a change of status leads to a mail: the revocation, which is final, of what a learner has earned."""
    return event.state is State.REVOKED and is_earned(event)


def on_revoked(
    event: StatusChanged, now: datetime, trace: Mapping[str, str], wording: Wording | None = None
) -> Delivery:
    """What the revocation of a credential that was earned leads to."""
    assert event.achievement is not None
    return Delivery(
        id=delivery_id(event.credential, Occasion.REVOKED), credential=event.credential, occasion=Occasion.REVOKED,
        issuer=event.issuer, achievement=event.achievement, since=event.changed_at, reason=event.reason,
        created_at=now, due_at=now, trace=trace, wording=wording,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Send:
    """Hand the mail over."""

    recipient: Recipient
    wording: Wording


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at `until`, or as soon as what is missing arrives."""

    missing: Missing
    until: datetime


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing will be sent."""

    state: DeliveryState


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The attempts are used up, and the last one's end was never recorded."""


Decision = Send | Wait | Close | GiveUp


def decide(
    delivery: Delivery, *, other: Delivery | None, recipient: Recipient | None, wording: Wording | None,
    now: datetime, waits: Sequence[float],
) -> Decision:  # fmt: skip
    """What to do with an open delivery that is due. `other` is the same credential's on the other occasion.

    A credential that is revoked before its learner heard of it leads to no mail at all: to congratulate on a
    credential that no longer holds would be wrong, and to tell somebody of the loss of what they never knew they
    had would only puzzle. Where the learner may have heard, they are told.
    """
    if delivery.occasion is Occasion.ISSUED and other is not None:
        return Close(DeliveryState.SUPERSEDED)
    if delivery.occasion is Occasion.REVOKED:
        if other is None or other.state is DeliveryState.OPEN:
            return _wait(delivery, Missing.ISSUED_MAIL, now)
        if not other.perhaps_heard:
            unknown = other.state is DeliveryState.NO_RECIPIENT
            return Close(DeliveryState.NO_RECIPIENT if unknown else DeliveryState.SUPERSEDED)
    if recipient is None and delivery.occasion is Occasion.ISSUED and now < delivery.since + RECIPIENT_WAIT:
        return _wait(delivery, Missing.RECIPIENT, now)
    if recipient is None or recipient.expires_at <= now:
        return Close(DeliveryState.NO_RECIPIENT)
    if wording is None:
        return _wait(delivery, Missing.CATALOG, now)
    if len(delivery.attempts) > len(waits):
        # Either its last worker died, or the setting has become shorter since.
        return GiveUp() if delivery.attempts[-1].outcome is None else Close(DeliveryState.FAILED)
    return Send(recipient, wording)


def _wait(delivery: Delivery, missing: Missing, now: datetime) -> Wait:
    """The longer it has been missing, the longer until the next look."""
    age = (now - delivery.created_at) / 2
    return Wait(missing, now + min(max(age, _SHORTEST_WAIT), _LONGEST_WAIT))


def next_attempt(waits: Sequence[float], failures: int, now: datetime, draw: float) -> datetime | None:
    """When to try again after the `failures`-th failure: ± 20 % by `draw` in [0, 1); None when it was the last."""
    if failures > len(waits):
        return None
    return now + timedelta(seconds=waits[failures - 1] * (0.8 + 0.4 * draw))


def outcome_of(stage: Stage, code: int) -> Outcome:
    """What a server's refusal means.

    A 5xx about the recipient or the mail is final. One about the connection, the login or the sender (and 53x,
    which asks for a login at any point) is ours to mend, and the mail is to go out once we have.
    """
    final = 500 <= code < 600 and not 530 <= code < 540 and stage is not Stage.CONNECTION
    return Outcome.REFUSED if final else Outcome.DEFERRED


def without_contact(text: str, recipient: Recipient) -> str:
    """A server's answer in one line without what it says about the recipient; servers like to quote addresses."""
    line = _ADDRESS.sub(_REMOVED, " ".join(text.split()))
    for known in sorted({*recipient.email.split("@"), *recipient.name.split()}, key=len, reverse=True):
        line = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", _REMOVED, line, flags=re.IGNORECASE)
    return line[:_DETAIL_LIMIT]


def masked(email: str) -> str:
    """An address as far as an operator needs it to help a learner who asks."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1] if len(local) > 1 else ''}***@{domain}"


def language_of(tag: str) -> str:
    """The shipped language for a language tag: `de-AT` is German, and what is not shipped is English."""
    primary = tag.partition("-")[0].lower()
    return primary if primary in LANGUAGES else LANGUAGES[0]


def report(delivery: Delivery) -> Message:
    """The event that tells of the last attempt: from stored state alone, so that a repeat is the same event."""
    number, attempt = len(delivery.attempts), delivery.attempts[-1]
    assert attempt.ended_at is not None
    body: DeliverySucceeded | DeliveryFailed
    if attempt.outcome is Outcome.SENT:
        body = DeliverySucceeded(
            delivery=delivery.id, credential=delivery.credential, occasion=delivery.occasion, attempt=number,
            at=attempt.ended_at,
        )  # fmt: skip
    else:
        body = DeliveryFailed(
            delivery=delivery.id, credential=delivery.credential, occasion=delivery.occasion, attempt=number,
            reason=attempt.detail, next_attempt_at=attempt.next_at, at=attempt.ended_at,
        )  # fmt: skip
    kind = next(name for name, contract in DELIVERIES.events.items() if contract is type(body))
    event_id = derived_id(SOURCE, f"{delivery.id}/{number}", kind)
    return message(DELIVERIES, body, key=CHANNEL, event_id=event_id, source=SOURCE, time=attempt.ended_at)
