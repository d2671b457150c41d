"""The door of the calls that are not for everybody: whose token is it, may they, and each refusal in the audit."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request
from fastapi.security import HTTPBearer
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from laurel.contracts import audit_entries
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller, OperatorPublished, Right
from laurel.contracts.topics import Message
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from laurel.runtime.web import bearer_of

FindOperator = Callable[[str], Awaitable[OperatorPublished | None]]
Publish = Callable[[Sequence[Message]], Awaitable[None]]
PUBLISH_SECONDS = 10.0

BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="An operator's token, or the consortium's key.")
"""What the routes behind a guard say about themselves in OpenAPI."""


def key_hashes(key: SecretStr | None, hashes: Sequence[str]) -> tuple[str, ...]:
    """The SHA-256 of every key that the settings give, as it is or as its hash."""
    given = [] if key is None else [sha256(key.get_secret_value().encode()).hexdigest()]
    return (*given, *hashes)


@dataclass(frozen=True)
class Guard:
    """One service's door. `source` is the service as its events name it, `keys` the hashes of the consortium's own.

    Operators are known by the SHA-256 of a token. Looking that up takes no constant time, and need not: what its time
    could tell is how much of a hash is right, and nobody can make a token for a hash, or half of one for half.
    """

    source: str
    keys: Sequence[str]
    find: FindOperator
    publish: Publish
    clock: Clock
    not_ready: Callable[[], Mapping[str, str]]
    consortium_waits: bool = True
    """Whether the consortium's own key, too, opens the door only when the service is ready."""

    def needing(self, right: Right, action: str) -> Callable[[Request], Awaitable[Admission]]:
        """A dependency that lets in whoever has the right, for anything at all.

        Raises:
            Rejected: UNAUTHORIZED, FORBIDDEN, or NOT_READY while nobody's rights can be told.
        """

        async def admit(request: Request) -> Admission:
            admission = Admission(self, await self._caller(request), action)
            try:
                admission.caller.check_right(right)
            except Rejected as refusal:
                await admission.enter_refusal(f"{request.method} {request.url.path}", refusal)
                raise
            return admission

        return admit

    async def _caller(self, request: Request) -> Caller:
        digest = sha256(bearer_of(request).encode()).hexdigest()
        is_consortium = any(hmac.compare_digest(digest, each) for each in self.keys)
        if is_consortium and not self.consortium_waits:
            return Caller()
        if reasons := self.not_ready():
            why = "; ".join(reasons.values())
            raise Rejected(Code.NOT_READY, "", f"The service is not ready: {why}. Send the same again soon.")
        if is_consortium:
            return Caller()
        operator = await self.find(digest)
        if operator is None or not operator.holds(digest, self.clock()):
            raise Rejected(Code.UNAUTHORIZED, "", "The token is wrong, or is not taken any more.")
        return Caller(operator)


@dataclass(frozen=True)
class Admission:
    """A caller that may do an action on something. On what, is checked as soon as that is known."""

    guard: Guard
    caller: Caller
    action: str

    async def reach(self, target: str, member: str, achievement: str | None, pointer: str = "") -> None:
        """Raises Rejected(FORBIDDEN), entered in the audit, unless the caller may act on the target, which is the
        member's."""
        try:
            self.caller.check_reach(member, achievement, pointer)
        except Rejected as refusal:
            await self.enter_refusal(target, refusal)
            raise

    async def enter_refusal(self, target: str, refusal: Rejected) -> None:
        """Enter in the audit that the caller was refused. Raises what `publish` raises."""
        with telemetry.span_under("refuse", telemetry.current_carrier(), kind=SpanKind.SERVER):
            entry = audit_entries.refused(
                self.guard.source, self.caller.id, self.action, target, refusal, telemetry.current_trace_id(),
                self.guard.clock(),
            )  # fmt: skip
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self.guard.publish([entry])
