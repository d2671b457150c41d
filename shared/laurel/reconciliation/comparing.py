"""From facts to a report. Pure: tests may change or add facts, such as a mail catcher's, and compare again."""

from __future__ import annotations

from laurel.reconciliation.catalog import compare_catalog
from laurel.reconciliation.completions import (
    compare_completions,
    compare_credentials,
    compare_positions,
    compare_rejections,
)
from laurel.reconciliation.deliveries import compare_deliveries, compare_mails
from laurel.reconciliation.facts import Facts
from laurel.reconciliation.recipients import compare_recipients
from laurel.reconciliation.registrations import compare_bits, compare_lists, compare_registrations, compare_statuses
from laurel.reconciliation.report import Balance, Findings, Kind, Report
from laurel.reconciliation.requests import compare_requests


def compare(facts: Facts) -> Report:
    """The balance and every discrepancy."""
    balance, findings = Balance(unreadable=dict(facts.unreadable)), Findings()
    for row in facts.broken_rows:
        findings.wrong(Kind.ROW_UNREADABLE, row, "A field is missing, of another kind, or contradicts another one.")
    compare_catalog(facts, balance, findings)
    compare_completions(facts, balance, findings)
    compare_rejections(facts, balance, findings)
    compare_credentials(facts, balance, findings)
    compare_positions(facts, balance, findings)
    compare_registrations(facts, balance, findings)
    compare_statuses(facts, findings)
    compare_requests(facts, balance, findings)
    compare_lists(facts, balance, findings)
    compare_bits(facts, findings)
    compare_recipients(facts, findings)
    compare_deliveries(facts, balance, findings)
    compare_mails(facts, balance, findings)
    return findings.report(facts.at, balance)
