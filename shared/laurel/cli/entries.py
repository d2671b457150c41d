"""Entries in the audit on what the command does itself: on Kafka, past the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from laurel.cli.exits import WrongUse
from laurel.contracts import audit_entries
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.base import Slug
from laurel.contracts.envelope import encode
from laurel.contracts.operators import ANYBODY
from laurel.contracts.topics import AUDIT, Message
from laurel.runtime.certificates import common_name
from laurel.runtime.kafka import resend
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings

SOURCE = "urn:laurel:operator"
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)


def kafka_user(settings: KafkaSettings) -> str:
    """As whom Kafka knows us, which is who the audit says it was: the user's name, or that in the certificate which is
    shown; `anybody` where Kafka asks for neither.

    Raises:
        WrongUse: it is no name that the audit can hold.
    """
    name = settings.kafka_username or _shown(settings.kafka_certificate_file) or ANYBODY
    try:
        return _SLUG.validate_python(name)
    except ValidationError:
        # Not made into one: two users could become the same.
        raise WrongUse(
            f"Kafka knows you as {name!r}, and the audit cannot hold such a name: connect under one of a to z, 0 to 9 "
            "and hyphens, at most 63 of them, such as laurel-operator (LAUREL_KAFKA_USERNAME, or the certificate's)."
        ) from None


def _shown(certificate: Path | None) -> str | None:
    return None if certificate is None else common_name(certificate.read_bytes())


def done(operator: str, action: str, target: str, at: datetime, *, cause: str, detail: str | None = None) -> Message:
    """The entry that this was done; the same cause is the same entry."""
    body = AdminActionRecorded(
        operator=operator, action=action, target=target, outcome=AuditOutcome.DONE, detail=detail, at=at
    )
    return audit_entries.entry(SOURCE, cause, body)


def as_record(entry: Message) -> Record:
    """The entry as it is sent."""
    headers, value = encode(entry.event)
    return Record(AUDIT.name, 0, 0, entry.key.encode(), tuple(headers), value)


async def enter(settings: KafkaSettings, entries: Sequence[Message]) -> None:
    """Put these into the audit, in this order.

    Raises:
        KafkaError: not all was confirmed.
    """
    await resend(settings, [as_record(each) for each in entries])
