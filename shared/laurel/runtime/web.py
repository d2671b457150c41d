"""HTTP for every service: health, metrics, problem documents, body limits, bearer tokens, and serving."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laurel.contracts.errors import Code, Rejected, pointer_of
from laurel.runtime import openapi
from laurel.runtime.connections import Connection
from laurel.runtime.faults import is_transient
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.settings import ServiceSettings
from laurel.runtime.shedding import RETRY_AFTER_SECONDS

log = structlog.get_logger(__name__)

PROBLEM = openapi.PROBLEM
BODY_LIMIT = 1024 * 1024
BODY_SECONDS = 10.0
_HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    408: {"Connection": "close"},
    429: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}
_STATUS = {
    Code.UNAUTHORIZED: 401,
    Code.BODY_TOO_LARGE: 413,
    Code.EVENT_TOO_LARGE: 413,
    Code.NOT_FOUND: 404,
    Code.UNKNOWN_CREDENTIAL: 404,
    Code.CATALOG_CONFLICT: 409,
    Code.TRANSITION_NOT_ALLOWED: 409,
    Code.REQUEST_ID_REUSED: 409,
    Code.CHANGED_SINCE: 409,
    Code.BULK_UNFINISHED: 409,
    Code.EVENT_ID_REUSED: 409,
    Code.CREDENTIAL_ID_REUSED: 409,
    Code.STATUS_NOT_YOURS: 403,
    Code.FORBIDDEN: 403,
    Code.SOURCE_NOT_REGISTERED: 403,
    Code.ACHIEVEMENT_NOT_ALLOWED: 403,
    Code.BODY_TOO_SLOW: 408,
    Code.TOO_BUSY: 429,
    Code.NOT_READY: 503,
    Code.ISSUER_NOT_READY: 503,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.INVALID_BODY: 400,
    Code.MALFORMED_EVENT: 400,
}
_CODES = {
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    408: Code.BODY_TOO_SLOW,
    413: Code.BODY_TOO_LARGE,
}


def problem(status: int, code: Code, detail: str, pointer: str = "") -> JSONResponse:
    """A problem document (RFC 9457) with our code and a pointer to the culprit."""
    body = {"type": f"urn:laurel:problem:{code.value}", "title": code.meaning, "status": status, "code": code.value,
            "pointer": pointer, "detail": detail}  # fmt: skip
    return JSONResponse(body, status, _HEADERS.get(status), media_type=PROBLEM)


def create_app(
    title: str, lifecycle: Lifecycle, *, body_limit: int = BODY_LIMIT, body_seconds: float = BODY_SECONDS
) -> FastAPI:
    """A FastAPI application that starts and stops `lifecycle` and has what every service has.

    A body may have `body_limit` bytes, and take `body_seconds` to arrive."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        lifecycle.start_in_background()
        try:
            yield
        finally:
            await lifecycle.stop()

    # Of FastAPI's own telemetry only the request's span: the rest, five more spans a request, took a tenth of the time
    # of a status request, and says nothing that our own spans, metrics and logs do not.
    telemetry = TelemetryConfig(operation_spans=False, metrics=False, logs=False)
    app = FastAPI(
        title=title, version="1", lifespan=lifespan, docs_url=None, redoc_url=None, telemetry=telemetry
    )  # fmt: skip
    app.state.lifecycle = lifecycle
    _add_operations(app, lifecycle)
    _add_error_handlers(app)
    app.add_middleware(AnswerWhenAway)
    app.add_middleware(BodyLimit, limit=body_limit, seconds=body_seconds)
    openapi.complete(app)
    return app


def _told(what: str) -> openapi.Responses:
    schema = {
        "type": "object",
        "required": [what, "reasons"],
        "properties": {
            what: {"type": "boolean"},
            "reasons": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    return {
        status: openapi.answer(text, "application/json", schema=schema)
        for status, text in ((200, "It is."), (503, "It is not, for these reasons."))
    }


def _add_operations(app: FastAPI, lifecycle: Lifecycle) -> None:
    @app.get(
        "/livez", tags=["operations"], summary="Whether the process should be left running", responses=_told("live")
    )
    async def livez() -> JSONResponse:
        reasons = lifecycle.health.not_live()
        return JSONResponse({"live": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get(
        "/readyz", tags=["operations"], summary="Whether the process can do its work now", responses=_told("ready")
    )
    async def readyz() -> JSONResponse:
        reasons = lifecycle.health.not_ready()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get(
        "/metrics", tags=["operations"], summary="Prometheus metrics", response_class=Response,
        responses={200: openapi.answer("All of them.", "text/plain", schema={"type": "string"})},
    )  # fmt: skip
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(Rejected)
    async def rejected(_: Request, error: Rejected) -> JSONResponse:
        return problem(_STATUS.get(error.code, 422), error.code, error.detail, error.pointer)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        finding = error.errors()[0]
        if finding["type"] == "json_invalid":  # found at a place in the text, which is no field
            return problem(400, Code.INVALID_BODY, "The body is not JSON: correct it.")
        where = tuple(finding["loc"])[1:]
        return problem(400, Code.INVALID_BODY, f"The field {pointer_of(where) or '/'} is not right: {finding['msg']}.",
                       pointer_of(where))  # fmt: skip

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, Code.INVALID_BODY)
        answer = problem(error.status_code, code, str(error.detail))
        answer.headers.update(error.headers or {})  # Allow, for one, without which a 405 is incomplete
        return answer

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        log.error("request failed", exc_info=error)
        reference = format(trace.get_current_span().get_span_context().trace_id, "032x")
        return problem(500, Code.UNEXPECTED_FAILURE, f"Something went wrong here; our log has it under {reference}.")


class BodyLimit:
    """Refuses bodies over `limit` bytes, whether they say their length or not, before anything parses them, and those
    that are not there `seconds` after the service began to wait for them: the server would wait for ever."""

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self._limit:
            return await self._refuse(scope, receive, send)
        seen = 0
        is_whole = False
        until: float | None = None

        async def limited() -> Message:
            nonlocal seen, is_whole, until
            if is_whole:  # what is waited for now is that the caller leaves
                return await receive()
            until = until or asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"The body did not arrive within {self._seconds:g} seconds: send it at once."
                                    ) from None  # fmt: skip
            is_whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, f"The body is over {self._limit} bytes.")
            return message

        return await self._app(scope, limited, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(413, Code.BODY_TOO_LARGE, f"The body is over {self._limit} bytes: send less at once.")
        await answer(scope, receive, send)


class AnswerWhenAway:
    """Answers 503 where the database or the broker is away, unless an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if scope["type"] != "http" or begun or not is_transient(error):
                raise
            answer = problem(503, Code.NOT_READY, "The database or the broker does not answer: try again.")
            await answer(scope, receive, send)


def bearer_of(request: Request) -> str:
    """The bearer token of a request, or Rejected(UNAUTHORIZED)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(token) > 512:
        raise Rejected(Code.UNAUTHORIZED, "", "Send a key as the header Authorization: Bearer KEY.")
    return token.strip()


def server_of(app: FastAPI, settings: ServiceSettings) -> uvicorn.Server:
    """The server that serves the application where the settings say."""
    return uvicorn.Server(uvicorn.Config(
        app, host=settings.http_host, port=settings.http_port, loop="uvloop", http=Connection, access_log=False,
        log_level="warning", timeout_graceful_shutdown=int(settings.drain_seconds), server_header=False,
    ))  # fmt: skip


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT. Exits 1 when the service could not start."""
    lifecycle: Lifecycle = app.state.lifecycle
    server = server_of(app, settings)

    def give_up() -> None:
        server.should_exit = True

    lifecycle.on_failure = give_up
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server raises the signal again once it has shut down; ending in order is no accident to die of.
        signal.signal(number, lambda *_: None)
    server.run()
    if lifecycle.health.failure:
        sys.exit(1)


def json_body(model: Any) -> Any:
    """A pydantic model as the JSON it travels as."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
