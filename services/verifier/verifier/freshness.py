"""How old what is known here is, from the registry's heartbeats and two clocks of our own.

A heartbeat's age when it is read is the difference of two machines' wall clocks. From then on its age is whichever of
our clocks says that more has passed: the steady one, which nobody sets, and the wall clock. Setting the wall clock back
so makes nothing younger, and setting it forward makes things older: that is how a virtual machine learns of a pause
that its steady clock slept through, too. Where the registry's clock is ahead of ours by D at the reading, what is `age`
old here is at most `age + D` old.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from laurel.runtime.clock import Clock, Steady

log = structlog.get_logger(__name__)

DISBELIEVED = Counter(
    "laurel_heartbeats_disbelieved_total", "Heartbeats from further in the future than clocks may differ."
)

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far the registry's clock may be ahead of ours. Clocks that are kept in step differ by parts of a second."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Up to when a partition is known, by either clock."""

    wall: datetime
    steady: timedelta


class Freshness:
    """The age of a view of several partitions, which is that of the least fresh."""

    def __init__(self, partitions: int, clock: Clock, steady: Steady) -> None:
        self._clock = clock
        self._steady = steady
        self._known: list[_Known | None] = [None] * partitions
        self._ahead: timedelta | None = None
        self._told = False

    def beat(self, partition: int, at: datetime) -> None:
        """Nothing up to `at`, by the registry's clock, is missing from the partition."""
        wall, steady = self._clock(), self._steady()
        if at - wall > CLOCK_TOLERANCE:
            self._disbelieve(partition, at - wall)
            return
        self._ahead = None
        age = max(wall - at, timedelta(0))
        held = self._known[partition]
        if held is None or age <= self._age(held):
            self._known[partition] = _Known(wall - age, steady - age)

    def age(self) -> timedelta | None:
        """How old the view is; None while that is not known."""
        known = list(self._known)
        ages = [self._age(each) for each in known if each is not None]
        return max(ages) if len(ages) == len(known) else None

    def as_of(self) -> datetime | None:
        """The moment up to which all is known, by our clock as it goes now; None while that is not known."""
        age = self.age()
        return None if age is None else self._clock() - age

    def staleness(self, limit: timedelta) -> str | None:
        """Why the view is too old to call anything valid by it, or None while it is fresh enough."""
        age, ahead = self.age(), self._ahead
        if age is not None and age <= limit:
            return None
        if age is not None:
            return (
                f"What is known here is {age.total_seconds():.0f} s old, and {limit.total_seconds():.0f} s is the most "
                "that is relied on."
            )
        if ahead is not None:
            return (
                f"The registry's clock is {ahead.total_seconds():.0f} s ahead of the verifier's, so how fresh what is "
                "known here is cannot be told; one of the two has to be set right."
            )
        return "The registry has not said yet how fresh what is known here is."

    def _age(self, known: _Known) -> timedelta:
        return max(self._clock() - known.wall, self._steady() - known.steady)

    def _disbelieve(self, partition: int, lead: timedelta) -> None:
        # What the partition's earlier heartbeats said falls with it: when a backlog is read, such as at a start, one
        # of a clock that is ten minutes ahead looks like now if it was written ten minutes ago.
        self._known[partition] = None
        DISBELIEVED.inc()
        self._ahead = lead
        if not self._told:
            log.error("heartbeats from the future prove nothing: set the clocks", seconds=lead.total_seconds())
            self._told = True
