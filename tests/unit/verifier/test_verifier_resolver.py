"""An answer is of the moment when it is given, whatever was waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from integration.verifier.samples import Watch
from laurel.contracts.status import State
from laurel.credentials.controller_documents import did_document
from laurel.credentials.document_cache import Document
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.proofs import sign
from laurel.credentials.resolving import WebSources
from laurel.credentials.verification import ANYBODY
from laurel.runtime.faults import Poison
from support.web import Web
from support.world import EPOCH, key
from unit.verifier.views import SAMPLES, abroad, feed, record_of, view_of
from verifier.resolver import Resolver
from verifier.view import View


async def test_an_unknown_key_of_a_member_is_no_verdict_while_the_view_is_old() -> None:
    watch = Watch()
    view = view_of([*SAMPLES.world.catalog_messages(), *SAMPLES.heartbeats(EPOCH)], watch)
    resolver = Resolver(view, SAMPLES.world.addresses, timedelta(seconds=15), abroad)
    method = f"{SAMPLES.world.did('north')}#{key('new').public.to_multibase()}"
    document = SAMPLES.credential("a", key=key("new"), method=method)
    watch.forward(15)
    assert (await resolver.verify(document, watch.now)).outcome == "invalid"
    watch.forward(1)
    assert (await resolver.verify(document, watch.now)).outcome == "unknown"
    # A key of some other did is none of a member's keys, and its own did cannot be asked.
    watch.set_clock(-16)
    feed(view, SAMPLES.heartbeats(watch.now))
    foreign = SAMPLES.credential("a", key=key("new"), method="did:web:else.example#k")
    assert (await resolver.verify(foreign, watch.now)).outcome == "invalid"


@pytest.mark.parametrize("document", [{}, {"id": 5}, {"id": ["x"]}, {"@context": 1, "id": "a:b"}])
async def test_any_object_gets_an_answer(document: dict[str, Any]) -> None:
    resolver = Resolver(view_of([]), SAMPLES.world.addresses, timedelta(seconds=15), abroad)
    assert (await resolver.verify(document, EPOCH)).outcome == "invalid"


async def outcome(view: View, watch: Watch, document: Any) -> str:
    resolver = Resolver(view, SAMPLES.world.addresses, timedelta(seconds=15), abroad)
    return (await resolver.verify(document, watch.now)).outcome


async def test_a_cut_off_view_is_unknown_in_time_however_the_clock_is_set() -> None:
    for step in (-3600.0, -1.0, 0.0, 3600.0):
        watch = Watch()
        view = view_of([*SAMPLES.world.catalog_messages(), SAMPLES.change("a"), *SAMPLES.heartbeats(EPOCH)], watch)
        assert await outcome(view, watch, SAMPLES.credential("a")) == "valid"
        watch.set_clock(step)
        watch.forward(16)
        assert await outcome(view, watch, SAMPLES.credential("a")) == "unknown", step


async def test_old_heartbeats_of_a_clock_that_is_ahead_make_nothing_valid_after_a_restart() -> None:
    record = [*SAMPLES.world.catalog_messages(), SAMPLES.change("a")]
    watch = Watch()
    written = [SAMPLES.heartbeats(watch.now + timedelta(minutes=10 - ago)) for ago in (11, 10, 6, 5)]
    view = view_of([*record, *(each for some in written for each in some)], watch)
    assert await outcome(view, watch, SAMPLES.credential("a")) == "unknown"


async def test_what_a_change_said_that_cannot_be_read_may_have_been_a_revocation() -> None:
    record = [*SAMPLES.world.catalog_messages(), SAMPLES.change("a"), SAMPLES.change("b", index=2)]
    watch = Watch()
    view = view_of([*record, *SAMPLES.heartbeats(EPOCH)], watch)
    damaged = record_of(SAMPLES.change("a", State.REVOKED, 2))
    for value in (b"{", b'{"state": "burnt"}'):
        with pytest.raises(Poison):
            view.apply(replace(damaged, value=value))
    assert await outcome(view, watch, SAMPLES.credential("a")) == "unknown"
    assert await outcome(view, watch, SAMPLES.credential("b", index=2)) == "valid"
    feed(view, [SAMPLES.change("a", State.ACTIVE, 3)])
    assert await outcome(view, watch, SAMPLES.credential("a")) == "valid"


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
async def test_a_change_of_who_knows_what_that_cannot_be_read_is_passed_over(key: bytes | None) -> None:
    view = view_of([SAMPLES.change("a")])
    with pytest.raises(Poison):
        view.apply(replace(record_of(SAMPLES.change("a", State.REVOKED, 2)), key=key, value=b"{"))
    assert view.standings.get(SAMPLES.id_of("a")) is not None


@dataclass
class Slow:
    """The web, whose every answer takes some seconds, and what else happens meanwhile."""

    web: Web
    watch: Watch
    seconds: float
    meanwhile: Callable[[], None] = lambda: None

    async def get(self, url: str, accept: str, newer_than: datetime | None = None) -> Document:
        self.watch.forward(self.seconds)
        self.meanwhile()
        return await self.web.cache.get(url, accept, newer_than)

    def sources(self, now: datetime) -> WebSources:
        return WebSources(self.get, now)


HOLDER = key("the holder")
ABROAD = "did:web:college.example"


def presentation(*credentials: dict[str, Any]) -> dict[str, Any]:
    """One whose holder's key has to be fetched."""
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"], "holder": ABROAD,
        "verifiableCredential": list(credentials),
    }  # fmt: skip
    name = f"{ABROAD}#{HOLDER.public.to_multibase()}"
    return sign(document, key=HOLDER, verification_method=name, created=EPOCH, proof_purpose="authentication")


def college() -> Web:
    web = Web(EPOCH)
    method = VerificationMethod(f"{ABROAD}#{HOLDER.public.to_multibase()}", ABROAD, HOLDER.public)
    document = did_document(ABROAD, [method])
    document["authentication"] = document["assertionMethod"]
    web.serve("https://college.example/.well-known/did.json", document)
    return web


async def presented(slow: Slow, view: View, *credentials: dict[str, Any]) -> tuple[str, list[str], list[datetime]]:
    """The outcome, the outcome of each credential, and as of when each was told."""
    resolver = Resolver(view, SAMPLES.world.addresses, timedelta(seconds=15), slow.sources)
    found = await resolver.verify_presentation(presentation(*credentials), slow.watch.now, ANYBODY)
    assert found.presentation.outcome == "valid"
    return found.outcome, [each.outcome for each in found.credentials], [each.as_of for each in found.credentials]


def foreign() -> dict[str, Any]:
    """A credential of the college, without status: only its key has to be fetched."""
    name = f"{ABROAD}#{HOLDER.public.to_multibase()}"
    return SAMPLES.credential("f", issuer=ABROAD, key=HOLDER, method=name, statuses=False)


@pytest.mark.parametrize("order", [1, -1])
async def test_what_a_presentation_waits_for_counts_whatever_is_looked_at_first(order: int) -> None:
    record = [*SAMPLES.world.catalog_messages(), SAMPLES.change("a"), *SAMPLES.heartbeats(EPOCH)]
    # Asked for twice: the holder's key, and the same as an issuer's.
    for seconds, wanted in ((7.5, "valid"), (8.0, "unknown")):
        watch = Watch()
        slow, view = Slow(college(), watch, seconds), view_of(record, watch)
        credentials = [SAMPLES.credential("a"), foreign()][::order]
        outcome, each, _ = await presented(slow, view, *credentials)
        assert (outcome, each) == (wanted, [wanted, "valid"][::order])


@dataclass
class SlowLater(Slow):
    """The first answer comes at once: time passes only after a member's credential has been looked at."""

    async def get(self, url: str, accept: str, newer_than: datetime | None = None) -> Document:
        if "other" in url:
            return await super().get(url, accept, newer_than)
        return await self.web.cache.get(url, accept, newer_than)


def other() -> dict[str, Any]:
    """A credential whose issuer cannot be reached."""
    return SAMPLES.credential("o", issuer="did:web:other.example", key=HOLDER, method="did:web:other.example#k")


async def test_time_that_passes_after_a_credential_was_looked_at_counts_too() -> None:
    record = [*SAMPLES.world.catalog_messages(), SAMPLES.change("a"), *SAMPLES.heartbeats(EPOCH)]
    watch = Watch()
    slow = SlowLater(college(), watch, 16.0)
    _, each, _ = await presented(slow, view_of(record, watch), SAMPLES.credential("a"), other())
    assert each == ["unknown", "unknown"]


async def test_what_arrives_while_an_answer_waits_is_in_the_answer() -> None:
    record = [*SAMPLES.world.catalog_messages(), SAMPLES.change("a"), *SAMPLES.heartbeats(EPOCH)]
    watch = Watch()
    view = view_of(record, watch)

    def revoked() -> None:
        feed(view, [SAMPLES.change("a", State.REVOKED, 2), *SAMPLES.heartbeats(watch.now)])

    slow = SlowLater(college(), watch, 16.0, revoked)
    _, each, as_of = await presented(slow, view, SAMPLES.credential("a"), other())
    assert each == ["invalid", "unknown"]
    assert as_of[0] == EPOCH  # no later than the moment at which everything else about it was judged
