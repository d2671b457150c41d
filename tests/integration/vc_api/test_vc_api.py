"""A credential through the VC-API: signed in the member's suite, registered, verified, shown, suspended and revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pymongo import MongoClient

from issuer.app import build
from issuer.config import IssuerSettings
from laurel.contracts.catalog import Cryptosuite
from laurel.contracts.errors import Code
from laurel.contracts.topics import CREDENTIALS, RECIPIENTS, STATUS_LISTS
from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.keys import KeyType, SigningKey
from laurel.runtime.kafka import Kafka
from laurel.runtime.settings import KafkaSettings
from laurel.runtime.web import PROBLEM
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.log import read_topic
from support.system import VC_API_TOKEN, System, bearer, builders, running
from support.waiting import eventually
from support.wishes import URN, wish
from support.world import World

# Which broker carries the events makes no difference to what is asked for here.
pytestmark = pytest.mark.parametrize("broker", ["embedded"], indirect=True)
BROWSER = {"Accept": "text/html"}


@pytest.fixture
def world() -> World:
    """Each member signs in a suite of its own."""
    made = World()
    made.members |= {"south": SigningKey.generate(KeyType.P256), "east": SigningKey.generate(KeyType.P384)}
    made.suites = {"south": Cryptosuite.ECDSA_RDFC_2019, "east": Cryptosuite.ECDSA_JCS_2019}
    return made


@pytest.fixture
def builds(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path,
) -> dict[str, Any]:  # fmt: skip
    return builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)


async def verified(system: System, credential: dict[str, Any], outcome: str) -> dict[str, Any]:
    """What the verifier says, once it says so."""

    async def look() -> dict[str, Any] | None:
        said = await system.verify(credential)
        return said if said.get("outcome") == outcome else None

    return await eventually(look, what=f"the verifier's {outcome}")


async def test_a_credential_of_any_kind_lives_as_one_that_was_earned(
    builds: dict[str, Any], world: World, kafka_settings: KafkaSettings, mailbox: Mailbox
) -> None:
    async with running(builds) as system:
        await system.apply_catalog(world)
        answer = await system.issue(wish(world))
        assert answer.status_code == 201, answer.text
        signed = answer.json()
        address = answer.headers["location"]
        assert address.startswith(f"{world.public_url}/credentials/")
        # As it was asked for, with the entries and the proof that Laurel adds.
        assert {name: signed[name] for name in wish(world)} == wish(world)
        assert [entry["statusPurpose"] for entry in signed["credentialStatus"]] == ["revocation", "suspension"]
        assert signed["proof"]["verificationMethod"] == world.verification_method("north")

        # The same again is the same, to the byte and to the record's key; other content under the id is refused.
        again = await system.issue(wish(world))
        assert (again.status_code, again.content, again.headers["location"]) == (201, answer.content, address)
        other = await system.issue(wish(world, name="Another"))
        assert (other.status_code, other.json()["code"]) == (409, Code.CREDENTIAL_ID_REUSED)
        taken = await system.issue(wish(world, member="south"))
        assert (taken.status_code, taken.json()["code"]) == (409, Code.CREDENTIAL_ID_REUSED)
        published = {(each.key, each.value) for each in await read_topic(kafka_settings, CREDENTIALS)}
        assert len(published) == 1

        await verified(system, signed, "valid")
        forged = {**signed, "id": "urn:uuid:another"}
        assert (await system.verify(forged))["outcome"] == "invalid"
        read = await system.clients["registry"].get(address, headers={"Accept": "application/vc"})
        assert read.json() == signed
        page = (await system.clients["registry"].get(address, headers=BROWSER)).text
        for text in ("A recommendation", "Member north", "Rather &lt;b&gt;good&lt;/b&gt;", URN, "Active"):
            assert text in page
        assert "none of it names a learner" not in page

        # Its status changes by the VC-API; what is so already stays so.
        for purpose, status, state in (
            ("suspension", True, "suspended"), ("suspension", True, "suspended"), ("suspension", False, "active"),
            ("suspension", False, "active"), ("revocation", True, "revoked"), ("revocation", True, "revoked"),
        ):  # fmt: skip
            changed = await system.set_status(URN, purpose, status)
            assert (changed.status_code, changed.json()["state"]) == (200, state), changed.text
        for purpose, status in (("revocation", False), ("suspension", True), ("suspension", False)):
            refused = await system.set_status(URN, purpose, status)
            assert (refused.status_code, refused.json()["code"]) == (409, Code.TRANSITION_NOT_ALLOWED)
        said = await verified(system, signed, "invalid")
        assert any(step["code"] == "REVOKED" for step in said["steps"])
        token = address.rpartition("/")[2]
        shown = (await system.clients["registry"].get(f"/admin/credentials/{token}", headers=bearer())).json()
        assert shown == (await system.clients["registry"].get(f"/admin/credentials/{URN}", headers=bearer())).json()
        assert [(entry["state"], entry["by"], entry.get("reason")) for entry in shown["history"]] == [
            ("active", "issuer", None),
            *((state, "vc-api", "Requested through the VC-API.") for state in ("suspended", "active", "revoked")),
        ]
        assert {"achievement", "partner"}.isdisjoint(shown)
        # Nobody is written to: there is no learner to tell.
        deliveries = await system.clients["notifier"].get("/deliveries", headers=bearer())
        assert deliveries.json()["deliveries"] == []
    assert await read_topic(kafka_settings, RECIPIENTS) == []
    assert mailbox.messages() == []


async def test_every_member_signs_in_its_suite_and_its_lists_too(
    builds: dict[str, Any], world: World, kafka_settings: KafkaSettings
) -> None:
    world.suites["north"] = Cryptosuite.EDDSA_JCS_2022  # the default is the other tests'
    async with running(builds) as system:
        await system.apply_catalog(world)
        for member, chosen in world.suites.items():
            asked = wish(
                world,
                member,
                id=f"urn:x:{member}",
                issuer={"id": world.did(member), "type": ["Profile"], "name": "Of the wish"},
            )
            signed = (await system.issue(asked)).json()
            assert signed["proof"]["cryptosuite"] == chosen
            assert signed["issuer"] == asked["issuer"]
            await verified(system, signed, "valid")
        lists = await eventually(lambda: _lists(kafka_settings, 6), what="six signed lists")
        assert {(each["issuer"], each["proof"]["cryptosuite"]) for each in lists} == {
            (world.did(member), chosen.value) for member, chosen in world.suites.items()
        }


async def _lists(settings: KafkaSettings, count: int) -> list[dict[str, Any]]:
    found = [orjson.loads(each.value or b"{}") for each in await read_topic(settings, STATUS_LISTS)]
    return [each["credential"] for each in found] if len({each["listId"] for each in found}) == count else []


async def test_what_has_no_id_gets_one_and_what_other_status_it_has_is_kept(
    builds: dict[str, Any], world: World
) -> None:
    unnamed = wish(world)
    del unnamed["id"]
    entry = {"id": "https://status.example.org/1", "type": "1EdTechRevocationList"}
    async with running(builds) as system:
        await system.apply_catalog(world)
        first, second = [await system.issue(unnamed) for _ in range(2)]
        assert first.json()["id"] == first.headers["location"] != second.json()["id"]
        assert list(first.json())[:2] == ["@context", "id"]
        await verified(system, first.json(), "valid")

        contexts = [CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS]
        signed = (await system.issue(wish(world) | {"@context": contexts, "credentialStatus": entry})).json()
        assert signed["credentialStatus"][0] == entry
        assert len(signed["credentialStatus"]) == 3
        # Registered, though what that entry says about it cannot be told from here.
        said = await eventually(lambda: _registered(system, signed), what="its registration")
        assert said["outcome"] == "unknown"


async def _registered(system: System, signed: dict[str, Any]) -> dict[str, Any] | None:
    said = await system.verify(signed)
    steps = {step["name"]: step["outcome"] for step in said["steps"]}
    return said if steps.get("registration") == "valid" else None


async def test_what_was_stored_and_not_published_is_published_at_the_next_start(
    builds: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch, kafka_settings: KafkaSettings,
    database: EmbeddedDatabase, database_name: str, tmp_path: Path,
) -> None:  # fmt: skip
    async def away(self: Kafka, outgoing: Any) -> None:
        if outgoing[0].topic is CREDENTIALS:
            raise ConnectionError("the broker is away")
        await publish(self, outgoing)

    publish = Kafka.publish
    client: MongoClient[dict[str, Any]] = MongoClient(database.url)
    intents = client[f"{database_name}-issuer"]["intents"]
    async with running(builds) as system:
        await system.apply_catalog(world)
        with monkeypatch.context() as patched:
            patched.setattr(Kafka, "publish", away)
            refused = await system.issue(wish(world))
            assert (refused.status_code, refused.json()["code"]) == (503, Code.NOT_READY)
        assert intents.count_documents({"unpublished": True}) == 1
        assert await read_topic(kafka_settings, CREDENTIALS) == []
    async with running(builds) as system:
        assert intents.count_documents({"unpublished": True}) == 0
        (record,) = await read_topic(kafka_settings, CREDENTIALS)
        answer = await system.issue(wish(world))
        again = (await read_topic(kafka_settings, CREDENTIALS))[-1]
        assert (answer.status_code, again.value, again.key) == (201, record.value, record.key)
        assert dict(again.headers)["ce_id"] == dict(record.headers)["ce_id"]
        await verified(system, answer.json(), "valid")
    # A key that was taken away is missed, and not replaced by another, for what it signed and for what is new.
    keys = tmp_path / "signing-keys.json"
    kept = [each for each in orjson.loads(keys.read_bytes()) if each["issuer"] != "north"]
    keys.write_bytes(orjson.dumps(kept))
    async with running({name: builds[name] for name in ("issuer", "registry")}) as system:
        for asked in (wish(world), wish(world, id="urn:x:2")):
            refused = await system.issue(asked)
            assert (refused.status_code, refused.json()["code"]) == (503, Code.ISSUER_NOT_READY)
    assert intents.count_documents({}) == 1
    client.close()


async def test_each_refusal_has_its_status_and_a_problem_document(builds: dict[str, Any], world: World) -> None:
    good = wish(world)
    malformed = "https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR"
    listed = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7",
              "statusListCredential": "https://lists.example.org/1"}  # fmt: skip
    cases: list[tuple[Any, int, str, str]] = [
        (b"{", 400, "urn:laurel:problem:LRL-3002", ""),
        ([], 400, "urn:laurel:problem:LRL-3002", "/credential"),
        ({}, 400, "urn:laurel:problem:LRL-3002", "/credential"),
        ({"credential": "a.jwt"}, 400, "urn:laurel:problem:LRL-3002", "/credential"),
        ({"credential": good, "options": []}, 400, "urn:laurel:problem:LRL-3002", "/options"),
        ({"credential": good, "options": {"domain": "x"}}, 400, "urn:laurel:problem:LRL-3002", "/options"),
        ({"credential": good, "options": {"mandatoryPointers": ["/issuer"]}}, 400, "urn:laurel:problem:LRL-3002",
         "/options/mandatoryPointers"),
        ({"credential": good, "options": {"credentialId": "urn:other:1"}}, 400, "urn:laurel:problem:LRL-3002",
         "/options/credentialId"),
        ({"credential": {**good, "proof": {}}}, 400, "https://w3id.org/security#PROOF_GENERATION_ERROR",
         "/credential/proof"),
        ({"credential": {**good, "undefined": 1}}, 400, malformed, "/credential/undefined"),
        ({"credential": {**good, "id": f"{world.public_url}/credentials/x"}}, 400, malformed, "/credential/id"),
        ({"credential": {**good, "id": "urn:x:" + "y" * 500}}, 400, malformed, "/credential/id"),
        ({"credential": {**good, "id": "no IRI"}}, 400, malformed, "/credential/id"),
        ({"credential": {**good, "credentialStatus": listed}}, 400, malformed, "/credential/credentialStatus"),
        ({"credential": {**good, "credentialStatus": [listed]}}, 400, malformed, "/credential/credentialStatus/0"),
        ({"credential": {**good, "type": ["VerifiableCredential", "BitstringStatusListCredential"]}}, 400, malformed,
         "/credential/type"),
        ({"credential": {**good, "issuer": "did:web:elsewhere.example"}}, 422, "urn:laurel:problem:LRL-3008",
         "/credential/issuer"),
        ({"credential": {**good, "name": "x" * 250_000}}, 413, "urn:laurel:problem:LRL-3003", "/credential"),
    ]  # fmt: skip
    async with running(builds) as system:
        await system.apply_catalog(world)
        client = system.clients["issuer"]
        for body, status, problem, pointer in cases:
            content = {"content": body} if isinstance(body, bytes) else {"json": body}
            answer = await client.post("/credentials/issue", headers=bearer(VC_API_TOKEN), **content)
            told = answer.json()
            assert (answer.status_code, told["type"], told["pointer"]) == (status, problem, pointer), told
            assert answer.headers["content-type"] == PROBLEM
            assert told["detail"].endswith(".")
        for headers in ({}, bearer("wrong"), bearer()):
            refused = await client.post("/credentials/issue", json={"credential": good}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, Code.UNAUTHORIZED)
        registry = system.clients["registry"]
        entry = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
        for update, status, code in (
            ({"credentialId": "urn:x:y", "credentialStatus": entry, "status": True}, 404, Code.UNKNOWN_CREDENTIAL),
            ({"credentialId": "urn:x:y", "credentialStatus": entry, "status": "true"}, 400, Code.INVALID_BODY),
            ({"credentialId": "urn:x:y", "credentialStatus": entry}, 400, Code.INVALID_BODY),
            ({"credentialId": "urn:x:y", "credentialStatus": {**entry, "type": "Other"}, "status": True}, 400,
             Code.INVALID_BODY),
            ({"credentialId": "urn:x:y", "credentialStatus": {**entry, "statusPurpose": "refresh"}, "status": True},
             400, Code.INVALID_BODY),
        ):  # fmt: skip
            answer = await registry.post("/credentials/status", json=update, headers=bearer())
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert (await registry.post("/credentials/status", json=update)).status_code == 401


async def test_without_a_token_nobody_is_let_in_and_with_the_open_setting_none_is_needed(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path, builds: dict[str, Any], capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    common: dict[str, Any] = {
        **kafka_settings.model_dump(), "public_url": world.public_url, "mongo_url": database.url,
        "mongo_database": f"{database_name}-open", "master_key": "a-master-key-for-tests-0123456789abcdefgh",
        "signing_keys_file": tmp_path / "signing-keys.json",
    }  # fmt: skip
    for is_open, status in ((False, 401), (True, 503)):
        app = build(IssuerSettings(**common, vc_api_open=is_open))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://issuer") as client:
            answer = await client.post("/credentials/issue", json={"credential": wish(world)})
        assert answer.status_code == status
    assert "LAUREL_VC_API_OPEN" in "".join(capfd.readouterr())
