"""What is derived: the same for ever, different for everything else, and never the same index twice."""

from __future__ import annotations

import itertools

import pytest

from issuer.derivation import LIST_LENGTH, Derivation

MASTER = "0123456789abcdef-master-key-for-tests"
SOURCE = "https://campus.example.org/lms"


@pytest.fixture(scope="module")
def derivation() -> Derivation:
    return Derivation(MASTER)


def test_nothing_derived_ever_changes(derivation: Derivation) -> None:
    """If this fails, replayed events would become new credentials: mend the code, not these values."""
    assert derivation.token("campus", SOURCE, "e-1") == "4QLUT9gnseFhzUmBdHdqKjDdTZMzCfzS4vCY1M96Yqh7"
    assert derivation.salt("token") == "f4a44a3a3e1cd286f6c9391d39ac0685"
    assert [derivation.position("north", number).index for number in range(4)] == [99876, 58861, 71126, 47880]
    assert derivation.intake_key.public.to_multibase() == "z6MkfXTjonhWL4mJTe2edzrmEsJNDeuQA6yiFVvv19bJjztQ"


def test_tokens_differ_wherever_the_event_does(derivation: Derivation) -> None:
    parts = [
        ("campus", SOURCE, "e-1"), ("campus", SOURCE, "e-2"), ("campus", SOURCE + "/", "e-1"), ("forge", SOURCE, "e-1"),
        ("campu", "s" + SOURCE, "e-1"), ("campus", SOURCE + "e", "-1"), ("campus" + SOURCE, "", "e-1"),
    ]  # fmt: skip
    assert len({derivation.token(*each) for each in parts}) == len(parts)
    assert Derivation(MASTER + "!").token(*parts[0]) != derivation.token(*parts[0])


def test_tokens_are_short_and_safe_in_an_address(derivation: Derivation) -> None:
    tokens = {derivation.token("campus", SOURCE, f"e-{number}") for number in range(3000)}
    assert len(tokens) == 3000
    assert max(map(len, tokens)) == 44
    assert min(map(len, tokens)) >= 42
    assert all(token.isalnum() and token.isascii() for token in tokens)


def test_salts_differ_and_have_128_bits(derivation: Derivation) -> None:
    salts = {derivation.salt(f"token-{number}") for number in range(1000)}
    assert len(salts) == 1000
    assert {len(salt) for salt in salts} == {32}


def test_the_purposes_do_not_share_keys(derivation: Derivation) -> None:
    keys = [derivation._id_key, derivation._salt_key, derivation._index_key]
    assert len(set(keys)) == 3


def test_every_index_of_a_list_is_used_exactly_once(derivation: Derivation) -> None:
    indexes = [derivation._permuted("north-0", number) for number in range(LIST_LENGTH)]
    assert sorted(indexes) == list(range(LIST_LENGTH))


def test_the_next_list_begins_where_one_is_full(derivation: Derivation) -> None:
    families = [derivation.position("north", LIST_LENGTH * number + offset).family
                for number, offset in itertools.product((0, 1, 2), (0, LIST_LENGTH - 1))]  # fmt: skip
    assert families == ["north-0", "north-0", "north-1", "north-1", "north-2", "north-2"]


def test_the_order_of_indexes_tells_nothing(derivation: Derivation) -> None:
    """Neither rising nor clustered: who sees two credentials cannot tell which came first, or how many between."""
    count = 4000
    indexes = [derivation.position("north", number).index for number in range(count)]
    rises = sum(after > before for before, after in itertools.pairwise(indexes))
    assert abs(rises / count - 0.5) < 0.05
    thirds = [sum(lower <= index < lower + LIST_LENGTH / 4 for index in indexes) / count
              for lower in (LIST_LENGTH * part // 4 for part in range(4))]  # fmt: skip
    assert all(abs(share - 0.25) < 0.04 for share in thirds)
    near = sum(abs(after - before) < LIST_LENGTH / 100 for before, after in itertools.pairwise(indexes))
    assert near / count < 0.04
    others = [derivation.position("south", number).index for number in range(count)]
    again = [derivation.position("north", LIST_LENGTH + number).index for number in range(count)]
    assert sum(a == b for a, b in zip(indexes, others, strict=True)) < 5
    assert sum(a == b for a, b in zip(indexes, again, strict=True)) < 5
