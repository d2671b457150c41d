"""Which entries of the catalog an operator may change, whatever else is in the file that it applies."""

from __future__ import annotations

from typing import Any

import pytest

from laurel.contracts.catalog import Catalog, Consortium
from laurel.contracts.errors import Code
from laurel.contracts.operators import Caller, Operator, OperatorPublished, Right, TokenHash
from registry.catalog import StoredEntry, audit_message, plan, whole
from registry.catalog_rights import OutOfReach, check_reach, within_reach
from support.world import EPOCH, World

DESK = Operator(id="desk", name="The desk", rights=(Right.STATUS,), token_hashes=(TokenHash(sha256="5e" * 32),))


def caller(**limits: Any) -> Caller:
    return Caller(
        OperatorPublished(id="librarian", name="L", rights=(Right.CATALOG,), token_hashes=(), version=1, **limits)
    )


def renamed(catalog: Catalog, kind: str, number: int) -> Catalog:
    entries = list(getattr(catalog, kind))
    entries[number] = entries[number].model_copy(update={"name": "renamed"})
    return catalog.model_copy(update={kind: tuple(entries)})


@pytest.fixture
def catalog(world: World) -> Catalog:
    return world.catalog.model_copy(update={"operators": (DESK,)})


@pytest.fixture
def stored(catalog: Catalog, world: World) -> dict[str, StoredEntry]:
    return {each.entry.key: each.entry for each in plan(catalog, {}, world.addresses, EPOCH)}


def out_of_reach(who: Caller, changed: Catalog, stored: dict[str, StoredEntry], world: World) -> str | None:
    """What the caller may not change of it, as the audit names it; None if it may change all."""
    planned = plan(changed, stored, world.addresses, EPOCH)
    try:
        check_reach(who, changed, world.catalog.consortium, planned, stored)
    except OutOfReach as error:
        return error.target if error.refusal.code is Code.FORBIDDEN else f"another code: {error.refusal}"
    return None


ALL, NORTH, WELDING = caller(), caller(members=("north",)), caller(achievements=("welding",))


@pytest.mark.parametrize(
    ("kind", "number", "key", "may"),
    [
        ("issuers", 0, "issuer/north", (ALL, NORTH)), ("issuers", 1, "issuer/south", (ALL,)),
        ("achievements", 0, "achievement/welding", (ALL, NORTH, WELDING)),
        ("achievements", 1, "achievement/first-aid", (ALL, NORTH)), ("achievements", 2, "achievement/python", (ALL,)),
        ("partners", 0, "partner/campus", (ALL,)), ("operators", 0, "operator/desk", ()),
    ],
)  # fmt: skip
def test_who_may_change_what(
    kind: str, number: int, key: str, may: tuple[Caller, ...], catalog: Catalog, stored: dict[str, StoredEntry],
    world: World,
) -> None:  # fmt: skip
    changed = renamed(catalog, kind, number)
    for who in (ALL, NORTH, WELDING):
        assert out_of_reach(who, catalog, stored, world) is None, "what stays as it is, anybody may hand in"
        assert out_of_reach(who, changed, stored, world) == (None if who in may else key)
    assert out_of_reach(Caller(), changed, stored, world) is None


def test_nobody_makes_operators_but_the_consortium(stored: dict[str, StoredEntry], world: World) -> None:
    another = world.catalog.model_copy(
        update={"operators": (DESK.model_copy(update={"id": "mine", "token_hashes": ()}),)}
    )
    for who in (ALL, NORTH, WELDING):
        assert out_of_reach(who, another, stored, world) == "operator/mine"
    assert out_of_reach(Caller(), another, stored, world) is None


def test_an_achievement_is_not_taken_in_by_another_member(stored: dict[str, StoredEntry], world: World) -> None:
    """Nor may a limited operator make one under an id that is another member's: the plan refuses that itself."""
    new = world.catalog.achievements[0].model_copy(update={"id": "juggling", "issuer": "south"})
    more = world.catalog.model_copy(update={"achievements": (*world.catalog.achievements, new)})
    assert out_of_reach(NORTH, more, stored, world) == "achievement/juggling"
    assert out_of_reach(ALL, more, stored, world) is None


def test_who_the_consortium_is_is_not_for_one_member_to_say(
    catalog: Catalog, stored: dict[str, StoredEntry], world: World
) -> None:
    other = catalog.model_copy(update={"consortium": Consortium(name="Test Consortium", url="https://other.example")})
    assert out_of_reach(NORTH, other, stored, world) == "consortium"
    assert out_of_reach(ALL, other, stored, world) is None


def test_a_limited_operator_sees_what_it_may_change(stored: dict[str, StoredEntry], world: World) -> None:
    assert [each.key for each in within_reach(NORTH, stored.values())] == [
        "issuer/north", "achievement/welding", "achievement/first-aid",
    ]  # fmt: skip
    assert len(within_reach(ALL, stored.values())) == len(stored)
    again = whole(world.catalog.consortium, within_reach(NORTH, stored.values()))
    assert out_of_reach(NORTH, again, stored, world) is None


def test_a_version_is_entered_once_with_who_applied_it(stored: dict[str, StoredEntry]) -> None:
    entry = stored["operator/desk"].model_copy(update={"applied_by": "librarian"})
    made = audit_message(entry)
    assert made is not None
    assert made == audit_message(StoredEntry.model_validate_json(entry.to_bytes()))
    assert made.key == "librarian"
    assert b"5e5e" not in made.event.data
    assert audit_message(stored["operator/desk"]) is None, "who applied it is not known any more: it is entered"
