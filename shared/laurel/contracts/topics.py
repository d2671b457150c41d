"""The catalogue: every topic, named here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal
from zlib import crc32

from laurel.contracts import audit, catalog, completions, credentials, operations, operators, status
from laurel.contracts.base import Contract
from laurel.contracts.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `retention` None means compacted: the topic is a table, keyed by `key`.

    `partitioned_by` names what decides the partition where that is not the key. `signed` tells which events must
    carry a signature as `ce_jws`: those that partners write, or all. Whoever writes or reads is a service, or
    `partners` or `operators`.
    """

    name: str
    summary: str
    key: str
    partitions: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    events: Mapping[str, type[Contract]]
    retention: timedelta | None = None
    partitioned_by: str | None = None
    signed: Literal["none", "partners", "all"] = "none"

    @property
    def compacted(self) -> bool:
        """Whether the newest record of each key is kept for good."""
        return self.retention is None

    def partition_of(self, value: str) -> int:
        """The partition of a value of `partitioned_by`: CRC-32 modulo the partitions, the same everywhere."""
        return crc32(value.encode()) % self.partitions


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way out: where, under which key, and (only where the topic says so) which partition.

    `trace` is the W3C trace context to send along; it is transport, not part of the event.
    """

    topic: Topic
    key: str
    event: Envelope
    partition: int | None = None
    trace: Mapping[str, str] = field(default_factory=dict)


def message(
    topic: Topic, body: Contract, *, key: str, event_id: str, source: str, time: datetime,
    subject: str | None = None, partition: int | None = None,
) -> Message:  # fmt: skip
    """A message whose event type is found from the body's class, so that a body cannot go to a wrong topic.

    Raises:
        KeyError: the topic does not carry such a body.
    """
    types = {contract: name for name, contract in topic.events.items()}
    event = Envelope(
        id=event_id, source=source, type=types[type(body)], data=body.to_bytes(), time=time, subject=subject
    )
    return Message(topic, key, event, partition)


def _events(**contracts: type[Contract]) -> Mapping[str, type[Contract]]:
    return MappingProxyType({name.replace("__", ".").replace("_", "-"): c for name, c in contracts.items()})


CATALOG = Topic(
    "catalog.v1", "Members, partners, achievements, operators, each in full.", "kind and id, such as issuer/north", 1,
    ("registry",), ("issuer", "verifier", "notifier"),
    _events(issuer__published=catalog.IssuerPublished, partner__published=catalog.PartnerPublished,
            achievement__published=catalog.AchievementPublished, operator__published=operators.OperatorPublished),
)  # fmt: skip
COMPLETIONS = Topic(
    "completions.v1", "What partners report. Carries names and e-mail addresses.", "the partner's learner reference", 6,
    ("partners", "issuer"), ("issuer",),
    _events(completion__recorded=completions.CompletionRecorded), timedelta(days=14), signed="all",
)  # fmt: skip
REJECTED_COMPLETIONS = Topic(
    "completions.rejected.v1", "Completions that became no credential, and why.", "partner id", 1,
    ("issuer",), ("operators",),
    _events(completion__rejected=completions.CompletionRejected), timedelta(days=30),
)  # fmt: skip
CREDENTIALS = Topic(
    "credentials.v1", "Signed credentials, in full.", "credential id", 6,
    ("issuer",), ("registry", "notifier"), _events(credential__issued=credentials.CredentialIssued),
)  # fmt: skip
RECIPIENTS = Topic(
    "recipients.v1", "Whom to tell about a credential. Carries names and e-mail addresses.", "credential id", 6,
    ("issuer",), ("notifier",), _events(recipient__recorded=credentials.RecipientRecorded), timedelta(days=7),
)  # fmt: skip
STATUS_REQUESTS = Topic(
    "status.requests.v1", "Wishes to revoke, suspend or reinstate.", "credential id", 6,
    ("registry", "partners"), ("registry",),
    _events(status__change__requested=status.StatusChangeRequested), timedelta(days=14), signed="partners",
)  # fmt: skip
STATUS_CHANGES = Topic(
    "status.changes.v1", "Every credential's status, in full, and how fresh this topic is.", "credential id", 6,
    ("registry",), ("issuer", "verifier", "notifier"),
    _events(status__changed=status.StatusChanged, status__heartbeat=status.StatusHeartbeat),
    partitioned_by="status list family",
)  # fmt: skip
STATUS_LISTS = Topic(
    "status-lists.v1", "Signed status lists, in full.", "list id", 1,
    ("issuer",), ("registry", "verifier"), _events(status_list__signed=status.StatusListSigned),
)  # fmt: skip
VERIFICATIONS = Topic(
    "verifications.v1", "That something was verified, and what came of it.", "credential id", 1,
    ("verifier",), ("operators",),
    _events(verification__completed=operations.VerificationCompleted), timedelta(days=7),
)  # fmt: skip
DELIVERIES = Topic(
    "deliveries.v1", "What became of each notification.", "endpoint id", 1, ("notifier",), ("operators",),
    _events(delivery__succeeded=operations.DeliverySucceeded, delivery__failed=operations.DeliveryFailed,
            endpoint__disabled=operations.EndpointDisabled), timedelta(days=7),
)  # fmt: skip
DEAD_LETTERS = Topic(
    "dead-letters.v1", "Records that a service gave up on, whole.", "the original key", 1,
    ("issuer", "registry", "notifier"), ("operators",),
    _events(dead_letter__recorded=operations.DeadLetter), timedelta(days=30),
)  # fmt: skip
AUDIT = Topic(
    "audit.v1", "What operators did, or were refused.", "the operator's id", 1,
    ("issuer", "registry", "notifier", "operators"), ("registry",),
    _events(admin__action__recorded=audit.AdminActionRecorded), timedelta(days=1830),
)  # fmt: skip

TOPICS: tuple[Topic, ...] = (
    CATALOG, COMPLETIONS, REJECTED_COMPLETIONS, CREDENTIALS, RECIPIENTS, STATUS_REQUESTS, STATUS_CHANGES,
    STATUS_LISTS, VERIFICATIONS, DELIVERIES, DEAD_LETTERS, AUDIT,
)  # fmt: skip
BY_NAME: Mapping[str, Topic] = MappingProxyType({topic.name: topic for topic in TOPICS})
