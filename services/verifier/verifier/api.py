"""The public HTTP interface: the VC-API's verification of a credential and of a presentation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operations import VerificationCompleted
from laurel.credentials import strict_json
from laurel.credentials.documents import MAX_BYTES
from laurel.credentials.presentations import PresentationVerification
from laurel.credentials.report import Verification
from laurel.credentials.resolving import Get
from laurel.credentials.secured import claimed
from laurel.credentials.verification import Expected
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from verifier import domain, forms
from verifier.announcer import Announcer, name_of
from verifier.resolver import Resolver
from verifier.trampoline import Trampoline
from verifier.view import View

VERIFIED = Counter("laurel_verifications_total", "Credentials verified.", ["outcome"])

BODY_LIMIT = MAX_BYTES + 64 * 1024  # the largest document, and room for the options
CREDENTIALS = "/credentials/verify"
PRESENTATIONS = "/presentations/verify"
_MOST_WAITING = 200
_OPTION_LIMIT = 500
_OPTIONS = ("domain", "challenge", "recipient")

T = TypeVar("T")


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

    async def verify(self, given: Any, expected: Expected) -> Verification:
        """Verify one credential. Raises Rejected(NOT_READY) before the view has caught up, or under too much load."""
        now = self._clock()
        verification = await self._run("verify credential", self._resolver.verify(given, now, expected))
        self._tell(name_of(claimed(given)), verification)
        return verification

    async def verify_presentation(self, given: Any, expected: Expected) -> PresentationVerification:
        """Verify a presentation and what is in it. Raises Rejected(NOT_READY) as `verify` does."""
        now = self._clock()
        found = await self._run("verify presentation", self._resolver.verify_presentation(given, now, expected))
        for verification in found.credentials:
            self._tell("", verification)
        return found

    async def _run(self, what: str, work: Coroutine[Any, Any, T]) -> T:
        try:
            self._admit()
        except Rejected:
            work.close()
            raise
        self._waiting += 1
        try:
            with telemetry.span_under(what, {}, kind=SpanKind.SERVER):
                return await self._trampoline.run(work)
        finally:
            self._waiting -= 1

    def _admit(self) -> None:
        if not self._view.caught_up:
            # A member that has not been read yet would look like a stranger, and its credentials like forgeries.
            raise Rejected(Code.NOT_READY, "", "The verifier is still reading the record; try again in a few seconds.")
        if self._waiting >= _MOST_WAITING:
            raise Rejected(Code.NOT_READY, "", "The verifier has too much to do; try again in a few seconds.")

    def _tell(self, credential: str, verification: Verification) -> None:
        VERIFIED.labels(verification.outcome.value).inc()
        codes = tuple(step.code for step in domain.findings(verification) if step.code is not None)
        outcome = verification.outcome.value
        self._announcer.announce(
            VerificationCompleted(credential=credential, outcome=outcome, codes=codes, at=self._clock())
        )

    async def stop(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def routes(verifying: Verifying) -> APIRouter:
    """The routes, wired to what does the work."""
    router = APIRouter(tags=["verification"])

    @router.post(
        CREDENTIALS, summary="Whether a credential holds, step by step (VC-API)", responses=forms.ANSWERS,
        openapi_extra=forms.body("verifiableCredential"),
    )  # fmt: skip
    async def verify(request: Request) -> JSONResponse:
        given, expected = await asyncio.to_thread(_asked, await request.body(), "verifiableCredential")
        verification = await verifying.verify(given, expected)
        return _answer(domain.answer(verification), domain.http_status(verification))

    @router.post(
        PRESENTATIONS, summary="Whether a presentation holds, and each credential in it (VC-API)",
        responses=forms.ANSWERS_ON_PRESENTATIONS, openapi_extra=forms.body("verifiablePresentation"),
    )  # fmt: skip
    async def verify_presentation(request: Request) -> JSONResponse:
        given, expected = await asyncio.to_thread(_asked, await request.body(), "verifiablePresentation")
        found = await verifying.verify_presentation(given, expected)
        return _answer(domain.answer_on_presentation(found), domain.http_status_of_presentation(found))

    return router


def _answer(body: dict[str, Any], status: int) -> JSONResponse:
    return JSONResponse(body, status, {"Cache-Control": "no-store"})


def _asked(body: bytes, name: str) -> tuple[Any, Expected]:
    """What is to be verified, and what its proof must be bound to. Raises Rejected(INVALID_BODY)."""
    # Not FastAPI's own parsing: it takes NaN, integers of any size, and of a member that stands twice the last.
    try:
        given: Any = strict_json.parse(body)
    except ValueError as error:
        raise Rejected(Code.INVALID_BODY, "", f"The body is {error}: send an object with {name}.") from None
    if not isinstance(given, dict):
        raise Rejected(Code.INVALID_BODY, "", f"The body must be a JSON object with {name}.")
    document = given.get(name)
    if not isinstance(document, dict | str):
        detail = f"The field {name} must be a JSON object, with an embedded proof or enveloped, or a JWT as a string."
        raise Rejected(Code.INVALID_BODY, f"/{name}", detail)
    return document, _expected(given.get("options", {}))


def _expected(options: Any) -> Expected:
    if not isinstance(options, dict):
        raise Rejected(Code.INVALID_BODY, "/options", "The field options must be an object, or be left out.")
    for name in _OPTIONS:
        value = options.get(name)
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= _OPTION_LIMIT):
            detail = f"The option {name} must be a string of at most {_OPTION_LIMIT} characters, or be left out."
            raise Rejected(Code.INVALID_BODY, f"/options/{name}", detail)
    return Expected(**{name: options.get(name) for name in _OPTIONS})
