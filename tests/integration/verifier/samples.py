"""Credentials, status changes, heartbeats and signed lists of the small world, as issuer and registry make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from laurel.contracts.credentials import StatusPosition
from laurel.contracts.status import Purpose, State, StatusChanged, StatusHeartbeat, StatusListSigned, list_id
from laurel.contracts.topics import STATUS_CHANGES, STATUS_LISTS, Message, message
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
from support.world import EPOCH, World

REGISTRY = "urn:laurel:registry"


@dataclass
class Watch:
    """A wall clock and a steady one that stand still until they are moved."""

    now: datetime = EPOCH
    passed: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return self.now

    def steady(self) -> timedelta:
        """How much time has passed, whatever the wall clock was set to meanwhile."""
        return self.passed

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.passed += timedelta(seconds=seconds)

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back, without any time passing."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Samples:
    """Everything is of the member `north` and its list family `north-1`, unless an argument says otherwise."""

    world: World = field(default_factory=World)

    def id_of(self, token: str) -> str:
        """A credential's id."""
        return self.world.addresses.credential(token)

    def credential(
        self, token: str, *, member: str = "north", family: str = "north-1", index: int = 1,
        issuer: str | None = None, key: SigningKey | None = None, method: str | None = None,
        valid_until: datetime | None = None, statuses: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """A signed credential."""
        entries = tuple(
            BitstringStatusListEntry(
                id=f"{self.id_of(token)}#{purpose}", status_purpose=purpose.value, status_list_index=str(index),
                status_list_credential=self.world.addresses.status_list(family, purpose),
            )
            for purpose in Purpose
        )  # fmt: skip
        identity = IdentityObject(identity_hash="sha256$" + "0" * 64, salt="salt" * 8)
        achievement = Achievement(
            id=self.world.addresses.achievement("welding"), name="Welding", description="Seams that hold.",
            criteria=Criteria(narrative="A seam was welded."),
        )  # fmt: skip
        unsigned = OpenBadgeCredential(
            id=self.id_of(token), name="Welding", valid_from=EPOCH - timedelta(days=1), valid_until=valid_until,
            issuer=Profile(id=issuer or self.world.did(member), name="Member"),
            credential_subject=AchievementSubject(identifier=(identity,), achievement=achievement),
            credential_status=entries if statuses else (),
        )  # fmt: skip
        return sign(
            to_document(unsigned), key=key or self.world.members[member], created=EPOCH - timedelta(days=1),
            verification_method=method or self.world.verification_method(member),
        )  # fmt: skip

    def change(
        self, token: str, state: State = State.ACTIVE, version: int = 1, *, issuer: str = "north",
        family: str = "north-1", index: int = 1,
    ) -> Message:  # fmt: skip
        """A status change, on the partition of its family."""
        body = StatusChanged(
            credential=self.id_of(token), issuer=issuer, achievement="welding", state=state, version=version,
            status=StatusPosition(family=family, index=index), changed_at=EPOCH,
        )  # fmt: skip
        return message(
            STATUS_CHANGES, body, key=body.credential, event_id=f"change-{token}-{version}", source=REGISTRY,
            time=EPOCH, partition=STATUS_CHANGES.partition_of(family),
        )  # fmt: skip

    def heartbeats(self, at: datetime, partitions: Sequence[int] | None = None) -> list[Message]:
        """A heartbeat on each partition."""
        chosen = range(STATUS_CHANGES.partitions) if partitions is None else partitions
        return [self.heartbeat(at, number, number) for number in chosen]

    def heartbeat(self, at: datetime, said: int, sent: int) -> Message:
        """A heartbeat that says one partition and is sent to another, or the same."""
        return message(
            STATUS_CHANGES, StatusHeartbeat(partition=said, at=at), key=f"heartbeat-{said}",
            event_id=f"heartbeat-{said}-{at.isoformat()}", source=REGISTRY, time=at, partition=sent,
        )  # fmt: skip

    def signed_list(
        self, version: int, set_bits: Sequence[int] = (), *, purpose: Purpose = Purpose.REVOCATION,
        member: str = "north", family: str = "north-1", key: SigningKey | None = None, said: Purpose | None = None,
        url: str | None = None,
    ) -> Message:  # fmt: skip
        """A signed status list; `key`, `said` and `url` make forged ones."""
        bits = Bitstring()
        for index in set_bits:
            bits.set(index, True)
        unsigned = status_list_credential(
            list_id=url or self.world.addresses.status_list(family, purpose), issuer=self.world.did(member),
            purpose=(said or purpose).value, bits=bits, valid_from=EPOCH, valid_until=EPOCH + timedelta(days=1),
            ttl_ms=60_000,
        )  # fmt: skip
        credential = sign(
            unsigned, key=key or self.world.members[member], created=EPOCH,
            verification_method=self.world.verification_method(member),
        )  # fmt: skip
        body = StatusListSigned(
            list_id=list_id(family, purpose), issuer=member, family=family, purpose=purpose, version=version,
            credential=credential, signed_at=EPOCH,
        )  # fmt: skip
        return message(
            STATUS_LISTS, body, key=body.list_id, event_id=f"list-{body.list_id}-{version}",
            source="urn:laurel:issuer", time=EPOCH,
        )  # fmt: skip
