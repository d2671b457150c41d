"""`completions.v1` and `completions.rejected.v1`: what partners report, and what could not be accepted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Email, Language, Line, Moment, Reference, Slug, Text, Url
from laurel.contracts.errors import Code


class Learner(Contract):
    """Who completed. `reference` is the partner's own name for the learner; it goes into no credential."""

    reference: Reference
    name: Line
    email: Email
    language: Language = "en"


class CompletionEvidence(Contract):
    """A public page that shows the work."""

    url: Url
    name: Line | None = None
    narrative: Text | None = None


class CompletionRecorded(Contract):
    """A learner completed what earns an achievement. `achievement` is its id in the catalog."""

    achievement: Slug
    learner: Learner
    completed_at: Moment
    score: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f]+$")] | None = None
    evidence: Annotated[tuple[CompletionEvidence, ...], Field(max_length=10)] = ()


class RecordCoordinates(Contract):
    """Where a record lies in Kafka."""

    topic: Annotated[str, Field(max_length=249)]
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]


class CompletionRejected(Contract):
    """Why a completion did not become a credential, without personal data.

    `partner`, `event_source` and `event_id` are absent where they could not be trusted or read. `credential`
    is set for a duplicate: the credential that stands.
    """

    code: Code
    pointer: Annotated[str, Field(max_length=500)]
    detail: Annotated[str, Field(max_length=500)]
    partner: Slug | None = None
    event_source: Annotated[str, Field(max_length=500)] | None = None
    event_id: Annotated[str, Field(max_length=500)] | None = None
    credential: CredentialId | None = None
    record: RecordCoordinates
    rejected_at: Moment
