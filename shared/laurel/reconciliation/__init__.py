"""Reconciliation: what partners published against what became of it, in the topics and in the databases.

`reconcile(Sources(...))` reads all and gives a `Report`. `collect` and `compare` are its halves, for whoever knows
more facts: set `facts.mailbox` to how often a mail catcher has each delivery's mail (`mailbox_of`), and compare.
"""

from laurel.reconciliation.collecting import Sources, collect, reconcile
from laurel.reconciliation.comparing import compare
from laurel.reconciliation.facts import Facts, mailbox_of
from laurel.reconciliation.report import Balance, Discrepancy, Kind, Report, Unfinished, Why

__all__ = [
    "Balance", "Discrepancy", "Facts", "Kind", "Report", "Sources", "Unfinished", "Why", "collect", "compare",
    "mailbox_of", "reconcile",
]  # fmt: skip
