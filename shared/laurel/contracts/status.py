"""`status.requests.v1`, `status.changes.v1` and `status-lists.v1`: from a wish to a signed bit."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Line, Moment, Slug
from laurel.contracts.credentials import StatusPosition


class State(StrEnum):
    """active ⇄ suspended, and revoked for good. Expiry is not a state: it follows from the dates."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Action(StrEnum):
    """What may be asked for."""

    REVOKE = "revoke"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"


class Purpose(StrEnum):
    """A status list's purpose (Bitstring Status List §2.2)."""

    REVOCATION = "revocation"
    SUSPENSION = "suspension"


class StatusChangeRequested(Contract):
    """A wish to change a credential's status: by the registry's admin API or by the partner that reported it."""

    credential: CredentialId
    action: Action
    reason: Line
    requested_by: Line
    requested_at: Moment


class StatusChanged(Contract):
    """A credential's full status. Version 1 is its registration as active; each change adds one."""

    credential: CredentialId
    issuer: Slug
    achievement: Slug
    status: StatusPosition
    state: State
    version: Annotated[int, Field(ge=1)]
    reason: Line | None = None
    changed_at: Moment


class StatusHeartbeat(Contract):
    """Nothing up to `at` is missing from this partition: a reader's view is at least that fresh."""

    partition: Annotated[int, Field(ge=0)]
    at: Moment


class StatusListSigned(Contract):
    """A signed status list in full. The version rises with every signature."""

    list_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,90}$")]
    issuer: Slug
    family: Annotated[str, Field(max_length=80)]
    purpose: Purpose
    version: Annotated[int, Field(ge=1)]
    credential: dict[str, Any]
    signed_at: Moment


def list_id(family: str, purpose: Purpose) -> str:
    """The id of a family's list for a purpose, as it stands in the list's public address."""
    return f"{family}-{purpose.value}"
