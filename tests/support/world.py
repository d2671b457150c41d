"""A small consortium whose keys the tests hold: three members, two partners, four achievements."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.catalog import (
    Achievement,
    AchievementPublished,
    Alignment,
    Catalog,
    Consortium,
    Cryptosuite,
    Issuer,
    IssuerKey,
    IssuerPublished,
    Partner,
    PartnerKey,
    PartnerPublished,
)
from laurel.contracts.completions import CompletionRecorded, Learner
from laurel.contracts.envelope import Envelope
from laurel.contracts.signature import sign
from laurel.contracts.topics import CATALOG, COMPLETIONS, Message, message
from laurel.credentials.keys import SigningKey

EPOCH = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""The moment the tests call now, unless they say otherwise."""

API_KEY = "laurel-api-key-of-campus-0123456789abcdef"


def key(name: str) -> SigningKey:
    """A signing key that is the same in every run."""
    return SigningKey.from_seed(sha256(name.encode()).digest())


def _achievement(slug: str, issuer: str, **more: Any) -> Achievement:
    return Achievement(
        id=slug, issuer=issuer, name=f"Course {slug}", description=f"What {slug} is about.",
        criteria=f"Everything in {slug} was completed.",
        alignments=(Alignment(target_name="a skill", target_url=f"http://data.europa.eu/esco/skill/{slug}"),), **more,
    )  # fmt: skip


@dataclass
class World:
    """Members `north`, `south` and `east`; partner `campus` (north and south) and partner `forge` (east)."""

    public_url: str = "http://127.0.0.1:8010"
    members: dict[str, SigningKey] = field(
        default_factory=lambda: {name: key(f"member {name}") for name in ("north", "south", "east")}
    )
    partners: dict[str, SigningKey] = field(
        default_factory=lambda: {name: key(f"partner {name}") for name in ("campus", "forge")}
    )

    suites: dict[str, Cryptosuite] = field(default_factory=dict)
    """The suites of the members that have chosen one."""

    @property
    def addresses(self) -> Addresses:
        """The public addresses under this world's public URL."""
        return Addresses(self.public_url)

    @property
    def catalog(self) -> Catalog:
        """The catalog as a file would hold it."""
        return Catalog(
            consortium=Consortium(name="Test Consortium", url="https://consortium.example"),
            issuers=tuple(
                Issuer(id=name, name=f"Member {name}", url=f"https://{name}.example.org",
                       email=f"hello@{name}.example.org",
                       keys=(IssuerKey(public_key_multibase=secret.public.to_multibase()),),
                       cryptosuite=self.suites.get(name))
                for name, secret in self.members.items()
            ),
            partners=(
                self._partner("campus", ("welding", "first-aid", "python"), (sha256(API_KEY.encode()).hexdigest(),)),
                self._partner("forge", ("robotics",)),
            ),
            achievements=(
                _achievement("welding", "north"), _achievement("first-aid", "north", valid_for_days=730),
                _achievement("python", "south"), _achievement("robotics", "east"),
            ),
        )  # fmt: skip

    def _partner(self, name: str, achievements: tuple[str, ...], hashes: tuple[str, ...] = ()) -> Partner:
        return Partner(
            id=name, name=f"Partner {name}", sources=(f"https://{name}.example.org/lms",), achievements=achievements,
            keys=(PartnerKey(kid=f"{name}-1", public_key_multibase=self.partners[name].public.to_multibase()),),
            api_key_hashes=hashes,
        )  # fmt: skip

    def did(self, member: str) -> str:
        """A member's DID."""
        return self.addresses.did(member)

    def verification_method(self, member: str) -> str:
        """The id of a member's key in proofs."""
        return verification_method(self.did(member), self.members[member].public.to_multibase())

    def published(self, version: int = 1) -> list[IssuerPublished | PartnerPublished | AchievementPublished]:
        """The catalog's entries as the registry publishes them."""
        catalog = self.catalog
        return [
            *(
                IssuerPublished(
                    **entry.model_dump(),
                    did=self.did(entry.id),
                    consortium=catalog.consortium.name,
                    consortium_url=catalog.consortium.url,
                    version=version,
                )
                for entry in catalog.issuers
            ),
            *(PartnerPublished(**entry.model_dump(), version=version) for entry in catalog.partners),
            *(
                AchievementPublished(**entry.model_dump(), uri=self.addresses.achievement(entry.id), version=version)
                for entry in catalog.achievements
            ),
        ]

    def catalog_messages(self) -> list[Message]:
        """What the registry would put on `catalog.v1`."""
        return [
            message(
                CATALOG, body, key=f"{type(body).__name__}/{body.id}", source="urn:laurel:registry", time=EPOCH,
                event_id=f"catalog-{type(body).__name__}-{body.id}-{body.version}",
            )
            for body in self.published()
        ]  # fmt: skip

    def completion(
        self, event_id: str, achievement: str = "welding", *, partner: str = "campus", signer: SigningKey | None = None,
        kid: str | None = None, source: str | None = None, completed_at: datetime = EPOCH, learner: int = 1,
        language: str = "en",
    ) -> Message:  # fmt: skip
        """A signed completion event, right unless an argument makes it wrong."""
        body = CompletionRecorded(
            achievement=achievement, completed_at=completed_at,
            learner=Learner(reference=f"learner-{learner}", name=f"Learner {learner}",
                            email=f"learner{learner}@example.org", language=language),
        )  # fmt: skip
        outgoing = message(COMPLETIONS, body, key=body.learner.reference, event_id=event_id,
                           source=source or f"https://{partner}.example.org/lms", time=EPOCH)  # fmt: skip
        signed: Envelope = sign(outgoing.event, signer or self.partners[partner], kid or f"{partner}-1")
        return Message(COMPLETIONS, outgoing.key, signed)
