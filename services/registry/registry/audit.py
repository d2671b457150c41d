"""`GET /admin/audit`: who did what, the newest first."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from laurel.contracts.audit import AuditOutcome
from laurel.contracts.operators import Right
from laurel.runtime import openapi, web
from laurel.runtime.guard import Admission, Guard
from registry.api import GUARDED, REFUSALS
from registry.store import Store

PAGE = 100
_TEXTS = {"type": "string"}
_ENTRY = {
    "type": "object",
    "required": ["id", "service", "operator", "action", "target", "outcome", "at"],
    "properties": {
        **dict.fromkeys(
            ("id", "service", "operator", "action", "target", "outcome", "code", "detail", "trace"), _TEXTS
        ),
        "at": {"type": "string", "format": "date-time"},
    },
}
_SHOWN = {
    "type": "object",
    "required": ["actions"],
    "properties": {
        "actions": {"type": "array", "items": _ENTRY},
        "next": {"type": "integer", "description": "Where the next page begins, as the parameter before."},
    },
}


def routes(store: Store, guard: Guard) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["admin"], dependencies=GUARDED, responses=REFUSALS)
    reading = Annotated[Admission, Depends(guard.needing(Right.AUDIT, "audit.read"))]

    @router.get(
        "/admin/audit", summary="What operators did, or were refused, the newest first",
        responses={200: openapi.answer("A page of it.", "application/json", schema=_SHOWN),
                   **openapi.problems({400: "A parameter is not right."})},
    )  # fmt: skip
    async def audit(
        _: reading,
        operator: Annotated[str | None, Query(max_length=63)] = None,
        action: Annotated[str | None, Query(max_length=60)] = None,
        target: Annotated[str | None, Query(max_length=600)] = None,
        outcome: AuditOutcome | None = None,
        before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
    ) -> JSONResponse:
        """An entry stands here as soon as the registry has read it from `audit.v1`, which is the audit itself."""
        asked = {"operator": operator, "action": action, "target": target, "outcome": outcome and outcome.value}
        found = await store.actions({name: value for name, value in asked.items() if value}, before, limit)
        shown = [web.json_body(each) for each in found]
        for each in shown:
            del each["place"]
        more = {"next": found[-1].place} if len(found) == limit else {}
        return JSONResponse({"actions": shown, **more})

    return router
