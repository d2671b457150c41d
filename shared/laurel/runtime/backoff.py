"""How long to wait before what failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from laurel.runtime.metrics import LOOP_WAITS


@dataclass(frozen=True)
class Backoff:
    """Capped exponential waiting with jitter, in seconds: at least half of each wait, the rest drawn, so that services
    which failed together do not come back together."""

    first: float = 0.05
    cap: float = 5.0

    def wait(self, attempt: int, draw: Callable[[], float]) -> float:
        """How long to wait after the `attempt`-th failure (1 is the first); `draw` gives numbers in [0, 1)."""
        ceiling: float = min(self.cap, self.first * 2.0 ** min(attempt - 1, 30))
        return ceiling / 2 + ceiling / 2 * draw()


class Retries:
    """The waits of one background loop: longer with each failure in a row, and told as a metric under its name."""

    def __init__(self, loop: str, backoff: Backoff | None = None, draw: Callable[[], float] = random.random) -> None:
        self._waits = LOOP_WAITS.labels(loop)
        self._backoff = backoff or Backoff(first=0.1)
        self._draw = draw
        self.failures = 0
        """How many failures in a row there were."""

    def after_failure(self) -> float:
        """How many seconds to wait after one more failure."""
        self.failures += 1
        seconds = self._backoff.wait(self.failures, self._draw)
        self._waits.observe(seconds)
        return seconds

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self.failures = 0
