"""Completions over HTTP: they take the same way in as all others, each is answered for, and nothing is let slip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
from aiokafka.errors import KafkaTimeoutError
from fastapi import FastAPI

from integration.issuer.running import bodies, completions_of, running, update
from issuer.app import build
from issuer.config import IssuerSettings
from laurel.contracts.catalog import ApiKey, PartnerKey, PartnerPublished
from laurel.contracts.errors import Code
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, REJECTED_COMPLETIONS, Message
from laurel.runtime.web import PROBLEM
from support.log import publish, read_topic
from support.world import API_KEY, World, key

BEARER = {"Authorization": f"Bearer {API_KEY}"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def completion(event_id: str, achievement: str = "welding", **more: Any) -> dict[str, Any]:
    learner = {"reference": f"s-{event_id}", "name": "Ana Lima", "email": f"ana.{event_id}@example.org"}
    data = {"achievement": achievement, "completedAt": "2026-05-01T10:00:00Z", "learner": learner}
    return {"id": event_id, "data": data | more}


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://issuer")


@asynccontextmanager
async def intake(settings: IssuerSettings, world: World) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    await publish(settings, world.catalog_messages())
    async with running(settings) as app, client_of(app) as client:
        yield app, client


async def test_a_completion_over_http_takes_the_same_way_in(settings: IssuerSettings, world: World) -> None:
    async with intake(settings, world) as (_, client):
        answer = await client.post("/completions", json=completion("h-1"), headers=BEARER)
        assert answer.status_code == 202, answer.text
        (issued,) = await bodies(settings, CREDENTIALS, 1)
        (taken,) = answer.json()["completions"]
        assert taken == {"id": "h-1", "accepted": True, "credential": issued["id"]}
        again = await client.post("/completions", json=completion("h-1"), headers=BEARER)
        assert (again.status_code, again.json()) == (202, answer.json())
        (duplicate,) = await bodies(settings, REJECTED_COMPLETIONS, 1)
        assert (duplicate["code"], duplicate["credential"]) == (Code.DUPLICATE_EVENT, issued["id"])


async def test_each_refusal_has_its_status_and_a_problem_document(settings: IssuerSettings, world: World) -> None:
    refused: list[tuple[dict[str, Any], int, Code, str]] = [
        ({"json": completion("x"), "headers": {}}, 401, Code.UNAUTHORIZED, ""),
        ({"json": completion("x"), "headers": {"Authorization": "Bearer nobody's"}}, 401, Code.UNAUTHORIZED, ""),
        ({"json": completion("x", "robotics")}, 403, Code.ACHIEVEMENT_NOT_ALLOWED, "/data/achievement"),
        ({"json": completion("x") | {"source": "https://forge.example.org/lms"}}, 403, Code.SOURCE_NOT_REGISTERED,
         "/source"),
        ({"json": completion("x", "juggling")}, 422, Code.UNKNOWN_ACHIEVEMENT, "/data/achievement"),
        ({"json": completion("x", completedAt="2027-05-01T10:00:00Z")}, 422, Code.DATE_IN_FUTURE, "/data/completedAt"),
        ({"json": completion("x") | {"data": {}}}, 400, Code.INVALID_BODY, "/data/achievement"),
        ({"json": completion("")}, 400, Code.INVALID_BODY, "/id"),
        ({"json": "a text"}, 400, Code.INVALID_BODY, ""),
        ({"json": []}, 400, Code.INVALID_BODY, ""),
        ({"json": [completion(str(number)) for number in range(501)]}, 400, Code.INVALID_BODY, ""),
        ({"content": b"{not json", "headers": BEARER | {"Content-Type": "application/json"}}, 400, Code.INVALID_BODY,
         ""),
        ({"content": b"x" * 3_000_000}, 413, Code.BODY_TOO_LARGE, ""),
    ]  # fmt: skip
    async with intake(settings, world) as (_, client):
        for request, status, code, pointer in refused:
            answer = await client.post("/completions", **{"headers": BEARER} | request)
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
            assert answer.headers["content-type"] == PROBLEM
            assert answer.json()["pointer"] == pointer
            assert answer.json()["detail"].endswith((".", "in this record)"))
    assert await read_topic(settings, COMPLETIONS) == []


async def test_of_five_hundred_the_bad_ones_are_named_and_the_others_go_on(
    settings: IssuerSettings, world: World
) -> None:
    sent: list[Any] = [completion(f"h-{number}") for number in range(500)]
    del sent[17]["data"]["learner"]["email"]
    sent[18] = completion("h-18", "juggling")
    sent[19] = "no completion"
    async with intake(settings, world) as (_, client):
        trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        answer = await client.post("/completions", json=sent, headers=BEARER | trace)
        records = await read_topic(settings, COMPLETIONS)
    assert answer.status_code == 207
    outcomes = answer.json()["completions"]
    assert [each.get("id") for each in outcomes] == [*(f"h-{number}" for number in range(19)), None,
                                                     *(f"h-{number}" for number in range(20, 500))]  # fmt: skip
    refused = {number: each for number, each in enumerate(outcomes) if not each["accepted"]}
    assert {number: (each["code"], each["pointer"]) for number, each in refused.items()} == {
        17: (Code.INVALID_BODY, "/data/learner/email"),
        18: (Code.UNKNOWN_ACHIEVEMENT, "/data/achievement"),
        19: (Code.INVALID_BODY, ""),
    }
    assert len({each["credential"] for each in outcomes if each["accepted"]}) == 497
    assert len(records) == 497
    assert all(TRACE in dict(each.headers)["traceparent"].decode() for each in records)


async def test_nothing_is_taken_in_before_the_catalog_is_known(settings: IssuerSettings) -> None:
    async with client_of(build(settings)) as client:
        answer = await client.post("/completions", json=completion("h-1"), headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (503, Code.NOT_READY)


async def test_a_broker_that_is_away_is_told_as_such_since_sending_again_is_safe(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> None:
        raise KafkaTimeoutError

    async with intake(settings, world) as (app, client):
        with monkeypatch.context() as patched:
            patched.setattr(completions_of(app).kafka, "publish", away)
            answer = await client.post("/completions", json=completion("h-1"), headers=BEARER)
        assert (answer.status_code, answer.json()["code"]) == (503, Code.NOT_READY)
        assert (await client.post("/completions", json=completion("h-1"), headers=BEARER)).status_code == 202


async def test_over_its_limit_it_says_when_to_come_again_and_reads_nothing(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    async with intake(settings.model_copy(update={"intake_requests_at_once": 1}), world) as (app, client):
        kafka = completions_of(app).kafka
        publish_now = kafka.publish

        async def held(messages: Sequence[Message]) -> None:
            entered.set()
            await go_on.wait()
            await publish_now(messages)

        with monkeypatch.context() as patched:
            patched.setattr(kafka, "publish", held)
            first = asyncio.create_task(client.post("/completions", json=completion("h-1"), headers=BEARER))
            await entered.wait()
            answer = await client.post("/completions", content=b"no JSON", headers=BEARER)
            assert (answer.status_code, answer.json()["code"]) == (429, Code.TOO_BUSY)
            assert int(answer.headers["Retry-After"]) > 0
            assert (await client.post("/completions", json=completion("h-1"))).status_code == 401
            assert (await client.get("/livez")).status_code == 200
            go_on.set()
            assert (await first).status_code == 202
        again = await client.post("/completions", json=completion("h-2"), headers=BEARER)
        assert again.status_code == 202, again.text
        await bodies(settings, CREDENTIALS, 2)


async def test_neither_api_keys_nor_learners_are_logged(
    settings: IssuerSettings, world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")  # libraries' own debugging shows everything, and is never switched on
    wrong = "a-key-that-nobody-has-registered-0123456789"
    async with intake(settings, world) as (_, client):
        await client.post("/completions", json=completion("h-1"), headers=BEARER)
        await client.post("/completions", json=completion("h-1"), headers=BEARER)
        await client.post("/completions", json=completion("h-2"), headers={"Authorization": f"Bearer {wrong}"})
        await client.post("/completions", json=completion("h-3", "juggling"), headers=BEARER)
        await bodies(settings, REJECTED_COMPLETIONS, 1)
    out, err = capfd.readouterr()
    for secret in (API_KEY, wrong, "Ana Lima", "@example.org"):
        assert secret not in out + err + caplog.text


async def test_the_openapi_document_describes_the_call(settings: IssuerSettings) -> None:
    async with client_of(build(settings)) as client:
        document = (await client.get("/openapi.json")).json()
    call = document["paths"]["/completions"]["post"]
    one, several = call["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert several == {"type": "array", "minItems": 1, "maxItems": 500, "items": one}
    assert one == {"$ref": "#/components/schemas/CompletionIn"}
    assert set(document["components"]["schemas"]) >= {"CompletionIn", "CompletionRecorded", "CompletionsTaken"}
    assert {status: set(answer["content"]) for status, answer in call["responses"].items()} == {
        "202": {"application/json"}, "207": {"application/json"},
        "200": {"application/json"},
        **{status: {PROBLEM} for status in ("400", "401", "403", "408", "413", "422", "429", "503")},
    }  # fmt: skip
    assert call["security"] == [{"HTTPBearer": []}]


async def test_what_the_registry_published_a_moment_ago_counts_at_once(settings: IssuerSettings, world: World) -> None:
    async with running(settings) as app, client_of(app) as client:
        await publish(settings, world.catalog_messages())
        answer = await client.post("/completions", json=completion("h-1"), headers=BEARER)
    assert answer.status_code == 202, answer.text


async def test_an_id_that_is_no_text_does_not_refuse_the_others(settings: IssuerSettings, world: World) -> None:
    body = b'[{"id": "\\ud800"}, %s]' % orjson.dumps(completion("h-1"))
    async with intake(settings, world) as (_, client):
        answer = await client.post("/completions", content=body, headers=BEARER | {"Content-Type": "application/json"})
    assert answer.status_code == 207, answer.text
    refused, taken = answer.json()["completions"]
    assert (refused["accepted"], refused.get("id"), taken["accepted"]) == (False, None, True)


async def test_a_key_that_is_good_for_some_achievements_earns_no_others(settings: IssuerSettings, world: World) -> None:
    """Over HTTP with an API key, dry or not, and over Kafka with a signing key."""
    token, second = "laurel_for-python-alone", key("campus, python alone")
    campus = next(each for each in world.published() if isinstance(each, PartnerPublished) and each.id == "campus")
    reach = ("python",)
    signing = PartnerKey(kid="campus-2", public_key_multibase=second.public.to_multibase(), achievements=reach)
    calling = ApiKey(sha256=sha256(token.encode()).hexdigest(), achievements=reach)
    bearer = {"Authorization": f"Bearer {token}"}
    async with intake(settings, world) as (_, client):
        await publish(settings, [update(campus, keys=(*campus.keys, signing), api_keys=(calling,))])
        for params in ({"dryRun": "true"}, {}):
            answer = await client.post("/completions", params=params, headers=bearer,
                                       json=[completion("h-1", "python"), completion("h-2", "welding")])  # fmt: skip
            good, bad = answer.json()["completions"]
            assert good.get("accepted", good.get("outcome") == "issued"), good
            assert (bad["code"], bad["pointer"]) == (Code.ACHIEVEMENT_NOT_ALLOWED, "/data/achievement")
            assert "The key that was used is not good for 'welding'" in bad["detail"]
        alone = await client.post("/completions", json=completion("h-2", "welding"), headers=bearer)
        assert (alone.status_code, alone.json()["code"]) == (403, Code.ACHIEVEMENT_NOT_ALLOWED)

        await publish(settings, [
            world.completion("k-1", achievement="python", kid="campus-2", signer=second),
            world.completion("k-2", achievement="welding", kid="campus-2", signer=second),
            world.completion("k-3", achievement="welding"),
        ])  # fmt: skip
        (refused,) = await bodies(settings, REJECTED_COMPLETIONS, 1)
        assert (refused["eventId"], refused["code"]) == ("k-2", Code.ACHIEVEMENT_NOT_ALLOWED)
        assert (refused["partner"], refused["pointer"]) == ("campus", "/achievement")
        issued = await bodies(settings, CREDENTIALS, 3)
        assert sorted(each["achievement"] for each in issued) == ["python", "python", "welding"]
