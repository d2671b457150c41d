"""What operators read: `verifications.v1`, `deliveries.v1` and `dead-letters.v1`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from laurel.contracts.base import Contract, Line, Moment, Slug
from laurel.contracts.completions import RecordCoordinates
from laurel.contracts.errors import Code


class VerificationCompleted(Contract):
    """A verifier answered; no document and no address of the asker is kept."""

    credential: Annotated[str, Field(max_length=500)]
    outcome: Annotated[str, Field(pattern=r"^(valid|invalid|unknown)$")]
    codes: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    at: Moment


class Occasion(StrEnum):
    """Why a learner is written to."""

    ISSUED = "issued"
    REVOKED = "revoked"


class DeliverySucceeded(Contract):
    """A notification was handed over."""

    delivery: Line
    credential: Annotated[str, Field(max_length=500)]
    occasion: Occasion
    attempt: Annotated[int, Field(ge=1)]
    at: Moment


class DeliveryFailed(Contract):
    """An attempt failed; `next_attempt_at` is absent when it was the last."""

    delivery: Line
    credential: Annotated[str, Field(max_length=500)]
    occasion: Occasion
    attempt: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(max_length=500)]
    next_attempt_at: Moment | None = None
    at: Moment


class EndpointDisabled(Contract):
    """An endpoint asked to be left alone, or failed for too long."""

    endpoint: Line
    reason: Annotated[str, Field(max_length=500)]
    at: Moment


class DeadLetter(Contract):
    """A record that a service gave up on, whole, so that it can be read and replayed.

    `key` and `value` are base64 of the record's bytes, absent where the record had none; `headers` are name and
    base64 pairs.
    """

    service: Slug
    code: Code
    reason: Annotated[str, Field(max_length=2000)]
    trace: Annotated[str, Field(max_length=20000)]
    attempts: Annotated[int, Field(ge=1)]
    record: RecordCoordinates
    key: str | None = None
    value: str | None = None
    headers: tuple[tuple[str, str], ...]
    at: Moment
