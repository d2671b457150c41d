"""What the log says a row was: histories and the outcomes of requests. Pure, like `domain.py`."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

from laurel.contracts.envelope import Envelope
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import HISTORY_LIMIT, StatusChanged, StatusChangeRequested, StatusRecorded
from registry.domain import TRANSITIONS, application
from registry.rows import Refused, StoredCredential, StoredRequest

UNKNOWN = "unknown"
"""Who asked, and in which request, where the log was written before it carried histories."""


def restored(credential: StoredCredential, change: StatusChanged) -> StoredCredential:
    """The credential, registered just now, with the status and the history that the log has.

    Raises:
        Rejected: PROOF_REFUSED, the status is none that this credential can have come to.
    """
    if (change.issuer, change.achievement, change.status) != (
        credential.issuer, credential.achievement, credential.position,
    ):  # fmt: skip
        raise _impossible(f"The status of {credential.id} is filed otherwise than the credential.")
    history = change.history or _without_history(credential, change)
    newest = history[-1]
    if (newest.state, newest.version, newest.at) != (change.state, change.version, change.changed_at):
        raise _impossible(f"The history of {credential.id} does not end with its status.")
    if history[0] != credential.history[0]:
        raise _impossible(f"The history of {credential.id} does not begin with its registration.")
    for before, after in pairwise(history):
        left_out = before.version == 1 and (len(history) == HISTORY_LIMIT or after.by == UNKNOWN)
        if not left_out and (after.version != before.version + 1 or not _follows(before, after)):
            raise _impossible(f"The history of {credential.id} has a change that cannot follow on version "
                              f"{before.version}.")  # fmt: skip
    return credential.model_copy(update={"state": change.state, "version": change.version, "history": history})


def _without_history(credential: StoredCredential, change: StatusChanged) -> tuple[StatusRecorded, ...]:
    if change.version == 1:
        return credential.history
    entry = StatusRecorded(version=change.version, state=change.state, at=change.changed_at, by=UNKNOWN,
                           reason=change.reason, request=UNKNOWN)  # fmt: skip
    return (credential.history[0], entry)


def _follows(before: StatusRecorded, after: StatusRecorded) -> bool:
    return after.action is not None and TRANSITIONS.get((before.state, after.action)) is after.state


def restored_request(
    request_id: str, partner: str | None, event: Envelope, body: StatusChangeRequested,
    credential: StoredCredential | None, *, passed: bool,
) -> StoredRequest | None:  # fmt: skip
    """The request with its outcome, so that it is not decided again; None where it is yet to be decided.

    What was applied is in the history. What was passed and is not there was refused: the reason is not in the log.
    """
    applied = None if credential is None else application(credential.history, request_id)
    refused = None
    if applied is None:
        if not passed:
            return None
        refused = Refused(code=Code.TRANSITION_NOT_ALLOWED, pointer="", detail="This was decided before the registry's "
                          "database was made anew, and changed nothing that the log still tells of.")  # fmt: skip
    return StoredRequest(
        id=request_id, partner=partner, credential=body.credential, digest=sha256(event.data).hexdigest(),
        accepted_at=applied.changed_at if applied else body.requested_at, applied=applied, refused=refused,
    )  # fmt: skip


def _impossible(detail: str) -> Rejected:
    return Rejected(Code.PROOF_REFUSED, "/history", detail)
