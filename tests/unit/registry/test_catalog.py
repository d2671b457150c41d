"""What applying a catalog changes, and what it may not change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import Catalog, Consortium, Cryptosuite, IssuerKey, IssuerPublished, PartnerKey
from laurel.contracts.errors import Code, Rejected
from laurel.credentials.cryptosuites import CRYPTOSUITES
from laurel.credentials.keys import KeyType, SigningKey
from registry.catalog import Kind, StoredEntry, catalog_message, entry_key, plan, whole
from support.world import EPOCH, World, key


def stored_after(
    catalog: Catalog, world: World, before: dict[str, StoredEntry] | None = None
) -> dict[str, StoredEntry]:
    planned = plan(catalog, before or {}, world.addresses, EPOCH)
    return (before or {}) | {each.entry.key: each.entry for each in planned}


def test_everything_is_new_at_first_and_nothing_the_second_time(world: World) -> None:
    first = plan(world.catalog, {}, world.addresses, EPOCH)
    assert [each.entry.published() for each in first if each.entry.kind is Kind.ISSUER] == [
        each for each in world.published() if isinstance(each, IssuerPublished)
    ]
    assert all(each.changed and each.entry.version == 1 for each in first)
    stored = {each.entry.key: each.entry for each in first}
    again = plan(world.catalog, stored, world.addresses, EPOCH + timedelta(days=1))
    assert [each.entry for each in again] == [each.entry for each in first]
    assert not any(each.changed for each in again)


@pytest.mark.parametrize("named", [3, 1, 0], ids=["all", "some", "none"])
@pytest.mark.parametrize(
    "consortium", [Consortium(name="Another"), Consortium(name="Test Consortium", url="https://moved.example")],
    ids=["name", "url"],
)  # fmt: skip
def test_what_the_consortium_is_called_goes_into_every_members_entry(
    world: World, consortium: Consortium, named: int
) -> None:
    stored = stored_after(world.catalog, world)
    stored = stored_after(world.catalog, world)
    catalog = world.catalog.model_copy(update={"consortium": consortium, "issuers": world.catalog.issuers[:named]})
    changed = {
        each.entry.key: each.entry.version for each in plan(catalog, stored, world.addresses, EPOCH) if each.changed
    }
    assert changed == {"issuer/north": 2, "issuer/south": 2, "issuer/east": 2}


def test_what_a_catalog_leaves_out_is_left_alone(world: World) -> None:
    stored = stored_after(world.catalog, world)
    some = world.catalog.model_copy(update={"partners": (), "achievements": (), "issuers": world.catalog.issuers[:1]})
    assert [each.entry.key for each in plan(some, stored, world.addresses, EPOCH)] == ["issuer/north"]
    kept = whole(world.catalog.consortium, stored_after(some, world, stored).values())
    assert not any(each.changed for each in plan(kept, stored, world.addresses, EPOCH))
    assert {each.id for each in kept.issuers} == set(world.members)


def moved_achievement(catalog: Catalog) -> Catalog:
    first = catalog.achievements[0].model_copy(update={"issuer": "south"})
    return catalog.model_copy(update={"achievements": (first, *catalog.achievements[1:])})


def vanished_key(catalog: Catalog) -> Catalog:
    other = IssuerKey(public_key_multibase=key("a new key").public.to_multibase())
    first = catalog.issuers[0].model_copy(update={"keys": (other,)})
    return catalog.model_copy(update={"issuers": (first, *catalog.issuers[1:])})


def shared_source(catalog: Catalog) -> Catalog:
    second = catalog.partners[1].model_copy(update={"sources": catalog.partners[0].sources})
    return catalog.model_copy(update={"partners": (catalog.partners[0], second)})


def source_of_one_left_out(catalog: Catalog) -> Catalog:
    second = catalog.partners[1].model_copy(update={"sources": catalog.partners[0].sources})
    return catalog.model_copy(update={"partners": (second,)})


def kid_of_one_left_out(catalog: Catalog) -> Catalog:
    return catalog.model_copy(
        update={"partners": (catalog.partners[1].model_copy(update={"keys": catalog.partners[0].keys}),)}
    )


def api_key_of_one_left_out(catalog: Catalog) -> Catalog:
    second = catalog.partners[1].model_copy(update={"api_key_hashes": catalog.partners[0].api_key_hashes})
    return catalog.model_copy(update={"partners": (second,)})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (moved_achievement, "/achievements/0/issuer"), (vanished_key, "/issuers/0/keys"),
        (shared_source, "/partners/1"), (source_of_one_left_out, "/partners/0"), (kid_of_one_left_out, "/partners/0"),
        (api_key_of_one_left_out, "/partners/0"),
    ],
)  # fmt: skip
def test_conflicts_with_what_was_published(change: Callable[[Catalog], Catalog], pointer: str, world: World) -> None:
    stored = stored_after(world.catalog, world)
    with pytest.raises(Rejected) as refusal:
        plan(change(world.catalog), stored, world.addresses, EPOCH)
    assert (refusal.value.code, refusal.value.pointer) == (Code.CATALOG_CONFLICT, pointer)
    assert not any(digest in refusal.value.detail for each in world.catalog.partners for digest in each.api_key_hashes)


def test_the_public_url_may_not_change_under_a_member(world: World) -> None:
    stored = stored_after(world.catalog, world)
    with pytest.raises(Rejected) as refusal:
        plan(world.catalog, stored, Addresses("https://elsewhere.example.org"), EPOCH)
    assert refusal.value.code is Code.CATALOG_CONFLICT


def test_a_key_is_retired_and_another_added(world: World) -> None:
    stored = stored_after(world.catalog, world)
    issuer = world.catalog.issuers[0]
    keys = (
        issuer.keys[0].model_copy(update={"retired": EPOCH}),
        IssuerKey(public_key_multibase=key("a new key").public.to_multibase()),
    )
    catalog = world.catalog.model_copy(update={"issuers": (issuer.model_copy(update={"keys": keys}),)})
    catalog = catalog.model_copy(update={"achievements": (), "partners": ()})
    assert [(each.entry.version, each.changed) for each in plan(catalog, stored, world.addresses, EPOCH)] == [(2, True)]


def test_what_only_looks_like_a_key_is_refused(world: World) -> None:
    issuer = world.catalog.issuers[0].model_copy(update={"keys": (IssuerKey(public_key_multibase="z" + "6" * 47),)})
    with pytest.raises(Rejected) as refusal:
        plan(world.catalog.model_copy(update={"issuers": (issuer,)}), {}, world.addresses, EPOCH)
    assert (refusal.value.code, refusal.value.pointer) == (Code.INVALID_BODY, "/issuers/0/keys/0/publicKeyMultibase")


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.P384])
def test_partners_sign_with_ed25519_and_members_as_they_like(world: World, key_type: KeyType) -> None:
    public = SigningKey.generate(key_type).public.to_multibase()
    changes = {"keys": (IssuerKey(public_key_multibase=public),), "cryptosuite": Cryptosuite.ECDSA_JCS_2019}
    member = world.catalog.issuers[0].model_copy(update=changes)
    others = {"issuers": (member, *world.catalog.issuers[1:])}
    assert plan(world.catalog.model_copy(update=others), {}, world.addresses, EPOCH)
    campus = world.catalog.partners[0].model_copy(update={"keys": (PartnerKey(kid="k", public_key_multibase=public),)})
    with pytest.raises(Rejected, match="sign their events with Ed25519") as refusal:
        plan(world.catalog.model_copy(update={"partners": (campus,)}), {}, world.addresses, EPOCH)
    assert (refusal.value.code, refusal.value.pointer) == (Code.INVALID_BODY, "/partners/0/keys/0/publicKeyMultibase")


@pytest.mark.parametrize("suite", [None, *Cryptosuite])
@pytest.mark.parametrize("key_type", [KeyType.ED25519, KeyType.P256, KeyType.P384])
def test_a_member_must_have_a_key_in_use_that_fits_its_suite(
    world: World, suite: Cryptosuite | None, key_type: KeyType
) -> None:
    fits = key_type in CRYPTOSUITES[suite or "eddsa-rdfc-2022"].key_types
    key = IssuerKey(public_key_multibase=SigningKey.generate(key_type).public.to_multibase())
    retired = key.model_copy(update={"retired": EPOCH})

    def applied(*keys: IssuerKey) -> bool:
        north = world.catalog.issuers[0].model_copy(update={"keys": keys, "cryptosuite": suite})
        catalog = world.catalog.model_copy(update={"issuers": (north, *world.catalog.issuers[1:])})
        try:
            plan(catalog, {}, world.addresses, EPOCH)
        except Rejected as refusal:
            refusals.append((refusal.code, refusal.pointer))
            return False
        return True

    refusals: list[tuple[Code, str]] = []

    other = KeyType.P256 if suite is None or suite.startswith("eddsa") else KeyType.ED25519
    misfit = IssuerKey(public_key_multibase=SigningKey.generate(other).public.to_multibase())
    assert applied(key) is fits
    assert applied(misfit, key) is fits
    assert applied(misfit, retired) is False
    assert set(refusals) == {(Code.CATALOG_CONFLICT, "/issuers/0/cryptosuite")}
    assert applied(retired)  # a member that signs no more


def test_the_event_of_a_version_is_always_the_same(world: World) -> None:
    stored = stored_after(world.catalog, world)
    entry = stored[entry_key(Kind.ISSUER, "north")]
    assert catalog_message(entry) == catalog_message(StoredEntry.model_validate_json(entry.to_bytes()))
    assert catalog_message(entry).key == "issuer/north"
    ids = {catalog_message(each).event.id for each in stored.values()}
    assert len(ids) == len(stored)
