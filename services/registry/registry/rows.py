"""What the registry stores, as it stands in the database."""

from __future__ import annotations

from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.base import Contract, CredentialId, Digest, Moment, Slug
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import State, StatusRecorded


class StoredCredential(Contract):
    """A registered credential. `document` is the signed JSON as it is served; the newest history entry is current.

    `token` is the end of its public address, and of its id too unless it was asked for under an id of another kind.
    What no completion earned has neither achievement nor partner.
    """

    id: CredentialId
    token: str
    document: str
    digest: Digest
    issuer: Slug
    achievement: Slug | None = None
    partner: Slug | None = None
    position: StatusPosition
    state: State
    version: int
    history: tuple[StatusRecorded, ...]
    issued_at: Moment


class StoredList(Contract):
    """The newest signed version of a status list."""

    list_id: str
    issuer: Slug
    version: int
    document: str
    digest: Digest
    ttl_ms: int


class Applied(Contract):
    """A request that was carried out, now or before."""

    state: State
    version: int
    changed_at: Moment


class Refused(Contract):
    """A request that was not carried out, and why."""

    code: Code
    pointer: str
    detail: str

    def rejection(self) -> Rejected:
        """The refusal as it is raised."""
        return Rejected(self.code, self.pointer, self.detail)


class StoredRequest(Contract):
    """A status request from its acceptance on. `digest` is of the event's body.

    `partner` is who signed it, and `achievements` what the key is good for, if not for all of the partner's. It is None
    for what the registry's own API accepted, with `operator` as the audit names who asked. One of a bulk change has the
    `batch` of it that it belongs to, and the version that the credential had when it was selected: whoever changed it
    since has the last word.
    """

    id: str
    partner: Slug | None = None
    achievements: tuple[Slug, ...] | None = None
    credential: CredentialId
    operator: Slug | None = None
    trace: str | None = None
    digest: Digest
    accepted_at: Moment
    applied: Applied | None = None
    refused: Refused | None = None
    batch: str | None = None
    on_version: int | None = None

    @property
    def decided(self) -> bool:
        """Whether there is an outcome."""
        return self.applied is not None or self.refused is not None


class StoredAction(AdminActionRecorded):
    """An entry of the audit, with its event's id, the service that made it, and its place on the topic."""

    id: str
    service: str
    place: int
