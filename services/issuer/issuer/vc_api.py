"""The VC-API's issuing interface over HTTP: `POST /credentials/issue`. See `issuing` for what it does."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from issuer.issuing import Issuing
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Right
from laurel.credentials.errors import CredentialError
from laurel.runtime import openapi, telemetry, web
from laurel.runtime.guard import BEARER, Admission, Guard
from laurel.runtime.health import Health

log = structlog.get_logger(__name__)

_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["credential"],
    "properties": {
        "credential": {
            "type": "object",
            "description": "A VC 2.0 credential without proof. Its issuer is a member's DID, as a string or as an "
            "object with an id. It may have an id, such as a URN; then sending it again changes nothing.",
        },
        "options": {
            "type": "object",
            "description": "May be left out.",
            "additionalProperties": False,
            "properties": {
                "credentialId": {"type": "string", "description": "The credential's own id, if it has one."},
                "mandatoryPointers": {"type": "array", "maxItems": 0, "items": {"type": "string"}},
            },
        },
    },
}
_SIGNED = {
    "type": "object",
    "required": ["@context", "id", "type", "issuer", "credentialSubject", "credentialStatus", "proof"],
    "description": "The credential with an id, both status entries and a Data Integrity proof.",
}
_ANSWERS: openapi.Responses = {
    201: {
        "description": "It is signed, and on its way into the registry.",
        "content": {"application/json": {"schema": _SIGNED}},
        "headers": {"Location": {"schema": {"type": "string"}, "description": "Its public address."}},
    },
    **openapi.problems(
        {
            400: "The body or the credential in it does not have the right form.",
            401: "The token is missing or wrong.",
            403: "The token's operator may not issue, or not for this member.",
            409: "A credential with this id was issued before with other content.",
            408: "The body took too long to arrive.",
            413: "The body or the credential is too large.",
            422: "The credential's issuer is no member here.",
            503: "The issuer, its database or its broker is not ready, or the member has no key: send it again later.",
        }
    ),
}


def routes(issuing: Issuing, guard: Guard | None, health: Health) -> APIRouter:
    """The route. Without a guard, whoever reaches the service may issue."""
    if guard is None:
        log.warning("whoever reaches this service may issue in every member's name", setting="LAUREL_VC_API_OPEN")

    async def let_everybody_in() -> None:
        if health.not_ready():
            raise Rejected(Code.NOT_READY, "", "The issuer is not ready: send the same again soon.")

    let_in = let_everybody_in if guard is None else guard.needing(Right.ISSUE, "credential.issue")
    secured = [] if guard is None else [Depends(BEARER)]
    router = APIRouter(tags=["VC-API"], dependencies=secured)

    @router.post(
        "/credentials/issue", status_code=201, summary="Sign a credential in a member's name (VC-API)",
        responses=_ANSWERS, openapi_extra=openapi.body(_BODY),
    )  # fmt: skip
    async def issue(request: Request, admission: Annotated[Admission | None, Depends(let_in)]) -> JSONResponse:
        """It is entered in the registry, can be revoked there, and is as public as every credential there."""
        trace = telemetry.carrier_of([(name.decode("latin-1"), raw) for name, raw in request.headers.raw])
        try:
            credential, address = await issuing.issue(await request.body(), trace, admission)
        except CredentialError as error:
            return _refused(error)
        return JSONResponse(credential, 201, {"Location": address, "Cache-Control": "no-store"})

    return router


def _refused(error: CredentialError) -> JSONResponse:
    """What is wrong with a credential, in the standards' own terms."""
    body = {"type": error.problem_type, "title": "The credential cannot be signed.", "status": 400, "code": error.code,
            "pointer": f"/credential{error.pointer}", "detail": error.detail}  # fmt: skip
    return JSONResponse(body, 400, media_type=web.PROBLEM)
