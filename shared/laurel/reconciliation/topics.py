"""Facts from the topics, one record at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from sys import intern

import orjson

from laurel.contracts import signature
from laurel.contracts.base import Contract, utc_text
from laurel.contracts.catalog_index import Entry
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.credentials import CredentialIssued, RecipientRecorded
from laurel.contracts.envelope import Envelope, derived_id, event_type_of
from laurel.contracts.errors import Rejected
from laurel.contracts.operations import DeadLetter, DeliveryFailed, DeliverySucceeded
from laurel.contracts.status import StatusChanged, StatusChangeRequested, StatusListSigned
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
    Topic,
)
from laurel.credentials.errors import CredentialError
from laurel.credentials.status_list import decode
from laurel.reconciliation.documents import document_digest, entry_digests, found_by, history_digest
from laurel.reconciliation.facts import (
    Asked,
    CatalogEntry,
    Facts,
    Filing,
    Issued,
    Place,
    Position,
    Recorded,
    SignedList,
    Status,
    Told,
)
from laurel.runtime.faults import Poison
from laurel.runtime.kafka import begins, committed, scan
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings

Progress = Callable[[str], None]
_READERS = (
    ("issuer", COMPLETIONS), ("issuer", STATUS_CHANGES), ("registry", CREDENTIALS), ("registry", STATUS_LISTS),
    ("registry", STATUS_REQUESTS), ("notifier", CREDENTIALS), ("notifier", STATUS_CHANGES), ("notifier", RECIPIENTS),
)  # fmt: skip
_REGISTRY = "urn:laurel:registry"
# Retention goes by when a record was written, and what is told of was decided a little earlier.
_SLACK = timedelta(hours=1)


async def read_progress(settings: KafkaSettings, facts: Facts, progress: Progress) -> None:
    """How far the services are, what the topics still have, and what was given up. Raises KafkaError."""
    for service, topic in _READERS:
        facts.committed[service, topic.name] = await committed(settings, service, topic)
    for topic in (COMPLETIONS, REJECTED_COMPLETIONS, DELIVERIES):
        facts.begins[topic.name] = await begins(settings, topic)
    for topic in (STATUS_REQUESTS, RECIPIENTS):
        assert topic.retention is not None
        if any((await begins(settings, topic)).values()):
            # By the retention and not by the first record: partners date their requests as they like.
            facts.whole_since[topic.name] = facts.at - topic.retention + _SLACK

    def letter(_: Record, __: Envelope, body: Contract) -> None:
        if isinstance(body, DeadLetter):
            at = Place(body.record.partition, body.record.offset)
            facts.dead_letters.setdefault((body.service, body.record.topic), set()).add(at)

    await _each(settings, DEAD_LETTERS, letter, facts, progress)


async def read_topics(settings: KafkaSettings, facts: Facts, progress: Progress) -> None:
    """What the topics say. Raises KafkaError."""
    reading = _Reading(facts)
    for topic, take in (
        (CREDENTIALS, reading.issued), (REJECTED_COMPLETIONS, reading.rejected), (STATUS_CHANGES, reading.status),
        (STATUS_LISTS, reading.signed_list), (DELIVERIES, reading.delivery), (CATALOG, reading.entry),
        (STATUS_REQUESTS, reading.request), (RECIPIENTS, reading.recipient),
    ):  # fmt: skip
        await _each(settings, topic, take, facts, progress)
    for partition in range(COMPLETIONS.partitions):
        async for record in scan(settings, COMPLETIONS, partition):
            _completion(record, facts)
            progress(COMPLETIONS.name)


async def _each(
    settings: KafkaSettings, topic: Topic, take: Callable[[Record, Envelope, Contract], None], facts: Facts,
    progress: Progress,
) -> None:  # fmt: skip
    for partition in range(topic.partitions):
        async for record in scan(settings, topic, partition):
            try:
                read = read_event(record)
                if read is not None:
                    take(record, *read)
            except (Poison, CredentialError, KeyError):
                facts.unreadable[topic.name] = facts.unreadable.get(topic.name, 0) + 1
            progress(topic.name)


def _completion(record: Record, facts: Facts) -> None:
    """The name that the issuer gives a record: its coordinates and, since a topic may be made anew, a digest."""
    content = sha256(b"\0".join([record.value or b"", *(raw for _, raw in record.headers)])).hexdigest()[:16]
    name = f"{record.topic}/{record.partition}/{record.offset}/{content}"
    facts.completions[name] = event_type_of(record.headers) not in (None, *COMPLETIONS.events)


def _kid(event: Envelope) -> str:
    """The key that a partner's request names; whether the signature holds is for the registry to say."""
    try:
        return intern(signature.read(event).kid)
    except Rejected:
        return ""


class _Reading:
    """What each event adds to the facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def entry(self, _: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, Entry) or event.time is None:
            return
        key, content = f"{event.type.partition('.')[0]}/{body.id}", orjson.loads(event.data)
        read = CatalogEntry(body.version, *entry_digests(content), event.time, found_by(content),
                            content.get("consortium"))  # fmt: skip
        before = self._facts.catalog.get(key)
        if before is None or before.version < read.version:
            self._facts.catalog[key] = read
        elif before.version == read.version and before.digest != read.digest:
            self._facts.catalog[key] = before._replace(differing=True)

    def request(self, record: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, StatusChangeRequested):
            return
        own = event.source == _REGISTRY
        # As the registry names them: nobody else's request can have the id of one of its own.
        key = (event.id if own else derived_id(event.source, event.id, event.type), sha256(event.data).digest())
        place, before = Place(record.partition, record.offset), self._facts.asked.get(key)
        places = (place,) if before is None else (*before.places, place)
        at = body.requested_at if event.time is None else event.time
        self._facts.asked[key] = Asked(places, intern(body.credential), at, None if own else _kid(event))

    def recipient(self, record: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, RecipientRecorded) or event.time is None:
            return
        place, before = Place(record.partition, record.offset), self._facts.recorded.get(body.credential)
        places = (place,) if before is None else (*before.places, place)
        self._facts.recorded[intern(body.credential)] = Recorded(places, event.time)

    def issued(self, record: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, CredentialIssued):
            return
        filing = Filing(body.issuer, body.achievement, body.partner, Position.of(body.status), utc_text(body.issued_at))
        digest, place = document_digest(body.credential), Place(record.partition, record.offset)
        address = intern(body.address or body.id)
        before = self._facts.issued.get(body.id)
        if before is None:
            self._facts.issued[intern(body.id)] = Issued((place,), digest, filing, event.id, address)
        else:
            same = before[1:5] == (digest, filing, event.id, address)
            differing = before.differing or not same
            self._facts.issued[body.id] = before._replace(places=(*before.places, place), differing=differing)

    def rejected(self, _: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, CompletionRejected):
            return
        if self._facts.rejected_since is None:
            self._facts.rejected_since = self._since(REJECTED_COMPLETIONS, body.rejected_at)
        self._facts.rejected.setdefault(event.id, set()).add(sha256(event.data).digest())

    def status(self, record: Record, event: Envelope, body: Contract) -> None:
        if not isinstance(body, StatusChanged):
            return
        before = self._facts.statuses.get(body.credential)
        if before is not None and before.version > body.version:
            return
        history = orjson.loads(event.data).get("history")
        self._facts.statuses[intern(body.credential)] = Status(
            # Repeats of a version do not make it newer: it is handled once the first of them is.
            before.place if before is not None and before.version == body.version
            else Place(record.partition, record.offset),
            intern(body.issuer), body.achievement and intern(body.achievement), Position.of(body.status), body.state,
            body.version, body.changed_at, None if history is None else history_digest(history),
        )  # fmt: skip

    def signed_list(self, record: Record, _: Envelope, body: Contract) -> None:
        if not isinstance(body, StatusListSigned):
            return
        before = self._facts.signed_lists.get(body.list_id)
        if before is not None and before.version >= body.version:
            return
        self._facts.signed_lists[body.list_id] = SignedList(
            Place(record.partition, record.offset), body.issuer, body.family, body.purpose, body.version,
            document_digest(body.credential), decode(body.credential["credentialSubject"]["encodedList"]).to_bytes(),
        )  # fmt: skip

    def delivery(self, _: Record, __: Envelope, body: Contract) -> None:
        if not isinstance(body, DeliverySucceeded | DeliveryFailed):
            return
        if self._facts.told_since is None:
            self._facts.told_since = self._since(DELIVERIES, body.at)
        told = Told(body.attempt, isinstance(body, DeliverySucceeded))
        self._facts.told.setdefault(body.delivery, set()).add(told)

    def _since(self, topic: Topic, first: datetime) -> datetime | None:
        """From when on a topic is whole, going by its first record; None where nothing of it was deleted."""
        return first + _SLACK if any(self._facts.begins[topic.name].values()) else None
