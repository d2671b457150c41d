"""The one place that reads the clocks; everything else takes the time as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
Steady = Callable[[], timedelta]
"""How much time has passed since some moment, whatever the wall clock is set to."""

# Linux stops CLOCK_MONOTONIC while the machine is suspended, and CLOCK_BOOTTIME not; elsewhere there is only the first.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def steady_now() -> timedelta:
    """The time since the machine was started, including what it was suspended for."""
    return timedelta(microseconds=time.clock_gettime_ns(_STEADY) // 1000)
