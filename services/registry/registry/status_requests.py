"""Status requests that come over HTTP: stored first, then published, and answered with their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from uuid import uuid4

from pydantic import Field

from laurel.contracts.base import Contract, CredentialId, Line
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import STATUS_REQUESTS, Message, message
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from registry.accepting import Acceptor
from registry.announcer import Publish
from registry.domain import SOURCE
from registry.outcomes import Outcomes
from registry.rows import StoredRequest

WAIT_SECONDS = 10.0


class StatusRequestBody(Contract):
    """What an administrator sends. `reason` is shown on the credential's public page; `request_id` makes it safe
    to send again."""

    credential: CredentialId
    action: Action
    reason: Line
    requested_by: Line
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None


@dataclass(frozen=True)
class StatusRequests:
    """Takes requests in and waits for what becomes of them."""

    acceptor: Acceptor
    outcomes: Outcomes
    publish: Publish
    clock: Clock
    wait_seconds: float = WAIT_SECONDS

    async def decided(self, body: StatusRequestBody, caller: Caller) -> StoredRequest:
        """The request with its outcome, if there is one in time. Raises Rejected(REQUEST_ID_REUSED).

        That the caller may make it has been checked.
        """
        request_id = body.request_id or str(uuid4())
        with self.outcomes.expected(request_id) as outcome:
            request = await self._accepted(request_id, body, caller)
            if request.decided:
                return request
            return await self.outcomes.wait(outcome, self.wait_seconds) or request

    async def _accepted(self, request_id: str, body: StatusRequestBody, caller: Caller) -> StoredRequest:
        """The request as stored, after it was published; one that comes again keeps the time of its first coming."""
        offered, outgoing = _made(request_id, body, caller, self.clock())
        held = await self.acceptor.accept(offered)
        if held.accepted_at != offered.accepted_at:
            offered, outgoing = _made(request_id, body, caller, held.accepted_at)
        if held.digest != offered.digest or held.partner is not None or held.operator not in (None, caller.id):
            raise Rejected(Code.REQUEST_ID_REUSED, "/requestId", "This requestId came before with other content, or "
                           "from somebody else: use a new one.")  # fmt: skip
        if not held.decided:
            await self.publish([outgoing])
        return held


def _made(
    request_id: str, body: StatusRequestBody, caller: Caller, accepted_at: datetime
) -> tuple[StoredRequest, Message]:  # fmt: skip
    """The request as it is stored and as it is published."""
    wish = StatusChangeRequested(
        credential=body.credential, action=body.action, reason=body.reason, requested_by=body.requested_by,
        requested_at=accepted_at,
    )  # fmt: skip
    outgoing = message(STATUS_REQUESTS, wish, key=body.credential, event_id=request_id, source=SOURCE,
                       time=accepted_at, subject=body.credential)  # fmt: skip
    offered = StoredRequest(
        id=request_id, credential=body.credential, digest=sha256(outgoing.event.data).hexdigest(),
        accepted_at=accepted_at, operator=caller.id, trace=telemetry.current_trace_id(),
    )  # fmt: skip
    return offered, outgoing
