"""The admin API of bulk status changes: preview, do, and see how far it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from laurel.contracts.operators import Right
from laurel.runtime import openapi, web
from laurel.runtime.guard import Admission, Guard
from registry.api import GUARDED, REFUSALS, UNREADABLE, body_of
from registry.bulk import BulkChanges
from registry.bulk_rows import BulkBody, PreviewBody, Progress
from registry.selection import Preview

NEWEST = 50
_CONFLICT = openapi.problems({409: "What is selected has changed, or the request's id came before with other content, "
                                   "or an earlier bulk change that is referred to is not finished."})  # fmt: skip
_ABSENT = openapi.problems({404: "There is no such bulk change."})
_LIST = {
    "type": "object",
    "required": ["bulkChanges"],
    "properties": {"bulkChanges": {"type": "array", "items": {"type": "object"}}},
}


def routes(changes: BulkChanges, guard: Guard) -> APIRouter:
    """The routes under /admin/status-changes."""
    router = APIRouter(
        prefix="/admin/status-changes", tags=["admin"], dependencies=GUARDED, responses=REFUSALS | _ABSENT
    )
    changing = Annotated[Admission, Depends(guard.needing(Right.STATUS, "status.change"))]
    looking = Annotated[Admission, Depends(guard.needing(Right.STATUS, "status.read"))]
    seen = openapi.answer("What would become of the selection.", "application/json", schema=Preview)

    @router.post("/preview", summary="What a bulk status change would do", openapi_extra=openapi.body(PreviewBody),
                 responses={200: seen, **UNREADABLE, **_CONFLICT})  # fmt: skip
    async def preview(admission: looking, body: Annotated[PreviewBody, Depends(body_of(PreviewBody))]) -> JSONResponse:
        """Changes nothing. The digest stands for exactly what would be changed."""
        found = await changes.judge(body.selection, body.action, admission.caller)
        return JSONResponse(web.json_body(found.preview()))

    done = openapi.answer("It is finished, now or before.", "application/json", schema=Progress)
    begun = openapi.answer("It was accepted and is being carried out.", "application/json", schema=Progress)

    @router.post("", summary="Revoke, suspend or reinstate many credentials", openapi_extra=openapi.body(BulkBody),
                 responses={200: done, 202: begun, **UNREADABLE, **_CONFLICT})  # fmt: skip
    async def change(admission: changing, body: Annotated[BulkBody, Depends(body_of(BulkBody))]) -> JSONResponse:
        """Does what was previewed, or refuses if that is no longer the same. The same request is done once."""
        held = await changes.accept(body, admission.caller)
        return _told(await changes.progress(held.id, admission.caller))

    @router.get("", summary="The newest bulk status changes",
                responses={200: openapi.answer("At most 50.", "application/json", schema=_LIST)})  # fmt: skip
    async def newest(admission: looking) -> JSONResponse:
        held = await changes.newest(admission.caller, NEWEST)
        return JSONResponse({"bulkChanges": [_listed(web.json_body(each)) for each in held]})

    @router.get("/{bulk_id}", summary="How far a bulk status change is", responses={200: done, 202: begun})
    async def progress(admission: looking, bulk_id: str) -> JSONResponse:
        return _told(await changes.progress(bulk_id, admission.caller))

    return router


def _listed(held: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in held.items() if name not in ("content", "digest", "trace")}


def _told(progress: Progress) -> JSONResponse:
    return JSONResponse(web.json_body(progress), 200 if progress.finished else 202)
