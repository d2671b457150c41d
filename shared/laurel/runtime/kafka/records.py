"""What aiokafka calls a record, as ours."""

from __future__ import annotations

from typing import Any

from laurel.runtime.record import Record

MAX_REQUEST = 1024 * 1024
"""The most bytes of one request to a broker, and so of one record."""


def record_of(raw: Any) -> Record:
    """The same record, apart from the client library."""
    headers = tuple((name, value or b"") for name, value in raw.headers)  # Kafka allows a header without a value
    return Record(raw.topic, raw.partition, raw.offset, raw.key, headers, raw.value)
