"""`python -m fuzz`: all targets, or one, for so long; 1 if there is a finding."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
from pathlib import Path

from fuzz.harness import CPU_LIMIT, Report, draw, fuzz, replay, shown
from fuzz.targets import TARGETS

OVERDUE = 120


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs (default 0)")
    parser.add_argument("--target", choices=list(TARGETS), help="this one alone")
    parser.add_argument("--number", type=int, help="run the target's input of this number again and show it")
    given = parser.parse_args()
    chosen = [TARGETS[given.target]] if given.target else list(TARGETS.values())
    if given.number is not None:
        if given.target is None:
            parser.error("--number needs --target")
        print(shown(draw(chosen[0], given.seed, given.number)), replay(chosen[0], given.seed, given.number), sep="\n")
        return 0
    print(f"{'target':<20} {'inputs':>9} {'per second':>10} {'refused':>8} {'slowest':>9} {'(number)':>9}  findings")
    reports = []
    for target in chosen:
        # An input that holds on to the processor outside Python ends the run, with a trace.
        faulthandler.dump_traceback_later(given.seconds / len(chosen) + OVERDUE, exit=True)
        reports.append(fuzz(target, given.seed, given.seconds / len(chosen)))
        faulthandler.cancel_dump_traceback_later()
        print(_line(reports[-1]), flush=True)
    print(f"Memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB.")
    return _tell(reports, given.seed)


def _line(report: Report) -> str:
    rate, refused = report.executions / report.seconds, report.refused / report.executions
    return (
        f"{report.target:<20} {report.executions:>9} {rate:>10.0f} {refused:>8.0%} "
        f"{report.slowest * 1000:>6.0f} ms {report.slowest_number:>9}  {len(report.findings)}"
    )


def _tell(reports: list[Report], seed: int) -> int:
    for report in reports:
        for finding in report.findings.values():
            where = finding.where.removeprefix(f"{Path.cwd()}/")
            print(f"\n{finding.what}\n  at {where}")
            print(f"  again: --seed {seed} --target {report.target} --number {finding.number}")
    found = sum(len(report.findings) for report in reports)
    print(
        f"\n{found} findings." if found else f"No finding: our errors alone, and under {CPU_LIMIT:.0f} s of CPU each."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
