"""What is stored of a bulk status change, and what is made of it: requests, events, and how far it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Digest, Line, Moment, Slug
from laurel.contracts.errors import Code
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import STATUS_REQUESTS, Message, message
from registry.domain import SOURCE
from registry.rows import StoredRequest
from registry.selection import BulkId, Fate, Selection, Target, request_id

BATCH = 100
"""How many requests are published at once. A single request waits behind two batches at the most."""
REFUSALS_SHOWN = 100


class PreviewBody(Contract):
    """What would be done."""

    selection: Selection
    action: Action


class BulkBody(PreviewBody):
    """What an administrator sends. `digest` is the preview's: what was seen is what is done. `reason` is shown on
    each credential's public page; `request_id` makes it safe to send again."""

    digest: Digest
    reason: Line
    requested_by: Line
    request_id: BulkId


class StoredBulk(Contract):
    """A bulk change as it was accepted. `content` is the digest of what was sent, `digest` that of the targets;
    `operator` is who asked, as the audit names them, and `trace` the trace of that call."""

    id: BulkId
    content: Digest
    digest: Digest
    action: Action
    reason: Line
    requested_by: Line
    operator: Slug
    trace: str | None = None
    accepted_at: Moment
    selection: dict[str, Any]
    counts: dict[Fate, int]
    total: Annotated[int, Field(ge=0)]
    finished_at: Moment | None = None

    @property
    def batches(self) -> str:
        """What its batches are found by. The digest keeps apart what an earlier try, that came to nothing, stored."""
        return f"{self.id}/{self.digest[:16]}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of the targets. It is settled when each request has its outcome."""

    id: str
    targets: tuple[Target, ...]
    published: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of the requests of some batches were carried out and refused."""

    applied: int = 0
    refused: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.applied + other.applied, self.refused + other.refused)


def tally_of(requests: Iterable[StoredRequest]) -> Tally:
    """How many of these were carried out and refused."""
    found = list(requests)
    return Tally(sum(each.applied is not None for each in found), sum(each.refused is not None for each in found))


class RefusedTarget(Contract):
    """A credential that was selected and not changed after all."""

    credential: CredentialId
    code: Code
    detail: str


class Progress(Contract):
    """A bulk change and how far it is. A credential that counts as changed has the change on the topic."""

    id: BulkId
    action: Action
    reason: Line
    requested_by: Line
    operator: Slug
    """Whose token it was."""
    accepted_at: Moment
    finished_at: Moment | None = None
    selection: dict[str, Any]
    counts: dict[Fate, int]
    """What had become of the selection when it was accepted."""
    total: int
    """How many were to be changed."""
    changed: int
    refused: int
    refusals: tuple[RefusedTarget, ...] = ()
    """Those refused and why; at most 100."""

    @property
    def finished(self) -> bool:
        """Whether each of them has its outcome."""
        return self.finished_at is not None


def batches_of(bulk: StoredBulk, targets: Sequence[Target]) -> list[Batch]:
    """The targets in batches, with ids in their order."""
    starts = range(0, len(targets), BATCH)
    return [Batch(f"{bulk.batches}/{at // BATCH:06d}", tuple(targets[at : at + BATCH])) for at in starts]


def requests_of(bulk: StoredBulk, batch: Batch) -> list[tuple[StoredRequest, Message]]:
    """Each target's request as it is stored and as it is published; the same bytes whenever it is made."""
    made = []
    for target in batch.targets:
        wish = StatusChangeRequested(
            credential=target.id, action=bulk.action, reason=bulk.reason, requested_by=bulk.requested_by,
            requested_at=bulk.accepted_at,
        )  # fmt: skip
        outgoing = message(
            STATUS_REQUESTS, wish, key=target.id, event_id=request_id(bulk.id, target.token), source=SOURCE,
            time=bulk.accepted_at, subject=target.id,
        )  # fmt: skip
        request = StoredRequest(
            id=outgoing.event.id, credential=target.id, digest=sha256(outgoing.event.data).hexdigest(),
            accepted_at=bulk.accepted_at, operator=bulk.operator, trace=bulk.trace, batch=batch.id,
            on_version=target.version,
        )  # fmt: skip
        made.append((request, outgoing))
    return made


def progress_of(bulk: StoredBulk, tally: Tally, refused: Sequence[StoredRequest]) -> Progress:
    """How far it is, after so many outcomes; `refused` are some of those refused."""
    kept: Mapping[str, Any] = bulk.model_dump(exclude={"content", "digest", "trace"})
    return Progress(
        **kept, changed=tally.applied, refused=tally.refused,
        refusals=tuple(
            RefusedTarget(credential=each.credential, code=each.refused.code, detail=each.refused.detail)
            for each in refused
            if each.refused is not None
        ),
    )  # fmt: skip
