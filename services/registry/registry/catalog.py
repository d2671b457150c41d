"""What a new catalog changes in the stored one, and what it may not change. Pure, like `domain.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from laurel.contracts import audit_entries
from laurel.contracts.addresses import Addresses
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.base import Contract, Digest, Moment, Slug
from laurel.contracts.catalog import (
    Achievement,
    AchievementPublished,
    Catalog,
    Consortium,
    Issuer,
    IssuerKey,
    IssuerPublished,
    Partner,
    PartnerKey,
    PartnerPublished,
)
from laurel.contracts.catalog_index import Entry
from laurel.contracts.envelope import Envelope, derived_id
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Operator, OperatorPublished
from laurel.contracts.topics import CATALOG, Message, message
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import KeyType, PublicKey
from registry.domain import SOURCE


class Kind(StrEnum):
    """What an entry is."""

    ISSUER = "issuer"
    ACHIEVEMENT = "achievement"
    PARTNER = "partner"
    OPERATOR = "operator"


_PUBLISHED: dict[Kind, type[Entry]] = {
    Kind.ISSUER: IssuerPublished,
    Kind.ACHIEVEMENT: AchievementPublished,
    Kind.PARTNER: PartnerPublished,
    Kind.OPERATOR: OperatorPublished,
}


class StoredEntry(Contract):
    """One entity as it stands: `body` is what is published, as JSON, and `digest` is of all but its version.

    `published_version` lags behind `version` from the moment of storing until the broker has confirmed. Until then,
    the entry also tells who applied it, and in which trace.
    """

    kind: Kind
    id: str
    version: int
    digest: Digest
    body: str
    changed_at: Moment
    published_version: int = 0
    applied_by: Slug | None = None
    trace: str | None = None

    @property
    def key(self) -> str:
        """What tells it from all other entries; two kinds may share an id."""
        return entry_key(self.kind, self.id)

    def published(self) -> Entry:
        """The entity as it is published."""
        return _PUBLISHED[self.kind].model_validate_json(self.body)


def entry_key(kind: Kind, id_: str) -> str:
    """The key of an entry, in the database and on the topic."""
    return f"{kind.value}/{id_}"


@dataclass(frozen=True)
class Planned:
    """An entry of the new catalog and whether it differs from the stored one."""

    entry: StoredEntry
    changed: bool


def plan(catalog: Catalog, stored: Mapping[str, StoredEntry], addresses: Addresses, now: datetime) -> list[Planned]:
    """What applying the catalog makes of each of its entries; those of `stored` that it leaves out stay as they are,
    except that a consortium's new name or address goes into all its members' entries, which the log has it from.

    Whether somebody may apply it, `catalog_rights` tells.

    Raises:
        Rejected: CATALOG_CONFLICT or INVALID_BODY; then nothing may be applied.
    """
    _check_keys(catalog)
    for number, issuer in enumerate(catalog.issuers):
        _check_suite(number, issuer, now)
    entries = [_planned(kind, body, stored, now) for kind, body in _bodies(catalog, addresses)]
    for number, achievement in enumerate(catalog.achievements):
        before = stored.get(entry_key(Kind.ACHIEVEMENT, achievement.id))
        held = before.published() if before is not None else None
        if isinstance(held, AchievementPublished) and held.issuer != achievement.issuer:
            raise _conflict(f"/achievements/{number}/issuer", f"The achievement {achievement.id!r} belongs to "
                            f"{held.issuer!r}: give the other member's achievement an id of its own.")  # fmt: skip
    for number, issuer in enumerate(catalog.issuers):
        before = stored.get(entry_key(Kind.ISSUER, issuer.id))
        held = before.published() if before is not None else None
        if isinstance(held, IssuerPublished):
            _check_issuer(number, issuer, held, addresses)
    _check_claims(catalog, list(stored.values()))
    return [*entries, *_renamed(catalog, stored, now)]


def _renamed(catalog: Catalog, stored: Mapping[str, StoredEntry], now: datetime) -> list[Planned]:
    named = {issuer.id for issuer in catalog.issuers}
    left_out = [each.published() for each in stored.values() if each.kind is Kind.ISSUER and each.id not in named]
    planned = [
        _planned(Kind.ISSUER, held.model_copy(update=_named(catalog.consortium)), stored, now) for held in left_out
    ]
    return [each for each in planned if each.changed]


def _named(consortium: Consortium) -> dict[str, Any]:
    return {"consortium": consortium.name, "consortium_url": consortium.url}


def _bodies(catalog: Catalog, addresses: Addresses) -> Iterable[tuple[Kind, Entry]]:
    """The entities as they would be published, in the order in which a reader can make sense of them."""
    for issuer in catalog.issuers:
        did = addresses.did(issuer.id)
        yield Kind.ISSUER, IssuerPublished(**issuer.model_dump(), did=did, version=1, **_named(catalog.consortium))
    for achievement in catalog.achievements:
        uri = addresses.achievement(achievement.id)
        yield Kind.ACHIEVEMENT, AchievementPublished(**achievement.model_dump(), uri=uri, version=1)
    for partner in catalog.partners:
        yield Kind.PARTNER, PartnerPublished(**partner.model_dump(), version=1)
    for operator in catalog.operators:
        yield Kind.OPERATOR, OperatorPublished(**operator.model_dump(), version=1)


def _planned(kind: Kind, body: Entry, stored: Mapping[str, StoredEntry], now: datetime) -> Planned:
    digest = _digest(body)
    held = stored.get(entry_key(kind, body.id))
    if held is not None and held.digest == digest:
        return Planned(held, changed=False)
    version = held.version + 1 if held is not None else 1
    text = body.model_copy(update={"version": version}).to_bytes().decode()
    published = held.published_version if held is not None else 0
    entry = StoredEntry(kind=kind, id=body.id, version=version, digest=digest, body=text, changed_at=now,
                        published_version=published)  # fmt: skip
    return Planned(entry, changed=True)


def _digest(body: Entry) -> str:
    content = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"version"})
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def restored_entry(event: Envelope, body: Entry) -> StoredEntry:
    """The entry as it was stored when this event was published from it."""
    kind = next(kind for kind, published in _PUBLISHED.items() if type(body) is published)
    assert event.time is not None  # `catalog_message` sets it
    return StoredEntry(
        kind=kind, id=body.id, version=body.version, digest=_digest(body), body=event.data.decode(),
        changed_at=event.time, published_version=body.version,
    )  # fmt: skip


def _check_keys(catalog: Catalog) -> None:
    """A Multikey can have the right form and still hold no usable key; found here, it cannot stop a handler."""
    owners: list[tuple[str, Sequence[IssuerKey | PartnerKey]]] = [
        *((f"/issuers/{number}", issuer.keys) for number, issuer in enumerate(catalog.issuers)),
        *((f"/partners/{number}", partner.keys) for number, partner in enumerate(catalog.partners)),
    ]
    for owner, keys in owners:
        for number, key in enumerate(keys):
            pointer = f"{owner}/keys/{number}/publicKeyMultibase"
            try:
                held = PublicKey.from_multibase(key.public_key_multibase)
            except KeyResolutionError as error:
                raise Rejected(Code.INVALID_BODY, pointer, f"{pointer} is not right: {error.detail}") from None
            if isinstance(key, PartnerKey) and held.type is not KeyType.ED25519:
                raise Rejected(Code.INVALID_BODY, pointer, f"{pointer} is of {held.type.value}, but partners sign "
                               "their events with Ed25519: make a key of that type.")  # fmt: skip


def _check_suite(number: int, issuer: Issuer, now: datetime) -> None:
    """A member that signs must be able to, in its suite. One with no key in use signs no more, and may stay."""
    used = [key for key in issuer.keys if key.retired is None or key.retired > now]
    types = {PublicKey.from_multibase(key.public_key_multibase).type for key in used}
    wanted = issuer.suite.key_types
    if types and types.isdisjoint(wanted):
        kinds = " or ".join(each.value for each in wanted)
        raise _conflict(f"/issuers/{number}/cryptosuite", f"The member {issuer.id!r} signs with {issuer.suite.value}, "
                        f"which needs a key of {kinds}, and has none in use: add one to its keys, or choose another "
                        "cryptosuite.")  # fmt: skip


def _check_issuer(number: int, issuer: Issuer, held: IssuerPublished, addresses: Addresses) -> None:
    if held.did != addresses.did(issuer.id):
        raise _conflict(f"/issuers/{number}", f"The member {issuer.id!r} has issued as {held.did}: keep the public "
                        "URL, or its credentials no longer verify.")  # fmt: skip
    listed = {key.public_key_multibase for key in issuer.keys}
    lost = next((key.public_key_multibase for key in held.keys if key.public_key_multibase not in listed), None)
    if lost is not None:
        raise _conflict(f"/issuers/{number}/keys", f"The key {lost} of member {issuer.id!r} may have signed: keep it "
                        "listed, with the time from which it is retired.")  # fmt: skip


def _check_claims(catalog: Catalog, stored: Iterable[StoredEntry]) -> None:
    """A source, a key id and an API key each lead to one partner, and a token to one operator, also among those that
    the file leaves out."""
    _check_owners(Kind.PARTNER, catalog.partners, stored)
    _check_owners(Kind.OPERATOR, catalog.operators, stored)


def _check_owners(kind: Kind, entries: Sequence[Partner | Operator], stored: Iterable[StoredEntry]) -> None:
    given = {each.id for each in entries}
    kept = [body for entry in stored if entry.kind is kind and entry.id not in given
            if isinstance(body := entry.published(), Partner | Operator)]  # fmt: skip
    owners: dict[tuple[str, str], str] = {claim: each.id for each in kept for claim in _claims(each)}
    for number, each in enumerate(entries):
        for what, value in _claims(each):
            owner = owners.setdefault((what, value), each.id)
            if owner != each.id:
                shown = "" if what in ("API key", "token") else f" {value!r}"
                raise _conflict(f"/{kind.value}s/{number}", f"The {what}{shown} of {each.id!r} belongs to {kind.value} "
                                f"{owner!r}: give each its own.")  # fmt: skip


def _claims(partner: Partner | Operator) -> list[tuple[str, str]]:
    if isinstance(partner, Operator):
        return [("token", token.sha256) for token in partner.token_hashes]
    return [
        *(("source", source) for source in partner.sources),
        *(("key id", key.kid) for key in partner.keys),
        *(("API key", digest) for digest in partner.api_key_digests),
    ]


def _conflict(pointer: str, detail: str) -> Rejected:
    return Rejected(Code.CATALOG_CONFLICT, pointer, detail)


def catalog_message(entry: StoredEntry) -> Message:
    """A stored entry as its event; one version always gives the same bytes."""
    return message(
        CATALOG, entry.published(), key=entry.key, source=SOURCE, time=entry.changed_at, subject=entry.key,
        event_id=derived_id(SOURCE, f"{entry.key}#{entry.version}", f"{entry.kind.value}.published"),
    )  # fmt: skip


def audit_message(entry: StoredEntry) -> Message | None:
    """The audit's entry on this version; None once it is known to be on the topic."""
    if entry.applied_by is None:
        return None
    body = AdminActionRecorded(
        operator=entry.applied_by, action="catalog.change", target=entry.key, outcome=AuditOutcome.DONE,
        detail=f"version {entry.version}", trace=entry.trace, at=entry.changed_at,
    )  # fmt: skip
    return audit_entries.entry(SOURCE, f"{entry.key}#{entry.version}", body)


def whole(consortium: Consortium, stored: Iterable[StoredEntry]) -> Catalog:
    """The stored catalog in the form in which it is applied."""
    operators: list[Operator] = []
    issuers: list[Issuer] = []
    achievements: list[Achievement] = []
    partners: list[Partner] = []
    for entry in sorted(stored, key=lambda entry: entry.key):
        match entry.kind:
            case Kind.ISSUER:
                issuers.append(Issuer.model_validate_json(entry.body))
            case Kind.ACHIEVEMENT:
                achievements.append(Achievement.model_validate_json(entry.body))
            case Kind.PARTNER:
                partners.append(Partner.model_validate_json(entry.body))
            case Kind.OPERATOR:
                operators.append(Operator.model_validate_json(entry.body))
    return Catalog(
        consortium=consortium, issuers=tuple(issuers), partners=tuple(partners), achievements=tuple(achievements),
        operators=tuple(operators),
    )  # fmt: skip
