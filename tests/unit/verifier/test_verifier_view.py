"""The view, fed with records by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from integration.verifier.samples import Watch
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.operations import VerificationCompleted
from laurel.contracts.status import Purpose, State, StatusChanged
from laurel.contracts.topics import CATALOG, Message, message
from laurel.runtime.faults import Poison, Transient
from support.waiting import eventually
from support.world import EPOCH, key
from unit.verifier.views import SAMPLES, feed, record_of, view_of
from verifier.announcer import DROPPED, Announcer, name_of
from verifier.config import VerifierSettings
from verifier.domain import Standing
from verifier.view import STATUS_SEEN_SECONDS, Standings, View

NORTH_LIST = SAMPLES.world.addresses.status_list("north-1", Purpose.REVOCATION)


def test_the_newest_version_stands_in_whatever_order_they_come() -> None:
    changes = [
        SAMPLES.change("a"), SAMPLES.change("a", State.SUSPENDED, 2), SAMPLES.change("a", State.REVOKED, 3),
    ]  # fmt: skip
    for order in permutations(changes):
        view = view_of(order)
        assert view.standings.get(SAMPLES.id_of("a")) == Standing(State.REVOKED, 3, "north", "north-1", 1)
        assert len(view.standings) == 1


def test_a_standing_comes_back_as_it_was_put() -> None:
    standings = Standings()
    wanted = {}
    for number, (state, index, version) in enumerate(
        [(State.ACTIVE, 0, 1), (State.SUSPENDED, 2**31 - 1, 2), (State.REVOKED, 131071, 2**40)]
    ):
        family = f"member-{number}-9"
        body = StatusChanged(
            credential=f"https://x.example/{number}", issuer=f"member-{number}", achievement="a", state=state,
            status=StatusPosition(family=family, index=index), version=version, changed_at=EPOCH,
        )  # fmt: skip
        standings.put(body)
        wanted[body.credential] = Standing(state, version, f"member-{number}", family, index)
    assert {name: standings.get(name) for name in wanted} == wanted
    assert standings.get("https://x.example/other") is None


def test_the_view_is_as_fresh_as_its_least_fresh_partition() -> None:
    watch = Watch(EPOCH + timedelta(minutes=1))
    view = view_of(SAMPLES.heartbeats(EPOCH, range(5)), watch)
    assert view.age() == float("inf")
    feed(view, SAMPLES.heartbeats(EPOCH + timedelta(seconds=50)))
    feed(view, SAMPLES.heartbeats(EPOCH + timedelta(seconds=20), [3]))
    assert view.age() == 10.0
    feed(view, [SAMPLES.change("a")])
    assert view.age() == 10.0


def test_a_heartbeat_for_another_partition_is_refused() -> None:
    with pytest.raises(Poison):
        view_of([SAMPLES.heartbeat(EPOCH, 0, 1)])


def test_a_change_by_a_clock_that_is_ahead_was_seen_at_once_and_not_before_it_happened() -> None:
    seen = STATUS_SEEN_SECONDS._sum.get
    view = view_of([], Watch(EPOCH - timedelta(seconds=3)))
    before = seen()
    feed(view, [SAMPLES.change("a", State.REVOKED, 2)])
    assert seen() == before


def test_tombstones_and_unknown_events_are_passed_over() -> None:
    view = view_of([])
    change = record_of(SAMPLES.change("a"))
    view.apply(replace(change, value=None))
    view.apply(replace(change, headers=(("ce_type", b"status.invented"),)))
    assert len(view.standings) == 0


def test_an_older_catalog_entry_changes_nothing_and_a_moved_did_is_forgotten() -> None:
    issuer = SAMPLES.world.published()[0]

    def published(version: int, did: str) -> Message:
        body = issuer.model_copy(update={"version": version, "did": did})
        return message(CATALOG, body, key=body.id, event_id=f"{version}", source="urn:test", time=EPOCH)

    view = view_of([published(2, "did:web:new.example"), published(1, "did:web:old.example")])
    assert view.issuer_of_did("did:web:old.example") is None
    feed(view, [published(3, "did:web:newer.example")])
    assert view.issuer_of_did("did:web:new.example") is None
    assert view.issuer_of_did("did:web:newer.example") is not None


def bits(view: View, *indexes: int, member: str = "north") -> list[bool | None]:
    return [view.lists.listed(member, NORTH_LIST, index) for index in indexes]


@pytest.mark.parametrize("lists_first", [True, False])
def test_lists_wait_for_the_catalog_and_the_newest_that_holds_is_used(lists_first: bool) -> None:
    lists = [SAMPLES.signed_list(1, [1]), SAMPLES.signed_list(3, [3]), SAMPLES.signed_list(2, [2])]
    catalog = SAMPLES.world.catalog_messages()
    view = view_of([*lists, *catalog] if lists_first else [*catalog, *lists])
    assert bits(view, 1, 2, 3, 131_071, 131_072) == [False, False, True, False, None]


def test_lists_that_come_before_their_member_are_settled_with_it() -> None:
    view = view_of([SAMPLES.signed_list(1, [1])])
    assert bits(view, 1) == [None]
    feed(view, SAMPLES.world.catalog_messages())
    assert bits(view, 1) == [True]


@pytest.mark.parametrize(
    "forged",
    [
        SAMPLES.signed_list(9, [5], key=key("thief")),
        SAMPLES.signed_list(9, [5], said=Purpose.SUSPENSION),
        SAMPLES.signed_list(9, [5], url=SAMPLES.world.addresses.status_list("north-2", Purpose.REVOCATION)),
        SAMPLES.signed_list(9, [5], member="east"),
    ],
    ids=["another's key", "another purpose", "another address", "another member's"],
)
@pytest.mark.parametrize("late", [True, False])
def test_a_forged_list_changes_nothing(forged: Message, late: bool) -> None:
    true = [*SAMPLES.world.catalog_messages(), SAMPLES.signed_list(1, [1])]
    view = view_of(true if late else [forged, *true])
    if late:
        feed(view, [forged])
    assert bits(view, 1, 5) == [True, False]
    feed(view, [SAMPLES.signed_list(2, [1, 2])])
    assert bits(view, 1, 2, 5) == [True, True, False]


def test_a_credential_in_the_place_of_a_list_is_refused() -> None:
    event = SAMPLES.signed_list(9)
    document = SAMPLES.credential("a")
    contract = next(iter(event.topic.events.values())).model_validate_json(event.event.data)
    forged = message(
        event.topic, contract.model_copy(update={"credential": document}), key=event.key, event_id="x",
        source="urn:test", time=EPOCH,
    )  # fmt: skip
    assert bits(view_of([*SAMPLES.world.catalog_messages(), forged]), 1) == [None]


@pytest.mark.parametrize(
    ("given", "name"),
    [("https://x.example/1", "https://x.example/1"), ("x" * 501, ""), ("a\nb", ""), (7, ""), (None, "")],
)
def test_what_is_recorded_as_the_credentials_name(given: object, name: str) -> None:
    assert name_of({"id": given}) == name


class AbsentKafka:
    """A broker that is away."""

    async def publish(self, messages: Any) -> None:
        raise Transient("away")


async def test_announcing_never_waits_and_counts_what_it_drops() -> None:
    announcer = Announcer(AbsentKafka())  # type: ignore[arg-type]
    before = DROPPED._value.get()
    for _ in range(1005):
        announcer.announce(VerificationCompleted(credential="", outcome="valid", at=EPOCH))
    assert DROPPED._value.get() - before == 5
    running = asyncio.create_task(announcer.run())
    assert await eventually(lambda: DROPPED._value.get() - before == 205, what="a dropped batch")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("seconds", [0, 1, 301])
def test_limits_that_would_make_valid_meaningless_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="view_max_age_seconds"):
        VerifierSettings(
            kafka_bootstrap="127.0.0.1:9092", public_url="http://127.0.0.1:8010", view_max_age_seconds=seconds
        )
