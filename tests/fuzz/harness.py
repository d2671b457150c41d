"""Running a target on many inputs, and noting what it should not have done."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Any

from laurel.credentials.errors import CredentialError

CPU_LIMIT = 2.0
"""Seconds of CPU that one input may take: twenty times what the largest ones should, for machines under load."""


@dataclass(frozen=True)
class Target:
    """Something that reads untrusted input."""

    name: str
    draw: Callable[[Random], Any]
    """The next input."""
    run: Callable[[Any], None]
    """Read it. A CredentialError is a refusal; anything else that is raised is a finding."""


@dataclass(frozen=True)
class Finding:
    """Something that should not have happened, and the first input that made it happen."""

    what: str
    where: str
    number: int


@dataclass
class Report:
    """What came of a target's run."""

    target: str
    executions: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_number: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)


class TooLongError(BaseException):  # Not an Exception: the code under test must not catch it.
    """The input has used up its time."""


def fuzz(target: Target, seed: int, seconds: float) -> Report:
    """Run the target for so long, on inputs 0, 1, 2 and so on; at least one."""
    report = Report(target.name)
    started = time.monotonic()
    with _cpu_limited() as limit:
        while not report.executions or report.seconds < seconds:
            _execute(target, seed, report.executions, report, limit)
            report.seconds = time.monotonic() - started
    return report


def replay(target: Target, seed: int, number: int) -> str:
    """What comes of one input, if it is drawn again."""
    try:
        target.run(draw(target, seed, number))
    except Exception:
        return traceback.format_exc()
    return "Accepted.\n"


def shown(given: Any) -> str:
    """The input as text, unless it is nested too deeply for that."""
    try:
        return repr(given)
    except RecursionError:
        return "(nested too deeply to be shown)"


def draw(target: Target, seed: int, number: int) -> Any:
    """The input of that number."""
    return target.draw(Random(f"{seed}/{target.name}/{number}"))


def _execute(target: Target, seed: int, number: int, report: Report, limit: Callable[[float], None]) -> None:
    given = draw(target, seed, number)
    started = time.process_time()
    interrupted = False
    try:
        limit(CPU_LIMIT)
        target.run(given)
    except CredentialError:
        report.refused += 1
    except (Exception, TooLongError) as error:
        interrupted = isinstance(error, TooLongError)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}:{frame.lineno}"
        finding = Finding(f"{type(error).__name__}: {str(error)[:200]}", where, number)
        report.findings.setdefault(f"{type(error).__name__} {where}", finding)
    finally:
        limit(0)
        spent = time.process_time() - started
    if spent > CPU_LIMIT and not interrupted:  # What is not Python is interrupted only once it returns.
        report.findings.setdefault("CPU", Finding(f"{spent:.1f} s of CPU", target.name, number))
    if spent > report.slowest:
        report.slowest, report.slowest_number = spent, number
    report.executions += 1


@contextmanager
def _cpu_limited() -> Iterator[Callable[[float], None]]:
    """What sets the limit, in seconds of CPU, after which TooLongError is raised; 0 for none."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    try:
        yield _arm
    finally:
        _arm(0)
        signal.signal(signal.SIGPROF, before)


def _arm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
