"""What the verifier answers over HTTP, on real brokers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from integration.verifier.samples import Samples, Watch
from laurel.contracts.operations import VerificationCompleted
from laurel.contracts.status import Purpose, State
from laurel.contracts.topics import STATUS_CHANGES, VERIFICATIONS, Message
from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.dids import did_key
from laurel.credentials.proofs import sign
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import EmbeddedBroker
from laurel_local.processes import free_port
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import EPOCH, World, key
from verifier.app import build
from verifier.config import VerifierSettings


async def until(condition: Callable[[], Awaitable[bool]], *, what: str) -> None:
    """Wait until it is so."""
    held: bool = await eventually(condition, what=what)
    assert held


def settings_for(kafka_settings: KafkaSettings, world: World) -> VerifierSettings:
    # What is fetched from other issuers is tested apart, without the name service of the day.
    return VerifierSettings(**kafka_settings.model_dump(), public_url=world.public_url, fetch_foreign=False)


@dataclass
class Verifier:
    """A running verifier, and the test's clock and broker."""

    client: httpx.AsyncClient
    kafka: KafkaSettings
    watch: Watch

    async def ask(self, credential: Any, **more: Any) -> httpx.Response:
        return await self.client.post("/credentials/verify", json={"verifiableCredential": credential, **more})

    async def outcome(self, credential: Any) -> tuple[int, str, list[str]]:
        """HTTP status, outcome, and the codes of what was found."""
        response = await self.ask(credential)
        body = response.json()
        assert body["verified"] == (body["outcome"] == "valid")
        return response.status_code, body["outcome"], [each["code"] for each in body["problemDetails"]]

    async def expect(self, credential: Any, *wanted: Any) -> None:
        """Wait until the outcome is as wanted: the view follows the topics a moment later."""

        async def found() -> bool:
            return await self.outcome(credential) == wanted

        await until(found, what=f"{wanted}")

    async def publish(self, *messages: Message) -> None:
        await publish(self.kafka, messages)


@asynccontextmanager
async def running(kafka: KafkaSettings, world: World, watch: Watch) -> AsyncIterator[Verifier]:
    app: FastAPI = build(settings_for(kafka, world), clock=watch, steady=watch.steady)
    lifecycle: Lifecycle = app.state.lifecycle
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with lifecycle, httpx.AsyncClient(transport=transport, base_url="http://verifier") as client:
        yield Verifier(client, kafka, watch)


@pytest.fixture
def samples(world: World) -> Samples:
    return Samples(world)


@pytest.fixture
def watch() -> Watch:
    return Watch(EPOCH + timedelta(seconds=5))


def record(samples: Samples) -> Sequence[Message]:
    """The topics of a small consortium: one credential in each state, lists, and a heartbeat everywhere."""
    return [
        *samples.world.catalog_messages(),
        samples.change("active", index=1),
        samples.change("revoked", index=2),
        samples.change("revoked", State.REVOKED, 2, index=2),
        samples.change("suspended", index=3),
        samples.change("suspended", State.SUSPENDED, 2, index=3),
        samples.change("reinstated", index=4),
        samples.change("reinstated", State.SUSPENDED, 2, index=4),
        samples.change("reinstated", State.ACTIVE, 3, index=4),
        samples.change("expired", index=5),
        samples.signed_list(1, [2]),
        samples.signed_list(1, [3], purpose=Purpose.SUSPENSION),
        *samples.heartbeats(EPOCH),
    ]


async def test_every_state_has_its_answer_and_a_restart_gives_the_same(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    wanted = {
        "active": (1, None, (200, "valid", [])),
        "revoked": (2, None, (200, "invalid", ["REVOKED"])),
        "suspended": (3, None, (200, "invalid", ["SUSPENDED"])),
        "reinstated": (4, None, (200, "valid", [])),
        "expired": (5, EPOCH, (200, "invalid", ["EXPIRED"])),
        "unregistered": (6, None, (200, "unknown", ["UNKNOWN_CREDENTIAL"])),
    }
    for _ in range(2):
        async with running(kafka_settings, samples.world, watch) as verifier:
            assert (await verifier.client.get("/readyz")).status_code == 200
            for token, (index, until, answer) in wanted.items():
                document = samples.credential(token, index=index, valid_until=until)
                assert await verifier.outcome(document) == answer, token


async def test_an_answer_names_its_steps_its_problems_and_its_age(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        response = await verifier.ask(samples.credential("active"), options={"returnResults": True})
        body = response.json()
        assert body["asOf"] == "2026-06-01T12:00:00Z"
        names = [
            "form",
            "key",
            "issuer",
            "proof",
            "dates",
            "status:revocation",
            "status:suspension",
            "open badge",
            "registration",
        ]
        assert [step["name"] for step in body["steps"]] == names
        assert {step["outcome"] for step in body["steps"]} == {"valid"}
        assert body["problemDetails"] == []
        assert response.headers["cache-control"] == "no-store"

        body = (await verifier.ask(samples.credential("revoked", index=2))).json()
        (problem,) = body["problemDetails"]
        assert problem["type"] == "urn:laurel:problem:REVOKED"
        assert (problem["title"], problem["step"]) == ("The credential was revoked.", "status:revocation")


async def test_what_is_no_credential_of_the_issuer_is_a_400(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        tampered = samples.credential("active")
        tampered["name"] = "Master of everything"
        assert await verifier.outcome(tampered) == (400, "invalid", ["PROOF_VERIFICATION_ERROR"])
        assert await verifier.outcome({"type": "nothing"}) == (400, "invalid", ["MALFORMED_VALUE_ERROR"])
        stolen = samples.credential("active", issuer=samples.world.did("south"))
        assert await verifier.outcome(stolen) == (400, "invalid", ["ISSUER_MISMATCH"])
        stranger = key("stranger")
        did = samples.world.did("north")
        unknown_key = samples.credential("active", key=stranger, method=f"{did}#{stranger.public.to_multibase()}")
        assert await verifier.outcome(unknown_key) == (400, "invalid", ["INVALID_VERIFICATION_METHOD"])


async def test_issuers_that_are_not_members(kafka_settings: KafkaSettings, samples: Samples, watch: Watch) -> None:
    await publish(kafka_settings, record(samples))
    stranger = key("stranger")
    async with running(kafka_settings, samples.world, watch) as verifier:
        web = samples.credential("x", issuer="did:web:else.example", key=stranger, method="did:web:else.example#key-1")
        assert await verifier.outcome(web) == (200, "unknown", ["KEY_UNAVAILABLE"])
        did = did_key(stranger.public)
        method = f"{did}#{stranger.public.to_multibase()}"
        assert await verifier.outcome(
            samples.credential("x", issuer=did, key=stranger, method=method, statuses=False)
        ) == (200, "valid", [])
        # Its entries point to a member's list, in which a stranger's credential has no place.
        assert await verifier.outcome(samples.credential("active", issuer=did, key=stranger, method=method)) == (
            200, "unknown", ["STATUS_RETRIEVAL_ERROR", "STATUS_RETRIEVAL_ERROR"],
        )  # fmt: skip


async def test_a_credential_that_only_shares_its_id_with_a_registered_one_is_not_registered(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        for other in (
            samples.credential("active", index=77),
            samples.credential("active", member="east"),
            samples.credential("active", statuses=False),
        ):
            assert await verifier.outcome(other) == (200, "unknown", ["UNKNOWN_CREDENTIAL"])


async def test_what_is_too_old_is_unknown_until_every_partition_is_heard_again(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    twice = ["STATUS_RETRIEVAL_ERROR", "STATUS_RETRIEVAL_ERROR"]
    credential = samples.credential("active")
    async with running(kafka_settings, samples.world, watch) as verifier:
        watch.forward(10)
        assert await verifier.outcome(credential) == (200, "valid", [])
        watch.forward(0.5)
        assert await verifier.outcome(credential) == (200, "unknown", twice)
        assert (await verifier.outcome(samples.credential("suspended", index=3)))[1] == "unknown"
        # Revocation is final, so nothing that is missing could change it.
        assert (await verifier.outcome(samples.credential("revoked", index=2)))[1] == "invalid"
        # A change proves nothing about what else may be missing; nor do heartbeats of some partitions.
        await verifier.publish(
            samples.change("new"), *samples.heartbeats(watch.now, range(1, STATUS_CHANGES.partitions))
        )
        registered = ("registration", "valid")

        async def arrived() -> bool:
            steps = (await verifier.ask(samples.credential("new"))).json()["steps"]
            return registered in [(step["name"], step["outcome"]) for step in steps]

        await until(arrived, what="the change")
        assert (await verifier.outcome(samples.credential("new")))[1] == "unknown"
        await verifier.publish(*samples.heartbeats(watch.now, [0]))
        await verifier.expect(credential, 200, "valid", [])


async def test_without_heartbeats_nothing_is_valid(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, [*samples.world.catalog_messages(), samples.change("active")])
    async with running(kafka_settings, samples.world, watch) as verifier:
        assert (await verifier.outcome(samples.credential("active")))[1] == "unknown"
        assert "laurel_view_age_seconds +Inf" in (await verifier.client.get("/metrics")).text


async def test_changes_take_effect_while_running_and_an_older_version_never_does(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        credential = samples.credential("active")
        assert (await verifier.outcome(credential))[1] == "valid"
        await verifier.publish(
            samples.change("active", State.REVOKED, 3),
            samples.change("active", State.SUSPENDED, 2),
            samples.change("marker", index=9),
        )
        await verifier.expect(samples.credential("marker", index=9), 200, "valid", [])
        assert await verifier.outcome(credential) == (200, "invalid", ["REVOKED"])


async def test_a_signed_list_alone_revokes_and_a_forged_one_does_nothing(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    thief = key("thief")
    active = samples.credential("active")
    async with running(kafka_settings, samples.world, watch) as verifier:
        await verifier.publish(
            samples.signed_list(9, [1], key=thief),
            samples.signed_list(8, [1], member="east"),
            samples.signed_list(7, [1], said=Purpose.SUSPENSION),
            samples.signed_list(6, [1], url=samples.world.addresses.status_list("north-2", Purpose.REVOCATION)),
            samples.signed_list(2, [2, 4]),
        )
        await verifier.expect(samples.credential("reinstated", index=4), 200, "invalid", ["REVOKED"])
        assert await verifier.outcome(active) == (200, "valid", [])
        # Not registered, but its place in the list is marked: that is enough to say no.
        both = ["REVOKED", "UNKNOWN_CREDENTIAL"]
        assert await verifier.outcome(samples.credential("unregistered", index=2)) == (200, "invalid", both)
    async with running(kafka_settings, samples.world, watch) as verifier:
        assert await verifier.outcome(active) == (200, "valid", [])
        assert (await verifier.outcome(samples.credential("reinstated", index=4)))[1] == "invalid"


async def test_a_heartbeat_for_another_partition_or_from_the_future_makes_nothing_fresher(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    messages = [*record(samples)[:-1], samples.heartbeat(watch.now, 0, 5)]
    await publish(kafka_settings, messages)
    async with running(kafka_settings, samples.world, watch) as verifier:
        credential = samples.credential("active")
        assert (await verifier.outcome(credential))[1] == "unknown"
        await verifier.publish(*samples.heartbeats(watch.now + timedelta(hours=1)))

        async def disbelieved() -> bool:
            return "The registry's clock is 3600 s ahead of the verifier's" in (await verifier.ask(credential)).text

        await until(disbelieved, what="the reason")
        assert (await verifier.outcome(credential))[1] == "unknown"
        await verifier.publish(*samples.heartbeats(watch.now))
        await verifier.expect(credential, 200, "valid", [])


async def test_bodies_that_cannot_be_read(kafka_settings: KafkaSettings, samples: Samples, watch: Watch) -> None:
    deep = b'{"verifiableCredential":' + b'{"a":' * 900 + b"1" + b"}" * 901
    cases: list[tuple[bytes, int, str]] = [
        (b"{", 400, ""),
        (b"[]", 400, ""),
        (b"", 400, ""),
        (b'{"verifiableCredential": {"x": NaN}}', 400, ""),
        (b'{"verifiableCredential": {"name": "a", "name": "b"}}', 400, ""),
        (b'{"verifiableCredential": 5}', 400, "/verifiableCredential"),
        (b'{"verifiableCredential": {}, "options": 1}', 400, "/options"),
        (b'{"verifiableCredential": {}, "options": {"domain": 1}}', 400, "/options/domain"),
        (b'{"verifiableCredential": {}, "options": {"challenge": ""}}', 400, "/options/challenge"),
        (b'{"verifiableCredential": {"x": "' + b"x" * 2 * 1024 * 1024 + b'"}}', 413, ""),
    ]
    async with running(kafka_settings, samples.world, watch) as verifier:
        for content, status, pointer in cases:
            response = await verifier.client.post("/credentials/verify", content=content)
            assert response.status_code == status, content[:50]
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["pointer"] == pointer
        for hostile in (deep, b'{"verifiableCredential": "eyJ..."}'):
            response = await verifier.client.post("/credentials/verify", content=hostile)
            assert (response.status_code, response.json()["verified"]) == (400, False)
        response = await verifier.client.post("/presentations/verify", json={"verifiableCredential": {}})
        assert (response.status_code, response.json()["pointer"]) == (400, "/verifiablePresentation")


def hostile() -> list[bytes]:
    """What would keep a verifier busy that had no bounds."""
    context = b'{"verifiableCredential":{"@context":["https://www.w3.org/ns/credentials/v2"],'
    # Objects that cannot be told apart, by what they are or what they refer to: RDFC-1.0 would try every order of them.
    twin = {"type": ["Related"], "related": [{"type": ["Related"]} for _ in range(9)]}
    signer = key("a stranger")
    name = f"{did_key(signer.public)}#{signer.public.to_multibase()}"
    plain = {"@context": [CREDENTIALS_V2, {"Related": "urn:R", "related": "urn:r"}], "type": ["VerifiableCredential"],
             "issuer": did_key(signer.public), "credentialSubject": {"id": "urn:x"}}  # fmt: skip
    signed = sign(plain, key=signer, verification_method=name, created=EPOCH)
    related = json.dumps(signed | {"credentialSubject": {"id": "urn:x", "related": [twin, twin]}}).encode()
    return [
        b'{"verifiableCredential":' + related + b"}",
        context + b'"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
        context + b'"a":' + b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"}}",
        context + b'"name":"' + b"x" * 10_000_000 + b'"}}',
        context + b'"a":[' + b"{}," * 300_000 + b"{}]}}",
        b'{"verifiableCredential":"' + b"eyJhbGciOiJFZERTQSJ9." * 2 + b"A" * 1_000_000 + b'"}',
    ]


async def test_hostile_documents_are_refused_and_stop_nobody(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        finished: list[str] = []

        async def attack(content: bytes) -> None:
            response = await verifier.client.post("/credentials/verify", content=content)
            assert response.status_code in (400, 413), response.text[:300]
            assert response.json().get("verified", False) is False
            finished.append("attack")

        async def others() -> None:
            assert (await verifier.client.get("/livez")).status_code == 200
            finished.append("livez")
            assert await verifier.outcome(samples.credential("active", index=1)) == (200, "valid", [])

        await asyncio.gather(*[attack(content) for content in hostile() * 5], others())
        assert finished.index("livez") < len(finished) - 1


async def test_a_presentation_is_as_good_as_what_is_in_it_and_only_for_whoever_asked(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    holder = key("the holder")
    did = did_key(holder.public)
    document: dict[str, Any] = {
        "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"], "holder": did,
        "verifiableCredential": [samples.credential("active", index=1), samples.credential("revoked", index=2)],
    }  # fmt: skip

    def presented(document: dict[str, Any]) -> dict[str, Any]:
        return sign(
            document, key=holder, verification_method=f"{did}#{holder.public.to_multibase()}", created=watch.now,
            proof_purpose="authentication", domain="hr.example", challenge="f81d4fae",
        )  # fmt: skip

    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:

        async def ask(presentation: dict[str, Any], **options: str) -> tuple[int, str, list[str]]:
            body = {"verifiablePresentation": presentation, "options": options}
            response = await verifier.client.post("/presentations/verify", json=body)
            found = response.json()
            assert found["verified"] is (found["outcome"] == "valid")
            return response.status_code, found["outcome"], [each["code"] for each in found["problemDetails"]]

        asked = {"domain": "hr.example", "challenge": "f81d4fae"}
        assert await ask(presented(document), **asked) == (200, "invalid", ["REVOKED"])
        document["verifiableCredential"].pop()
        good = presented(document)
        assert await ask(good, **asked) == (200, "valid", [])
        assert await ask(good, **asked | {"challenge": "another"}) == (400, "invalid", ["INVALID_CHALLENGE_ERROR"])
        assert await ask(good) == (200, "unknown", ["INVALID_DOMAIN_ERROR"])
        assert await ask({**good, "holder": "did:web:thief.example"}, **asked) == (
            400, "invalid", ["HOLDER_MISMATCH", "PROOF_VERIFICATION_ERROR"],
        )  # fmt: skip


async def test_pages_anywhere_may_ask_and_may_not_read_the_rest(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    headers = {"Origin": "https://employer.example"}
    async with running(kafka_settings, samples.world, watch) as verifier:
        preflight = headers | {
            "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type",
        }  # fmt: skip
        answer = await verifier.client.options("/credentials/verify", headers=preflight)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        answer = await verifier.client.post("/credentials/verify", content=b"{", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"
        answer = await verifier.client.get("/metrics", headers=headers)
        assert "access-control-allow-origin" not in answer.headers


async def test_each_verification_is_told_to_the_operators(
    kafka_settings: KafkaSettings, samples: Samples, watch: Watch
) -> None:
    await publish(kafka_settings, record(samples))
    async with running(kafka_settings, samples.world, watch) as verifier:
        await verifier.ask(samples.credential("active"))
        await verifier.ask(samples.credential("revoked", index=2))
        await verifier.ask({"id": "x" * 600})

        async def told() -> list[Any]:
            records = await read_topic(kafka_settings, VERIFICATIONS)
            bodies = [read[1] for each in records if (read := read_event(each)) is not None]
            return bodies if len(bodies) == 3 else []

        bodies: list[VerificationCompleted] = await eventually(told, what="three announcements")
    assert [(each.credential, each.outcome, each.codes) for each in bodies] == [
        (samples.id_of("active"), "valid", ()),
        (samples.id_of("revoked"), "invalid", ("REVOKED",)),
        ("", "invalid", ("MALFORMED_VALUE_ERROR",)),
    ]


async def test_not_ready_and_not_answering_until_the_broker_has_been_read(
    tmp_path: Any, samples: Samples, watch: Watch
) -> None:
    broker = EmbeddedBroker(tmp_path / "late", port=free_port())
    kafka = KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_idempotence=False)
    app = build(settings_for(kafka, samples.world), clock=watch, steady=watch.steady)
    lifecycle: Lifecycle = app.state.lifecycle
    lifecycle.start_in_background()
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://verifier") as client:

            async def waiting() -> bool:
                ready = await client.get("/readyz")
                return ready.status_code == 503 and "Kafka" in ready.json()["reasons"]

            await until(waiting, what="waiting for Kafka")
            body = orjson.dumps({"verifiableCredential": samples.credential("active")})
            refused = await client.post("/credentials/verify", content=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "LRL-3006")
            assert (await client.get("/livez")).status_code == 200
            broker.start()
            await publish(kafka, record(samples))

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await until(ready, what="readiness")
            verifier = Verifier(client, kafka, watch)
            await verifier.expect(samples.credential("active"), 200, "valid", [])
            # The broker goes away: answers keep coming, at once, and soon they say that they do not know.
            broker.stop()
            assert (await verifier.outcome(samples.credential("active")))[1] == "valid"
            watch.set_clock(-3600)
            watch.forward(16)
            assert (await verifier.outcome(samples.credential("active")))[1] == "unknown"
    finally:
        await lifecycle.stop()
        broker.stop()
