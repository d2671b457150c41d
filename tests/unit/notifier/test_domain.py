"""The notifier's decisions, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from laurel.contracts.credentials import CredentialIssued, StatusPosition
from laurel.contracts.operations import Occasion
from laurel.contracts.status import State, StatusChanged
from laurel.contracts.topics import DELIVERIES
from notifier.domain import (
    Attempt,
    Close,
    Delivery,
    DeliveryState,
    GiveUp,
    Missing,
    Outcome,
    Recipient,
    Send,
    Stage,
    Wait,
    Wording,
    counterpart_id,
    decide,
    delivery_id,
    is_earned,
    is_told,
    language_of,
    masked,
    next_attempt,
    on_issued,
    on_revoked,
    outcome_of,
    report,
    without_contact,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
CREDENTIAL = "https://badges.example/credentials/one"
POSITION = StatusPosition(family="north-1", index=7)
ANA = Recipient(CREDENTIAL, "Ana Å. Silva", "ana.silva@learner.example", "en", NOW + DAY)
WORDING = Wording("Welding", "North", "hello@north.example")
WAITS = (10.0, 100.0)
TRACE = {"traceparent": "00-1-1-01"}


def delivery(occasion: Occasion = Occasion.ISSUED, **changes: Any) -> Delivery:
    row = Delivery(
        id=delivery_id(CREDENTIAL, occasion), credential=CREDENTIAL, occasion=occasion, issuer="north",
        achievement="welding", since=NOW, created_at=NOW, due_at=NOW,
    )  # fmt: skip
    return replace(row, **changes)


ISSUED, REVOKED = delivery(), delivery(Occasion.REVOKED)
TRIED = Attempt(NOW, Outcome.DEFERRED, "451 later", NOW, NOW)
UNRECORDED = Attempt(NOW)
SENT = delivery(state=DeliveryState.SENT, attempts=(Attempt(NOW, Outcome.SENT, "kept", NOW),))


def status(state: State) -> StatusChanged:
    return StatusChanged(
        credential=CREDENTIAL, issuer="north", achievement="welding", status=POSITION, state=state, version=2,
        reason="Issued in error", changed_at=NOW,
    )  # fmt: skip


def test_a_credential_leads_to_one_delivery_however_often_it_is_told() -> None:
    event = CredentialIssued(
        id=CREDENTIAL, credential={}, issuer="north", achievement="welding", partner="campus", status=POSITION,
        issued_at=NOW,
    )  # fmt: skip
    row = on_issued(event, NOW, TRACE)
    assert row == delivery(trace=TRACE)
    assert on_issued(event, NOW + DAY, {}).id == row.id


def test_nobody_is_told_of_what_nobody_has_earned() -> None:
    issued = CredentialIssued(id="urn:x:1", credential={}, issuer="north", status=POSITION, issued_at=NOW)
    assert not is_earned(issued)
    assert is_earned(issued.model_copy(update={"achievement": "welding"}))
    assert not is_told(status(State.REVOKED).model_copy(update={"achievement": None}))


def test_a_revocation_leads_to_a_delivery_of_its_own() -> None:
    row = on_revoked(status(State.REVOKED), NOW, TRACE)
    assert row == delivery(Occasion.REVOKED, trace=TRACE, reason="Issued in error")
    assert row.id != ISSUED.id
    assert (counterpart_id(row), counterpart_id(ISSUED)) == (ISSUED.id, row.id)


@pytest.mark.parametrize(("state", "told"), [(State.ACTIVE, False), (State.SUSPENDED, False), (State.REVOKED, True)])
def test_only_a_revocation_is_told(state: State, told: bool) -> None:
    assert is_told(status(state)) is told


@pytest.mark.parametrize(
    ("row", "other", "recipient", "wording", "expected"),
    [
        (ISSUED, None, ANA, WORDING, Send(ANA, WORDING)),
        (delivery(attempts=(TRIED,)), None, ANA, WORDING, Send(ANA, WORDING)),
        (delivery(attempts=(UNRECORDED,)), None, ANA, WORDING, Send(ANA, WORDING)),
        (delivery(attempts=(TRIED, TRIED, UNRECORDED)), None, ANA, WORDING, GiveUp()),
        (delivery(attempts=(TRIED, TRIED, TRIED)), None, ANA, WORDING, Close(DeliveryState.FAILED)),
        # what is not there yet, and what comes no more
        (ISSUED, None, None, WORDING, Wait(Missing.RECIPIENT, NOW + SECOND)),
        (delivery(since=NOW - 8 * DAY), None, None, WORDING, Close(DeliveryState.NO_RECIPIENT)),
        (ISSUED, None, replace(ANA, expires_at=NOW), WORDING, Close(DeliveryState.NO_RECIPIENT)),
        (ISSUED, None, ANA, None, Wait(Missing.CATALOG, NOW + SECOND)),
        # the two occasions together
        (ISSUED, REVOKED, ANA, WORDING, Close(DeliveryState.SUPERSEDED)),
        (REVOKED, None, ANA, WORDING, Wait(Missing.ISSUED_MAIL, NOW + SECOND)),
        (REVOKED, ISSUED, ANA, WORDING, Wait(Missing.ISSUED_MAIL, NOW + SECOND)),
        (REVOKED, SENT, ANA, WORDING, Send(ANA, WORDING)),
        (REVOKED, SENT, None, WORDING, Close(DeliveryState.NO_RECIPIENT)),
        (REVOKED, delivery(state=DeliveryState.SUPERSEDED), ANA, WORDING, Close(DeliveryState.SUPERSEDED)),
        (REVOKED, delivery(state=DeliveryState.SUPERSEDED, attempts=(TRIED,)), ANA, WORDING,
         Close(DeliveryState.SUPERSEDED)),
        (REVOKED, delivery(state=DeliveryState.SUPERSEDED, attempts=(TRIED, UNRECORDED)), ANA, WORDING,
         Send(ANA, WORDING)),
        (REVOKED, delivery(state=DeliveryState.FAILED, attempts=(TRIED,)), ANA, WORDING,
         Close(DeliveryState.SUPERSEDED)),
        (REVOKED, delivery(state=DeliveryState.FAILED, attempts=(replace(TRIED, outcome=Outcome.UNKNOWN),)), ANA,
         WORDING, Send(ANA, WORDING)),
        (REVOKED, delivery(state=DeliveryState.NO_RECIPIENT), ANA, WORDING, Close(DeliveryState.NO_RECIPIENT)),
    ],
)  # fmt: skip
def test_decisions(
    row: Delivery, other: Delivery | None, recipient: Recipient | None, wording: Wording | None, expected: object
) -> None:
    assert decide(row, other=other, recipient=recipient, wording=wording, now=NOW, waits=WAITS) == expected


@pytest.mark.parametrize(("age", "wait"), [(0, 1), (1, 1), (60, 30), (86400, 600)])
def test_the_longer_something_is_missing_the_rarer_the_look(age: int, wait: int) -> None:
    row = delivery(created_at=NOW - age * SECOND)
    decision = decide(row, other=None, recipient=None, wording=WORDING, now=NOW, waits=WAITS)
    assert decision == Wait(Missing.RECIPIENT, NOW + wait * SECOND)


@pytest.mark.parametrize(
    ("failures", "draw", "seconds"),
    [(1, 0.5, 10), (1, 0.0, 8), (1, 1.0, 12), (2, 0.5, 100), (3, 0.5, None)],
)
def test_the_schedule(failures: int, draw: float, seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert next_attempt(WAITS, failures, NOW, draw) == expected


@pytest.mark.parametrize(
    ("stage", "code", "outcome"),
    [
        (Stage.RECIPIENT, 550, Outcome.REFUSED),
        (Stage.RECIPIENT, 450, Outcome.DEFERRED),
        (Stage.RECIPIENT, 530, Outcome.DEFERRED),
        (Stage.CONTENT, 554, Outcome.REFUSED),
        (Stage.CONTENT, 451, Outcome.DEFERRED),
        (Stage.CONNECTION, 554, Outcome.DEFERRED),
        (Stage.CONNECTION, 535, Outcome.DEFERRED),
        (Stage.CONNECTION, 421, Outcome.DEFERRED),
        (Stage.CONTENT, -1, Outcome.DEFERRED),
    ],
)
def test_what_a_refusal_means(stage: Stage, code: int, outcome: Outcome) -> None:
    assert outcome_of(stage, code) is outcome


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("2.0.0 Ok: queued as 4ABC", "2.0.0 Ok: queued as 4ABC"),
        ("550 5.1.1 <ana.silva@learner.example> unknown", "550 5.1.1 <[removed]> unknown"),
        ("550 no ANA.SILVA here\r\n at learner.example.", "550 no [removed] here at [removed]."),
        ("550 no mailbox for Silva, Ana", "550 no mailbox for [removed], [removed]"),
        ("bounce+ana=learner.example@mx.example", "[removed]"),
        ("bananas for ana", "bananas for [removed]"),
        ("x" * 400, "x" * 300),
    ],
)
def test_answers_are_kept_without_the_recipient(answer: str, kept: str) -> None:
    assert without_contact(answer, ANA) == kept


@pytest.mark.parametrize(
    ("email", "shown"),
    [("ana@learner.example", "a***@learner.example"), ("a@learner.example", "***@learner.example")],
)
def test_addresses_are_masked(email: str, shown: str) -> None:
    assert masked(email) == shown


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en", "en"), ("de", "de"), ("de-AT", "de"), ("en-GB", "en"), ("fr", "en"), ("den", "en"), ("zh-Hant-TW", "en")],
)
def test_the_language_of_the_mail(tag: str, language: str) -> None:
    assert language_of(tag) == language


def test_a_success_is_reported_from_what_is_stored() -> None:
    told = report(SENT)
    assert told == report(SENT)
    assert (told.topic, told.key, told.event.type) == (DELIVERIES, "mail", "delivery.succeeded")
    assert told.event.time == NOW


def test_each_attempt_is_an_event_of_its_own() -> None:
    first = report(delivery(attempts=(TRIED,)))
    last = report(delivery(attempts=(TRIED, replace(TRIED, outcome=Outcome.REFUSED, next_at=None))))
    assert (first.event.type, last.event.type) == ("delivery.failed", "delivery.failed")
    assert first.event.id != last.event.id
    assert b"nextAttemptAt" in first.event.data
    assert b"nextAttemptAt" not in last.event.data
