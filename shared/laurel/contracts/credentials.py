"""`credentials.v1` and `recipients.v1`: the public credential, and apart from it, whom to tell."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Email, Language, Line, Moment, Slug


class StatusPosition(Contract):
    """Where a credential's bits are: the list family (one list a purpose) and the index in each."""

    family: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}-[0-9]{1,9}$")]
    index: Annotated[int, Field(ge=0, lt=2**31)]


class CredentialIssued(Contract):
    """A signed credential and what the registry needs to file it. No personal data: the subject is a salted hash."""

    id: CredentialId
    credential: dict[str, Any]
    issuer: Slug
    achievement: Slug
    partner: Slug
    status: StatusPosition
    issued_at: Moment


class RecipientRecorded(Contract):
    """Whom to tell about a credential. Short-lived: the topic keeps it for seven days."""

    credential: CredentialId
    name: Line
    email: Email
    language: Language
