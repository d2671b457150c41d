"""A change that was asked for and did not come about, or came about as another, is told: in the log, in the lists, and
from a verifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from chaos.balance import Balance
from chaos.statuses import Statuses, agrees, compare_statuses
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.status import Action, Purpose, State, StatusChanged, StatusListSigned, StatusRecorded
from laurel.credentials.status_list import Bitstring, encode

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SUSPEND, REINSTATE, REVOKE = Action.SUSPEND, Action.REINSTATE, Action.REVOKE
STATES = {SUSPEND: State.SUSPENDED, REINSTATE: State.ACTIVE, REVOKE: State.REVOKED}
LIVES: dict[str, tuple[Action, ...]] = {
    "untouched": (), "suspended": (SUSPEND,), "revoked": (SUSPEND, REVOKE), "reinstated": (SUSPEND, REINSTATE),
}  # fmt: skip
ASKED = {name: actions for name, actions in LIVES.items() if actions}


def status(name: str, index: int, actions: Sequence[Action]) -> StatusChanged:
    first = StatusRecorded(version=1, state=State.ACTIVE, at=NOON, by="issuer", request="r1")
    later = [
        StatusRecorded(version=n, state=STATES[each], at=NOON, by="chaos", action=each, reason="-", request=f"r{n}")
        for n, each in enumerate(actions, 2)
    ]
    return StatusChanged(
        credential=f"https://badges.example.org/credentials/{name}", issuer="hochtal", achievement="python",
        status=StatusPosition(family="hochtal-1", index=index), state=(later or [first])[-1].state,
        version=1 + len(actions), changed_at=NOON, history=(first, *later) if later else None,
    )  # fmt: skip


def signed(purpose: Purpose, indexes: Sequence[int]) -> StatusListSigned:
    bits = Bitstring()
    for index in indexes:
        bits.set(index, value=True)
    document = {"credentialSubject": {"encodedList": encode(bits)}}
    return StatusListSigned(
        list_id=f"hochtal-1-{purpose}", issuer="hochtal", family="hochtal-1", purpose=purpose, version=1,
        credential=document, signed_at=NOON,
    )  # fmt: skip


def statuses() -> Statuses:
    newest = {name: status(name, index, actions) for index, (name, actions) in enumerate(LIVES.items())}
    lists = {Purpose.SUSPENSION: [1], Purpose.REVOCATION: [2]}
    return Statuses(
        {name: {} for name in LIVES}, newest, {each.value: signed(each, indexes) for each, indexes in lists.items()}
    )


def told(change: Callable[[Statuses], object] = lambda _: None) -> list[str]:
    found, balance = statuses(), Balance()
    change(found)
    compare_statuses(found, ASKED, balance)
    return [each.partition(":")[0] for each in balance.wrong]


def _put(changes: dict[str, StatusChanged], found: Statuses) -> None:
    found.newest |= changes


def _put_list(signed: StatusListSigned, found: Statuses) -> None:
    found.lists[signed.purpose] = signed


def test_what_came_about_as_it_was_asked_for_is_in_balance() -> None:
    assert told() == []


def test_a_change_that_lacks_or_that_nobody_asked_for_is_told() -> None:
    history = "credentials whose history in the log is not what was asked for"
    for name, actions in (
        ("suspended", ()), ("untouched", (SUSPEND,)), ("revoked", (REVOKE,)), ("reinstated", (SUSPEND, REVOKE)),
        ("suspended", (SUSPEND, REINSTATE, SUSPEND)),
    ):  # fmt: skip
        other = {name: status(name, list(LIVES).index(name), actions)}
        assert history in told(partial(_put, other))
    assert history in told(lambda it: it.newest.pop("untouched"))


def test_a_status_that_is_not_that_of_its_history_is_told() -> None:
    (wrong, *_) = told(
        lambda it: it.newest.update(suspended=it.newest["suspended"].model_copy(update={"state": State.ACTIVE}))
    )
    assert wrong == "credentials whose status in the log is not that of its history"


def test_bits_that_are_not_those_of_the_statuses_are_told() -> None:
    for purpose, indexes, what in (
        (Purpose.SUSPENSION, [], "bits that lack in the signed lists for suspension"),
        (Purpose.SUSPENSION, [1, 2], "bits in the signed lists for suspension that are nobody's"),
        (Purpose.REVOCATION, [2, 77], "bits in the signed lists for revocation that are nobody's"),
    ):
        assert told(partial(_put_list, signed(purpose, indexes))) == [what]


def test_a_verifier_agrees_if_it_says_what_the_log_says_and_nothing_else() -> None:
    def answer(*codes: str, verified: bool) -> dict[str, object]:
        return {"verified": verified, "steps": [{"code": None}, *({"code": code} for code in codes)]}

    answers = {
        State.ACTIVE: answer(verified=True), State.SUSPENDED: answer("SUSPENDED", verified=False),
        State.REVOKED: answer("REVOKED", verified=False),
    }  # fmt: skip
    for state in State:
        assert [agrees(state, each) for each in answers.values()] == [each is state for each in answers]
        assert not agrees(state, answer("STATUS_RETRIEVAL_ERROR", verified=False))
        assert not agrees(state, {"code": "LRL-3009"})
