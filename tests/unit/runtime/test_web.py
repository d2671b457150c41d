"""HTTP as every service has it: problem documents, body limits, tokens, health and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI, Query, Request
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send
from structlog.typing import EventDict

from laurel.contracts.completions import Learner
from laurel.contracts.errors import Code, Rejected
from laurel.runtime.faults import Transient
from laurel.runtime.health import Health
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.web import BODY_LIMIT, PROBLEM, AnswerWhenAway, bearer_of, create_app, json_body, problem
from support.waiting import eventually

LIMIT = 1000


class Thing(BaseModel):
    """What the sample calls take."""

    name: str
    size: int = 0


@pytest.fixture
def app() -> FastAPI:
    app = create_app("Tester", Lifecycle("tester", Health()), body_limit=LIMIT)

    @app.post("/things")
    async def things(thing: Thing) -> dict[str, Any]:
        return thing.model_dump()

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @app.get("/search")
    async def search(limit: Annotated[int, Query(le=10)]) -> int:
        return limit

    @app.post("/keyed")
    async def keyed(thing: Annotated[dict[str, Thing], Body()]) -> int:
        return len(thing)

    @app.get("/rejected/{code}")
    async def rejected(code: Code) -> None:
        raise Rejected(code, "/a", "Mend /a.")

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("the password is hunter2")

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tester") as client:
        yield client


def told(answer: httpx.Response, status: int, code: Code, pointer: str = "") -> str:
    """The detail of a problem document, after checking its shape."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    document = answer.json()
    assert set(document) == {"type", "title", "status", "code", "pointer", "detail"}
    assert document["type"] == f"urn:laurel:problem:{code.value}"
    assert (document["title"], document["code"]) == (code.meaning, code.value)
    assert (document["status"], document["pointer"]) == (status, pointer)
    return str(document["detail"])


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("POST", "/nowhere"), ("GET", "/docs"), ("GET", "/redoc")]
)
async def test_an_unknown_address_is_a_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    told(await client.request(method, path), 404, Code.NOT_FOUND)


async def test_a_wrong_method_is_a_405(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/things")
    told(answer, 405, Code.METHOD_NOT_ALLOWED)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "body", "pointer", "says"),
    [
        ("/things", b'{"size": 1}', "/name", "The field /name is not right: Field required."),
        ("/things", b'{"name": "x", "size": "tall"}', "/size", "integer"),
        ("/things", b"[]", "", "The field / is not right"),
        ("/things", b"", "", "Field required"),
        ("/keyed", b'{"a/b": {"size": 1}}', "/a~1b/name", "/a~1b/name"),
    ],
)
async def test_a_body_of_another_form_is_a_400_that_points_at_the_field(
    client: httpx.AsyncClient, path: str, body: bytes, pointer: str, says: str
) -> None:
    answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert says in told(answer, 400, Code.INVALID_BODY, pointer)


async def test_a_body_that_is_no_json_is_a_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things", content=b'{"name": ', headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == Code.INVALID_BODY.value


async def test_a_parameter_that_is_wrong_is_a_400_that_names_it(client: httpx.AsyncClient) -> None:
    assert "less than or equal to 10" in told(await client.get("/search?limit=11"), 400, Code.INVALID_BODY, "/limit")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.MALFORMED_EVENT, 400), (Code.INVALID_BODY, 400), (Code.UNAUTHORIZED, 401),
        (Code.SOURCE_NOT_REGISTERED, 403), (Code.ACHIEVEMENT_NOT_ALLOWED, 403), (Code.STATUS_NOT_YOURS, 403),
        (Code.NOT_FOUND, 404), (Code.UNKNOWN_CREDENTIAL, 404), (Code.CATALOG_CONFLICT, 409),
        (Code.TRANSITION_NOT_ALLOWED, 409), (Code.REQUEST_ID_REUSED, 409), (Code.EVENT_ID_REUSED, 409),
        (Code.EVENT_TOO_LARGE, 413), (Code.BODY_TOO_LARGE, 413), (Code.INVALID_FIELD, 422),
        (Code.UNKNOWN_ACHIEVEMENT, 422), (Code.DATE_IN_FUTURE, 422), (Code.DATE_TOO_OLD, 422), (Code.NOT_READY, 503),
    ],
)  # fmt: skip
async def test_a_refusal_has_the_status_of_its_code(client: httpx.AsyncClient, code: Code, status: int) -> None:
    answer = await client.get(f"/rejected/{code.value}")
    assert told(answer, status, code, "/a") == "Mend /a."
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


async def test_a_database_or_a_broker_that_is_away_is_a_503(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/away")
    async def away() -> None:
        raise Transient("connection refused by db-1")

    answer = await client.get("/away")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (
        503, PROBLEM, Code.NOT_READY.value
    )  # fmt: skip
    assert "db-1" not in answer.text


async def test_an_answer_that_has_begun_is_not_followed_by_another() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise Transient("the database went away")

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(Transient):
        await AnswerWhenAway(app)({"type": "http"}, receive, send)
    assert [each["type"] for each in sent] == ["http.response.start"]


async def test_what_nobody_foresaw_is_a_500_that_tells_nothing_but_where_to_look(
    client: httpx.AsyncClient, logged: list[EventDict]
) -> None:
    detail = told(await client.get("/broken"), 500, Code.UNEXPECTED_FAILURE)
    assert "hunter2" not in detail
    assert "ZeroDivisionError" not in detail
    assert [entry["event"] for entry in logged] == ["request failed"]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("path", ["/raw", "/things"])
@pytest.mark.parametrize("says_its_length", [True, False])
async def test_a_body_over_the_limit_is_a_413(client: httpx.AsyncClient, path: str, says_its_length: bool) -> None:
    body = b'{"name": "' + b"x" * LIMIT + b'"}'
    content = body if says_its_length else chunks(body[:600], body[600:])
    answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    assert str(LIMIT) in told(answer, 413, Code.BODY_TOO_LARGE)


@pytest.mark.parametrize("says_its_length", [True, False])
async def test_a_body_at_the_limit_is_taken(client: httpx.AsyncClient, says_its_length: bool) -> None:
    content = b"x" * LIMIT if says_its_length else chunks(b"x" * 400, b"x" * 600)
    answer = await client.post("/raw", content=content)
    assert answer.json() == {"size": LIMIT}


async def test_a_body_that_says_less_than_it_is_is_a_413(app: FastAPI) -> None:
    """A server that checks lengths would not let this through; the limit does not rely on it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/raw",
        "raw_path": b"/raw", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"content-length", b"10")], "client": None, "server": None,
    }  # fmt: skip
    await app(scope, receive, send)
    assert sent[0]["status"] == 413


async def test_the_limit_is_a_mebibyte_unless_a_service_says_otherwise() -> None:
    app = create_app("Tester", Lifecycle("tester", Health()))

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tester") as client:
        assert (await client.post("/raw", content=b"x" * BODY_LIMIT)).json() == BODY_LIMIT == 2**20
        told(await client.post("/raw", content=b"x" * (BODY_LIMIT + 1)), 413, Code.BODY_TOO_LARGE)


def test_the_bearer_is_read_without_the_space_around_it() -> None:
    request = Request({"type": "http", "headers": [(b"authorization", b"Bearer   key  ")]})
    assert bearer_of(request) == "key"


async def test_health_is_told_with_its_reasons(app: FastAPI, client: httpx.AsyncClient) -> None:
    health: Health = app.state.lifecycle.health
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503, {"ready": False, "reasons": {"start": "the service is starting"}},
    )  # fmt: skip
    assert (await client.get("/livez")).json() == {"live": True, "reasons": {}}
    health.done("start")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": {}})
    health.fail("a loop ended")
    for path in ("/livez", "/readyz"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["reasons"]) == (503, {"failure": "a loop ended"})


async def test_metrics_are_told(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert "# TYPE laurel_records_handled_total counter" in answer.text


async def test_the_application_starts_and_stops_its_parts() -> None:
    done: list[str] = []

    async def start() -> None:
        done.append("start")

    async def stop() -> None:
        done.append("stop")

    lifecycle = Lifecycle("tester", Health())
    lifecycle.add("part", start, stop)
    app = create_app("Tester", lifecycle)
    async with app.router.lifespan_context(app):
        await eventually(lambda: lifecycle.health.not_ready() == {})
        assert done == ["start"]
    assert done == ["start", "stop"]


def test_a_problem_is_made_of_a_code() -> None:
    answer = problem(404, Code.NOT_FOUND, "There is no such thing.", "/a")
    assert answer.status_code == 404
    assert answer.media_type == PROBLEM


def test_a_body_is_answered_as_it_travels() -> None:
    learner = Learner(reference="r", name="Ada", email="ada@example.org")
    assert json_body(learner) == {"reference": "r", "name": "Ada", "email": "ada@example.org", "language": "en"}
