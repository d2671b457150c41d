"""`credentials.v1` and `recipients.v1`: the public credential, and apart from it, whom to tell."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Email, Language, Line, Moment, Slug, Url


class StatusPosition(Contract):
    """Where a credential's bits are: the list family (one list a purpose) and the index in each."""

    family: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}-[0-9]{1,9}$")]
    """The list family: `<member>-<number>`."""
    index: Annotated[int, Field(ge=0, lt=2**31)]
    """The index of the credential's bit in each of the family's lists."""


class CredentialIssued(Contract):
    """A signed credential and what the registry needs to file it.

    One that a completion earned is an Open Badge without personal data: its subject is a salted hash. One that was
    asked for through the VC-API has neither achievement nor partner, and says what its requester put into it.
    """

    id: CredentialId
    """The credential's id; it is its public address too, unless `address` is given."""
    address: Url | None = None
    """Its public address, where its requester gave it an id of another kind, such as a URN."""
    credential: dict[str, Any]
    """The credential itself, with its Data Integrity proof in the member's suite."""
    issuer: Slug
    """The id of the member that issues it."""
    achievement: Slug | None = None
    """The id of the achievement; absent for one that was asked for through the VC-API."""
    partner: Slug | None = None
    """The id of the partner that reported the completion; absent for one asked for through the VC-API."""
    status: StatusPosition
    """Where its status bits are."""
    issued_at: Moment
    """When it was issued."""


class RecipientRecorded(Contract):
    """Whom to tell about a credential. Short-lived: the topic keeps it for seven days."""

    credential: CredentialId
    """The credential's id."""
    name: Line
    """The learner's name."""
    email: Email
    """The learner's address."""
    language: Language
    """The language to write in."""
