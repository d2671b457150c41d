"""A catalog must agree with itself, and a catalog index answers with the newest entries."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from pydantic import ValidationError

from laurel.contracts.catalog import AchievementPublished, ApiKey, Catalog, IssuerPublished, Partner, PartnerPublished
from laurel.contracts.catalog_index import CatalogIndex
from support.world import API_KEY, World

Document = dict[str, Any]


def a_catalog() -> Document:
    return World().catalog.model_dump(mode="json", by_alias=True)


def test_a_catalog_that_agrees_with_itself_is_taken() -> None:
    catalog = Catalog.model_validate(a_catalog())
    assert [entry.id for entry in catalog.issuers] == ["north", "south", "east"]
    assert catalog.format == "laurel-catalog-1"


def doubled(kind: str) -> Callable[[Document], None]:
    return lambda document: document[kind].append(dict(document[kind][0]))


def set_in(*path: Any, to: Any) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def with_operators(*changes: Document) -> Callable[[Document], None]:
    desk = {"id": "desk", "name": "The desk", "rights": ["status"], "tokenHashes": [{"sha256": "5e" * 32}]}
    return lambda document: document.update(operators=[desk | each for each in changes])


FINDINGS: dict[str, tuple[Callable[[Document], None], str]] = {
    "a member twice": (doubled("issuers"), "the issuer 'north' stands there twice"),
    "a partner twice": (doubled("partners"), "the partner 'campus' stands there twice"),
    "an achievement twice": (doubled("achievements"), "the achievement 'welding' stands there twice"),
    "a key id of two partners": (
        set_in("partners", 1, "keys", 0, "kid", to="campus-1"), "the partner key 'campus-1' stands there twice"),
    "an API key of two partners": (
        lambda document: document["partners"][1].update(apiKeyHashes=document["partners"][0]["apiKeyHashes"]),
        "the API key hash '148161e674b1"),
    "an achievement of nobody": (
        set_in("achievements", 0, "issuer", to="west"), "achievement 'welding' names the unknown issuer 'west'"),
    "a partner that awards nothing known": (
        set_in("partners", 0, "achievements", 1, to="juggling"),
        "partner 'campus' names the unknown achievement 'juggling'"),
    "a partner that cannot be told": (
        lambda document: document["partners"][0].update(keys=[], apiKeyHashes=[]),
        "a partner needs at least one of keys, apiKeyHashes and apiKeys"),
    "an API key that is listed twice": (
        lambda document: document["partners"][0].update(
            apiKeys=[{"sha256": document["partners"][0]["apiKeyHashes"][0]}]),
        "the API key hash '148161e674b1"),
    "a key for more than its partner's": (
        set_in("partners", 0, "keys", 0, "achievements", to=["welding", "robotics"]),
        "the key 'campus-1' is good for 'robotics', which is not among the partner's achievements"),
    "an API key for more than its partner's": (
        set_in("partners", 0, "apiKeys", to=[{"sha256": "a7" * 32, "achievements": ["robotics"]}]),
        "an API key is good for 'robotics'"),
    "a source of two partners": (
        lambda document: document["partners"][1].update(sources=document["partners"][0]["sources"]),
        "the source 'https://campus.example.org/lms' stands there twice"),
    "an operator twice": (with_operators({}, {}), "the operator 'desk' stands there twice"),
    "a token of two operators": (
        with_operators({}, {"id": "other"}), "the token hash '5e5e5e5e"),
    "an operator for nobody known": (
        with_operators({"members": ["west"]}), "operator 'desk' names the unknown issuer 'west'"),
    "an operator for nothing known": (
        with_operators({"achievements": ["juggling"]}), "operator 'desk' names the unknown achievement 'juggling'"),
    "an operator called consortium": (with_operators({"id": "consortium"}), "give the operator another id"),
    "an operator called anybody": (with_operators({"id": "anybody"}), "give the operator another id"),
    "an audit of one member": (
        with_operators({"rights": ["audit"], "members": ["north"]}), "leave out the right audit"),
    "a right that there is not": (with_operators({"rights": ["everything"]}), "'catalog', 'status', 'issue'"),
    "a token instead of its hash": (with_operators({"tokenHashes": [{"sha256": "laurel_abc"}]}), "pattern"),
    "another format": (set_in("format", to="laurel-catalog-2"), "laurel-catalog-1"),
    "a member without keys": (set_in("issuers", 0, "keys", to=[]), "at least 1 item"),
    "a partner without sources": (set_in("partners", 0, "sources", to=[]), "at least 1 item"),
    "a validity of no day": (set_in("achievements", 0, "validForDays", to=0), "greater than or equal to 1"),
    "a validity of two centuries": (set_in("achievements", 0, "validForDays", to=73051), "less than or equal to 36525"),
    "a type of two words": (set_in("achievements", 0, "achievementType", to="Micro Credential"), "pattern"),
    "a key id with a space": (set_in("partners", 0, "keys", 0, "kid", to="campus 1"), "pattern"),
    "no consortium": (lambda document: document.pop("consortium"), "required"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "says"), FINDINGS.values(), ids=FINDINGS)
def test_a_catalog_that_contradicts_itself_is_refused(change: Callable[[Document], None], says: str) -> None:
    document = a_catalog()
    change(document)
    with pytest.raises(ValidationError) as finding:
        Catalog.model_validate(document)
    assert says in str(finding.value)


def test_either_way_in_is_enough_for_a_partner() -> None:
    document = a_catalog()["partners"][0]
    assert Partner.model_validate(document | {"keys": []}).api_key_hashes
    assert Partner.model_validate(document | {"apiKeyHashes": []}).keys
    limited = {"keys": [], "apiKeyHashes": [], "apiKeys": [{"sha256": "a7" * 32, "achievements": ["welding"]}]}
    assert Partner.model_validate(document | limited).api_key("a7" * 32)


def test_a_source_may_stand_twice_with_its_own_partner_and_an_operator_without_a_token() -> None:
    document = a_catalog()
    document["partners"][0]["sources"] *= 2
    with_operators({"tokenHashes": []})(document)
    (desk,) = Catalog.model_validate(document).operators
    assert desk.token_hashes == ()
    assert desk.members is None, "absent means all"


@pytest.fixture
def index(world: World) -> CatalogIndex:
    filled = CatalogIndex()
    for entry in world.published(version=3):
        filled.add(entry)
    return filled


def test_entries_are_found_by_id_key_did_and_api_key(index: CatalogIndex, world: World) -> None:
    assert set(index.issuers) == {"north", "south", "east"}
    assert set(index.partners) == {"campus", "forge"}
    assert set(index.achievements) == {"welding", "first-aid", "python", "robotics"}
    member = index.issuer_of_did(world.did("south"))
    assert member is not None
    assert member.id == "south"
    found = index.partner_of_key("forge-1")
    assert found is not None
    assert (found[0].id, found[1].kid) == ("forge", "forge-1")
    holder = index.partner_of_api_key(sha256(API_KEY.encode()).hexdigest())
    assert holder is not None
    assert (holder[0].id, holder[1].achievements) == ("campus", None)


def test_an_api_key_is_found_with_what_it_is_good_for(index: CatalogIndex) -> None:
    campus = index.partners["campus"]
    limited = ApiKey(sha256="a7" * 32, achievements=("welding",))
    index.add(campus.model_copy(update={"version": campus.version + 1, "api_keys": (limited,)}))
    assert index.partner_of_api_key(limited.sha256) == (index.partners["campus"], limited)
    held = index.partner_of_api_key(campus.api_key_hashes[0])
    assert held is not None
    assert held[1].achievements is None


def test_what_is_not_there_is_not_found(index: CatalogIndex) -> None:
    assert index.issuer_of_did("did:web:nobody.example") is None
    assert index.partner_of_key("nobody-1") is None
    assert index.partner_of_api_key("0" * 64) is None


@pytest.mark.parametrize(("version", "held"), [(2, 3), (3, 3), (4, 4)])
def test_a_newer_version_replaces_and_an_older_does_not(
    index: CatalogIndex, world: World, version: int, held: int
) -> None:
    for entry in world.published(version=version):
        renamed = entry.model_copy(update={"name": f"renamed in {version}"})
        index.add(renamed)
    kinds: tuple[dict[str, IssuerPublished] | dict[str, PartnerPublished] | dict[str, AchievementPublished], ...] = (
        index.issuers, index.partners, index.achievements,
    )  # fmt: skip
    for entries in kinds:
        for entry in entries.values():
            assert entry.version == held
            assert (entry.name == f"renamed in {version}") is (version >= 3)


def test_a_retired_key_is_still_found(index: CatalogIndex, world: World) -> None:
    campus = index.partners["campus"]
    retired = campus.keys[0].model_copy(update={"retired": "2026-01-01T00:00:00Z"})
    index.add(campus.model_copy(update={"keys": (retired,), "version": 4}))
    found = index.partner_of_key("campus-1")
    assert found is not None
    assert found[1].retired is not None
