"""A partner cannot revoke another's credential, award another's achievement, or send another's event as its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from integration.rights.conftest import Desk, refusal
from laurel.contracts import signature
from laurel.contracts.envelope import decode
from laurel.contracts.errors import Code
from laurel.contracts.status import Action, StatusChangeRequested
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, REJECTED_COMPLETIONS, STATUS_REQUESTS, Message, message
from laurel.runtime.kafka import resend
from laurel.runtime.settings import KafkaSettings
from support.log import publish, read_topic
from support.system import ADMIN_TOKEN, running
from support.waiting import eventually
from support.world import API_KEY, EPOCH, World

pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
CAMPUS, FORGE = "https://campus.example.org/lms", "https://forge.example.org/lms"


async def bodies(settings: KafkaSettings, topic: Any, count: int) -> list[dict[str, Any]]:
    """The topic's bodies, once there are so many."""

    async def enough() -> list[dict[str, Any]]:
        found = [orjson.loads(each.value or b"{}") for each in await read_topic(settings, topic)]
        return found if len(found) >= count else []

    return await eventually(enough, what=f"{count} records on {topic.name}")


async def test_what_is_anothers_stays_anothers(
    builds: dict[str, Any], world: World, kafka_settings: KafkaSettings
) -> None:
    async with running({name: builds[name] for name in ("issuer", "registry")}) as system:
        await system.apply_catalog(world)
        await publish(kafka_settings, [world.completion("c-1")])
        (issued,) = await bodies(kafka_settings, CREDENTIALS, 1)
        (captured,) = await read_topic(kafka_settings, COMPLETIONS)
        event = decode(captured.headers, captured.value or b"")
        forged = replace(event, extensions={})

        def signed(**changes: Any) -> Message:
            kid = changes.pop("kid", "forge-1")
            mine = signature.sign(replace(forged, **changes), world.partners["forge"], kid)
            return Message(COMPLETIONS, "learner-1", mine)

        attempts: list[tuple[Message, Code, str]] = [
            # Another's achievement, in an event of one's own.
            (world.completion("f-1", "welding", partner="forge"), Code.ACHIEVEMENT_NOT_ALLOWED, "forge"),
            # Another's event, signed anew: under its source, under one's own, in its name.
            (signed(), Code.SOURCE_NOT_REGISTERED, "forge"),
            (signed(source=FORGE), Code.ACHIEVEMENT_NOT_ALLOWED, "forge"),
            (signed(id="c-2", kid="campus-1"), Code.SIGNATURE_WRONG, "campus"),
            # Another's signature on what it was not made for.
            (Message(COMPLETIONS, "learner-1", replace(event, source=FORGE)), Code.SIGNATURE_WRONG, "campus"),
            (Message(COMPLETIONS, "learner-1", replace(event, id="c-3")), Code.SIGNATURE_WRONG, "campus"),
        ]  # fmt: skip
        for number, (attempt, code, _) in enumerate(attempts, start=1):
            await publish(kafka_settings, [attempt])
            rejected = await bodies(kafka_settings, REJECTED_COMPLETIONS, number)
            assert [each["code"] for each in rejected].count(code) > 0, rejected
            assert len(rejected) == number
        codes = [each["code"] for each in await bodies(kafka_settings, REJECTED_COMPLETIONS, len(attempts))]
        assert codes == [code for _, code, _ in attempts]

        # A record as it was captured is the same event again: it is told so, and changes nothing.
        await resend(kafka_settings, [captured])
        rejected = await bodies(kafka_settings, REJECTED_COMPLETIONS, len(attempts) + 1)
        last = rejected[-1]
        assert (last["code"], last["credential"], last["partner"]) == (Code.DUPLICATE_EVENT, issued["id"], "campus")

        # Over HTTP, a source that is another's is none of one's own.
        body = {"id": "h-1", "source": FORGE, "data": orjson.loads(event.data)}
        desk = Desk(system, API_KEY)
        assert refusal(await desk.call("issuer", "POST", "/completions", body)) == (403, Code.SOURCE_NOT_REGISTERED)
        published = {(each.key, each.value) for each in await read_topic(kafka_settings, CREDENTIALS)}
        assert len(published) == 1, "a duplicate's credential goes out again, to the byte"

        # A status request of the wrong partner's, well signed, is refused, and the right one's is carried out.
        async def history() -> list[dict[str, Any]]:
            token = issued["id"].rpartition("/")[2]
            answer = await Desk(system, ADMIN_TOKEN).call("registry", "GET", f"/admin/credentials/{token}")
            shown: list[dict[str, Any]] = answer.json().get("history", [])
            return shown

        await eventually(history, what="the credential in the registry")
        for partner, source in (("forge", FORGE), ("campus", CAMPUS)):
            wish = StatusChangeRequested(credential=issued["id"], action=Action.REVOKE, reason="Because.",
                                         requested_by=partner, requested_at=EPOCH)  # fmt: skip
            made = message(STATUS_REQUESTS, wish, key=issued["id"], event_id=f"{partner}-wants", source=source,
                           time=EPOCH)  # fmt: skip
            key = world.partners[partner]
            await publish(kafka_settings, [replace(made, event=signature.sign(made.event, key, f"{partner}-1"))])

        async def revoked() -> bool:
            return bool((await history())[-1]["state"] == "revoked")

        await eventually(revoked, what="campus's own revocation, which came second")
        assert [each["by"] for each in await history()] == ["issuer", "campus (partner campus)"]

        # Nor may two partners have one source between them, nor a source be taken over.
        campus, forge = world.catalog.partners
        for partners in ((campus, forge.model_copy(update={"sources": (FORGE, CAMPUS)})),
                         (forge.model_copy(update={"sources": (FORGE, CAMPUS)}),)):  # fmt: skip
            taken = world.catalog.model_dump(mode="json", by_alias=True) | {
                "partners": [each.model_dump(mode="json", by_alias=True) for each in partners]
            }
            answer = await Desk(system, ADMIN_TOKEN).call("registry", "PUT", "/admin/catalog", taken)
            assert refusal(answer) == (409, Code.CATALOG_CONFLICT)
