"""`catalog.v1`: who issues, who may report completions, and what can be earned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from laurel.contracts.base import Contract, Did, Digest, Email, Language, Line, Moment, Multikey, Slug, Text, Uri, Url


class IssuerKey(Contract):
    """A member's public signing key. A retired key still verifies what it signed before it was retired."""

    public_key_multibase: Multikey
    retired: Moment | None = None


class PartnerKey(Contract):
    """A key with which a partner signs its events; `kid` is unique in the catalog."""

    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:#/-]{1,200}$")]
    public_key_multibase: Multikey
    retired: Moment | None = None


class Alignment(Contract):
    """What an achievement corresponds to in a framework such as ESCO, CTDL or CASE."""

    target_name: Line
    target_url: Uri
    target_framework: Line | None = None
    target_code: Line | None = None
    target_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9:]{1,80}$")] | None = None


class Issuer(Contract):
    """A member of the consortium, as its catalog describes it."""

    id: Slug
    name: Line
    url: Url
    description: Text | None = None
    email: Email | None = None
    keys: Annotated[tuple[IssuerKey, ...], Field(min_length=1, max_length=32)]


class Partner(Contract):
    """A system that reports completions. `achievements` is all that it may award, and nothing is implied."""

    id: Slug
    name: Line
    sources: Annotated[tuple[Uri, ...], Field(min_length=1, max_length=32)]
    keys: Annotated[tuple[PartnerKey, ...], Field(max_length=32)] = ()
    api_key_hashes: Annotated[tuple[Digest, ...], Field(max_length=8)] = ()
    achievements: Annotated[tuple[Slug, ...], Field(max_length=5000)]

    @model_validator(mode="after")
    def _reachable(self) -> Partner:
        if not self.keys and not self.api_key_hashes:
            raise ValueError("a partner needs at least one of keys and apiKeyHashes")
        return self


class Achievement(Contract):
    """What can be earned, and from which member."""

    id: Slug
    issuer: Slug
    name: Line
    description: Text
    criteria: Text
    achievement_type: Annotated[str, Field(pattern=r"^(ext:)?[A-Za-z0-9]{1,60}$")] = "MicroCredential"
    alignments: Annotated[tuple[Alignment, ...], Field(max_length=64)] = ()
    tags: Annotated[tuple[Line, ...], Field(max_length=64)] = ()
    language: Language = "en"
    valid_for_days: Annotated[int, Field(ge=1, le=36525)] | None = None


class IssuerPublished(Issuer):
    """An issuer's full state. `url` is the member's own site; `did` is the issuer id in credentials."""

    did: Did
    consortium: Line
    version: Annotated[int, Field(ge=1)]


class PartnerPublished(Partner):
    """A partner's full state."""

    version: Annotated[int, Field(ge=1)]


class AchievementPublished(Achievement):
    """An achievement's full state. `uri` is its public address and its id in credentials."""

    uri: Url
    version: Annotated[int, Field(ge=1)]


class Consortium(Contract):
    """Who runs this Laurel."""

    name: Line
    url: Url | None = None


class Catalog(Contract):
    """A whole catalog, as `laurel catalog apply` takes it from a file. It must agree with itself."""

    format: Literal["laurel-catalog-1"] = "laurel-catalog-1"
    consortium: Consortium
    issuers: Annotated[tuple[Issuer, ...], Field(max_length=1000)]
    partners: Annotated[tuple[Partner, ...], Field(max_length=5000)]
    achievements: Annotated[tuple[Achievement, ...], Field(max_length=20000)]

    @model_validator(mode="after")
    def _consistent(self) -> Catalog:
        for kind, ids in (
            ("issuer", [entry.id for entry in self.issuers]),
            ("partner", [entry.id for entry in self.partners]),
            ("achievement", [entry.id for entry in self.achievements]),
            ("partner key", [key.kid for partner in self.partners for key in partner.keys]),
            ("API key hash", [digest for partner in self.partners for digest in partner.api_key_hashes]),
        ):
            doubled = next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None
            if doubled is not None:
                raise ValueError(f"the {kind} {doubled!r} stands there twice")
        issuers = {entry.id for entry in self.issuers}
        for achievement in self.achievements:
            if achievement.issuer not in issuers:
                raise ValueError(f"achievement {achievement.id!r} names the unknown issuer {achievement.issuer!r}")
        achievements = {entry.id for entry in self.achievements}
        for partner in self.partners:
            unknown = next((name for name in partner.achievements if name not in achievements), None)
            if unknown is not None:
                raise ValueError(f"partner {partner.id!r} names the unknown achievement {unknown!r}")
        return self
