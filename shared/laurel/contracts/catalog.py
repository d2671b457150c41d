"""`catalog.v1`: who issues, who may report completions, and what can be earned."""

from __future__ import annotations

from enum import StrEnum
from hmac import compare_digest
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from laurel.contracts.base import Contract, Did, Digest, Email, Language, Line, Moment, Multikey, Slug, Text, Uri, Url
from laurel.contracts.operators import Operator
from laurel.credentials.keys import KeyType
from laurel.credentials.open_badges.classes import ACHIEVEMENT_TYPES, TARGET_TYPES, Vocabulary


class Cryptosuite(StrEnum):
    """How a member signs: the Data Integrity cryptosuites that Laurel issues with."""

    EDDSA_RDFC_2022 = "eddsa-rdfc-2022"
    EDDSA_JCS_2022 = "eddsa-jcs-2022"
    ECDSA_RDFC_2019 = "ecdsa-rdfc-2019"
    ECDSA_JCS_2019 = "ecdsa-jcs-2019"

    @property
    def key_types(self) -> tuple[KeyType, ...]:
        """The types of key that sign in this suite."""
        return (KeyType.ED25519,) if self.startswith("eddsa") else (KeyType.P256, KeyType.P384)


DEFAULT_CRYPTOSUITE = Cryptosuite.EDDSA_RDFC_2022


def _one_of(vocabulary: Vocabulary) -> AfterValidator:
    """Refuses what would make a badge that Open Badges does not know."""

    def check(value: str) -> str:
        if value not in vocabulary:
            raise ValueError(f"must be one of {', '.join(vocabulary.values)}, or begin with ext:")
        return value

    return AfterValidator(check)


Reach = Annotated[tuple[Slug, ...], Field(max_length=5000)] | None
"""The achievements that a key extends to; None: to all of its holder's."""


class IssuerKey(Contract):
    """A member's public signing key. A retired key still verifies what it signed before it was retired."""

    public_key_multibase: Multikey
    """The public key, of Ed25519, P-256 or P-384, as Multikey."""
    retired: Moment | None = None
    """When the key was retired; it verifies only what was signed before."""


class PartnerKey(Contract):
    """A key with which a partner signs its events; `kid` is unique in the catalog."""

    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:#/-]{1,200}$")]
    """The key's id, as the signatures' protected header names it."""
    public_key_multibase: Multikey
    """The public key, Ed25519, as Multikey."""
    retired: Moment | None = None
    """When the key was retired; it verifies only what was sent before."""
    achievements: Reach = None
    """The ids of the partner's achievements that the key is good for; absent: all of them."""


class ApiKey(Contract):
    """A partner's key for the HTTP intake that is good for some achievements only."""

    sha256: Digest
    """The SHA-256 of the key, in hexadecimal; the key has 256 random bits."""
    achievements: Reach = None
    """The ids of the partner's achievements that the key is good for; absent: all of them."""


class Alignment(Contract):
    """What an achievement corresponds to in a framework such as ESCO, CTDL or CASE."""

    target_name: Line
    """What the skill or outcome is called in the framework."""
    target_url: Uri
    """Its address in the framework."""
    target_framework: Line | None = None
    """The framework's name, such as ESCO."""
    target_code: Line | None = None
    """Its code in the framework."""
    target_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9:]{1,80}$"), _one_of(TARGET_TYPES)] | None = None
    """What kind of thing it is, such as `ceasn:Competency` or `CFItem`."""


class Issuer(Contract):
    """A member of the consortium, as its catalog describes it."""

    id: Slug
    """The member's name in the catalog and in addresses."""
    name: Line
    """The member's name, as credentials show it."""
    url: Url
    """The member's own site."""
    description: Text | None = None
    """Who the member is."""
    email: Email | None = None
    """Where the member can be written to."""
    keys: Annotated[tuple[IssuerKey, ...], Field(min_length=1, max_length=32)]
    """The member's signing keys; the first in use that fits the suite and whose secret the issuer holds signs."""
    cryptosuite: Cryptosuite | None = None
    """How the member signs; absent: `eddsa-rdfc-2022`. The suites of ECDSA need a key of P-256 or P-384."""

    @property
    def suite(self) -> Cryptosuite:
        """The suite that the member has chosen, or the default."""
        return self.cryptosuite or DEFAULT_CRYPTOSUITE


class Partner(Contract):
    """A system that reports completions. `achievements` is all that it may award, and nothing is implied."""

    id: Slug
    """The partner's name in the catalog."""
    name: Line
    """The partner's name, for people."""
    sources: Annotated[tuple[Annotated[Uri, Field(max_length=500)], ...], Field(min_length=1, max_length=32)]
    """The values of `source` that the partner's events may carry."""
    keys: Annotated[tuple[PartnerKey, ...], Field(max_length=32)] = ()
    """The keys that may sign the partner's events."""
    api_key_hashes: Annotated[tuple[Digest, ...], Field(max_length=8)] = ()
    """The SHA-256, in hexadecimal, of each API key for the HTTP intake that is good for all achievements."""
    api_keys: Annotated[tuple[ApiKey, ...], Field(max_length=32)] = ()
    """API keys for the HTTP intake that are good for some achievements."""
    achievements: Annotated[tuple[Slug, ...], Field(max_length=5000)]
    """The ids of all achievements that the partner may award."""

    @model_validator(mode="after")
    def _reachable(self) -> Partner:
        if not self.keys and not self.api_key_digests:
            raise ValueError("a partner needs at least one of keys, apiKeyHashes and apiKeys")
        reaches = [(f"the key {key.kid!r}", key.achievements) for key in self.keys]
        reaches += [("an API key", key.achievements) for key in self.api_keys]
        for whose, reach in reaches:
            beyond = next((name for name in reach or () if name not in self.achievements), None)
            if beyond is not None:
                raise ValueError(f"{whose} is good for {beyond!r}, which is not among the partner's achievements")
        return self

    def api_key(self, digest: str) -> ApiKey | None:
        """The partner's API key of this SHA-256, however it is listed. Each is compared in constant time."""
        if any(compare_digest(each, digest) for each in self.api_key_hashes):
            return ApiKey(sha256=digest)
        return next((key for key in self.api_keys if compare_digest(key.sha256, digest)), None)

    @property
    def api_key_digests(self) -> tuple[str, ...]:
        """The SHA-256 of each of its API keys, however they are listed."""
        return (*self.api_key_hashes, *(key.sha256 for key in self.api_keys))


class Achievement(Contract):
    """What can be earned, and from which member."""

    id: Slug
    """The achievement's name in the catalog and in addresses."""
    issuer: Slug
    """The id of the member that issues it."""
    name: Line
    """What it is called, as credentials show it."""
    description: Text
    """What the learner knows or can do."""
    criteria: Text
    """What has to be done to earn it."""
    achievement_type: Annotated[str, Field(pattern=r"^(ext:)?[A-Za-z0-9]{1,60}$"), _one_of(ACHIEVEMENT_TYPES)] = (
        "MicroCredential"
    )
    """Its type in the Open Badges vocabulary."""
    alignments: Annotated[tuple[Alignment, ...], Field(max_length=32)] = ()
    """What it corresponds to in skill frameworks."""
    tags: Annotated[tuple[Line, ...], Field(max_length=64)] = ()
    """Words to find it by."""
    language: Language = "en"
    """The language of its texts."""
    valid_for_days: Annotated[int, Field(ge=1, le=36525)] | None = None
    """How long a credential for it is valid; absent: for good."""


class IssuerPublished(Issuer):
    """An issuer's full state. `url` is the member's own site; `did` is the issuer id in credentials."""

    did: Did
    """The member's DID: the issuer id in its credentials."""
    consortium: Line
    """The consortium's name, as pages and mails show it."""
    consortium_url: Url | None = None
    """The consortium's own site."""
    version: Annotated[int, Field(ge=1)]
    """Rises with each change of this member."""


class PartnerPublished(Partner):
    """A partner's full state."""

    version: Annotated[int, Field(ge=1)]
    """Rises with each change of this partner."""


class AchievementPublished(Achievement):
    """An achievement's full state. `uri` is its public address and its id in credentials."""

    uri: Url
    """Its public address: the achievement id in credentials."""
    version: Annotated[int, Field(ge=1)]
    """Rises with each change of this achievement."""


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
    operators: Annotated[tuple[Operator, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Catalog:
        for kind, ids in (
            ("issuer", [entry.id for entry in self.issuers]),
            ("partner", [entry.id for entry in self.partners]),
            ("achievement", [entry.id for entry in self.achievements]),
            ("operator", [entry.id for entry in self.operators]),
            ("source", [source for partner in self.partners for source in set(partner.sources)]),
            ("partner key", [key.kid for partner in self.partners for key in partner.keys]),
            ("API key hash", [digest for partner in self.partners for digest in partner.api_key_digests]),
            ("token hash", [token.sha256 for operator in self.operators for token in operator.token_hashes]),
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
        for operator in self.operators:
            unknown = next((name for name in operator.members or () if name not in issuers), None)
            if unknown is not None:
                raise ValueError(f"operator {operator.id!r} names the unknown issuer {unknown!r}")
            unknown = next((name for name in operator.achievements or () if name not in achievements), None)
            if unknown is not None:
                raise ValueError(f"operator {operator.id!r} names the unknown achievement {unknown!r}")
        return self
