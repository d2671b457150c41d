"""The catalogue of topics: consistent, with stable partitions, and refusing a body on a topic that is not its own."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.status import Purpose, StatusHeartbeat, list_id
from laurel.contracts.topics import (
    BY_NAME,
    CATALOG,
    COMPLETIONS,
    RECIPIENTS,
    STATUS_CHANGES,
    TOPICS,
    Message,
    Topic,
    message,
)
from laurel.credentials.errors import KeyResolutionError
from support.world import EPOCH

SERVICES = {"issuer", "registry", "verifier", "notifier"}
EACH = pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])


@EACH
def test_a_topic_is_named_with_its_version_and_has_what_it_needs(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z.-]+\.v[1-9]", topic.name)
    assert topic.partitions >= 1
    assert topic.summary.endswith(".")
    assert set(topic.writers) <= SERVICES | {"partners", "operators"}
    assert set(topic.readers) <= SERVICES | {"operators"}
    assert topic.events
    assert topic.compacted is (topic.retention is None)
    assert topic.signed == "none" or "partners" in topic.writers
    for contract in topic.events.values():
        assert contract.__doc__
    with pytest.raises(TypeError):
        topic.events["new"] = CompletionRecorded  # type: ignore[index]


def test_an_event_type_and_a_body_belong_to_one_topic() -> None:
    types = Counter(event_type for topic in TOPICS for event_type in topic.events)
    bodies = Counter(contract for topic in TOPICS for contract in topic.events.values())
    assert set(types.values()) == set(bodies.values()) == {1}
    assert list(BY_NAME.values()) == list(TOPICS)
    assert "status-list.signed" in types, "two underscores are a dot, one is a hyphen"


def test_what_names_a_learner_is_kept_for_days_only() -> None:
    personal = [topic for topic in TOPICS if "names and e-mail addresses" in topic.summary]
    assert personal == [COMPLETIONS, RECIPIENTS]
    assert all(topic.retention is not None and topic.retention <= timedelta(days=14) for topic in personal)


@pytest.mark.parametrize(
    ("family", "partition"), [("north-1", 0), ("north-2", 2), ("east-1", 4), ("123456789", 0xCBF43926 % 6)]
)
def test_a_family_has_the_same_partition_everywhere_and_always(family: str, partition: int) -> None:
    assert STATUS_CHANGES.partition_of(family) == partition


@settings(deadline=None)
@given(st.text())
def test_a_partition_is_one_of_the_topics(value: str) -> None:
    assert 0 <= STATUS_CHANGES.partition_of(value) < STATUS_CHANGES.partitions
    assert CATALOG.partition_of(value) == 0


def test_a_message_takes_its_type_from_its_body() -> None:
    beat = StatusHeartbeat(partition=2, at=EPOCH)
    made = message(STATUS_CHANGES, beat, key="k", event_id="e", source="urn:x", time=EPOCH, subject="s", partition=2)
    assert made == Message(STATUS_CHANGES, "k", made.event, 2)
    assert made.event.type == "status.heartbeat"
    assert made.event.data == beat.to_bytes()
    assert (made.event.id, made.event.source, made.event.time, made.event.subject) == ("e", "urn:x", EPOCH, "s")
    assert made.trace == {}


def test_a_body_cannot_go_to_a_topic_that_is_not_its_own() -> None:
    with pytest.raises(KeyError):
        message(COMPLETIONS, StatusHeartbeat(partition=0, at=EPOCH), key="k", event_id="e", source="urn:x", time=EPOCH)


def test_every_public_address_begins_with_the_public_url() -> None:
    addresses = Addresses("https://badges.example.org/laurel")
    assert addresses.credential("t") == "https://badges.example.org/laurel/credentials/t"
    assert addresses.achievement("welding") == "https://badges.example.org/laurel/achievements/welding"
    assert addresses.issuer("north") == "https://badges.example.org/laurel/issuers/north"
    assert addresses.did("north") == "did:web:badges.example.org:laurel:issuers:north"
    assert addresses.status_list("north-1", Purpose.SUSPENSION) == (
        "https://badges.example.org/laurel/status-lists/north-1-suspension"
    )
    assert Addresses("http://127.0.0.1:8010").did("x") == "did:web:127.0.0.1%3A8010:issuers:x"
    assert verification_method("did:web:a", "z6Mk") == "did:web:a#z6Mk"
    assert list_id("north-1", Purpose.REVOCATION) == "north-1-revocation"


def test_a_public_url_that_has_no_did_is_refused() -> None:
    with pytest.raises(KeyResolutionError):
        Addresses("https://badges.example.org/?x=1").did("north")
