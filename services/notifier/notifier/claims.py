"""Who has which deliveries in hand: one small document that all instances share.

An instance claims a handful of deliveries by one write, sends them in order, notes the end of each in its row by
one more, and lets the handful go by a third. What else there is to know about a mail in hand follows from the claim:

- While a claim stands, nobody else takes its deliveries up.
- Of a claim that ran out, because its instance died, the mails that may have gone out without a note of it are the
  first of those without one, as many as were sent at once: they were begun in order.
- What has not been told on `deliveries.v1` is among the deliveries of the claims that stand or ran out: a claim is let
  go when its outcomes are published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier.domain import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in a claim, and how many attempts it had before; None where nothing is to be mailed."""

    id: str
    tries: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that one instance deals with, in this order, until a moment; `at_once` of them at a time."""

    id: int
    at: datetime
    until: datetime
    at_once: int
    rows: tuple[Claimed, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims, as they stood after so many changes."""

    changes: int
    held: tuple[Claim, ...]

    @property
    def ids(self) -> frozenset[str]:
        """The deliveries that somebody has, or had when it died."""
        return frozenset(row.id for claim in self.held for row in claim.rows)

    def dead(self, now: datetime) -> tuple[Claim, ...]:
        """The claims that have run out."""
        return tuple(claim for claim in self.held if claim.until <= now)

    def without(self, claim_id: int | None) -> tuple[Claim, ...]:
        """All other claims."""
        return tuple(claim for claim in self.held if claim.id != claim_id)


def perhaps_sent(claim: Claim, rows: Mapping[str, Delivery]) -> Sequence[Delivery]:
    """The deliveries of a claim that ran out whose mails may have gone out, and that do not say so yet."""
    unrecorded = [
        (rows[each.id], each.tries)
        for each in claim.rows
        if each.tries is not None and each.id in rows and not _is_recorded(rows[each.id], each.tries)
    ]
    return [row for row, tries in unrecorded[: claim.at_once] if len(row.attempts) == tries]


def _is_recorded(row: Delivery, tries: int) -> bool:
    if row.state is not DeliveryState.OPEN:
        return True
    return len(row.attempts) > tries and row.attempts[-1].outcome is not None
