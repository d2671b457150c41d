"""One message of every event type, made as the services make them: the writer's half of the golden records.

A new event type gets its sample here; `PYTHONPATH=tests python tests/contract/samples.py` then writes the golden
record that is missing. A golden record that is there is never written again: what was published once stays readable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from laurel.contracts import audit_entries
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.base import Contract
from laurel.contracts.catalog import ApiKey, PartnerKey
from laurel.contracts.completions import CompletionEvidence, CompletionRecorded, CompletionRejected, Learner
from laurel.contracts.completions import RecordCoordinates as Coordinates
from laurel.contracts.credentials import CredentialIssued, RecipientRecorded, StatusPosition
from laurel.contracts.envelope import derived_id, encode
from laurel.contracts.errors import Code
from laurel.contracts.operations import (
    DeadLetter,
    DeliveryFailed,
    DeliverySucceeded,
    EndpointDisabled,
    Occasion,
    VerificationCompleted,
)
from laurel.contracts.operators import OperatorPublished, Right, TokenHash
from laurel.contracts.signature import sign
from laurel.contracts.status import (
    Action,
    Purpose,
    State,
    StatusChanged,
    StatusChangeRequested,
    StatusHeartbeat,
    StatusListSigned,
)
from laurel.contracts.topics import (
    CATALOG,
    COMPLETIONS,
    CREDENTIALS,
    DEAD_LETTERS,
    DELIVERIES,
    RECIPIENTS,
    REJECTED_COMPLETIONS,
    STATUS_CHANGES,
    STATUS_LISTS,
    STATUS_REQUESTS,
    TOPICS,
    VERIFICATIONS,
    Message,
    Topic,
    message,
)
from laurel.credentials import model, proofs
from support.world import EPOCH, World

GOLDEN = Path(__file__).parent / "golden"
WORLD = World("https://badges.example.org")
CREDENTIAL = WORLD.addresses.credential("7Hq2LkVfXr9mQbTz3NcWd5")
POSITION = StatusPosition(family="north-1", index=94567)
COMPLETED = EPOCH - timedelta(hours=3)
# 131,072 bits, only that of POSITION set. Other releases of zlib may pack them otherwise, so this is not made here.
ENCODED_LIST = "uH4sIAAAAAAAA_-3EMQ0AAAgDsM2_aYIMSHs0AAAAAAAAAAAAAAC80w0AAACAUwZQdb5gAEAAAA"


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """A record as it was once published: its key, its headers in their order, and the bytes of its body."""

    topic: Topic
    event_type: str
    key: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes


def samples() -> list[Message]:
    """One message of every event type."""
    return [
        *_catalog(), *_completions(), _issued(), _recipient(), *_status(), _status_list(), *_operations(),
        _dead_letter(), _action(),
    ]  # fmt: skip


def golden_path(topic: str, event_type: str) -> tuple[Path, Path]:
    """Where a golden record's body and its key and headers lie."""
    return GOLDEN / topic / f"{event_type}.json", GOLDEN / topic / f"{event_type}.headers.json"


def golden_record(topic: Topic, event_type: str) -> GoldenRecord:
    """A golden record. Raises FileNotFoundError."""
    body, headers = golden_path(topic.name, event_type)
    told = json.loads(headers.read_text())
    pairs = tuple((name, text.encode()) for name, text in told["headers"])
    return GoldenRecord(topic, event_type, told["key"], pairs, body.read_bytes())


def golden_records() -> list[GoldenRecord]:
    """All golden records that are there, in the catalogue's order."""
    return [
        golden_record(topic, event_type)
        for topic in TOPICS
        for event_type in topic.events
        if golden_path(topic.name, event_type)[0].is_file()
    ]


def write_missing() -> list[Path]:
    """Write the golden records that are not there, and tell which."""
    written = []
    for each in samples():
        body, headers = golden_path(each.topic.name, each.event.type)
        if body.exists():
            continue
        pairs, value = encode(each.event)
        body.parent.mkdir(parents=True, exist_ok=True)
        body.write_bytes(value)
        told = {"key": each.key, "headers": [(name, raw.decode()) for name, raw in pairs]}
        headers.write_text(json.dumps(told, indent=2) + "\n")
        written.append(body)
    return written


def _from(
    service: str, topic: Topic, body: Contract, key: str, cause: str, subject: str | None = None, **more: Any
) -> Message:
    event_type = {contract: name for name, contract in topic.events.items()}[type(body)]
    source = f"urn:laurel:{service}"
    return message(topic, body, key=key, event_id=derived_id(source, cause, event_type), source=source, time=EPOCH,
                   subject=subject, **more)  # fmt: skip


def _catalog() -> list[Message]:
    kinds = {"IssuerPublished": "issuer", "PartnerPublished": "partner", "AchievementPublished": "achievement"}
    chosen: dict[str, Any] = {
        kinds[type(body).__name__]: body for body in WORLD.published() if body.id in ("north", "campus", "first-aid")
    }
    limited = PartnerKey(
        kid="campus-2", public_key_multibase=WORLD.partners["forge"].public.to_multibase(), achievements=("first-aid",)
    )
    chosen["partner"] = chosen["partner"].model_copy(
        update={"keys": (*chosen["partner"].keys, limited),
                "api_keys": (ApiKey(sha256="c4" * 32, achievements=("welding", "python")),)}
    )  # fmt: skip
    desk = OperatorPublished(
        id="north-desk", name="Member north, registrar's desk", rights=(Right.STATUS, Right.ISSUE), members=("north",),
        achievements=("first-aid",), version=1,
        token_hashes=(TokenHash(sha256="5e" * 32, until=EPOCH), TokenHash(sha256="a7" * 32)),
    )  # fmt: skip
    chosen["operator"] = desk
    return [
        _from("registry", CATALOG, body, f"{kind}/{body.id}", f"{kind}/{body.id}#1", subject=f"{kind}/{body.id}")
        for kind, body in chosen.items()
    ]


def _completions() -> list[Message]:
    source = "https://campus.example.org/lms"
    body = CompletionRecorded(
        achievement="first-aid", completed_at=COMPLETED, score="92 %",
        learner=Learner(reference="student-4711", name="Łucja Müller", email="lucja@example.org", language="de"),
        evidence=(CompletionEvidence(url="https://campus.example.org/work/4711", name="Practical exam",
                                     narrative="Passed the practical exam."),),
    )  # fmt: skip
    made = message(COMPLETIONS, body, key=body.learner.reference, event_id="completion-4711-first-aid", source=source,
                   time=EPOCH)  # fmt: skip
    rejected = CompletionRejected(
        code=Code.DUPLICATE_EVENT, pointer="", detail="The same event came before: its credential stands.",
        partner="campus", event_source=source, event_id=made.event.id, credential=CREDENTIAL,
        record=Coordinates(topic=COMPLETIONS.name, partition=2, offset=1041), rejected_at=EPOCH,
    )  # fmt: skip
    return [
        Message(COMPLETIONS, made.key, sign(made.event, WORLD.partners["campus"], "campus-1")),
        _from("issuer", REJECTED_COMPLETIONS, rejected, "campus", "completions.v1/2/1041"),
    ]


def _signed(document: dict[str, Any]) -> dict[str, Any]:
    return proofs.sign(
        document, key=WORLD.members["north"], verification_method=WORLD.verification_method("north"), created=EPOCH
    )


def _issued() -> Message:
    entries = tuple(
        model.BitstringStatusListEntry(
            id=f"{CREDENTIAL}#{purpose}", status_purpose=purpose.value, status_list_index=str(POSITION.index),
            status_list_credential=WORLD.addresses.status_list(POSITION.family, purpose),
        )
        for purpose in Purpose
    )  # fmt: skip
    salt = "c2FsdC1vZi10aGUtc2FtcGxl"
    identity = model.IdentityObject(identity_hash=model.hash_identity("lucja@example.org", salt), salt=salt)
    achievement = model.Achievement(
        id=WORLD.addresses.achievement("first-aid"), name="Course first-aid", description="What first-aid is about.",
        criteria=model.Criteria(narrative="Everything in first-aid was completed."), achievement_type="MicroCredential",
    )  # fmt: skip
    badge = model.OpenBadgeCredential(
        id=CREDENTIAL, name=achievement.name, valid_from=EPOCH, valid_until=EPOCH + timedelta(days=730),
        awarded_date=COMPLETED, credential_status=entries,
        issuer=model.Profile(id=WORLD.did("north"), name="Member north", url="https://north.example.org"),
        credential_subject=model.AchievementSubject(identifier=(identity,), achievement=achievement),
    )  # fmt: skip
    body = CredentialIssued(
        id=CREDENTIAL, credential=_signed(model.to_document(badge)), issuer="north", achievement="first-aid",
        partner="campus", status=POSITION, issued_at=EPOCH,
    )  # fmt: skip
    return _from("issuer", CREDENTIALS, body, CREDENTIAL, "completion-4711-first-aid")


def _recipient() -> Message:
    body = RecipientRecorded(credential=CREDENTIAL, name="Łucja Müller", email="lucja@example.org", language="de")
    return _from("issuer", RECIPIENTS, body, CREDENTIAL, "completion-4711-first-aid")


def _status() -> list[Message]:
    reason = "Awarded to the wrong person."
    wish = StatusChangeRequested(
        credential=CREDENTIAL, action=Action.REVOKE, reason=reason, requested_by="jo@campus.example.org",
        requested_at=EPOCH,
    )  # fmt: skip
    made = message(STATUS_REQUESTS, wish, key=CREDENTIAL, event_id="revoke-4711", time=EPOCH, subject=CREDENTIAL,
                   source="https://campus.example.org/lms")  # fmt: skip
    changed = StatusChanged(
        credential=CREDENTIAL, issuer="north", achievement="first-aid", status=POSITION, state=State.REVOKED,
        version=2, reason=reason, changed_at=EPOCH,
    )  # fmt: skip
    partition = STATUS_CHANGES.partition_of(POSITION.family)
    beat = StatusHeartbeat(partition=partition, at=EPOCH + timedelta(milliseconds=250))
    return [
        Message(STATUS_REQUESTS, made.key, sign(made.event, WORLD.partners["campus"], "campus-1")),
        _from("registry", STATUS_CHANGES, changed, CREDENTIAL, f"{CREDENTIAL}#2", subject=CREDENTIAL,
              partition=partition),
        _from("registry", STATUS_CHANGES, beat, f"heartbeat-{partition}", f"heartbeat-{partition}/{EPOCH.isoformat()}",
              partition=partition),
    ]  # fmt: skip


def _status_list() -> Message:
    address = WORLD.addresses.status_list(POSITION.family, Purpose.REVOCATION)
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"], "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"], "issuer": WORLD.did("north"),
        "validFrom": "2026-06-01T12:00:00Z", "validUntil": "2026-06-08T12:00:00Z",
        "credentialSubject": {
            "id": f"{address}#list", "type": "BitstringStatusList", "statusPurpose": "revocation",
            "encodedList": ENCODED_LIST, "ttl": 60000,
        },
    }  # fmt: skip
    body = StatusListSigned(
        list_id="north-1-revocation", issuer="north", family="north-1", purpose=Purpose.REVOCATION, version=3,
        credential=_signed(document), signed_at=EPOCH,
    )  # fmt: skip
    return _from("issuer", STATUS_LISTS, body, body.list_id, f"{body.list_id}/3")


def _operations() -> list[Message]:
    delivery = "d41d8cd98f00b204"
    verified = VerificationCompleted(credential=CREDENTIAL, outcome="invalid", codes=("REVOKED",), at=EPOCH)
    sent = DeliverySucceeded(delivery=delivery, credential=CREDENTIAL, occasion=Occasion.ISSUED, attempt=2, at=EPOCH)
    failed = DeliveryFailed(
        delivery=delivery, credential=CREDENTIAL, occasion=Occasion.ISSUED, attempt=1, at=EPOCH,
        reason="451 try again later", next_attempt_at=EPOCH + timedelta(minutes=5),
    )  # fmt: skip
    disabled = EndpointDisabled(endpoint="hook-7", reason="It answered 410 Gone.", at=EPOCH)
    return [
        _from("verifier", VERIFICATIONS, verified, CREDENTIAL, "9b2f0c7e"),
        _from("notifier", DELIVERIES, sent, "mail", f"{delivery}/2"),
        _from("notifier", DELIVERIES, failed, "mail", f"{delivery}/1"),
        _from("notifier", DELIVERIES, disabled, "hook-7", "hook-7"),
    ]


def _dead_letter() -> Message:
    body = DeadLetter(
        service="registry", code=Code.UNREADABLE_RECORD, reason="The body is not JSON.", trace="",
        attempts=1, record=Coordinates(topic=CREDENTIALS.name, partition=4, offset=17), key="bGVhcm5lci0x",
        value="bm90IEpTT04=", headers=(("ce_type", "Y3JlZGVudGlhbC5pc3N1ZWQ="),), at=EPOCH,
    )  # fmt: skip
    return _from("registry", DEAD_LETTERS, body, "learner-1", "credentials.v1/4/17")


def _action() -> Message:
    body = AdminActionRecorded(
        operator="north-desk", action="status.revoke", target=CREDENTIAL, outcome=AuditOutcome.DONE,
        detail="version 2", trace="0af7651916cd43dd8448eb211c80319c", at=EPOCH,
    )  # fmt: skip
    return audit_entries.entry("urn:laurel:registry", "status-request/revoke-4711", body)


if __name__ == "__main__":
    print("\n".join(f"wrote {path}" for path in write_missing()) or "nothing is missing")
