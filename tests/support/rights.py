"""Who may read and write what on Kafka, written down by hand: what the rules that are made must come to."""

from __future__ import annotations

READS: dict[str, set[str]] = {
    "laurel-issuer": {"catalog.v1", "completions.v1", "status.changes.v1"},
    "laurel-registry": {"audit.v1", "credentials.v1", "status-lists.v1", "status.requests.v1"},
    "laurel-verifier": {"catalog.v1", "status-lists.v1", "status.changes.v1"},
    "laurel-notifier": {"catalog.v1", "credentials.v1", "recipients.v1", "status.changes.v1"},
    "laurel-operator": {
        "audit.v1", "catalog.v1", "completions.rejected.v1", "completions.v1", "credentials.v1", "dead-letters.v1",
        "deliveries.v1", "recipients.v1", "status-lists.v1", "status.changes.v1", "status.requests.v1",
        "verifications.v1",
    },
    "partner": set(),
}  # fmt: skip
WRITES: dict[str, set[str]] = {
    "laurel-issuer": {
        "audit.v1", "completions.rejected.v1", "completions.v1", "credentials.v1", "dead-letters.v1", "recipients.v1",
        "status-lists.v1",
    },
    "laurel-registry": {"audit.v1", "catalog.v1", "dead-letters.v1", "status.changes.v1", "status.requests.v1"},
    "laurel-verifier": {"verifications.v1"},
    "laurel-notifier": {"audit.v1", "dead-letters.v1", "deliveries.v1"},
    # To send again what a service gave up on, and to enter that. Not catalog.v1: who writes that makes operators.
    "laurel-operator": {
        "audit.v1", "completions.v1", "credentials.v1", "recipients.v1", "status-lists.v1", "status.changes.v1",
        "status.requests.v1",
    },
    "partner": {"completions.v1", "status.requests.v1"},
}  # fmt: skip
"""By user; `partner` is each partner that is in the catalog."""
