"""Whether completions were accepted all the time that a fault lasted. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from chaos.faults import Injected
from chaos.plan import Fault

PART = timedelta(seconds=4)
"""Into parts about so long is a fault's time divided. What it does goes on a little after it, so one part is looked at
even where a process was started again at once."""
ELECTION = timedelta(seconds=15)
"""The same where a broker is killed: what it leads waits until the others have found it dead and elected anew."""


def accepted_in_parts(fault: Injected, accepted: Sequence[datetime]) -> list[int]:
    """How many completions were accepted in each part of a fault's time; `accepted` is sorted."""
    part = ELECTION if fault.step.fault is Fault.KILL_BROKER else PART
    lasted = max(fault.over - fault.at, part)
    number = lasted // part
    ends = [bisect_left(accepted, fault.at + lasted * share / number) for share in range(number + 1)]
    return [end - begin for begin, end in pairwise(ends)]


def silences(injected: Sequence[Injected], accepted: Sequence[datetime]) -> Iterator[str]:
    """What to say of each fault that nothing was accepted in some part of: it did not meet a system at work."""
    for each in injected:
        parts = accepted_in_parts(each, accepted)
        if 0 in parts:
            yield f"{each.step.fault.value} {each.step.target} at {each.at:%H:%M:%S}: {parts}"
