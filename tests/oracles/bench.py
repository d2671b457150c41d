"""How fast Laurel and the oracles sign and verify one Open Badge of 2.4 kB, all in the same run.

`PYTHONPATH=tests .venv/bin/python -m oracles.bench [seconds]` prints a table; `seconds` is how long each is measured,
2 unless given. Times are of the processor, not of the clock on the wall, so that a busy machine distorts them less:
medians with the 10th and 90th percentile, after a warm-up. Each library resolves a did:key by its own means for
every credential. What Node takes is measured inside Node.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time

from rich.console import Console
from rich.table import Table

from laurel.credentials.keys import SigningKey
from laurel.credentials.values import format_datetime
from oracles.digital_bazaar import DigitalBazaar, NodeProcess, secret_multikey
from oracles.open_badges_lib import OpenBadgesLib
from oracles.openvc_core import OpenvcCore
from oracles.oracle import CREATED, SUITES, Document, Oracle, Signer
from oracles.ours import Laurel
from oracles.samples import badge

ROUNDS = range(10, 10_000)


def measure(run: Callable[[], object], seconds: float) -> list[float]:
    """How many seconds each of many runs took."""
    started = process_time()
    run()
    times = min(max(int(seconds / (process_time() - started)), ROUNDS.start), ROUNDS.stop)
    taken = []
    for turn in range(-times // 10, times):
        started = process_time()
        run()
        if turn >= 0:
            taken.append(process_time() - started)
    return taken


def in_node(node: NodeProcess, seconds: float, **request: object) -> list[float]:
    """The same for an operation of node/oracle.mjs, timed there."""
    first: list[int] = node.ask("time", request=request, times=ROUNDS.start)
    times = min(max(int(seconds * 1e6 / statistics.median(first)), ROUNDS.start), ROUNDS.stop)
    return [taken / 1e6 for taken in node.ask("time", request=request, times=times)]


def signing(oracle: Oracle, suite: str, issuer: Signer, seconds: float) -> list[float]:
    """Seconds that each signature took."""
    document = badge(issuer)
    if isinstance(oracle, DigitalBazaar):
        return in_node(
            oracle.node, seconds, op="sign", document=document, documents={}, suite=suite,
            key=secret_multikey(issuer), created=format_datetime(CREATED),
        )  # fmt: skip
    return measure(lambda: oracle.sign(document, suite, issuer), seconds)


def verifying(oracle: Oracle, signed: Document, seconds: float) -> list[float]:
    """Seconds that each verification took."""
    if isinstance(oracle, DigitalBazaar):
        return in_node(oracle.node, seconds, op="verify", document=signed, documents={})
    return measure(lambda: oracle.verify(signed, {}), seconds)


def cells(taken: Sequence[float], ours: float) -> tuple[str, str, str]:
    """A second's worth, the spread in microseconds, and how many times as long as Laurel's median that is."""
    tenths = statistics.quantiles(taken, n=10)
    median = statistics.median(taken)
    return f"{1 / median:,.0f}", f"{tenths[0] * 1e6:,.0f}-{tenths[-1] * 1e6:,.0f}", f"{median / ours:.1f}"


def main(seconds: float = 2.0) -> None:
    """Print the table."""
    table = Table("suite", "key", "by", *("sign/s", "µs p10-p90", "x ours"), *("verify/s", "µs p10-p90", "x ours"))
    with tempfile.TemporaryDirectory() as directory:
        node = NodeProcess(Path(directory))
        for suite, key_type in SUITES:
            issuer = Signer.with_did_key(SigningKey.generate(key_type))
            ours: tuple[float, float] | None = None
            for each in (Laurel(), DigitalBazaar(node), OpenvcCore(), OpenBadgesLib()):
                if (suite, key_type) not in each.suites:
                    continue
                signed = each.sign(badge(issuer), suite, issuer)
                times = signing(each, suite, issuer, seconds), verifying(each, signed, seconds)
                ours = ours or (statistics.median(times[0]), statistics.median(times[1]))
                table.add_row(suite, key_type, each.name, *cells(times[0], ours[0]), *cells(times[1], ours[1]))
            table.add_section()
        node.stop()
    Console(width=140).print(table)


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:]))
