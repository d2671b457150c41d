"""`status.requests.v1`, `status.changes.v1` and `status-lists.v1`: from a wish to a signed bit."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Line, Moment, Slug
from laurel.contracts.credentials import StatusPosition

Entry = TypeVar("Entry")


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
    """The credential's id."""
    action: Action
    """What to do with it."""
    reason: Line
    """Why, for the history and the verifiers."""
    requested_by: Line
    """Who wants it: a person or a system, named for the history."""
    requested_at: Moment
    """When it was wanted."""


class StatusRecorded(Contract):
    """One entry of a credential's history: a status, and how it came to be."""

    version: Annotated[int, Field(ge=1)]
    """The version that it made."""
    state: State
    """What the credential was from then on."""
    at: Moment
    """When the request was accepted, or the credential issued."""
    by: Annotated[str, Field(max_length=300)]
    """Who asked for it."""
    reason: Line | None = None
    """Why; absent at registration."""
    action: Action | None = None
    """What was asked for; absent at registration."""
    request: Annotated[str, Field(max_length=500)]
    """The id of the request, or of the event that brought the credential."""


HISTORY_LIMIT = 90
"""Entries of a history that the log keeps: a record can hold so many of the longest possible ones."""


def kept_history(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """What the log keeps of a history: all of it, or past the limit the first entry and the newest."""
    if len(entries) <= HISTORY_LIMIT:
        return tuple(entries)
    return (entries[0], *entries[1 - HISTORY_LIMIT :])


class StatusChanged(Contract):
    """A credential's full status. Version 1 is its registration as active; each change adds one."""

    credential: CredentialId
    """The credential's id."""
    issuer: Slug
    """The id of the member that issued it."""
    achievement: Slug | None = None
    """The id of its achievement; absent for one that was asked for through the VC-API."""
    status: StatusPosition
    """Where its status bits are."""
    state: State
    """What it is now."""
    version: Annotated[int, Field(ge=1)]
    """Its version: 1 at registration, one more with each change."""
    reason: Line | None = None
    """Why it was changed; absent at registration."""
    changed_at: Moment
    """When it became so."""
    history: Annotated[tuple[StatusRecorded, ...], Field(max_length=HISTORY_LIMIT)] | None = None
    """How it came to be so, oldest first; absent at registration. Past the limit, the first and the newest entries."""


class StatusHeartbeat(Contract):
    """Nothing up to `at` is missing from this partition: a reader's view is at least that fresh."""

    partition: Annotated[int, Field(ge=0)]
    """The partition that it lies in and speaks of."""
    at: Moment
    """The moment up to which nothing is missing."""


class StatusListSigned(Contract):
    """A signed status list in full. The version rises with every signature."""

    list_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,90}$")]
    """The list's id: `<family>-<purpose>`."""
    issuer: Slug
    """The id of the member that signed it."""
    family: Annotated[str, Field(max_length=80)]
    """The list family."""
    purpose: Purpose
    """What a set bit means."""
    version: Annotated[int, Field(ge=1)]
    """Rises with every signature; a reader takes no older one."""
    credential: dict[str, Any]
    """The signed `BitstringStatusListCredential`."""
    signed_at: Moment
    """When it was signed."""


def list_id(family: str, purpose: Purpose) -> str:
    """The id of a family's list for a purpose, as it stands in the list's public address."""
    return f"{family}-{purpose.value}"
