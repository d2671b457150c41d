"""What verification may rely on from whatever gives it keys and statuses, be it real or the tests' stand-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from laurel.contracts.credentials import StatusPosition
from laurel.contracts.envelope import encode
from laurel.contracts.status import Purpose, State, StatusChanged, StatusHeartbeat
from laurel.contracts.topics import CATALOG, STATUS_CHANGES, Message, message
from laurel.credentials.controller_documents import did_document, jwk_method_id
from laurel.credentials.document_cache import DocumentCache
from laurel.credentials.errors import KeyResolutionError, Unavailable
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.resolving import WebSources
from laurel.credentials.verification import Sources
from laurel.runtime.egress import Egress
from laurel.runtime.health import Health
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings, is_loopback
from support.badges import status_list
from support.site import Site
from support.sources import MemorySources
from support.web import Web
from support.world import World, key
from verifier.resolver import ViewSources
from verifier.view import View

NOW = datetime.now(UTC).replace(microsecond=0)
RETIRED = NOW - timedelta(days=30)
INDEX = 4711
FAMILY = "north-1"


@dataclass(frozen=True)
class Facts:
    """What is true of the member `north`, which has one key and one credential."""

    state: State = State.ACTIVE
    retired: datetime | None = None
    reachable: bool = True


Build = Callable[[World, Site, Facts], Sources]


def from_memory(world: World, site: Site, facts: Facts) -> Sources:
    """The stand-in."""
    if not facts.reachable:
        away = Unavailable("It is away.")
        sources = MemorySources({world.verification_method("north"): away})
        sources.bits = dict.fromkeys(("revocation", "suspension"), away)
        return sources
    key = known(world, facts)
    by_thumbprint = jwk_method_id(key.controller, key.public_key)
    sources = MemorySources({key.id: key, by_thumbprint: replace(key, id=by_thumbprint)})
    sources.bits = {each.value: is_set(each, facts) for each in Purpose}
    return sources


def from_view(world: World, site: Site, facts: Facts) -> ViewSources:
    """The verifier's: what it has read from Kafka."""
    view = View(KafkaSettings(kafka_bootstrap="nowhere:1"), world.addresses, Health(), lambda: NOW, timedelta)
    credential = world.addresses.credential("abc")
    if facts.reachable:
        for each in [*catalog(world, facts), change(credential, facts), *heartbeats()]:
            headers, value = encode(each.event)
            view.apply(Record(each.topic.name, each.partition or 0, 0, each.key.encode(), tuple(headers), value))
    view.lists.settle()
    return ViewSources(view, world.addresses, credential, timedelta(seconds=15), Web(NOW).sources())


def from_web(world: World, site: Site, facts: Facts) -> WebSources:
    """The command line's, and the verifier's for other issuers: what the registry publishes over HTTP."""
    if facts.reachable:
        site.serve("/issuers/north/did.json", did_document(world.did("north"), [known(world, facts)]))
        for each in Purpose:
            document = status_list(
                world.addresses, world.members["north"], each, at=RETIRED if facts.retired else NOW, until=NOW
                + timedelta(days=1), set_bits=(INDEX,) if is_set(each, facts) else (),
            )  # fmt: skip
            site.serve(f"/status-lists/{FAMILY}-{each.value}", document)
    fetch = Egress(allow_loopback=True).fetch
    return WebSources(DocumentCache(fetch, lambda: NOW, timedelta).get, NOW, over_http=is_loopback)


def is_set(purpose: Purpose, facts: Facts) -> bool:
    return facts.state is {Purpose.REVOCATION: State.REVOKED, Purpose.SUSPENSION: State.SUSPENDED}[purpose]


def known(world: World, facts: Facts) -> VerificationMethod:
    secret = world.members["north"]
    return VerificationMethod(world.verification_method("north"), world.did("north"), secret.public, facts.retired)


def catalog(world: World, facts: Facts) -> list[Message]:
    north = next(each for each in world.published() if each.id == "north")
    entry = {**north.model_dump()["keys"][0], "retired": facts.retired}
    body = north.model_validate({**north.model_dump(), "keys": (entry,)})
    return [message(CATALOG, body, key="Issuer/north", event_id="north", source="urn:laurel:registry", time=NOW)]


def change(credential: str, facts: Facts) -> Message:
    body = StatusChanged(
        credential=credential, issuer="north", achievement="welding", state=facts.state, version=1, changed_at=NOW,
        status=StatusPosition(family=FAMILY, index=INDEX),
    )  # fmt: skip
    return message(STATUS_CHANGES, body, key=credential, event_id="one", source="urn:laurel:registry", time=NOW)


def heartbeats() -> list[Message]:
    return [
        message(
            STATUS_CHANGES, StatusHeartbeat(partition=each, at=NOW), key=f"heartbeat-{each}", event_id=f"beat-{each}",
            source="urn:laurel:registry", time=NOW, partition=each,
        )
        for each in range(STATUS_CHANGES.partitions)
    ]  # fmt: skip


@pytest.fixture(params=[from_memory, from_view, from_web])
def build(request: pytest.FixtureRequest, site: Site) -> Callable[..., Sources]:
    """Sources of each kind, for the same facts."""

    def built(**facts: Any) -> Sources:
        made: Sources = request.param(World(site.url), site, Facts(**facts))
        return made

    return built


@pytest.fixture
def world(site: Site) -> World:
    """The world whose registry is the site."""
    return World(site.url)


def entry(world: World, purpose: Purpose) -> dict[str, Any]:
    return {
        "id": f"{world.addresses.credential('abc')}#{purpose.value}", "type": "BitstringStatusListEntry",
        "statusPurpose": purpose.value, "statusListIndex": str(INDEX),
        "statusListCredential": world.addresses.status_list(FAMILY, purpose),
    }  # fmt: skip


@pytest.mark.parametrize("retired", [None, RETIRED])
async def test_a_key_is_given_with_its_owner_and_its_retirement(
    build: Callable[..., Sources], world: World, retired: datetime | None
) -> None:
    found = await build(retired=retired).method(world.verification_method("north"), world.did("north"))
    assert found == known(world, Facts(retired=retired))


async def test_a_key_goes_by_its_jwk_thumbprint_too(build: Callable[..., Sources], world: World) -> None:
    secret, did = world.members["north"], world.did("north")
    name = jwk_method_id(did, secret.public)
    assert await build().method(name, did) == VerificationMethod(name, did, secret.public)


async def test_a_key_that_a_signature_brings_along_is_found_where_its_issuer_lists_it(world: World, site: Site) -> None:
    secret, did = world.members["north"], world.did("north")
    for build in (from_view, from_web):
        sources = build(world, site, Facts(retired=RETIRED))
        found = await sources.method_with(secret.public, did)
        assert (found.public_key, found.controller, found.revoked) == (secret.public, did, RETIRED)
        with pytest.raises(KeyResolutionError):
            await sources.method_with(key("somebody else").public, did)


async def test_a_key_that_the_issuer_does_not_have_is_an_error(build: Callable[..., Sources], world: World) -> None:
    other = f"{world.did('north')}#{key('somebody else').public.to_multibase()}"
    with pytest.raises(KeyResolutionError):
        await build().method(other, world.did("north"))


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("state", list(State))
async def test_a_status_is_the_bit_of_its_own_purpose(
    build: Callable[..., Sources], world: World, state: State, purpose: Purpose
) -> None:
    found = await build(state=state).status(entry(world, purpose), world.did("north"))
    assert found is is_set(purpose, Facts(state=state))


async def test_what_is_out_of_reach_is_unavailable_and_neither_good_nor_bad(
    build: Callable[..., Sources], world: World
) -> None:
    sources = build(reachable=False)
    with pytest.raises(Unavailable):
        await sources.method(world.verification_method("north"), world.did("north"))
    for purpose in Purpose:
        with pytest.raises(Unavailable):
            await sources.status(entry(world, purpose), world.did("north"))
