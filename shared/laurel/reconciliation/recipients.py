"""Whom to tell: what the issuer recorded against what the notifier has. Pure, and without anybody's name or address."""

from __future__ import annotations

from datetime import datetime, timedelta

from laurel.contracts.topics import COMPLETIONS, RECIPIENTS
from laurel.reconciliation.completions import ISSUER, place_of
from laurel.reconciliation.facts import Facts
from laurel.reconciliation.report import Findings, Kind

NOTIFIER = "notifier"
_LEAST_KEPT = timedelta(days=1)
"""The shortest time for which a notifier can be set to keep names and addresses."""


def compare_recipients(facts: Facts, findings: Findings) -> None:
    """There is a recipient for each credential that was earned, and the notifier has it until its time is over."""
    for id_, issued in facts.issued.items():
        if issued.filing.achievement is not None and id_ not in facts.recorded:
            _explain_missing(id_, issued.filing.issued_at, facts, findings)
    kept = least_kept(facts)
    for id_, recorded in facts.recorded.items():
        if id_ in facts.recipients:
            continue
        if why := facts.excuse(NOTIFIER, RECIPIENTS.name, *recorded.places):
            findings.unfinished("keeping a recipient", why, id_)
        elif recorded.at + kept > facts.at:
            findings.wrong(Kind.RECIPIENT_LOST, id_, "The notifier has passed its recipient and does not have it.")
    for id_ in facts.recorded.keys() | facts.recipients.keys():
        known = facts.issued.get(id_) or facts.intents.get(id_)
        if known is None or known.filing.achievement is None:
            findings.wrong(Kind.RECIPIENT_UNEXPLAINED, id_, "It has a recipient, and no completion earned it.")


def least_kept(facts: Facts) -> timedelta:
    """For how long recipients are kept at least, as far as can be seen: it is the notifier's setting, which may have
    changed."""
    seen = [until - facts.recorded[id_].at for id_, until in facts.recipients.items() if id_ in facts.recorded]
    return max(_LEAST_KEPT, min(seen, default=_LEAST_KEPT))


def _explain_missing(id_: str, issued_at: str, facts: Facts, findings: Findings) -> None:
    if facts.forgotten(RECIPIENTS.name, datetime.fromisoformat(issued_at)):
        return
    intent = facts.intents.get(id_)
    record = None if intent is None else intent.record
    if record is not None and (why := facts.excuse(ISSUER, COMPLETIONS.name, place_of(record))):
        findings.unfinished("publishing a recipient", why, id_)
    else:
        findings.wrong(Kind.RECIPIENT_MISSING, id_, "The issuer published it, and not whom to tell.")
