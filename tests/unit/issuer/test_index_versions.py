"""An index keeps the highest version that was ever set, however it is stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.index_versions import IndexVersions
from laurel.credentials.status_list import MINIMUM_LENGTH

INDEXES = st.sampled_from([0, 1, 7, 4096, MINIMUM_LENGTH - 1])
SETTINGS = st.lists(st.tuples(INDEXES, st.integers(1, 2**32 - 1), st.booleans()), max_size=30)


@given(SETTINGS)
def test_versions_only_rise_and_survive_packing(settings: list[tuple[int, int, bool]]) -> None:
    held = IndexVersions()
    highest: dict[int, int] = {}
    for index, version, store in settings:
        assert held.rise(index, version) == (version > highest.get(index, 1))
        highest[index] = max(version, highest.get(index, 1))
        if store:
            packed = held.pack()
            held = IndexVersions(packed)
            assert held.pack() == packed
    as_before = IndexVersions.from_mapping({str(index): version for index, version in highest.items()})
    assert as_before.pack() == held.pack()


def test_a_full_list_takes_kilobytes() -> None:
    full = IndexVersions.from_mapping(dict.fromkeys(map(str, range(MINIMUM_LENGTH)), 2))
    assert len(full.pack()) < 8 * 1024


def test_an_index_outside_the_list_is_refused() -> None:
    with pytest.raises(IndexError):
        IndexVersions().rise(MINIMUM_LENGTH, 2)
