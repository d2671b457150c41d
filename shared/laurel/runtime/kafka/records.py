"""What aiokafka calls a record, as ours; and the sizes and names that all who speak to the broker share."""

from __future__ import annotations

from typing import Any

from laurel.contracts.access import service_user
from laurel.runtime.record import Record

MAX_REQUEST = 1024 * 1024
"""The most bytes of one request to a broker, and so of one record."""


def record_of(raw: Any) -> Record:
    """The same record, apart from the client library."""
    headers = tuple((name, value or b"") for name, value in raw.headers)  # Kafka allows a header without a value
    return Record(raw.topic, raw.partition, raw.offset, raw.key, headers, raw.value)


def group_of(service: str, subscription: str) -> str:
    """The consumer group of a service's subscription, which is named after its topic unless it says otherwise."""
    return f"{service_user(service)}-{subscription}"
