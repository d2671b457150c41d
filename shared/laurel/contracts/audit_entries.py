"""Entries of the audit as messages. Their ids are derived from what was done, so that a replay makes no second one."""

from __future__ import annotations

from datetime import datetime

from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Rejected
from laurel.contracts.topics import AUDIT, Message, message

_TYPE = next(iter(AUDIT.events))


def entry(source: str, cause: str, body: AdminActionRecorded) -> Message:
    """The entry that a service, its `source`, makes for `cause`: the same cause is the same event, always."""
    return message(AUDIT, body, key=body.operator, event_id=derived_id(source, cause, _TYPE), source=source,
                   time=body.at, subject=body.target[:500])  # fmt: skip


def refused(
    source: str, operator: str, action: str, target: str, refusal: Rejected, trace: str | None, at: datetime
) -> Message:
    """The entry on an attempt that was refused. The same attempt in the same hour is entered once."""
    cause = "\n".join((operator, action, target, refusal.code.value, f"{at:%Y-%m-%dT%H}"))
    body = AdminActionRecorded(
        operator=operator, action=action, target=target[:600], outcome=AuditOutcome.REFUSED, code=refusal.code,
        detail=refusal.detail, trace=trace, at=at,
    )  # fmt: skip
    return entry(source, cause, body)
