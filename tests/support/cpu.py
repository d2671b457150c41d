"""How much processor time something takes, whatever else the machine does."""

import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], *, tries: int = 3) -> float:
    """The least processor time of this thread, in seconds, that `work` took in some tries."""
    taken = []
    for _ in range(tries):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return min(taken)
