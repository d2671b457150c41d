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
    """The credential's id, as far as it could be read."""
    outcome: Annotated[str, Field(pattern=r"^(valid|invalid|unknown)$")]
    """`valid`, `invalid` or, where something could not be checked, `unknown`."""
    codes: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """The codes of the steps that were not valid."""
    at: Moment
    """When it was verified."""


class Occasion(StrEnum):
    """Why a learner is written to."""

    ISSUED = "issued"
    REVOKED = "revoked"


class DeliverySucceeded(Contract):
    """A notification was handed over."""

    delivery: Line
    """The delivery's id."""
    credential: Annotated[str, Field(max_length=500)]
    """The credential's id."""
    occasion: Occasion
    """What the learner is told."""
    attempt: Annotated[int, Field(ge=1)]
    """The number of this attempt; 1 is the first."""
    at: Moment
    """When it was handed over."""


class DeliveryFailed(Contract):
    """An attempt failed; `next_attempt_at` is absent when it was the last."""

    delivery: Line
    """The delivery's id."""
    credential: Annotated[str, Field(max_length=500)]
    """The credential's id."""
    occasion: Occasion
    """What the learner is told."""
    attempt: Annotated[int, Field(ge=1)]
    """The number of this attempt; 1 is the first."""
    reason: Annotated[str, Field(max_length=500)]
    """What the other side said."""
    next_attempt_at: Moment | None = None
    """When the next attempt is due; absent after the last."""
    at: Moment
    """When it failed."""


class EndpointDisabled(Contract):
    """An endpoint asked to be left alone, or failed for too long."""

    endpoint: Line
    """The endpoint's id."""
    reason: Annotated[str, Field(max_length=500)]
    """Why nothing more is sent there."""
    at: Moment
    """When it was disabled."""


class DeadLetter(Contract):
    """A record that a service gave up on, whole, so that it can be read and replayed.

    `key` and `value` are base64 of the record's bytes, absent where the record had none; `headers` are name and
    base64 pairs. A record too large to be held here is left where it is: `omitted` is then true.
    """

    service: Slug
    """The service that gave up."""
    code: Code
    """The reason's number."""
    reason: Annotated[str, Field(max_length=2000)]
    """What went wrong, in words."""
    trace: Annotated[str, Field(max_length=20000)]
    """The traceback, where there is one."""
    attempts: Annotated[int, Field(ge=1)]
    """How often it was tried."""
    record: RecordCoordinates
    """Where the record lies."""
    key: str | None = None
    """The record's key in base64; absent where it has none."""
    value: str | None = None
    """The record's body in base64; absent where it has none."""
    headers: tuple[tuple[str, str], ...]
    """The record's headers: pairs of a name and, in base64, its value."""
    omitted: bool | None = None
    """True where key, body and headers were too large to be copied; the record is still where `record` says."""
    at: Moment
    """When the service gave up."""
