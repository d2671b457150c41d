"""What the verifier answers about credentials of issuers that are not members, served over TLS on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.verifier.samples import Samples, Watch
from laurel.contracts.addresses import Addresses
from laurel.contracts.status import Purpose
from laurel.credentials.controller_documents import did_document
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.proofs import sign
from laurel.runtime.egress import Egress
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import EmbeddedBroker
from support.badges import badge, method_of, status_list
from support.log import publish
from support.site import Site, serving
from support.tls import Authority
from support.waiting import eventually
from support.world import EPOCH, World, key
from verifier.app import build
from verifier.config import VerifierSettings

HOST = "badges.college.example"
DOCUMENT = "/issuers/north/did.json"
REVOCATION, SUSPENSION = (f"/status-lists/north-1-{each.value}" for each in Purpose)


@dataclass
class College:
    """An issuer that is no member: its site, its key, and what it publishes."""

    site: Site
    authority: Authority
    key: SigningKey = field(default_factory=lambda: key("college"))

    def __post_init__(self) -> None:
        self.addresses = Addresses(self.site.url)
        self.publish_key(self.key)
        for purpose in Purpose:
            self.publish_list(purpose)

    @property
    def method(self) -> VerificationMethod:
        name = method_of(self.addresses, "north", self.key)
        return VerificationMethod(name, self.addresses.did("north"), self.key.public)

    def publish_key(self, secret: SigningKey, **ends: Any) -> None:
        did = self.addresses.did("north")
        method = VerificationMethod(method_of(self.addresses, "north", secret), did, secret.public, **ends)
        self.site.serve(DOCUMENT, did_document(did, [method]))

    def publish_list(self, purpose: Purpose, **more: Any) -> None:
        document = status_list(self.addresses, self.key, purpose, at=EPOCH, **more)
        self.site.serve(f"/status-lists/north-1-{purpose.value}", document)

    def credential(self, **more: Any) -> dict[str, Any]:
        return badge(self.addresses, **{"key": self.key, "at": EPOCH, **more})

    def egress(self, *, allow_loopback: bool = True) -> Egress:
        async def lookup(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"] if host == HOST else ["10.0.0.1"]

        return Egress(allow_loopback=allow_loopback, lookup=lookup, trust=self.authority.trust())


@pytest.fixture
def college(tmp_path: Path) -> Iterator[College]:
    authority = Authority()
    with serving(authority.server(tmp_path, HOST), HOST) as site:
        yield College(site, authority)


@dataclass
class Verifier:
    """A running verifier with one worker, and its clock."""

    client: httpx.AsyncClient
    watch: Watch

    async def outcome(self, credential: Any) -> tuple[int, str, list[str]]:
        """HTTP status, outcome, and the codes of what was found."""
        response = await self.client.post("/credentials/verify", json={"verifiableCredential": credential})
        body = response.json()
        codes = [each["code"] for each in body.get("problemDetails", [body])]
        return response.status_code, body.get("outcome", ""), codes


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaSettings]:
    """A broker; which one makes no difference to what is fetched."""
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    yield KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_idempotence=False, kafka_session_timeout_ms=1500)
    broker.stop()


@asynccontextmanager
async def running(
    kafka: KafkaSettings, egress: Egress, world: World | None = None, **more: Any
) -> AsyncIterator[Verifier]:
    samples, watch = Samples(world or World()), Watch(EPOCH + timedelta(seconds=5))
    await publish(kafka, [*samples.world.catalog_messages(), samples.change("active"), *samples.heartbeats(EPOCH)])
    settings = VerifierSettings(
        **kafka.model_dump(), public_url=samples.world.public_url, verify_workers=1, view_max_age_seconds=300, **more
    )
    app = build(settings, clock=watch, steady=watch.steady, egress=egress)
    lifecycle: Lifecycle = app.state.lifecycle
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with lifecycle, httpx.AsyncClient(transport=transport, base_url="http://verifier") as client:
        yield Verifier(client, watch)


VALID: tuple[int, str, list[str]] = (200, "valid", [])
OUT_OF_REACH = (200, "unknown", ["KEY_UNAVAILABLE"])


async def test_another_issuers_credential_is_verified_like_a_members(kafka: KafkaSettings, college: College) -> None:
    async with running(kafka, college.egress()) as verifier:
        assert await verifier.outcome(college.credential()) == VALID
        assert sorted(college.site.paths) == sorted([DOCUMENT, REVOCATION, SUSPENSION])
        tampered = college.credential() | {"name": "Master of everything"}
        assert await verifier.outcome(tampered) == (400, "invalid", ["PROOF_VERIFICATION_ERROR"])


async def test_a_list_is_fetched_again_only_after_its_ttl_and_a_revocation_is_seen_then(
    kafka: KafkaSettings, college: College
) -> None:
    async with running(kafka, college.egress()) as verifier:
        assert await verifier.outcome(college.credential()) == VALID
        college.publish_list(Purpose.REVOCATION, set_bits=(7,))
        college.site.requests.clear()
        verifier.watch.forward(0.9)
        assert await verifier.outcome(college.credential()) == VALID
        assert college.site.requests == []
        verifier.watch.forward(0.1)
        assert await verifier.outcome(college.credential()) == (200, "invalid", ["REVOKED"])
        assert sorted(college.site.paths) == sorted([REVOCATION, SUSPENSION])
        assert await verifier.outcome(college.credential(index=8)) == VALID


async def test_what_cannot_be_reached_is_unknown(kafka: KafkaSettings, college: College) -> None:
    async with running(kafka, college.egress()) as verifier:
        del college.site.answers["GET", REVOCATION]
        assert await verifier.outcome(college.credential()) == (200, "unknown", ["STATUS_RETRIEVAL_ERROR"])
        verifier.watch.forward(600)
        college.site.serve(DOCUMENT, b"down", status=503)
        assert await verifier.outcome(college.credential()) == OUT_OF_REACH
        inside = badge(Addresses("https://intranet.example"), college.key, at=EPOCH)
        assert await verifier.outcome(inside) == OUT_OF_REACH


async def test_this_machine_is_not_reached_unless_that_is_set(kafka: KafkaSettings, college: College) -> None:
    async with running(kafka, college.egress(allow_loopback=False)) as verifier:
        assert await verifier.outcome(college.credential()) == OUT_OF_REACH
    assert college.site.requests == []


async def test_nothing_is_fetched_where_that_is_set(kafka: KafkaSettings, college: College) -> None:
    async with running(kafka, college.egress(), fetch_foreign=False) as verifier:
        assert await verifier.outcome(college.credential()) == OUT_OF_REACH
    assert college.site.requests == []


async def test_keys_that_are_retired_or_not_listed(kafka: KafkaSettings, college: College) -> None:
    later = EPOCH + timedelta(seconds=1)
    async with running(kafka, college.egress()) as verifier:
        stranger = college.credential(key=key("stranger"))
        assert await verifier.outcome(stranger) == (400, "invalid", ["INVALID_VERIFICATION_METHOD"])
        verifier.watch.forward(600)
        college.publish_key(college.key, revoked=later)
        assert await verifier.outcome(college.credential()) == VALID
        assert await verifier.outcome(college.credential(at=later)) == (400, "invalid", ["KEY_RETIRED"])


async def test_a_list_that_somebody_else_signed_does_not_hold(kafka: KafkaSettings, college: College) -> None:
    college.publish_list(Purpose.REVOCATION, signer=key("thief"))
    async with running(kafka, college.egress()) as verifier:
        assert await verifier.outcome(college.credential()) == (200, "invalid", ["STATUS_VERIFICATION_ERROR"])


async def test_redirects_are_followed_on_the_same_host_only(kafka: KafkaSettings, college: College) -> None:
    site = college.site
    site.answers["GET", "/moved"] = site.answers["GET", DOCUMENT]
    async with running(kafka, college.egress()) as verifier:
        site.redirects[DOCUMENT] = "/moved"
        assert await verifier.outcome(college.credential()) == VALID
        verifier.watch.forward(600)
        port = site.url.rpartition(":")[2]
        for elsewhere in (f"https://else.example:{port}/moved", f"http://127.0.0.1:{port}/moved"):
            site.redirects[DOCUMENT] = elsewhere
            site.requests.clear()
            assert await verifier.outcome(college.credential()) == OUT_OF_REACH
            assert site.paths == [DOCUMENT]
            verifier.watch.forward(600)


async def test_what_is_too_large_is_not_read(kafka: KafkaSettings, college: College) -> None:
    college.site.serve(REVOCATION, b" " * 1024 * 1024 + b"{}")
    async with running(kafka, college.egress()) as verifier:
        assert await verifier.outcome(college.credential()) == (200, "unknown", ["STATUS_RETRIEVAL_ERROR"])


async def test_a_server_that_does_not_answer_delays_nobody_else(kafka: KafkaSettings, college: College) -> None:
    college.site.held |= {DOCUMENT, REVOCATION}
    async with running(kafka, college.egress(), fetch_seconds=60) as verifier:
        waiting = [asyncio.create_task(verifier.outcome(college.credential())) for _ in range(5)]

        async def asked() -> bool:
            return DOCUMENT in college.site.paths

        assert await eventually(asked, what="the college is asked")
        assert await verifier.outcome(Samples().credential("active")) == VALID
        assert not any(task.done() for task in waiting)
        college.site.holding.set()
        assert await asyncio.gather(*waiting) == [VALID] * 5
        assert sorted(college.site.paths) == sorted([DOCUMENT, REVOCATION, SUSPENSION])


async def test_what_is_known_of_a_member_grows_old_while_the_holders_key_is_waited_for(
    kafka: KafkaSettings, college: College
) -> None:
    document = did_document(college.addresses.did("north"), [college.method])
    college.site.serve(DOCUMENT, document | {"authentication": document["assertionMethod"]})
    college.site.held.add(DOCUMENT)
    presentation = sign(
        {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"],
         "holder": document["id"], "verifiableCredential": [Samples().credential("active")]},
        key=college.key, verification_method=college.method.id, created=EPOCH, proof_purpose="authentication",
    )  # fmt: skip
    async with running(kafka, college.egress(), fetch_seconds=60) as verifier:
        body = {"verifiablePresentation": presentation}
        asking = asyncio.create_task(verifier.client.post("/presentations/verify", json=body))

        async def asked() -> bool:
            return DOCUMENT in college.site.paths

        assert await eventually(asked, what="the college is asked")
        verifier.watch.forward(300)
        college.site.holding.set()
        found = (await asking).json()
    codes = [each["code"] for each in found["problemDetails"]]
    assert (found["outcome"], codes) == ("unknown", ["STATUS_RETRIEVAL_ERROR", "STATUS_RETRIEVAL_ERROR"])


async def test_a_verification_ends_when_its_time_is_up(kafka: KafkaSettings, college: College) -> None:
    async with running(kafka, college.egress(), fetch_seconds=2) as verifier:
        assert await verifier.outcome(college.credential()) == VALID
        verifier.watch.forward(10)
        college.site.held.add(REVOCATION)
        # The first list takes up all the time there is.
        twice = ["STATUS_RETRIEVAL_ERROR", "STATUS_RETRIEVAL_ERROR"]
        assert await verifier.outcome(college.credential()) == (200, "unknown", twice)


async def test_of_members_nothing_is_ever_fetched(kafka: KafkaSettings, college: College) -> None:
    # The site would answer for a member as well, with a key that the record does not have.
    world = World(college.site.url)
    college.publish_key(key("impostor"))
    samples = Samples(world)
    async with running(kafka, college.egress(), world) as verifier:
        assert await verifier.outcome(samples.credential("active")) == VALID
        impostor = badge(world.addresses, key("impostor"), at=EPOCH)
        assert await verifier.outcome(impostor) == (400, "invalid", ["INVALID_VERIFICATION_METHOD"])
        # Nor of whom the record might yet name.
        newcomer = badge(world.addresses, key("newcomer"), at=EPOCH, member="newcomer")
        assert await verifier.outcome(newcomer) == OUT_OF_REACH
    assert college.site.requests == []
