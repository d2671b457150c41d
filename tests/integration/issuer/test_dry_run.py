"""A dry run foretells what then happens, and does none of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from integration.issuer.running import bodies, completions_of, update
from integration.issuer.test_intake import BEARER, completion, intake
from issuer.config import IssuerSettings
from laurel.contracts.catalog import IssuerKey, IssuerPublished, PartnerKey, PartnerPublished
from laurel.contracts.errors import Code
from laurel.contracts.topics import CATALOG, CREDENTIALS, REJECTED_COMPLETIONS, TOPICS, Message
from laurel.runtime.mongo import Mongo
from support.log import publish, read_topic
from support.world import EPOCH, World, key

DRY = {"dryRun": "true"}


def mixed() -> list[Any]:
    """Good ones and bad ones, one that comes twice, and one whose id comes again with other content."""
    return [
        completion("h-1"), completion("h-2", "first-aid"), completion("h-1"),
        completion("h-2", "first-aid", score="12 of 15"),
        completion("h-3", "juggling"), completion("h-4", "robotics"),
        completion("h-5", completedAt="2027-05-01T10:00:00Z"), completion("h-6", completedAt="1990-05-01T10:00:00Z"),
        completion("h-7") | {"source": "https://forge.example.org/lms"}, completion("h-8") | {"data": {}}, "nonsense",
        completion("h-9"),
    ]  # fmt: skip


async def test_what_it_foretells_comes_true_and_it_leaves_no_trace(settings: IssuerSettings, world: World) -> None:
    async with intake(settings, world) as (_, client):
        dry = await client.post("/completions", params=DRY, json=mixed(), headers=BEARER)
        assert dry.status_code == 200, dry.text
        assert dry.json()["dryRun"] is True
        foreseen = dry.json()["completions"]
        for topic in TOPICS:
            if topic is not CATALOG:
                assert await read_topic(settings, topic) == [], topic.name
        assert await rows(settings) == []

        sent = (await client.post("/completions", json=mixed(), headers=BEARER)).json()["completions"]
        issued = {each["id"] for each in await bodies(settings, CREDENTIALS, 3)}
        refused = {each["eventId"]: each for each in await bodies(settings, REJECTED_COMPLETIONS, 2)}
        for fate, taken in zip(foreseen, sent, strict=True):
            told = (fate["outcome"], fate.get("code"))
            if not taken["accepted"]:
                assert told == ("rejected", taken["code"])
                assert [fate[name] for name in ("pointer", "detail")] == [taken[name] for name in ("pointer", "detail")]
            elif fate["outcome"] == "issued":
                assert fate["credential"] == taken["credential"]
                assert fate["credential"] in issued
        assert [fate["outcome"] for fate in foreseen[:4]] == ["issued", "issued", "duplicate", "rejected"]
        assert (refused["h-1"]["code"], refused["h-1"]["credential"]) == ("LRL-1012", foreseen[2]["credential"])
        assert refused["h-2"]["code"] == foreseen[3]["code"] == Code.EVENT_ID_REUSED

        again = await client.post("/completions", params=DRY, json=mixed()[:4], headers=BEARER)
        assert [(each["outcome"], each.get("credential")) for each in again.json()["completions"]] == [
            ("duplicate", foreseen[0]["credential"]), ("duplicate", foreseen[1]["credential"]),
            ("duplicate", foreseen[0]["credential"]), ("rejected", None),
        ]  # fmt: skip


async def test_a_member_without_its_key_is_told(settings: IssuerSettings, world: World) -> None:
    settings.signing_keys_file.write_text("[]")
    async with intake(settings, world) as (_, client):
        answer = await client.post("/completions", params=DRY, json=completion("h-1"), headers=BEARER)
    (fate,) = answer.json()["completions"]
    assert (fate["outcome"], fate["code"]) == ("rejected", Code.ISSUER_NOT_READY)


KEYS: dict[str, dict[str, Any]] = {
    "campus-1": {}, "narrow": {"achievements": ("python",)}, "retired": {"retired": EPOCH - timedelta(days=1)},
    "retired-now": {"retired": EPOCH}, "to-be-retired": {"retired": EPOCH + timedelta(days=1)},
    "narrow-and-retired": {"achievements": ("python",), "retired": EPOCH},
}  # fmt: skip


async def test_it_foretells_what_becomes_of_events_by_each_key(settings: IssuerSettings, world: World) -> None:
    """Of keys in the catalog, broad, narrow and retired, and of one that is in none; before and after they came."""
    signers = {kid: world.partners["campus"] if kid == "campus-1" else key(kid) for kid in [*KEYS, "nobodys"]}
    campus = next(each for each in world.published() if isinstance(each, PartnerPublished) and each.id == "campus")
    keys = tuple(
        PartnerKey(kid=kid, public_key_multibase=signers[kid].public.to_multibase(), **more)
        for kid, more in KEYS.items()
    )
    events = {
        kid: [world.completion(f"{kid}-{achievement}", achievement, kid=kid, signer=signer)
              for achievement in ("python", "welding", "robotics", "juggling")]
        for kid, signer in signers.items()
    }  # fmt: skip
    async with intake(settings, world) as (_, client):
        await publish(settings, [update(campus, keys=keys)])
        issued, refused = 0, 0
        for _ in range(2):  # what is issued the first time is a duplicate the second
            foreseen = {kid: await foretold(client, kid, sent) for kid, sent in events.items()}
            for kid, sent in events.items():
                issued += sum(each["outcome"] == "issued" for each in foreseen[kid])
                refused += sum(each["outcome"] != "issued" for each in foreseen[kid])
                await publish(settings, sent)
            credentials = {each["id"] for each in await bodies(settings, CREDENTIALS, issued)}
            rejections = {each["eventId"]: each for each in await bodies(settings, REJECTED_COMPLETIONS, refused)}
            for kid, sent in events.items():
                for event, fate in zip(sent, foreseen[kid], strict=True):
                    if fate["outcome"] == "issued":
                        assert fate["credential"] in credentials, (kid, fate)
                        continue
                    rejection = rejections[event.event.id]
                    assert rejection["code"] == fate.get("code", Code.DUPLICATE_EVENT), (kid, fate, rejection)
                    assert rejection.get("credential") == fate.get("credential"), (kid, fate, rejection)
                    if "detail" in fate:
                        assert rejection["detail"] == fate["detail"]
        assert issued == 2 + 1 + 2  # by the broad one, the narrow one, and the one that is retired tomorrow


async def foretold(client: httpx.AsyncClient, kid: str, sent: list[Message]) -> list[dict[str, Any]]:
    asked = [{"id": each.event.id, "source": each.event.source, "data": orjson.loads(each.event.data)} for each in sent]
    answer = await client.post("/completions", params=DRY | {"kid": kid}, json=asked, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["completions"])


async def test_it_tells_nobody_about_another_partners_key(settings: IssuerSettings, world: World) -> None:
    async with intake(settings, world) as (_, client):
        known, unknown = [
            await foretold(client, kid, [world.completion("f-1", "robotics", partner="forge")])
            for kid in ("forge-1", "nobodys")
        ]
    assert known == unknown
    assert known[0]["code"] == Code.UNKNOWN_KEY


async def test_a_key_that_signs_is_named_for_a_dry_run_only(settings: IssuerSettings, world: World) -> None:
    """The intake vouches for what comes over HTTP: a name of a key would be taken for more than it is."""
    async with intake(settings, world) as (_, client):
        answer = await client.post("/completions", params={"kid": "campus-1"}, json=completion("h-1"), headers=BEARER)
    assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (400, Code.INVALID_BODY, "/kid")


async def test_a_members_key_that_was_registered_just_now_counts(
    settings: IssuerSettings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = next(each for each in world.published() if isinstance(each, IssuerPublished) and each.id == "north")
    before = IssuerKey(public_key_multibase=key("nobody has it").public.to_multibase())
    async with intake(settings, world) as (app, client):
        reader = completions_of(app).catalog._reader
        await publish(settings, [update(north, keys=(before,))])
        await reader.catch_up()
        # From here on the view moves only for those who ask it to, as if the broker were slow to tell.
        asked, waits = asyncio.Event(), asyncio.Event()
        run_once, catch_up = reader.run_once, reader.catch_up

        async def run_when_asked() -> None:
            waits.set()
            await asked.wait()
            await run_once()

        async def ask() -> None:
            asked.set()
            await catch_up()

        monkeypatch.setattr(reader, "run_once", run_when_asked)
        monkeypatch.setattr(reader, "catch_up", ask)
        await waits.wait()
        newest = north.model_copy(update={"version": 2})
        await publish(settings, [update(newest)])
        answer = await client.post("/completions", params=DRY, json=completion("h-1"), headers=BEARER)
    assert [each["outcome"] for each in answer.json()["completions"]] == ["issued"], answer.text


async def test_it_takes_a_key_and_a_form_as_the_intake_does(settings: IssuerSettings, world: World) -> None:
    async with intake(settings, world) as (_, client):
        for request, status in (
            ({"params": DRY, "json": completion("h-1")}, 401),
            ({"params": DRY, "json": [], "headers": BEARER}, 400),
            ({"params": {"dryRun": "perhaps"}, "json": completion("h-1"), "headers": BEARER}, 400),
        ):
            answer = await client.post("/completions", **request)
            assert answer.status_code == status, answer.text


async def rows(settings: IssuerSettings) -> list[Any]:
    """All that stands in the issuer's database."""
    mongo = Mongo(settings)
    try:
        names = ("intents", "rejections", "sequences", "status_list_families")
        return [row for name in names for row in await mongo.collection(name).find({}).to_list(None)]
    finally:
        await mongo.close()
