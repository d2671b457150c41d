"""A partner's events: what is built is signed, stable and readable by Laurel."""

from __future__ import annotations

from datetime import timedelta

from laurel.contracts import signature
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.envelope import decode, encode
from laurel.contracts.topics import COMPLETIONS
from laurel.partner import PartnerClient
from support.world import EPOCH, World

SOURCE = "https://campus.example.org/lms"


def _client(world: World) -> PartnerClient:
    return PartnerClient("127.0.0.1:9", SOURCE, "campus-1", world.partners["campus"])


def _body(world: World) -> CompletionRecorded:
    return CompletionRecorded.model_validate_json(world.completion("e-1").event.data)


def test_an_event_is_signed_with_the_partners_key(world: World) -> None:
    built = _client(world).build(_body(world), event_id="e-1")

    event = decode(*encode(built.event))
    claimed = signature.read(event)
    signature.check(event, claimed, world.partners["campus"].public)
    assert (claimed.kid, claimed.partner) == ("campus-1", None)
    assert (event.id, event.source, event.type) == ("e-1", SOURCE, "completion.recorded")
    assert CompletionRecorded.model_validate_json(event.data) == _body(world)


def test_an_event_goes_under_the_learners_reference(world: World) -> None:
    built = _client(world).build(_body(world), event_id="e-1")

    assert (built.topic, built.key, built.partition) == (COMPLETIONS, "learner-1", None)


def test_building_again_gives_the_same_bytes(world: World) -> None:
    first, again = (_client(world).build(_body(world), event_id="e-1") for _ in range(2))

    assert encode(first.event) == encode(again.event)


def test_the_time_is_the_completions_unless_given(world: World) -> None:
    later = EPOCH + timedelta(hours=1)

    assert _client(world).build(_body(world), event_id="e-1").event.time == EPOCH
    assert _client(world).build(_body(world), event_id="e-1", time=later).event.time == later
