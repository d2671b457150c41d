"""The issuer's HTTP for partners: reporting completions, and asking what would become of them."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import TypeAdapter

from issuer.domain import Sender
from issuer.dry_run import CompletionsForeseen, DryRun
from issuer.intake import INTAKE_LIMIT, CompletionsIn, CompletionsTaken, Intake
from laurel.contracts.errors import Code, Rejected
from laurel.runtime import openapi, telemetry
from laurel.runtime.shedding import Shedding
from laurel.runtime.web import json_body

PATH = "/completions"
_KID = "With dryRun, for what will be published over Kafka: the name of the partner's key that will sign it."
_BODY = openapi.body(TypeAdapter(CompletionsIn))
_ANSWERS: openapi.Responses = {
    200: {"model": CompletionsForeseen, "description": "With dryRun: what would become of each. Nothing was done."},
    202: {"model": CompletionsTaken, "description": "All were accepted."},
    207: {"model": CompletionsTaken, "description": "Of several, some or all were refused; each says why."},
    **openapi.problems(
        {
            400: "The body, or the one completion in it, does not have the right form.",
            401: "The API key is missing or not registered.",
            403: "The partner may not award this achievement, or not with this key, or not from this source.",
            408: "The body took too long to arrive.",
            413: "The body is too large.",
            422: "The one completion is refused: no such achievement, or its date cannot be right.",
            429: "The issuer has its hands full: send the same again after Retry-After seconds.",
            503: "The issuer or its broker is not ready: send the same again soon.",
        }
    ),
}


def routes(intake: Intake, dry_run: DryRun, shedding: Shedding) -> APIRouter:
    """`POST /completions`."""
    router = APIRouter(tags=["intake"])
    key = HTTPBearer(auto_error=False, description="A partner's API key.")

    @router.post(
        PATH, status_code=202, summary="Report one completion, or up to 500", responses=_ANSWERS,
        dependencies=[Depends(key)], openapi_extra=_BODY,
    )  # fmt: skip
    async def completions(
        request: Request,
        sender: Annotated[Sender, Depends(intake.sender_of)],
        is_dry_run: Annotated[
            bool, Query(alias="dryRun", description="Say what would become of them, and do nothing.")
        ] = False,
        kid: Annotated[str | None, Query(max_length=200, description=_KID)] = None,
    ) -> JSONResponse:
        """A single one that is refused is answered with a problem document; of several, each with its own outcome.

        Accepted means that the brokers have it. It is checked again on its way to becoming a credential. A dry run goes
        by what was handled: what was accepted a moment ago and comes again is told as issued, and will be a duplicate.
        """
        if kid is not None and not is_dry_run:
            raise Rejected(Code.INVALID_BODY, "/kid", "The parameter kid goes with dryRun=true only: leave it out.")
        # The body is not a parameter: it would be read before the key is looked at, and before there is a place.
        with shedding.place():
            given = await _read(request)
            items = given if isinstance(given, list) else [given]
            if not 1 <= len(items) <= INTAKE_LIMIT:
                raise Rejected(
                    Code.INVALID_BODY, "", f"Send between 1 and {INTAKE_LIMIT} completions, not {len(items)}."
                )  # fmt: skip
            if is_dry_run:
                foreseen = await dry_run.foresee(sender, items, kid)
                return JSONResponse(json_body(CompletionsForeseen(completions=foreseen)))
            trace = telemetry.carrier_of([(name.decode("latin-1"), raw) for name, raw in request.headers.raw])
            taken = await intake.take(sender, items, trace)
        if not isinstance(given, list) and (code := taken[0].code):
            raise Rejected(code, taken[0].pointer or "", taken[0].detail or "")
        all_accepted = all(each.accepted for each in taken)
        return JSONResponse(json_body(CompletionsTaken(completions=taken)), 202 if all_accepted else 207)

    return router


async def _read(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Rejected(Code.INVALID_BODY, "", "The body is not JSON: correct it.") from None
