"""The public HTTP interface: the VC-API's verification of one credential."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operations import VerificationCompleted
from laurel.credentials.report import Verification
from laurel.credentials.resolving import Get
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from verifier import domain
from verifier.announcer import Announcer, name_of
from verifier.resolver import Resolver
from verifier.trampoline import Trampoline
from verifier.view import View

VERIFIED = Counter("laurel_verifications_total", "Credentials verified.", ["outcome"])

BODY_LIMIT = 256 * 1024
PATH = "/credentials/verify"
_MOST_WAITING = 200

_BODY = {
    "type": "object",
    "required": ["verifiableCredential"],
    "properties": {
        "verifiableCredential": {"type": "object", "description": "The credential with its embedded proof."},
        "options": {"type": "object", "description": "Accepted for the VC-API's sake; every check is always made."},
    },
}


class Verifying:
    """Verifies in worker threads, so that a large credential does not keep the others, or `/livez`, waiting.

    What has to be fetched for it is fetched by `get`, within `seconds`, while no thread is held.
    """

    def __init__(
        self, view: View, resolver: Resolver, announcer: Announcer, clock: Clock, workers: int, get: Get,
        seconds: float,
    ) -> None:  # fmt: skip
        self._view = view
        self._resolver = resolver
        self._announcer = announcer
        self._clock = clock
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="verify")
        self._trampoline = Trampoline(self._pool, get, seconds)
        self._waiting = 0

    async def verify(self, document: dict[str, Any]) -> Verification:
        """Verify one document. Raises Rejected(NOT_READY) before the view has caught up, or under too much load."""
        if not self._view.caught_up:
            # A member that has not been read yet would look like a stranger, and its credentials like forgeries.
            raise Rejected(Code.NOT_READY, "", "The verifier is still reading the record; try again in a few seconds.")
        if self._waiting >= _MOST_WAITING:
            raise Rejected(Code.NOT_READY, "", "The verifier has too much to do; try again in a few seconds.")
        self._waiting += 1
        try:
            now = self._clock()
            with telemetry.span_under("verify credential", {}, kind=SpanKind.SERVER):
                verification = await self._trampoline.run(self._resolver.verify(document, now))
                self._tell(document, verification)
        finally:
            self._waiting -= 1
        return verification

    def _tell(self, document: dict[str, Any], verification: Verification) -> None:
        VERIFIED.labels(verification.outcome.value).inc()
        codes = tuple(step.code for step in domain.findings(verification) if step.code is not None)
        body = VerificationCompleted(
            credential=name_of(document), outcome=verification.outcome.value, codes=codes, at=self._clock()
        )
        self._announcer.announce(body)

    async def stop(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def routes(verifying: Verifying) -> APIRouter:
    """The routes, wired to what does the work."""
    router = APIRouter(tags=["verification"])
    extra = {"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}}

    @router.post(PATH, summary="Whether a credential holds, step by step (VC-API)", openapi_extra=extra)
    async def verify(request: Request) -> JSONResponse:
        verification = await verifying.verify(_credential(await request.body()))
        return JSONResponse(
            domain.answer(verification), domain.http_status(verification), {"Cache-Control": "no-store"}
        )

    return router


def _credential(body: bytes) -> dict[str, Any]:
    # Not FastAPI's own parsing: it takes NaN and integers of any size, which no credential may hold.
    try:
        given: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected(
            Code.INVALID_BODY, "", "The body is not JSON: send an object with verifiableCredential."
        ) from None
    if not isinstance(given, dict):
        raise Rejected(Code.INVALID_BODY, "", "The body must be a JSON object with verifiableCredential.")
    if not isinstance(given.get("options", {}), dict):
        raise Rejected(Code.INVALID_BODY, "/options", "The field options must be an object, or be left out.")
    credential = given.get("verifiableCredential")
    if not isinstance(credential, dict):
        detail = "The field verifiableCredential must be the credential as a JSON object with an embedded proof."
        raise Rejected(Code.INVALID_BODY, "/verifiableCredential", detail)
    return credential
