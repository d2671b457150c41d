"""How much processor time something takes, whatever else the machine does."""

import sys
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], *, tries: int = 3) -> float:
    """The least processor time of this thread, in seconds, that `work` took in some tries.

    Measuring coverage would double it, so that is left off meanwhile.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return min(_once(work) for _ in range(tries))
    finally:
        sys.settrace(tracer)


def _once(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
