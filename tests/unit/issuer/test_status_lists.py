"""Status changes become bits: each once, whatever order they come in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.status_lists import with_changes
from issuer.store import Family, Seal
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.status import Purpose, State, StatusChanged
from laurel.credentials.status_list import Bitstring, decode
from support.world import EPOCH

NAME = "north-0"
ACTIVE, SUSPENDED, REVOKED = State.ACTIVE, State.SUSPENDED, State.REVOKED


def change(index: int, version: int, state: State) -> StatusChanged:
    return StatusChanged(
        credential=f"http://127.0.0.1:8010/credentials/{index}", issuer="north", achievement="welding",
        status=StatusPosition(family=NAME, index=index), state=state, version=version, changed_at=EPOCH,
    )  # fmt: skip


def after(*batches: Sequence[StatusChanged]) -> Family | None:
    """The family after these batches."""
    family: Family | None = None
    for batch in batches:
        family = with_changes(family, NAME, batch, EPOCH) or family
    return family


def bits(family: Family | None, purpose: Purpose) -> set[int]:
    """The indexes that are set."""
    assert family is not None
    raw = decode(family.bits[purpose.value]).to_bytes()
    return {8 * at + bit for at, byte in enumerate(raw) if byte for bit in range(8) if byte & 0x80 >> bit}


@pytest.mark.parametrize(
    ("changes", "revoked", "suspended", "version"),
    [
        pytest.param([[(7, 1, ACTIVE)]], set(), set(), 1, id="a registration brings an empty list"),
        pytest.param([[(7, 1, ACTIVE)], [(8, 1, ACTIVE)]], set(), set(), 1, id="another adds nothing"),
        pytest.param([[(7, 2, REVOKED)]], {7}, set(), 1, id="a change may be the first that comes"),
        pytest.param([[(0, 2, REVOKED), (131071, 2, SUSPENDED)]], {0}, {131071}, 1, id="first and last index"),
        pytest.param([[(7, 1, ACTIVE), (7, 2, SUSPENDED)], [(7, 3, ACTIVE)]], set(), set(), 2, id="reinstated"),
        pytest.param([[(7, 2, SUSPENDED)], [(7, 3, REVOKED)]], {7}, set(), 2, id="revoked while suspended"),
        pytest.param([[(7, 3, REVOKED)], [(7, 2, SUSPENDED)]], {7}, set(), 1, id="an older one comes late"),
        pytest.param([[(7, 3, ACTIVE), (7, 2, SUSPENDED)]], set(), set(), 1, id="late in the same batch"),
        pytest.param([[(7, 2, REVOKED)], [(7, 2, REVOKED)]], {7}, set(), 1, id="delivered again"),
        pytest.param([[(7, 2, REVOKED)], [(7, 1, ACTIVE)]], {7}, set(), 1, id="the registration delivered again"),
        pytest.param([[(7, 2, REVOKED)], [(9, 2, REVOKED)]], {7, 9}, set(), 2, id="two credentials"),
    ],
)
def test_changes_become_bits(
    changes: list[list[tuple[int, int, State]]], revoked: set[int], suspended: set[int], version: int
) -> None:
    family = after(*[[change(*each) for each in batch] for batch in changes])
    assert family is not None
    assert bits(family, Purpose.REVOCATION) == revoked
    assert bits(family, Purpose.SUSPENSION) == suspended
    assert family.version == version


def test_what_changes_nothing_makes_no_version() -> None:
    family = after([change(7, 2, REVOKED)])
    assert with_changes(family, NAME, [change(7, 2, REVOKED), change(8, 1, ACTIVE)], EPOCH) is None


def test_a_new_version_is_dated_and_not_sealed_yet() -> None:
    first = after([change(7, 1, ACTIVE)])
    assert first is not None
    assert (first.name, first.issuer, first.published) == (NAME, "north", 0)
    sealed = Family(**{name: getattr(first, name) for name in first.__slots__} | {"seal": Seal("z", EPOCH, 1)})
    later = with_changes(sealed, NAME, [change(7, 2, REVOKED)], EPOCH + timedelta(hours=1))
    assert later is not None
    assert (later.version, later.changed_at, later.seal) == (2, EPOCH + timedelta(hours=1), None)


_NEXT = {ACTIVE: (SUSPENDED, REVOKED), SUSPENDED: (ACTIVE, REVOKED), REVOKED: ()}


@st.composite
def histories(draw: st.DrawFn) -> list[StatusChanged]:
    """Each of a few credentials' statuses in order, from its registration on."""
    changes = []
    for index in draw(st.lists(st.integers(0, 131071), min_size=1, max_size=4, unique=True)):
        state, version = ACTIVE, 1
        changes.append(change(index, version, state))
        while _NEXT[state] and version < 6 and draw(st.booleans()):
            state, version = draw(st.sampled_from(_NEXT[state])), version + 1
            changes.append(change(index, version, state))
    return changes


@given(data=st.data(), history=histories())
def test_in_whatever_order_and_however_often_changes_come_the_bits_are_the_same(
    data: st.DataObject, history: list[StatusChanged]
) -> None:
    again = data.draw(st.lists(st.sampled_from(history), max_size=8), label="delivered again")
    shuffled = data.draw(st.permutations(history + again), label="order")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=3), label="batches"))
    edges = [0, *cuts, len(shuffled)]
    family: Family | None = None
    revoked: set[int] = set()
    for start, end in itertools.pairwise(edges):
        if start == end:
            continue
        family = with_changes(family, NAME, shuffled[start:end], EPOCH) or family
        assert revoked <= bits(family, Purpose.REVOCATION), "a revocation was lifted"
        revoked = bits(family, Purpose.REVOCATION)
    expected = after(history)
    for purpose in Purpose:
        assert bits(family, purpose) == bits(expected, purpose)
    newest = {each.status.index: each.state for each in sorted(history, key=lambda each: each.version)}
    assert bits(family, Purpose.REVOCATION) == {index for index, state in newest.items() if state is REVOKED}
    assert bits(family, Purpose.SUSPENSION) == {index for index, state in newest.items() if state is SUSPENDED}


def test_a_full_list_is_still_one_document() -> None:
    family = after([change(index, 2, REVOKED) for index in range(0, 131072, 64)])
    assert len(bits(family, Purpose.REVOCATION)) == 2048
    assert decode(family.bits["suspension"]) == Bitstring()  # type: ignore[union-attr]
