"""A mail that is another learner's, speaks of another credential, or comes again changed, is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaos.mails import Mail, arrivals_of, arrived, astray, not_the_same
from laurel.contracts.completions import Learner
from laurel.contracts.operations import Occasion
from laurel.reconciliation import Facts
from laurel.reconciliation.facts import Delivery, Filing, Intent, Position
from laurel_local.mail_store import MailStore
from laurel_local.mailbox import Mailbox

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CREDENTIAL = "https://badges.example.org/credentials/abc_-123"
LEARNER = Learner(reference="s-1", name="Ada Öz", email="ada@learner.example.org", language="en")
MAIL = Mail("d1", (LEARNER.email,), (LEARNER.name, LEARNER.email), CREDENTIAL, "00", NOON)
RAW = (
    "Return-Path: <badges@example.org>\r\nDelivered-To: ada@learner.example.org\r\n"
    "From: badges@example.org\r\nTo: =?utf-8?q?Ada_=C3=96z?= <ada@learner.example.org>\r\n"
    "Message-ID: <d1@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    f"Dear Ada,\r\n\r\n{CREDENTIAL}\r\n\r\nYours\r\n"
)


def told(mail: Mail, event_id: str = "e1") -> list[str]:
    facts = Facts(NOON)
    filing = Filing("hochtal", "python", "campus", Position("f", 1), "2026-06-01T12:00:00Z")
    facts.intents[CREDENTIAL] = Intent("0/0", ("campus", "https://campus.example.org", event_id), filing)
    facts.deliveries["d1"] = Delivery(CREDENTIAL, Occasion.ISSUED, "hochtal", "python", NOON, "sent", None, False, ())
    return list(astray([mail], facts, {"e1": LEARNER}))


def test_a_mail_is_to_the_learner_of_its_credential_and_to_nobody_else() -> None:
    assert told(MAIL) == []
    wrong = [
        replace(MAIL, to=("bob@learner.example.org",)), replace(MAIL, to=(LEARNER.email, "bob@learner.example.org")),
        replace(MAIL, named=("Bob", LEARNER.email)), replace(MAIL, named=(LEARNER.name, "bob@learner.example.org")),
        replace(MAIL, credential=f"{CREDENTIAL}4"), replace(MAIL, credential=None),
    ]  # fmt: skip
    assert all(len(told(each)) == 1 for each in wrong)
    assert len(told(MAIL, event_id="e2")) == 1, "nobody earned it"


def test_what_comes_again_is_the_same() -> None:
    again = replace(MAIL, at=NOON + timedelta(seconds=20))
    assert list(not_the_same([MAIL, again])) == []
    assert arrivals_of([MAIL, again]) == {"d1": [MAIL.at, again.at]}
    assert list(not_the_same([MAIL, replace(again, digest="01")])) == ["d1"]
    assert list(not_the_same([MAIL, replace(MAIL, delivery="d2", digest="01")])) == [], "another delivery's"


def test_all_that_was_handed_over_counts_envelope_headers_and_body(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mails")
    changed = [("Delivered-To: ada", "Delivered-To: bob"), ("Message-ID", "X-New: 1\r\nMessage-ID"), ("Yours", "Mine")]
    for raw in (RAW, RAW, *(RAW.replace(*each) for each in changed)):
        store.add(raw.encode())
    mails = arrived(Mailbox(tmp_path))
    first, again, *others = mails
    assert told(first) == []
    assert list(not_the_same([first, again])) == []
    assert all(list(not_the_same([first, other])) == ["d1"] for other in others)
