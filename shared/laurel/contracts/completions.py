"""`completions.v1` and `completions.rejected.v1`: what partners report, and what could not be accepted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from laurel.contracts.base import (
    Contract,
    CredentialId,
    Email,
    Language,
    Line,
    Moment,
    Reference,
    Score,
    Slug,
    Text,
    Url,
)
from laurel.contracts.errors import Code


class Learner(Contract):
    """Who completed. `reference` is the partner's own name for the learner; it goes into no credential."""

    reference: Reference
    """The partner's own name for the learner; it goes into no credential."""
    name: Line
    """The learner's name, as the mail greets it."""
    email: Email
    """Where the learner hears of the credential; the credential carries a salted hash of it."""
    language: Language = "en"
    """The language of the mail."""


class CompletionEvidence(Contract):
    """A public page that shows the work."""

    url: Url
    """The page's address."""
    name: Line | None = None
    """What the page shows, in a few words."""
    narrative: Text | None = None
    """What the page shows, in some sentences."""


class CompletionRecorded(Contract):
    """A learner completed what earns an achievement. `achievement` is its id in the catalog."""

    achievement: Slug
    """The achievement's id in the catalog."""
    learner: Learner
    """Who completed."""
    completed_at: Moment
    """When: neither in the future nor further back than the issuer accepts."""
    score: Score | None = None
    """The result, as the partner words it."""
    evidence: Annotated[tuple[CompletionEvidence, ...], Field(max_length=10)] = ()
    """Public pages that show the work."""


class RecordCoordinates(Contract):
    """Where a record lies in Kafka."""

    topic: Annotated[str, Field(max_length=249)]
    """The topic's name."""
    partition: Annotated[int, Field(ge=0)]
    """The partition's number."""
    offset: Annotated[int, Field(ge=0)]
    """The offset in the partition."""


class CompletionRejected(Contract):
    """Why a completion did not become a credential, without personal data.

    `partner`, `event_source` and `event_id` are absent where they could not be trusted or read. `credential`
    is set for a duplicate: the credential that stands.
    """

    code: Code
    """The reason's number."""
    pointer: Annotated[str, Field(max_length=500)]
    """A JSON pointer to the culprit in the event's data; empty for the whole event."""
    detail: Annotated[str, Field(max_length=500)]
    """One sentence that says what to mend."""
    partner: Slug | None = None
    """The id of the partner that signed it; without a signature that holds, of the one it claims to be from."""
    event_source: Annotated[str, Field(max_length=500)] | None = None
    """The `source` of the completion."""
    event_id: Annotated[str, Field(max_length=500)] | None = None
    """The `id` of the completion."""
    credential: CredentialId | None = None
    """For a duplicate: the credential that stands."""
    record: RecordCoordinates
    """Where the completion lies."""
    rejected_at: Moment
    """When it was rejected."""
