"""The admin API: applying a catalog, changing a status, and looking at both. Every route says which right it takes."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from laurel.contracts.base import Contract
from laurel.contracts.catalog import Catalog
from laurel.contracts.errors import Code, Rejected, rejection_of
from laurel.contracts.operators import Right
from laurel.runtime import openapi, telemetry, web
from laurel.runtime.guard import BEARER, Admission, Guard
from registry.catalog_rights import OutOfReach
from registry.publisher import CatalogPublisher
from registry.rows import StoredRequest
from registry.status_requests import StatusRequestBody, StatusRequests
from registry.store import Store

Model = TypeVar("Model", bound=Contract)

GUARDED = [Depends(BEARER)]

REFUSALS = openapi.problems(
    {
        401: "The token is missing or wrong.",
        403: "The token's operator lacks the right, or it does not extend to this.",
        503: "The registry is starting, or its database or broker does not answer: try again.",
    }
)
UNREADABLE = openapi.problems(
    {
        400: "The body does not have the right form.",
        408: "The body took too long to arrive.",
        413: "The body is too large.",
    }
)
_TEXTS = {"type": "string"}
_ENTRY = {"type": "object", "properties": {"kind": _TEXTS, "id": _TEXTS, "version": {"type": "integer"},
                                           "changed": {"type": "boolean"}}}  # fmt: skip
_APPLIED = {
    "type": "object",
    "required": ["entries", "changed"],
    "properties": {"entries": {"type": "array", "items": _ENTRY}, "changed": {"type": "integer"}},
}
_OUTCOME = {
    "type": "object",
    "required": ["requestId"],
    "properties": {"requestId": _TEXTS, "credential": _TEXTS, "state": _TEXTS, "version": {"type": "integer"},
                   "changedAt": {"type": "string", "format": "date-time"}},
}  # fmt: skip
OUTCOMES: openapi.Responses = {
    200: openapi.answer("It was done, now or before.", "application/json", schema=_OUTCOME),
    202: openapi.answer("It was accepted, and there is no outcome yet.", "application/json", schema=_OUTCOME),
    **openapi.problems(
        {
            404: "There is no such credential.",
            409: "The credential's state does not allow it, or the request's id came before with other content.",
        }
    ),
}


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


async def credential_within(store: Store, admission: Admission, id_: str) -> None:
    """Raises Rejected(FORBIDDEN) where the caller acts for some members only, and the credential is not theirs.

    Nor may a limited caller ask for one that is not there: nobody can say whose it would be.
    """
    if not admission.caller.limited:
        return
    held = await store.credential(id_)
    if held is None:
        raise Rejected(Code.UNKNOWN_CREDENTIAL, "/credential", "The registry has no such credential: check its id.")
    await admission.reach(held.id, held.issuer, held.achievement)


def admin_router(store: Store, catalog: CatalogPublisher, changes: StatusRequests, guard: Guard) -> APIRouter:
    """The routes under /admin."""
    router = APIRouter(prefix="/admin", tags=["admin"], dependencies=GUARDED, responses=REFUSALS)
    applying = Annotated[Admission, Depends(guard.needing(Right.CATALOG, "catalog.change"))]
    reading = Annotated[Admission, Depends(guard.needing(Right.CATALOG, "catalog.read"))]
    changing = Annotated[Admission, Depends(guard.needing(Right.STATUS, "status.change"))]
    looking = Annotated[Admission, Depends(guard.needing(Right.STATUS, "status.read"))]
    conflict = openapi.problems({409: "The catalog contradicts itself or what was published before."})
    applied: openapi.Responses = {200: openapi.answer("It was applied.", "application/json", schema=_APPLIED)}

    @router.put("/catalog", summary="Apply a catalog", openapi_extra=openapi.body(Catalog),
                responses=applied | UNREADABLE | conflict)  # fmt: skip
    async def apply(admission: applying, body: Annotated[Catalog, Depends(body_of(Catalog))]) -> JSONResponse:
        """Entries that the catalog leaves out are left alone: what was issued under them must stay verifiable."""
        try:
            with telemetry.span_under("apply catalog", telemetry.current_carrier()):
                planned = await catalog.apply(body, admission.caller)
        except OutOfReach as error:
            await admission.enter_refusal(error.target, error.refusal)
            raise error.refusal from None
        entries = [
            {"kind": each.entry.kind.value, "id": each.entry.id, "version": each.entry.version, "changed": each.changed}
            for each in planned
        ]
        return JSONResponse({"entries": entries, "changed": sum(each.changed for each in planned)})

    shown: openapi.Responses = {200: openapi.answer("The catalog.", "application/json", schema=Catalog)}

    @router.get("/catalog", summary="The catalog as it stands, in the form in which it is applied",
                responses=shown | openapi.problems({404: "There is none yet."}))  # fmt: skip
    async def show(admission: reading) -> JSONResponse:
        stored = await catalog.stored(admission.caller)
        if stored is None:
            raise Rejected(Code.NOT_FOUND, "", "There is no catalog yet: apply one.")
        return JSONResponse(web.json_body(stored))

    @router.post("/status-requests", summary="Revoke, suspend or reinstate a credential",
                 openapi_extra=openapi.body(StatusRequestBody), responses=OUTCOMES | UNREADABLE)  # fmt: skip
    async def change(
        admission: changing, body: Annotated[StatusRequestBody, Depends(body_of(StatusRequestBody))]
    ) -> JSONResponse:
        """Answers with the outcome, or 202 if there is none in time; then it can be asked for by its id."""
        await credential_within(store, admission, body.credential)
        return answer(await changes.decided(body, admission.caller))

    @router.get("/status-requests/{request_id}", summary="What became of a status request", responses=OUTCOMES)
    async def outcome(admission: looking, request_id: str) -> JSONResponse:
        request = (await store.requests.with_outcomes([request_id])).get(request_id)
        if request is None:
            raise Rejected(Code.NOT_FOUND, "", "There is no such request.")
        await credential_within(store, admission, request.credential)
        return answer(request)

    held: openapi.Responses = {200: openapi.answer("It.", "application/json", schema={"type": "object"})}

    @router.get("/credentials/{token}", summary="A credential's state and history: who, when and why",
                responses=held | openapi.problems({404: "There is no such credential."}))  # fmt: skip
    async def credential(admission: looking, token: str) -> JSONResponse:
        """By the end of its address or, where that has no slash, by its id."""
        held = await store.credential_of_token(token) or await store.credential(token)
        if held is None:
            raise Rejected(Code.UNKNOWN_CREDENTIAL, "", "The registry has no such credential: check the token.")
        await admission.reach(held.id, held.issuer, held.achievement)
        shown = web.json_body(held)
        del shown["document"], shown["digest"]
        return JSONResponse(shown)

    return router


def answer(request: StoredRequest) -> JSONResponse:
    """What became of a status request. Raises Rejected where it was refused."""
    if request.refused is not None:
        raise request.refused.rejection()
    if request.applied is None:
        return JSONResponse({"requestId": request.id}, 202)
    return JSONResponse({"credential": request.credential, "requestId": request.id, **web.json_body(request.applied)})
