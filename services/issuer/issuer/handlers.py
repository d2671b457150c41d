"""What the issuer does with completions: they become credentials, or rejections. Status changes: see `status_lists`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog

from issuer import domain
from issuer.derivation import Derivation
from issuer.domain import SOURCE
from issuer.metrics import COMPLETIONS_DECIDED, REJECTIONS
from issuer.signer import Signer, ToSign
from issuer.store import Intent, Store
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.base import Contract
from laurel.contracts.catalog import PartnerPublished
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.credentials import CredentialIssued, RecipientRecorded
from laurel.contracts.envelope import Envelope, decode, derived_id, event_type_of
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, RECIPIENTS, REJECTED_COMPLETIONS, Message, Topic, message
from laurel.credentials.lint import lint
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import Record

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Case:
    """One record on its way through a batch. It ends with an intent, a rejection, or (a duplicate) both."""

    record: Record
    key: str
    """Names the record in the database: its coordinates and, since a topic may be made anew, a digest of it."""
    event: Envelope | None = None
    partner: PartnerPublished | None = None
    accepted: domain.Accepted | None = None
    credential_id: str = ""
    intent: Intent | None = None
    refusal: Rejected | None = None
    rejection: CompletionRejected | None = None

    @property
    def is_new(self) -> bool:
        """Whether the event earns a credential that nothing is stored of yet."""
        return self.accepted is not None and self.intent is None and self.refusal is None


@dataclass(frozen=True)
class CompletionHandler:
    """`completion.recorded` → `credential.issued` and `recipient.recorded`, or `completion.rejected`."""

    store: Store
    catalog: CatalogView
    kafka: Kafka
    signer: Signer
    derivation: Derivation
    addresses: Addresses
    policy: domain.Policy
    clock: Clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Handle a batch; a bad record becomes a rejection and the others go on."""
        # 1. Decode. A record that was rejected once stays rejected, though the catalog may have changed since.
        cases = [_read(record) for record in records if _is_ours(record)]
        await self._recall_rejections(cases)
        # 2. Check each of the others on its own.
        await self._judge_all([case for case in cases if case.rejection is None])
        # 3. The credential id is derived from the event; known ids are replays and keep their stored intent.
        await self._recall_intents(cases)
        # 4. New ones get a status position, and what is to be signed is linted and stored before it is signed.
        await self._intend([case for case in cases if case.is_new])
        await self._reject([case for case in cases if case.refusal])
        # 5. Sign off the event loop. Every suite is deterministic, so a replay signs the same bytes.
        credentials = await self._sign(cases)
        # 6. Publish what follows from what is stored, and wait for the brokers; then the offsets commit.
        await self.kafka.publish([each for case in cases for each in _messages(case, credentials)])
        for case in cases:
            _count(case)

    async def _recall_rejections(self, cases: Sequence[_Case]) -> None:
        earlier = await self.store.rejections([case.key for case in cases])
        for case in cases:
            case.rejection = earlier.get(case.key)
            if case.rejection:
                case.refusal = None
                case.credential_id = case.rejection.credential or ""

    async def _judge_all(self, cases: Sequence[_Case]) -> None:
        for case in cases:
            self._judge(case)
        doubtful = [case for case in cases if case.refusal and case.refusal.code in domain.MAY_BE_STALE]
        if doubtful:
            await self.catalog.catch_up()
            for case in doubtful:
                case.refusal = None
                self._judge(case)

    def _judge(self, case: _Case) -> None:
        if case.event is None:
            return
        now = self.clock()
        try:
            sender = domain.authenticate(case.event, self.catalog, self.derivation.intake_key.public, now)
            case.partner = sender.partner
            case.accepted = domain.accept(case.event, sender, self.catalog, self.policy, now)
        except Rejected as refusal:
            case.refusal = refusal
            return
        case.credential_id = self._credential_id(case.partner.id, case.event)

    def _credential_id(self, partner: str, event: Envelope) -> str:
        return self.addresses.credential(self.derivation.token(partner, event.source, event.id))

    async def _recall_intents(self, cases: Sequence[_Case]) -> None:
        candidates = {case.key: self._candidates(case) for case in cases}
        known = await self.store.intents(list({each for ids in candidates.values() for each in ids}))
        for case in cases:
            found = [known[each] for each in candidates[case.key] if each in known]
            own = next((each for each in found if each.record == case.key), None)
            if own is not None:
                # This very record earned it. That it would be refused today, under a key since retired, is no matter.
                case.intent, case.credential_id, case.refusal = own, own.credential_id, None
            elif found and (case.accepted or case.rejection):
                _settle(case, found[0])

    def _candidates(self, case: _Case) -> list[str]:
        """The ids of the credentials that the event may have led to: of a refused one, for each possible sender."""
        if case.credential_id:
            return [case.credential_id]
        if case.rejection or case.event is None:
            return []
        return [self._credential_id(each, case.event) for each in domain.possible_senders(case.event, self.catalog)]

    async def _intend(self, cases: Sequence[_Case]) -> None:
        first: dict[str, _Case] = {}
        for case in cases:
            first.setdefault(case.credential_id, case)
        standing = await self.store.add_intents(await self._new_intents(list(first.values())))
        for case in cases:
            _settle(case, standing[case.credential_id])

    async def _new_intents(self, cases: Sequence[_Case]) -> list[Intent]:
        by_issuer: dict[str, list[_Case]] = {}
        for case in cases:
            assert case.accepted
            by_issuer.setdefault(case.accepted.issuer.id, []).append(case)
        # Before anything is reserved, since without a key the events come back, and each time would use up numbers.
        keys = {issuer: await self._key_for(issuer) for issuer in by_issuer}
        intents = []
        for issuer, members in by_issuer.items():
            sequence = await self.store.reserve(issuer, len(members))
            intents += [self._new_intent(case, keys[issuer], sequence + number) for number, case in enumerate(members)]
        return intents

    async def _key_for(self, issuer: str) -> str:
        """The key to sign with. Raises Poison without one: not the partner's fault, so kept whole to be replayed."""
        try:
            return self.signer.key_for(self.catalog.issuers[issuer], self.clock())
        except Poison:
            await self.catalog.catch_up()  # a key that was registered just now
            return self.signer.key_for(self.catalog.issuers[issuer], self.clock())

    def _new_intent(self, case: _Case, multikey: str, sequence: int) -> Intent:
        accepted = case.accepted
        assert accepted
        issuer = accepted.issuer
        position = self.derivation.position(issuer.id, sequence)
        created = self.clock().replace(microsecond=0)
        salt = self.derivation.salt(case.credential_id)
        document = domain.build_credential(accepted, self.addresses, case.credential_id, position, salt, created)
        lint(document)
        return Intent(
            credential_id=case.credential_id, event_source=accepted.event.source, event_id=accepted.event.id,
            digest=domain.digest(accepted.event), record=case.key, partner=accepted.partner.id, issuer=issuer.id,
            achievement=accepted.achievement.id, position=position, multikey=multikey, cryptosuite=issuer.suite,
            verification_method=verification_method(issuer.did, multikey), created=created, document=document,
        )  # fmt: skip

    async def _reject(self, cases: Sequence[_Case]) -> None:
        now = self.clock()
        standing = await self.store.add_rejections({case.key: self._rejection(case, now) for case in cases})
        for case in cases:
            case.rejection = standing[case.key]

    def _rejection(self, case: _Case, now: datetime) -> CompletionRejected:
        assert case.refusal
        event = case.event
        # Without a signature that holds, the source's owner hears of it, though it may not have sent this event.
        senders = [case.partner.id] if case.partner else domain.possible_senders(event, self.catalog) if event else []
        return CompletionRejected(
            code=case.refusal.code, pointer=case.refusal.pointer[:500], detail=case.refusal.detail,
            partner=next(iter(senders), None), event_source=event.source if event else None,
            event_id=event.id if event else None, credential=case.credential_id if case.intent else None,
            record=case.record.coordinates, rejected_at=now,
        )  # fmt: skip

    async def _sign(self, cases: Sequence[_Case]) -> dict[str, dict[str, Any]]:
        intents = {case.credential_id: case.intent for case in cases if case.intent}
        signed = await self.signer.sign_all([to_sign(each) for each in intents.values()])
        return dict(zip(intents, signed, strict=True))


def _is_ours(record: Record) -> bool:
    """Whether the event is of a type that is known here; a newer partner may send others, which are passed over."""
    named = event_type_of(record.headers)
    if named in (None, domain.EVENT_TYPE):
        return True
    COMPLETIONS_DECIDED.labels("passed over").inc()
    log.warning("unknown event type passed over", type=str(named)[:100], record=record.coordinates.model_dump())
    return False


def _read(record: Record) -> _Case:
    content = sha256(b"\0".join([record.value or b"", *(raw for _, raw in record.headers)])).hexdigest()[:16]
    case = _Case(record, f"{record.topic}/{record.partition}/{record.offset}/{content}")
    try:
        case.event = decode(record.headers, record.value)
    except Rejected as refusal:
        case.refusal = refusal
    return case


def _settle(case: _Case, stored: Intent) -> None:
    """Hold an event against the intent that stands for its credential id."""
    assert case.event
    if case.rejection:
        # A duplicate, told so before; it publishes again what it published then.
        case.intent = stored
        return
    try:
        domain.came_before(stored.digest, case.event)
    except Rejected as refusal:
        case.refusal = refusal
        return
    case.intent = stored
    if stored.record != case.key:
        # The partner sent it twice. The credential is published again all the same, for a dead letter that is
        # replayed comes this way too and its credential may never have gone out.
        case.refusal = Rejected(Code.DUPLICATE_EVENT, "", "The same event came before: its credential stands.")


def _messages(case: _Case, credentials: Mapping[str, Any]) -> list[Message]:
    """What is published for one record, in a span under its sender's."""
    outgoing: list[Message] = []
    with telemetry.span_under("issue", telemetry.carrier_of(case.record.headers)) as span:
        if case.intent:
            outgoing += _issued(case, case.intent, credentials[case.credential_id])
        if case.rejection:
            span.set_attribute("laurel.rejection", case.rejection.code.value)
            outgoing.append(_rejected(case, case.rejection))
        trace = telemetry.current_carrier()
    return [replace(each, trace=trace) for each in outgoing]


def _issued(case: _Case, intent: Intent, credential: dict[str, Any]) -> list[Message]:
    assert case.event
    # A record that is refused today can have earned a credential before.
    completion = case.accepted.completion if case.accepted else domain.read_completion(case.event)
    learner = completion.learner
    recipient = RecipientRecorded(
        credential=intent.credential_id, name=learner.name, email=learner.email, language=learner.language
    )
    return [issued_message(intent, credential), _follows(intent, RECIPIENTS, recipient)]


def to_sign(intent: Intent) -> ToSign:
    """An intent as the signer takes it."""
    return ToSign(
        intent.document, intent.multikey, intent.verification_method, intent.cryptosuite, intent.created
    )  # fmt: skip


def issued_message(intent: Intent, credential: dict[str, Any]) -> Message:
    """`credential.issued` for an intent; the same intent always gives the same bytes."""
    body = CredentialIssued(
        id=intent.credential_id, address=intent.address, credential=credential, issuer=intent.issuer,
        achievement=intent.achievement, partner=intent.partner, status=intent.position, issued_at=intent.created,
    )  # fmt: skip
    return _follows(intent, CREDENTIALS, body)


def _follows(intent: Intent, topic: Topic, body: Contract) -> Message:
    event_id = derived_id(intent.event_source, intent.event_id, next(iter(topic.events)))
    return message(topic, body, key=intent.credential_id, event_id=event_id, source=SOURCE, time=intent.created)


def _rejected(case: _Case, body: CompletionRejected) -> Message:
    return message(
        REJECTED_COMPLETIONS, body, key=body.partner or "unknown", source=SOURCE, time=body.rejected_at,
        event_id=derived_id(COMPLETIONS.name, case.key, "completion.rejected"),
    )  # fmt: skip


def _count(case: _Case) -> None:
    if case.rejection is None:
        COMPLETIONS_DECIDED.labels("issued").inc()
        return
    code = case.rejection.code
    COMPLETIONS_DECIDED.labels("duplicate" if code is Code.DUPLICATE_EVENT else "rejected").inc()
    REJECTIONS.labels(code.value).inc()
    log.info("completion rejected", code=code.value, pointer=case.rejection.pointer, event_id=case.rejection.event_id)
