"""What a delivery came to against what explains it: its attempts, the other delivery, the recipient. Pure.

The rules are the notifier's, told a second time: the first attempt that the mail server takes, or refuses for good, is
the last; a revocation takes the place of a mail that is not out yet; whom nobody can reach is not written to.
"""

from __future__ import annotations

from datetime import timedelta

from laurel.contracts.operations import Occasion
from laurel.contracts.topics import RECIPIENTS
from laurel.reconciliation.facts import Delivery, Facts
from laurel.reconciliation.recipients import least_kept
from laurel.reconciliation.report import Findings, Kind

_TRIED_AGAIN = (None, "deferred")
_LAST_OUTCOMES: dict[str, tuple[str | None, ...]] = {
    "open": _TRIED_AGAIN, "sent": ("sent",), "failed": ("deferred", "refused", "unknown"), "superseded": _TRIED_AGAIN,
    "no-recipient": _TRIED_AGAIN,
}  # fmt: skip
_WITH_ATTEMPTS = ("sent", "failed")
# A recipient that has not come when its topic forgets it, and a day later, comes no more.
_RECIPIENT_WAIT = (RECIPIENTS.retention or timedelta(0)) + timedelta(days=1)

Deliveries = dict[tuple[str, Occasion], Delivery]


def compare_ends(facts: Facts, findings: Findings) -> None:
    """Each delivery is in a state that something explains."""
    by_occasion = {(row.credential, row.occasion): row for row in facts.deliveries.values()}
    patience = min(_RECIPIENT_WAIT, least_kept(facts))
    for id_, row in facts.deliveries.items():
        said = _contradiction(row) or _unexplained(row, by_occasion, patience, facts)
        if said:
            findings.wrong(Kind.DELIVERY_STATE_UNEXPLAINED, f"{row.occasion.value} {row.credential}",
                           f"The delivery {id_} {said}.")  # fmt: skip


def _contradiction(row: Delivery) -> str | None:
    """What of a row cannot be, whatever the rest says."""
    if row.state not in _LAST_OUTCOMES:
        return f"is {row.state!r}, which no delivery can be"
    if not row.outcomes:
        return f"is {row.state}, and no attempt was made" if row.state in _WITH_ATTEMPTS else _due_again(row)
    *earlier, last = row.outcomes
    if any(each in ("refused", "unknown") for each in earlier):  # of one that was sent again, the mails tell
        return "was attempted again after an attempt that was final"
    if last not in _LAST_OUTCOMES[row.state]:
        return f"is {row.state}, and its last attempt was {last or 'never seen to end'}"
    return _due_again(row)


def _due_again(row: Delivery) -> str | None:
    if row.state != "open" and row.due_at is not None and not row.unreported:
        return f"is {row.state}, and due all the same"
    return None


def _unexplained(row: Delivery, deliveries: Deliveries, patience: timedelta, facts: Facts) -> str | None:
    """What a mail that was not sent lacks to explain that."""
    if row.state not in ("superseded", "no-recipient"):
        return None
    until = facts.recipients.get(row.credential)
    found = until is not None and until > facts.at
    if row.occasion is Occasion.REVOKED:
        return _unexplained_revoked(row, deliveries.get((row.credential, Occasion.ISSUED)), found)
    if row.state == "superseded":
        revoked = (row.credential, Occasion.REVOKED) in deliveries
        return None if revoked else "gave way to a revocation's, of which there is none"
    if found:
        return "found no recipient, and there is one"
    return "gave up on a recipient that may still come" if row.since + patience > facts.at else None


def _unexplained_revoked(row: Delivery, issued: Delivery | None, found: bool) -> str | None:
    """Who never heard of a credential is not told of its loss; the delivery then ends as the first one did."""
    if issued is not None and _perhaps_heard(issued):
        if row.state == "superseded":
            return "was left out, though the learner heard of the credential, or may have"
        return "found no recipient, and there is one" if found else None
    wanted = {"failed": "superseded", "superseded": "superseded", "no-recipient": "no-recipient"}
    if issued is None or wanted.get(issued.state) != row.state:
        return f"is {row.state}, which the mail about the credential does not explain"
    return None


def _perhaps_heard(row: Delivery) -> bool:
    return any(outcome in ("sent", "unknown", None) for outcome in row.outcomes)
