"""What the issuer decides, without doing any of it: whether a completion earns a credential, and which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from laurel.contracts import signature
from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import (
    AchievementPublished,
    ApiKey,
    Cryptosuite,
    IssuerKey,
    IssuerPublished,
    PartnerKey,
    PartnerPublished,
)
from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.envelope import Envelope
from laurel.contracts.errors import Code, Rejected, rejection_of
from laurel.contracts.status import Purpose
from laurel.contracts.topics import COMPLETIONS
from laurel.credentials import model
from laurel.credentials.keys import PublicKey

SOURCE = "urn:laurel:issuer"
EVENT_TYPE = next(iter(COMPLETIONS.events))
INTAKE_KID = "urn:laurel:issuer#intake"

MAY_BE_STALE = frozenset(
    {
        Code.UNKNOWN_KEY,
        Code.SIGNATURE_WRONG,
        Code.SOURCE_NOT_REGISTERED,
        Code.UNKNOWN_ACHIEVEMENT,
        Code.ACHIEVEMENT_NOT_ALLOWED,
    }
)
"""Refusals that a catalog entry still on its way could turn into an acceptance."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How far a completion's date may lie from now."""

    clock_skew: timedelta
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Sender:
    """Who reports a completion: a partner, by one of its keys; by none where our own intake has looked at the key."""

    partner: PartnerPublished
    key: PartnerKey | ApiKey | None = None

    def reaches(self, achievement: str) -> bool:
        """Whether the key is good for the achievement. That the partner may award it is another question."""
        return self.key is None or self.key.achievements is None or achievement in self.key.achievements


@dataclass(frozen=True, slots=True)
class Accepted:
    """A completion that earns a credential: who reported it, for which member, and what it says."""

    event: Envelope
    partner: PartnerPublished
    issuer: IssuerPublished
    achievement: AchievementPublished
    completion: CompletionRecorded


def digest(event: Envelope) -> str:
    """SHA-256 of the event's body: tells a repeated event from another one under the same id."""
    return sha256(event.data).hexdigest()


def came_before(stored_digest: str | None, event: Envelope) -> bool:
    """Whether this very event came before, given the digest of the one that came under its source and id, if any.

    Raises:
        Rejected: EVENT_ID_REUSED, that one had other content.
    """
    if stored_digest is None:
        return False
    if stored_digest != digest(event):
        raise Rejected(
            Code.EVENT_ID_REUSED, "",
            "An event with this source and id came before with other content: give each event an id of its own.",
        )  # fmt: skip
    return True


def accept(event: Envelope, sender: Sender, catalog: CatalogIndex, policy: Policy, now: datetime) -> Accepted:
    """Decide on one completion event of this sender, as `authenticate` found it.

    Raises:
        Rejected: with the first reason against it.
    """
    # 1. What do they say?
    completion = read_completion(event)
    # 2. May they say it?
    achievement = authorize(sender, event.source, completion, catalog)
    # 3. Can it be true?
    check_dates(completion, policy, now)
    return Accepted(event, sender.partner, catalog.issuers[achievement.issuer], achievement, completion)


def authenticate(event: Envelope, catalog: CatalogIndex, intake_key: PublicKey, now: datetime) -> Sender:
    """The partner that signed the event, or for which our own intake vouches. The signature covers id, source,
    type and body. Raises Rejected."""
    if event.type != EVENT_TYPE:
        raise Rejected(Code.MALFORMED_EVENT, "", f"The event type must be {EVENT_TYPE}.")
    claimed = signature.read(event)
    if claimed.kid == INTAKE_KID:
        signature.check(event, claimed, intake_key)
        partner = catalog.partners.get(claimed.partner or "")
        if partner is None:
            raise Rejected(Code.UNKNOWN_KEY, "", "The partner that this event was taken in for is not registered.")
        return Sender(partner)
    partner, key = key_in_use(claimed.kid, catalog, now)
    signature.check(event, claimed, PublicKey.from_multibase(key.public_key_multibase))
    return Sender(partner, key)


def key_in_use(kid: str, catalog: CatalogIndex, now: datetime) -> tuple[PartnerPublished, PartnerKey]:
    """The signing key of this name, and whose it is. Raises Rejected(UNKNOWN_KEY)."""
    found = catalog.partner_of_key(kid)
    if found is None or _retired(found[1], now):
        raise unknown_key()
    return found


def unknown_key() -> Rejected:
    """What an event is answered with whose signature names no key that can have made it."""
    return Rejected(
        Code.UNKNOWN_KEY, "", "The signature's kid names no key in use: sign with a key registered in the catalog."
    )


def possible_senders(event: Envelope, catalog: CatalogIndex) -> list[str]:
    """The ids of the partners that may have sent the event, going by its unchecked claims, likeliest first.

    Good for finding what was decided on the event before, and whom to tell of a refusal; proof of nothing.
    """
    owners = [each.id for each in catalog.partners.values() if event.source in each.sources]
    try:
        claimed = signature.read(event)
    except Rejected:
        return owners
    by_key = catalog.partner_of_key(claimed.kid)
    signer = claimed.partner if claimed.kid == INTAKE_KID else by_key[0].id if by_key else None
    return owners if signer not in catalog.partners else list(dict.fromkeys([signer, *owners]))


def read_completion(event: Envelope) -> CompletionRecorded:
    """The event's body. Raises Rejected with the pointer of the first culprit."""
    try:
        return CompletionRecorded.model_validate_json(event.data)
    except ValidationError as error:
        raise rejection_of(error) from None


def authorize(
    sender: Sender, source: str, completion: CompletionRecorded, catalog: CatalogIndex
) -> AchievementPublished:
    """The achievement, if there is one and the partner may award it from this source with this key."""
    partner = sender.partner
    if source not in partner.sources:
        raise Rejected(
            Code.SOURCE_NOT_REGISTERED, "", "The event's source is not among the partner's sources in the catalog."
        )
    achievement = catalog.achievements.get(completion.achievement)
    if achievement is None or achievement.issuer not in catalog.issuers:
        raise Rejected(
            Code.UNKNOWN_ACHIEVEMENT, "/achievement",
            f"There is no achievement {completion.achievement!r}: use an id from the catalog.",
        )  # fmt: skip
    if achievement.id not in partner.achievements:
        raise Rejected(
            Code.ACHIEVEMENT_NOT_ALLOWED, "/achievement",
            f"{partner.name} may not award {achievement.id!r} of {catalog.issuers[achievement.issuer].name}: "
            "ask the consortium to add it to the partner's achievements.",
        )  # fmt: skip
    if not sender.reaches(achievement.id):
        raise Rejected(
            Code.ACHIEVEMENT_NOT_ALLOWED, "/achievement",
            f"The key that was used is not good for {achievement.id!r}: use another key of {partner.name}, or ask the "
            "consortium to add it to the key's achievements.",
        )  # fmt: skip
    return achievement


def check_dates(completion: CompletionRecorded, policy: Policy, now: datetime) -> None:
    """Raises Rejected when the completion lies in the future or further back than is accepted."""
    if completion.completed_at > now + policy.clock_skew:
        raise Rejected(
            Code.DATE_IN_FUTURE, "/completedAt", "The field /completedAt lies in the future: send it once it happened."
        )
    if completion.completed_at < now - policy.oldest:
        raise Rejected(
            Code.DATE_TOO_OLD, "/completedAt",
            f"The field /completedAt lies more than {policy.oldest.days} days back: check the year.",
        )  # fmt: skip


def active_key(issuer: IssuerPublished, held: Callable[[str], bool], now: datetime) -> str | None:
    """The Multikey to sign with: the member's first key that is in use, fits its cryptosuite and that we hold."""
    usable = (key.public_key_multibase for key in issuer.keys if not _retired(key, now))
    return next((multikey for multikey in usable if held(multikey) and _fits(multikey, issuer.suite)), None)


def _fits(multikey: str, suite: Cryptosuite) -> bool:
    return PublicKey.from_multibase(multikey).type in suite.key_types


def _retired(key: IssuerKey | PartnerKey, now: datetime) -> bool:
    return key.retired is not None and key.retired <= now


def build_credential(
    accepted: Accepted, addresses: Addresses, credential_id: str, position: StatusPosition, salt: str, created: datetime
) -> dict[str, Any]:
    """The unsigned credential. It names no learner: the subject is a salted hash of the e-mail address."""
    achievement, issuer = accepted.achievement, accepted.issuer
    completion = accepted.completion
    until = None if achievement.valid_for_days is None else created + timedelta(days=achievement.valid_for_days)
    address = completion.learner.email.lower()
    subject = model.AchievementSubject(
        identifier=(model.IdentityObject(identity_hash=model.hash_identity(address, salt), salt=salt),),
        achievement=_achievement(achievement),
        result=() if completion.score is None else (model.Result(value=completion.score),),
    )
    credential = model.OpenBadgeCredential(
        id=credential_id, name=achievement.name, description=achievement.description,
        issuer=model.Profile(id=issuer.did, name=issuer.name, url=issuer.url, email=issuer.email,
                             description=issuer.description),
        valid_from=created, valid_until=until, awarded_date=completion.completed_at,
        credential_subject=subject,
        credential_status=tuple(status_entry(credential_id, addresses, position, purpose) for purpose in Purpose),
        evidence=tuple(
            model.Evidence(id=each.url, name=each.name, narrative=each.narrative) for each in completion.evidence
        ),
    )  # fmt: skip
    return model.to_document(credential)


def _achievement(achievement: AchievementPublished) -> model.Achievement:
    return model.Achievement(
        id=achievement.uri, name=achievement.name, description=achievement.description,
        criteria=model.Criteria(narrative=achievement.criteria), achievement_type=achievement.achievement_type,
        alignment=tuple(
            model.Alignment(target_name=each.target_name, target_url=each.target_url, target_code=each.target_code,
                            target_framework=each.target_framework, target_type=each.target_type)
            for each in achievement.alignments
        ),
        tag=achievement.tags, in_language=achievement.language,
    )  # fmt: skip


def status_entry(
    address: str, addresses: Addresses, position: StatusPosition, purpose: Purpose
) -> model.BitstringStatusListEntry:
    """Where the bit for one purpose is, for the credential with this public address."""
    return model.BitstringStatusListEntry(
        id=f"{address}#{purpose.value}", status_purpose=purpose.value,
        status_list_index=str(position.index),  # a string: Bitstring Status List 1.0 §2.1
        status_list_credential=addresses.status_list(position.family, purpose),
    )  # fmt: skip
