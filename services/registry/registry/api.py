"""The admin API: applying a catalog, changing a status, and looking at both. Everything is behind one token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr, ValidationError

from laurel.contracts.base import Contract, CredentialId, Line
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import Code, Rejected, rejection_of
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import STATUS_REQUESTS, message
from laurel.runtime import telemetry, web
from laurel.runtime.clock import Clock
from laurel.runtime.faults import is_transient
from laurel.runtime.health import Health
from registry.announcer import Publish
from registry.domain import SOURCE
from registry.outcomes import Outcomes
from registry.publisher import CatalogPublisher
from registry.rows import StoredRequest
from registry.store import Store

WAIT_SECONDS = 10.0
Model = TypeVar("Model", bound=Contract)


class StatusRequestBody(Contract):
    """What an administrator sends. `reason` is shown on the credential's public page; `request_id` makes it safe
    to send again."""

    credential: CredentialId
    action: Action
    reason: Line
    requested_by: Line
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None


def body_of(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that reads the body as `model`, after the router's own have let the caller in."""

    async def read(request: Request) -> Model:
        try:
            return model.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            # A model as a whole refuses only what does not agree with itself.
            at_odds = model is Catalog and first["loc"] == () and first["type"] == "value_error"
            refusal = rejection_of(error, Code.CATALOG_CONFLICT if at_odds else Code.INVALID_BODY)
            if refusal.code is Code.MALFORMED_EVENT:
                raise Rejected(Code.INVALID_BODY, refusal.pointer, refusal.detail) from None
            raise refusal from None

    return read


def described(model: type[Contract]) -> dict[str, Any]:
    """The body for the OpenAPI document, since it is read by hand."""
    schema = model.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def answer_when_away() -> AsyncIterator[None]:
    """A dependency that turns a database or broker that is away into 503."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise Rejected(Code.NOT_READY, "", "The database or the broker does not answer: try again.") from error
        raise


def admin_router(
    *, token: SecretStr, health: Health, store: Store, catalog: CatalogPublisher, outcomes: Outcomes,
    publish: Publish, clock: Clock, wait_seconds: float = WAIT_SECONDS,
) -> APIRouter:  # fmt: skip
    """The routes under /admin."""

    async def let_in(request: Request) -> None:
        web.require_token(request, token)
        if health.not_ready():
            raise Rejected(Code.NOT_READY, "", "The registry is starting: try again.")

    router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(let_in), Depends(answer_when_away)])

    @router.put("/catalog", summary="Apply a catalog", openapi_extra=described(Catalog))
    async def apply(body: Annotated[Catalog, Depends(body_of(Catalog))]) -> JSONResponse:
        """Entries that the catalog leaves out are left alone: what was issued under them must stay verifiable."""
        planned = await catalog.apply(body)
        entries = [
            {"kind": each.entry.kind.value, "id": each.entry.id, "version": each.entry.version, "changed": each.changed}
            for each in planned
        ]
        return JSONResponse({"entries": entries, "changed": sum(each.changed for each in planned)})

    @router.get("/catalog", summary="The catalog as it stands, in the form in which it is applied")
    async def show() -> JSONResponse:
        stored = await catalog.stored()
        if stored is None:
            raise Rejected(Code.NOT_FOUND, "", "There is no catalog yet: apply one.")
        return JSONResponse(web.json_body(stored))

    @router.post("/status-requests", summary="Revoke, suspend or reinstate a credential",
                 openapi_extra=described(StatusRequestBody))  # fmt: skip
    async def change(body: Annotated[StatusRequestBody, Depends(body_of(StatusRequestBody))]) -> JSONResponse:
        """Answers with the outcome, or 202 if there is none in time; then it can be asked for by its id."""
        request = await _accepted(body, store, publish, clock)
        decided = request if request.decided else await outcomes.wait(request.id, wait_seconds)
        return _answer(decided or request)

    @router.get("/status-requests/{request_id}", summary="What became of a status request")
    async def outcome(request_id: str) -> JSONResponse:
        request = await store.request(request_id)
        if request is None:
            raise Rejected(Code.NOT_FOUND, "", "There is no such request.")
        return _answer(request)

    @router.get("/credentials/{token}", summary="A credential's state and history: who, when and why")
    async def credential(token: str) -> JSONResponse:
        held = await store.credential_of_token(token)
        if held is None:
            raise Rejected(Code.UNKNOWN_CREDENTIAL, "", "The registry has no such credential: check the token.")
        shown = web.json_body(held)
        del shown["document"], shown["digest"]
        return JSONResponse(shown)

    return router


async def _accepted(body: StatusRequestBody, store: Store, publish: Publish, clock: Clock) -> StoredRequest:
    """The request as stored, after it was published; one that comes again keeps the time of its first acceptance."""
    request_id = body.request_id or str(uuid4())
    held = await store.request(request_id)
    accepted_at = held.accepted_at if held is not None else clock()
    wish = StatusChangeRequested(
        credential=body.credential, action=body.action, reason=body.reason, requested_by=body.requested_by,
        requested_at=accepted_at,
    )  # fmt: skip
    with telemetry.span_under("request status change", telemetry.current_carrier()):
        outgoing = message(STATUS_REQUESTS, wish, key=body.credential, event_id=request_id, source=SOURCE,
                           time=accepted_at, subject=body.credential)  # fmt: skip
        digest = sha256(outgoing.event.data).hexdigest()
        offered = StoredRequest(id=request_id, credential=body.credential, digest=digest, accepted_at=accepted_at)
        held = held or await store.accept(offered)
        if held.accepted_at != accepted_at:  # the same call came in twice at once, and the other was first
            return await _accepted(body, store, publish, clock)
        if held.digest != digest or held.partner is not None:
            raise Rejected(Code.REQUEST_ID_REUSED, "/requestId", "This requestId came before with other content: "
                           "use a new one.")  # fmt: skip
        if not held.decided:
            await publish([outgoing])
    return held


def _answer(request: StoredRequest) -> JSONResponse:
    if request.refused is not None:
        raise request.refused.rejection()
    if request.applied is None:
        return JSONResponse({"requestId": request.id}, 202)
    return JSONResponse({"credential": request.credential, "requestId": request.id, **web.json_body(request.applied)})
