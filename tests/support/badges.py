"""A member's signed documents, as its issuer would make them: one credential, and its status lists."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.status import Purpose
from laurel.credentials.keys import SigningKey
from laurel.credentials.model import (
    Achievement,
    AchievementSubject,
    BitstringStatusListEntry,
    Criteria,
    IdentityObject,
    OpenBadgeCredential,
    Profile,
    to_document,
)
from laurel.credentials.proofs import sign
from laurel.credentials.status_list import Bitstring, status_list_credential


def method_of(addresses: Addresses, member: str, key: SigningKey) -> str:
    """The name of a member's key in proofs."""
    return verification_method(addresses.did(member), key.public.to_multibase())


def badge(
    addresses: Addresses, key: SigningKey, *, at: datetime, token: str = "abc", member: str = "north",
    achievement: str = "welding", family: str = "north-1", index: int = 7,
) -> dict[str, Any]:  # fmt: skip
    """A credential, signed at `at`."""
    address = addresses.credential(token)
    unsigned = OpenBadgeCredential(
        id=address, name=f"Course {achievement}", valid_from=at,
        issuer=Profile(id=addresses.did(member), name=f"Member {member}"),
        credential_subject=AchievementSubject(
            identifier=(IdentityObject(identity_hash="sha256$" + "0" * 64, salt="0123456789abcdef"),),
            achievement=Achievement(
                id=addresses.achievement(achievement), name=f"Course {achievement}", description="What it is about.",
                criteria=Criteria(narrative="All of it was completed."),
            ),
        ),
        credential_status=tuple(
            BitstringStatusListEntry(
                id=f"{address}#{purpose.value}", status_purpose=purpose.value, status_list_index=str(index),
                status_list_credential=addresses.status_list(family, purpose),
            )
            for purpose in Purpose
        ),
    )  # fmt: skip
    return sign(to_document(unsigned), key=key, verification_method=method_of(addresses, member, key), created=at)


def status_list(
    addresses: Addresses, key: SigningKey, purpose: Purpose, *, at: datetime, member: str = "north",
    family: str = "north-1", set_bits: tuple[int, ...] = (), until: datetime | None = None,
    signer: SigningKey | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A status list, signed at `at`; by `signer` in the name of `key` where it is to be a forgery."""
    bits = Bitstring()
    for index in set_bits:
        bits.set(index, True)
    unsigned = status_list_credential(
        list_id=addresses.status_list(family, purpose), issuer=addresses.did(member), purpose=purpose.value, bits=bits,
        valid_from=at - timedelta(days=30), valid_until=until or at + timedelta(days=1), ttl_ms=1000,
    )  # fmt: skip
    return sign(unsigned, key=signer or key, verification_method=method_of(addresses, member, key), created=at)
