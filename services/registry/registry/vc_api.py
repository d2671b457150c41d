"""The VC-API's way of changing a status: `POST /credentials/status`, in terms of the bit that is to be set.

It is the same as a request through the admin API, with the same history. What is so already is left as it is, so
that a call may be repeated.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import StrictBool

from laurel.contracts.base import Contract, CredentialId, Line
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Right
from laurel.contracts.status import Action, Purpose, State
from laurel.runtime import openapi, web
from laurel.runtime.guard import Admission, Guard
from registry.api import GUARDED, OUTCOMES, REFUSALS, UNREADABLE, answer, body_of
from registry.rows import Applied, StoredCredential
from registry.status_requests import StatusRequestBody, StatusRequests
from registry.store import Store

BY = "vc-api"
REASON = "Requested through the VC-API."


class StatusEntry(Contract):
    """Which bit."""

    type: Literal["BitstringStatusListEntry", "BitstringStatusList"]
    """The VC-API's own example gives the second."""
    status_purpose: Purpose


class StatusUpdate(Contract):
    """The VC-API's UpdateCredentialStatusRequest. Who holds the token asks, and is named `vc-api` in the history."""

    credential_id: CredentialId
    credential_status: StatusEntry
    status: StrictBool
    """Whether the bit is to be set. A revocation cannot be taken back."""
    reason: Line = REASON
    """Why; it is shown on the credential's public page. Not of the VC-API."""


def routes(store: Store, changes: StatusRequests, guard: Guard) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["VC-API"], dependencies=GUARDED, responses=REFUSALS)
    changing = Annotated[Admission, Depends(guard.needing(Right.STATUS, "status.change"))]

    @router.post("/credentials/status", summary="Set or clear a credential's status (VC-API)",
                 openapi_extra=openapi.body(StatusUpdate), responses=OUTCOMES | UNREADABLE)  # fmt: skip
    async def update(
        admission: changing, body: Annotated[StatusUpdate, Depends(body_of(StatusUpdate))]
    ) -> JSONResponse:
        held = await store.credential(body.credential_id)
        if held is None:
            raise Rejected(Code.UNKNOWN_CREDENTIAL, "/credentialId", "The registry has no such credential: check its "
                           "id.")  # fmt: skip
        await admission.reach(held.id, held.issuer, held.achievement)
        action = action_for(body, held.state)
        if action is None:
            return _unchanged(held)
        request = await changes.decided(
            StatusRequestBody(credential=held.id, action=action, reason=body.reason, requested_by=BY),
            admission.caller,
        )
        return answer(request)

    return router


def action_for(body: StatusUpdate, state: State) -> Action | None:
    """What has to be done, or None where it is so already. Raises Rejected(TRANSITION_NOT_ALLOWED)."""
    if body.credential_status.status_purpose is Purpose.REVOCATION:
        if not body.status:
            raise Rejected(Code.TRANSITION_NOT_ALLOWED, "/status", "A revocation is final: it can be set and not "
                           "cleared.")  # fmt: skip
        return None if state is State.REVOKED else Action.REVOKE
    if state is State.REVOKED:
        raise Rejected(Code.TRANSITION_NOT_ALLOWED, "/credentialStatus/statusPurpose", "The credential is revoked, "
                       "which is final.")  # fmt: skip
    if body.status is (state is State.SUSPENDED):
        return None
    return Action.SUSPEND if body.status else Action.REINSTATE


def _unchanged(held: StoredCredential) -> JSONResponse:
    entry = held.history[-1]
    stands = Applied(state=entry.state, version=entry.version, changed_at=entry.at)
    return JSONResponse({"credential": held.id, "requestId": entry.request, **web.json_body(stands)})
