"""What a bulk status change is about, and what would become of each credential of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from laurel.contracts.base import utc_text
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import Action, State
from registry.bulk_rows import BATCH, BulkBody, StoredBulk, Tally, batches_of, progress_of, requests_of
from registry.domain import changed
from registry.selection import Candidate, Fate, Selection, Target, digest, judged, request_id, text_bounds
from support.world import EPOCH, World
from unit.registry.issuing import Issuer
from unit.registry.states import accepted, changed_by, filed, wish

PREFIX = "https://badges.example.org/credentials/"
ALL = Selection(issued_from=datetime(2000, 1, 1, tzinfo=UTC))
NEW_MONTH = datetime(2026, 6, 1, tzinfo=UTC)
moments = st.one_of(
    st.integers(-5, 5).map(lambda seconds: NEW_MONTH + timedelta(seconds=seconds)),
    st.integers(-5_000_000, 5_000_000).map(lambda micros: NEW_MONTH + timedelta(microseconds=micros)),
)


def candidate(number: int, state: State = State.ACTIVE, version: int = 1, **more: Any) -> Candidate:
    token = f"token-{number:04d}"
    return Candidate(**{
        "id": PREFIX + token, "token": token, "issuer": "north", "achievement": "welding", "partner": "campus",
        "issued_at": EPOCH, "state": state, "version": version, "last_request": "r", **more,
    })  # fmt: skip


candidates = st.lists(
    st.builds(
        candidate, st.integers(0, 30), st.sampled_from(State), st.integers(1, 4),
        issuer=st.sampled_from(["north", "south"]), achievement=st.sampled_from(["welding", "python", None]),
        partner=st.sampled_from(["campus", "forge", None]), issued_at=moments,
        last_request=st.sampled_from(["r", "b:token-0001", "b:token-0002"]),
    ),
    unique_by=lambda each: each.id,
)  # fmt: skip
selections = st.one_of(
    st.builds(Selection, achievement=st.sampled_from(["welding", "python"]),
              partner=st.none() | st.sampled_from(["campus", "forge"]), issued_from=st.none() | moments),
    st.builds(Selection, issued_to=moments),
    st.builds(lambda ids: Selection(credentials=tuple(f"{PREFIX}token-{each:04d}" for each in ids)),
              st.lists(st.integers(0, 40), min_size=1)),
    st.just(Selection(bulk="b")),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(selections, candidates, st.sampled_from(Action), st.sampled_from(["north", "nobody", None]))
def test_each_selected_credential_has_one_fate_and_only_those_that_change_are_targets(
    selection: Selection, found: list[Candidate], action: Action, member: str | None
) -> None:
    asked = set(selection.credentials or ())
    found = [each for each in found if not asked or each.id in asked]
    result = judged(selection, action, found, in_scope=lambda each: member in (None, each.issuer))
    preview = result.preview()

    meant = {each.id for each in found if selection.holds(each)} | asked
    assert preview.selected == len(meant) == sum(preview.counts.values())
    assert preview.counts[Fate.CHANGES] == len(result.targets)
    assert [each.id for each in result.targets] == sorted({each.id for each in result.targets} & meant)
    by_id = {each.id: each for each in found}
    for target in result.targets:
        hit = by_id[target.id]
        assert target.version == hit.version
        assert member in (None, hit.issuer)
        assert selection.bulk is None or hit.last_request == f"b:{hit.token}"
        assert hit.state is not State.REVOKED
        assert (hit.state is State.SUSPENDED) or action is not Action.REINSTATE
    # Where nobody's rights are in the way, every credential that the action could be taken on is a target.
    if member is None and selection.bulk is None:
        assert preview.counts[Fate.NOT_YOURS] == preview.counts[Fate.CHANGED_SINCE] == 0
        states = Counter(each.state for each in found if selection.holds(each))
        assert preview.counts[Fate.CHANGES] == {
            Action.SUSPEND: states[State.ACTIVE], Action.REINSTATE: states[State.SUSPENDED],
            Action.REVOKE: states[State.ACTIVE] + states[State.SUSPENDED],
        }[action]  # fmt: skip
    assert preview.digest == judged(selection, action, found[::-1],
                                    in_scope=lambda each: member in (None, each.issuer)).preview().digest  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(candidates, st.sampled_from(Action), st.data())
def test_the_digest_changes_with_whatever_would_be_done(found: list[Candidate], action: Action, data: Any) -> None:
    targets = judged(ALL, action, found).targets
    before = digest(action, targets)
    assert before != digest(data.draw(st.sampled_from([each for each in Action if each is not action])), targets)
    assert before != digest(action, [*targets, Target(PREFIX + "another", "another", 1)])
    if targets:
        one = data.draw(st.sampled_from(targets))
        rest = [each for each in targets if each is not one]
        assert before != digest(action, rest)
        assert before != digest(action, [*rest, Target(one.id, one.token, one.version + 1)])


@settings(deadline=None, max_examples=150)
@given(moments, moments, moments)
def test_no_credential_between_the_dates_lies_outside_of_the_bounds_on_the_text(
    since: datetime, until: datetime, issued: datetime
) -> None:
    if since >= until:
        return
    selection = Selection(issued_from=since, issued_to=until)
    bounds, text = text_bounds(selection), utc_text(issued)
    if selection.holds(candidate(1, issued_at=issued)):
        assert bounds["$gte"] <= text < bounds["$lt"]
    if not since - timedelta(seconds=1) <= issued <= until + timedelta(seconds=2):
        assert not bounds["$gte"] <= text < bounds["$lt"]


@pytest.mark.parametrize(
    ("given", "pointer_or_word"),
    [
        ({}, "by one of the three"),
        ({"achievement": "welding", "credentials": [PREFIX + "a"]}, "by one of the three"),
        ({"partner": "campus", "bulk": "b"}, "by one of the three"),
        ({"credentials": [PREFIX + "a"], "bulk": "b"}, "by one of the three"),
        ({"credentials": []}, "at least 1"),
        ({"credentials": ["no id"]}, "pattern"),
        ({"achievement": "welding", "issuedFom": "2026-06-01T00:00:00Z"}, "Extra inputs"),
        ({"issuedFrom": "2026-06-02T00:00:00Z", "issuedTo": "2026-06-01T00:00:00Z"}, "before issuedTo"),
        ({"issuedFrom": "2026-06-01T00:00:00"}, "timezone"),
        ({"issuedFrom": 1780000000}, "RFC 3339"),
        ({"bulk": "a:b"}, "pattern"),
    ],
)
def test_a_selection_that_could_be_taken_for_another_is_refused(given: dict[str, Any], pointer_or_word: str) -> None:
    with pytest.raises(ValidationError, match=pointer_or_word):
        Selection.model_validate(given)


def test_what_lies_outside_of_the_callers_rights_is_counted_and_not_described() -> None:
    found = [candidate(1, issuer="south"), candidate(2)]
    preview = judged(ALL, Action.REVOKE, found, in_scope=lambda each: each.issuer == "north").preview()

    assert (preview.counts[Fate.NOT_YOURS], preview.counts[Fate.CHANGES]) == (1, 1)
    assert (preview.left_out, preview.states[State.ACTIVE]) == ((), 1)
    assert preview.sample[0].achievement == "welding"
    assert (preview.achievements, preview.partners) == ({"welding": 1}, {"campus": 1})


def stored(total: int = 3) -> StoredBulk:
    return StoredBulk(
        id="mistake", content="0" * 64, digest="1" * 64, action=Action.SUSPEND, reason="a mistake", total=total,
        requested_by="registrar", operator="consortium", accepted_at=EPOCH,
        selection={"achievement": "welding"}, counts={Fate.CHANGES: total},
    )  # fmt: skip


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 3 * BATCH + 1))
def test_batches_hold_every_target_once_in_order(number: int) -> None:
    targets = [Target(f"{PREFIX}{each:06d}", f"{each:06d}", 1) for each in range(number)]
    batches = batches_of(stored(), targets)

    assert [target for batch in batches for target in batch.targets] == targets
    assert all(0 < len(batch.targets) <= BATCH for batch in batches)
    assert sorted({batch.id for batch in batches}) == [batch.id for batch in batches]


def test_requests_are_the_same_bytes_whenever_they_are_made() -> None:
    (batch,) = batches_of(stored(), [Target(PREFIX + "token-0001", "token-0001", 4)])
    ((request, outgoing),) = requests_of(stored(), batch)

    assert requests_of(stored(), batch) == [(request, outgoing)]
    assert request.id == outgoing.event.id == "mistake:token-0001"
    assert (request.on_version, request.batch, request.partner) == (4, batch.id, None)
    assert request_id("mistake", "token-0001") == request.id


def test_who_changed_a_credential_after_it_was_selected_has_the_last_word(world: World) -> None:
    issuer = Issuer(world)
    first = filed(issuer, "token-0001")
    request = accepted(issuer, "token-0001").model_copy(update={"on_version": 1})
    after = changed(first, request, wish(request, Action.SUSPEND))
    assert (after.state, after.version) == (State.SUSPENDED, 2)
    assert changed(after, request, wish(request, Action.SUSPEND)) is after  # again: it was applied

    meanwhile = changed_by(first, accepted(issuer, "token-0001", id_="other"), Action.SUSPEND)
    meanwhile = changed_by(meanwhile, accepted(issuer, "token-0001", id_="another"), Action.REINSTATE)
    with pytest.raises(Rejected, match="has version 3 and had 1") as refusal:
        changed(meanwhile, request, wish(request, Action.SUSPEND))
    assert refusal.value.code is Code.CHANGED_SINCE


def test_progress_tells_who_and_why_and_no_digest_of_ours() -> None:
    told = progress_of(stored(), Tally(2, 1), []).model_dump(mode="json", by_alias=True)

    assert (told["changed"], told["refused"], told["total"]) == (2, 1, 3)
    assert (told["requestedBy"], told["reason"], told["finishedAt"]) == ("registrar", "a mistake", None)
    assert "digest" not in told
    assert "content" not in told


def test_a_body_without_the_previews_digest_is_no_body() -> None:
    body = {"selection": {"achievement": "welding"}, "action": "revoke", "reason": "r", "requestedBy": "x",
            "requestId": "one"}  # fmt: skip
    with pytest.raises(ValidationError, match="digest"):
        BulkBody.model_validate(body)
    assert BulkBody.model_validate(body | {"digest": "0" * 64}).selection.described() == {"achievement": "welding"}
    listed = Selection(credentials=(PREFIX + "a", PREFIX + "a", PREFIX + "b"))
    assert listed.described() == {"listed": 2}
