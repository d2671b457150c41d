"""`audit.v1`: what operators did, or wanted to do and might not. It holds no secret, and names nobody but them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from laurel.contracts.base import Contract, Moment, Slug
from laurel.contracts.errors import Code


class AuditOutcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"


class AdminActionRecorded(Contract):
    """Somebody with a token did something, or was refused it. The same action is always the same event."""

    operator: Slug
    """The operator's id; `consortium` for the consortium's own key, `anybody` where no key was asked for. Of what went
    to Kafka and past the services: the user there, such as `laurel-operator`."""
    action: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z]+$", max_length=60)]
    """What was done, such as `status.revoke` or `catalog.change`."""
    target: Annotated[str, Field(min_length=1, max_length=600)]
    """On what: a credential's id, a catalog entry such as `partner/campus`, or the call that was refused."""
    outcome: AuditOutcome
    """Whether it was done."""
    code: Code | None = None
    """If it was refused: the reason's number."""
    detail: Annotated[str, Field(max_length=500)] | None = None
    """What it became, such as a version; if it was refused: the reason in words."""
    trace: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """The id of the trace that it belongs to."""
    at: Moment
    """When it was asked for."""
