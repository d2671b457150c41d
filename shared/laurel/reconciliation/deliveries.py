"""Learners' notifications against the credentials, and mails against both. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

from laurel.contracts.operations import Occasion
from laurel.contracts.status import State
from laurel.contracts.topics import CREDENTIALS, STATUS_CHANGES
from laurel.reconciliation.endings import compare_ends
from laurel.reconciliation.facts import Delivery, Facts, Place, Told
from laurel.reconciliation.report import Balance, Findings, Kind, Why

NOTIFIER = "notifier"
_OPEN = "open"
_SENT = "sent"


def compare_deliveries(facts: Facts, balance: Balance, findings: Findings) -> None:
    """One delivery for each credential that was earned, one more when it is revoked, and none of them stuck."""
    balance.deliveries = dict(Counter(f"{row.occasion.value} {row.state}" for row in facts.deliveries.values()))
    _count_ends(facts, balance)
    rows: defaultdict[tuple[str, Occasion], list[str]] = defaultdict(list)
    for id_, row in facts.deliveries.items():
        rows[row.credential, row.occasion].append(id_)
        _look_at(id_, row, facts, findings)
    compare_ends(facts, findings)
    due = _due(facts)
    for (credential, occasion), (topic, places) in due.items():
        ids = rows.pop((credential, occasion), [])
        subject = f"{occasion.value} {credential}"
        if len(ids) > 1:
            findings.wrong(Kind.DELIVERY_DOUBLED, subject, f"It has {len(ids)} deliveries: {', '.join(sorted(ids))}.")
        elif ids:
            continue
        elif facts.given_up(NOTIFIER, topic, *places):
            findings.unfinished("planning a mail", Why.DEAD_LETTERED, subject)
        elif facts.waits(NOTIFIER, topic, *places):
            findings.unfinished("planning a mail", Why.WAITING, subject)
        else:
            findings.wrong(Kind.DELIVERY_MISSING, subject, "The notifier has passed it, and planned no mail.")
    for credential, occasion in rows:
        findings.wrong(Kind.DELIVERY_UNEXPLAINED, f"{occasion.value} {credential}",
                       "The notifier plans a mail for which there is no cause on the topics.")  # fmt: skip


def _due(facts: Facts) -> dict[tuple[str, Occasion], tuple[str, tuple[Place, ...]]]:
    """What learners are to be told of, and the topic and places where the notifier learns of it."""
    due = {
        (id_, Occasion.ISSUED): (CREDENTIALS.name, issued.places)
        for id_, issued in facts.issued.items()
        if issued.filing.achievement is not None
    }
    for id_, status in facts.statuses.items():
        if status.earned and status.state is State.REVOKED:
            due[id_, Occasion.REVOKED] = (STATUS_CHANGES.name, (status.place,))
    return due


def _count_ends(facts: Facts, balance: Balance) -> None:
    states = Counter(row.state for row in facts.deliveries.values())
    balance.mails_failed = states["failed"]
    balance.mails_superseded = states["superseded"]
    balance.mails_without_recipient = states["no-recipient"]


def _look_at(id_: str, row: Delivery, facts: Facts, findings: Findings) -> None:
    if not _fits(row, facts):
        findings.wrong(Kind.DELIVERY_DIFFERS, f"{row.occasion.value} {row.credential}",
                       f"The delivery {id_} has another member, achievement or time than the topics.")  # fmt: skip
    if row.state != _OPEN and not row.unreported:
        return
    if row.due_at is None or row.due_at + facts.stuck_after < facts.at:
        since = "never" if row.due_at is None else f"{row.due_at:%Y-%m-%d %H:%M:%S} UTC"
        findings.wrong(Kind.DELIVERY_STUCK, f"{row.occasion.value} {row.credential}",
                       f"The delivery {id_} was due {since} and nobody took it up.")  # fmt: skip
    else:
        findings.unfinished("sending a mail", Why.WAITING, f"{row.occasion.value} {row.credential}")


def _fits(row: Delivery, facts: Facts) -> bool:
    """Whether the row says what its event does; the database cuts times to milliseconds."""
    if row.occasion is Occasion.ISSUED:
        issued = facts.issued.get(row.credential)
        if issued is None:
            return True  # it is unexplained
        cause, since = issued.filing, datetime.fromisoformat(issued.filing.issued_at)
        told = (cause.issuer, cause.achievement)
    else:
        status = facts.statuses.get(row.credential)
        if status is None or status.state is not State.REVOKED:
            return True
        told, since = (status.issuer, status.achievement), status.at
    since = since.replace(microsecond=since.microsecond // 1000 * 1000)
    return (row.issuer, row.achievement) == told and row.since == since


def compare_mails(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each delivery that says so was mailed once, and `deliveries.v1` tells of it."""
    for id_, row in facts.deliveries.items():
        sent = row.outcomes.count(_SENT)
        balance.mails_sent += sent
        balance.perhaps_repeated += any(outcome in (None, "unknown") for outcome in row.outcomes[:-1])
        if sent > 1:
            findings.wrong(Kind.MAIL_DOUBLED, id_, f"{sent} attempts were taken by the mail server.")
        told, own = facts.told.get(id_, set()), _ended(row)
        due = own if facts.told_since is None else _ended(row, facts.told_since)
        if due - told and not row.unreported:
            findings.wrong(Kind.MAIL_UNREPORTED, id_, "An attempt has ended, and deliveries.v1 does not tell of it.")
        if told - own:
            findings.wrong(
                Kind.MAIL_UNEXPLAINED, id_, "deliveries.v1 tells of an attempt that the notifier knows nothing of."
            )
    for id_ in facts.told.keys() - facts.deliveries.keys():
        findings.wrong(Kind.MAIL_UNEXPLAINED, id_, "deliveries.v1 tells of a delivery that the notifier does not have.")
    if facts.mailbox is not None:
        _compare_mailbox(facts, facts.mailbox, balance, findings)


def _ended(row: Delivery, since: datetime | None = None) -> set[Told]:
    """The attempts whose ends were recorded, of those that ended since then, as `deliveries.v1` has to tell of them."""
    return {
        Told(number, outcome == _SENT)
        for number, (outcome, at) in enumerate(row.attempts, 1)
        if outcome is not None and (since is None or (at is not None and at >= since))
    }


def _compare_mailbox(facts: Facts, mailbox: Mapping[str, int], balance: Balance, findings: Findings) -> None:
    """Mails in hand: one for each delivery that was sent. An attempt whose end was never recorded may have sent the
    mail too; no other repeat is explained."""
    balance.mailbox = sum(mailbox.values())
    for id_, row in facts.deliveries.items():
        sent, perhaps = row.outcomes.count(_SENT), sum(each in (None, "unknown") for each in row.outcomes)
        there = mailbox.get(id_, 0)
        balance.repeated += max(there - 1, 0)
        if there < sent:
            findings.wrong(Kind.MAIL_MISSING, id_, f"It was sent {sent} times and came {there} times.")
        elif there > sent + perhaps:
            findings.wrong(Kind.MAIL_DOUBLED, id_, f"It came {there} times, which {sent + perhaps} attempts do not "
                           "explain.")  # fmt: skip
    for id_ in mailbox.keys() - facts.deliveries.keys():
        findings.wrong(Kind.MAIL_UNEXPLAINED, id_, "A mail came for a delivery that the notifier does not have.")
