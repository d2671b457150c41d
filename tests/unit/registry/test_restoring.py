"""What the log says of a credential is put back as it was, and what it cannot have been is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.contracts.envelope import EVENT_SIZE_LIMIT
from laurel.contracts.errors import Rejected
from laurel.contracts.status import (
    HISTORY_LIMIT,
    Action,
    State,
    StatusChanged,
    StatusRecorded,
    kept_history,
)
from registry.contents import content_hash, differing
from registry.domain import TRANSITIONS, status_changed
from registry.restoring import UNKNOWN, restored, restored_request
from registry.rows import StoredCredential
from support.world import EPOCH, World
from unit.registry.issuing import Issuer
from unit.registry.states import accepted, changed_by, filed, wish

ISSUER = Issuer(World())
REGISTERED = filed(ISSUER, "token-one")


def changed(actions: list[Action]) -> StoredCredential:
    """The credential after those of these actions that its state allows."""
    credential = REGISTERED
    for number, action in enumerate(actions):
        if (credential.state, action) in TRANSITIONS:
            at = EPOCH + timedelta(minutes=number)
            credential = changed_by(credential, accepted(ISSUER, "token-one", id_=f"r{number}", at=at), action)
    return credential


def published(credential: StoredCredential) -> StatusChanged:
    """What the log says."""
    return StatusChanged.model_validate_json(status_changed(credential).event.data)


@given(actions=st.lists(st.sampled_from(Action), max_size=12))
@settings(deadline=None, max_examples=60)
def test_whatever_was_changed_is_put_back_as_it_was(actions: list[Action]) -> None:
    credential = changed(actions)

    assert restored(REGISTERED, published(credential)) == credential


def test_a_registration_is_published_without_a_history() -> None:
    assert published(REGISTERED).history is None


@given(actions=st.lists(st.sampled_from(Action), min_size=1, max_size=6), data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_history_with_an_entry_less_or_another_state_is_refused(actions: list[Action], data: st.DataObject) -> None:
    change = published(changed([Action.SUSPEND, *actions]))
    assert change.history is not None
    at = data.draw(st.integers(0, len(change.history) - 1))
    entry = change.history[at]
    if data.draw(st.booleans()):
        history = change.history[:at] + change.history[at + 1 :]
    else:
        other = data.draw(st.sampled_from([state for state in State if state is not entry.state]))
        history = (*change.history[:at], entry.model_copy(update={"state": other}), *change.history[at + 1 :])
    if not history:
        return
    with pytest.raises(Rejected):
        restored(REGISTERED, change.model_copy(update={"history": history}))


def test_a_status_that_is_filed_otherwise_is_refused() -> None:
    change = published(changed([Action.REVOKE]))
    with pytest.raises(Rejected, match="filed otherwise"):
        restored(REGISTERED, change.model_copy(update={"issuer": "south"}))


def test_a_status_without_its_history_keeps_what_is_known() -> None:
    credential = changed([Action.SUSPEND, Action.REINSTATE, Action.REVOKE])
    put_back = restored(REGISTERED, published(credential).model_copy(update={"history": None}))
    assert (put_back.state, put_back.version) == (State.REVOKED, 4)
    assert [entry.by for entry in put_back.history] == ["issuer", UNKNOWN]


def test_past_the_limit_the_log_keeps_the_first_and_the_newest_entries() -> None:
    credential = changed([Action.SUSPEND, Action.REINSTATE] * HISTORY_LIMIT)
    change = published(credential)
    assert change.history is not None
    assert [entry.version for entry in change.history] == [1, *range(credential.version - HISTORY_LIMIT + 2, 182)]

    put_back = restored(REGISTERED, change)

    assert (put_back.state, put_back.version) == (credential.state, credential.version)
    assert put_back.history == kept_history(credential.history) == published(put_back).history


def test_the_longest_history_fits_into_a_record() -> None:
    entry = StatusRecorded(
        version=10**6, state=State.SUSPENDED, at=EPOCH + timedelta(microseconds=1), by="\U0001f393" * 300,
        reason="\U0001f393" * 200, action=Action.SUSPEND, request="r" * 500,
    )  # fmt: skip
    change = published(changed([Action.SUSPEND])).model_copy(update={"history": (entry,) * HISTORY_LIMIT})
    assert len(change.to_bytes()) < EVENT_SIZE_LIMIT


# --- Requests ---


@pytest.mark.parametrize("passed", [True, False])
def test_a_request_that_was_applied_is_known_to_be(passed: bool) -> None:
    request = accepted(ISSUER, "token-one", id_="r0")
    body = wish(request, Action.REVOKE)
    event = ISSUER.wish("token-one", Action.REVOKE).event
    known = restored_request("r0", None, event, body, changed([Action.REVOKE]), passed=passed)
    assert known is not None
    assert known.applied is not None
    assert (known.applied.state, known.applied.version, known.refused) == (State.REVOKED, 2, None)


def test_a_request_that_was_passed_and_changed_nothing_is_not_decided_again() -> None:
    request = accepted(ISSUER, "token-one", id_="r9")
    event = ISSUER.wish("token-one", Action.SUSPEND).event
    body = wish(request, Action.SUSPEND)
    known = restored_request("r9", "campus", event, body, changed([]), passed=True)
    assert known is not None
    assert known.decided
    assert known.applied is None
    assert restored_request("r9", "campus", event, body, changed([]), passed=False) is None


# --- The hash ---

rows = st.dictionaries(st.text(max_size=5), st.binary(min_size=32, max_size=32), max_size=6)


@given(rows=rows, data=st.data())
@settings(deadline=None, max_examples=100)
def test_the_hash_is_of_what_is_there_and_not_of_its_order(rows: dict[str, bytes], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(rows.items()))))
    assert content_hash(rows) == content_hash(shuffled)
    assert differing(rows, shuffled) == []


@given(one=rows, other=rows)
@settings(deadline=None, max_examples=100)
def test_two_hashes_are_equal_exactly_where_nothing_differs(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (content_hash(one) == content_hash(other)) == (differing(one, other) == [])
