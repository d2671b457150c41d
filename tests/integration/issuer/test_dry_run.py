"""A dry run foretells what then happens, and does none of it."""

from __future__ import annotations

from typing import Any

from integration.issuer.running import bodies
from integration.issuer.test_intake import BEARER, completion, intake
from issuer.config import IssuerSettings
from laurel.contracts.errors import Code
from laurel.contracts.topics import CATALOG, CREDENTIALS, REJECTED_COMPLETIONS, TOPICS
from laurel.runtime.mongo import Mongo
from support.log import read_topic
from support.world import World

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
