"""The issuer's and the partners' side of the registry's topics, in the test's hands."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from laurel.contracts.credentials import CredentialIssued, StatusPosition
from laurel.contracts.signature import sign as sign_event
from laurel.contracts.status import Action, Purpose, StatusChangeRequested, StatusListSigned, list_id
from laurel.contracts.topics import CREDENTIALS, STATUS_LISTS, STATUS_REQUESTS, Message, message
from laurel.credentials.contexts import OPEN_BADGES_EXTENSIONS
from laurel.credentials.keys import SigningKey
from laurel.credentials.model import (
    CONTEXT,
    Achievement,
    AchievementSubject,
    Alignment,
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

ISSUED_AT = EPOCH + timedelta(microseconds=123456)


class Issuer:
    """Makes what the issuer service would publish."""

    def __init__(self, world: World) -> None:
        self.world = world

    def document(
        self, token: str, *, member: str = "north", slug: str = "welding", index: int = 7, family: str | None = None,
        signer: SigningKey | None = None, valid_until: datetime | None = None, created: datetime = EPOCH,
        **changes: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """A signed credential."""
        addresses = self.world.addresses
        id_ = addresses.credential(token)
        unsigned = to_document(
            OpenBadgeCredential(
                id=id_, name=f"Course {slug}", valid_from=EPOCH, valid_until=valid_until, awarded_date=EPOCH,
                issuer=Profile(id=self.world.did(member), name=f"Member {member}", url=f"https://{member}.example.org"),
                credential_subject=AchievementSubject(
                    identifier=(IdentityObject(identity_hash="sha256$" + "0" * 64, salt="0123456789abcdef"),),
                    achievement=Achievement(
                        id=addresses.achievement(slug), name=f"Course {slug}", description=f"What {slug} is about.",
                        criteria=Criteria(narrative=f"Everything in {slug} was completed."),
                        alignment=(Alignment(target_name="a skill", target_url="http://data.europa.eu/esco/skill/x"),),
                    ),
                ),
                credential_status=tuple(
                    BitstringStatusListEntry(
                        id=f"{id_}#{purpose.value}", status_purpose=purpose.value, status_list_index=str(index),
                        status_list_credential=addresses.status_list(family or f"{member}-1", purpose),
                    )
                    for purpose in Purpose
                ),
            )
        )  # fmt: skip
        return sign(unsigned | changes, key=signer or self.world.members[member], created=created,
                    verification_method=self.world.verification_method(member))  # fmt: skip

    def issued(
        self, token: str, *, member: str = "north", slug: str = "welding", partner: str = "campus", index: int = 7,
        event_id: str | None = None, document: dict[str, Any] | None = None, **more: Any,
    ) -> Message:  # fmt: skip
        """A credential.issued event."""
        body = CredentialIssued(
            id=self.world.addresses.credential(token), issuer=member, achievement=slug, partner=partner,
            credential=document or self.document(token, member=member, slug=slug, index=index, **more),
            status=StatusPosition(family=f"{member}-1", index=index), issued_at=ISSUED_AT,
        )  # fmt: skip
        return message(CREDENTIALS, body, key=body.id, event_id=event_id or f"issued-{token}",
                       source="urn:laurel:issuer", time=ISSUED_AT)  # fmt: skip

    def requested(
        self, id_: str, address: str | None = None, *, member: str = "north", index: int = 7, listed: int = 7,
        entries: tuple[Any, ...] = (), purposes: tuple[Purpose, ...] = tuple(Purpose), **changes: Any,
    ) -> Message:  # fmt: skip
        """A credential.issued event for what was asked for through the VC-API; `index` is what the document says."""
        addresses = self.world.addresses
        ours = [
            {
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose.value,
                "statusListIndex": str(index),
                "statusListCredential": addresses.status_list(f"{member}-1", purpose),
            }
            for purpose in purposes
        ]
        unsigned = {
            "@context": [*CONTEXT, OPEN_BADGES_EXTENSIONS], "id": id_,
            "type": ["VerifiableCredential", "EndorsementCredential"], "name": "A good school",
            "validFrom": "2026-06-01T12:00:00Z",
            "issuer": {"id": self.world.did(member), "type": "Profile", "name": "A member"},
            "credentialStatus": [*entries, *ours],
            "credentialSubject": {"id": "https://school.example.org/", "type": ["EndorsementSubject"],
                                  "endorsementComment": "Good."},
        }  # fmt: skip
        document = sign(unsigned | changes, key=self.world.members[member], created=EPOCH,
                        verification_method=self.world.verification_method(member))  # fmt: skip
        body = CredentialIssued(
            id=id_, address=address, issuer=member, credential=document,
            status=StatusPosition(family=f"{member}-1", index=listed), issued_at=ISSUED_AT,
        )  # fmt: skip
        return message(CREDENTIALS, body, key=id_, event_id=f"requested-{id_}", source="urn:laurel:issuer",
                       time=ISSUED_AT)  # fmt: skip

    def wish(
        self, token: str, action: Action, *, partner: str = "campus", event_id: str = "wish-1",
        source: str | None = None, kid: str | None = None, signed: bool = True, reason: str = "a mistake",
    ) -> Message:  # fmt: skip
        """A status request, signed by a partner unless told otherwise."""
        body = StatusChangeRequested(credential=self.world.addresses.credential(token), action=action, reason=reason,
                                     requested_by="Partner's registrar", requested_at=EPOCH)  # fmt: skip
        outgoing = message(STATUS_REQUESTS, body, key=body.credential, event_id=event_id, time=EPOCH,
                           source=source or f"https://{partner}.example.org/lms")  # fmt: skip
        if not signed:
            return outgoing
        return replace(outgoing, event=sign_event(outgoing.event, self.world.partners[partner], kid or f"{partner}-1"))

    def signed_list(
        self, version: int, *bits: int, member: str = "north", purpose: Purpose = Purpose.REVOCATION,
        signer: SigningKey | None = None, url: str | None = None,
    ) -> Message:  # fmt: skip
        """A status-list.signed event."""
        row = Bitstring()
        for bit in bits:
            row.set(bit, True)
        family = f"{member}-1"
        unsigned = status_list_credential(
            list_id=url or self.world.addresses.status_list(family, purpose), issuer=self.world.did(member),
            purpose=purpose.value, bits=row, valid_from=EPOCH, valid_until=EPOCH + timedelta(days=1), ttl_ms=15_000,
        )  # fmt: skip
        document = sign(unsigned, key=signer or self.world.members[member], created=EPOCH,
                        verification_method=self.world.verification_method(member))  # fmt: skip
        body = StatusListSigned(list_id=list_id(family, purpose), issuer=member, family=family, purpose=purpose,
                                version=version, credential=document, signed_at=EPOCH)  # fmt: skip
        return message(STATUS_LISTS, body, key=body.list_id, event_id=f"list-{purpose.value}-{version}",
                       source="urn:laurel:issuer", time=EPOCH)  # fmt: skip
