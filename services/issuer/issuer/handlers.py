"""What the issuer does with events: completions become credentials, status changes become bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.catalog_index import CatalogIndex
from laurel.contracts.completions import CompletionRejected
from laurel.contracts.credentials import CredentialIssued, RecipientRecorded
from laurel.contracts.envelope import Envelope, decode, derived_id, event_type_of
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, RECIPIENTS, REJECTED_COMPLETIONS, Message, message
from laurel.credentials.lint import lint
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
from laurel.runtime.kafka import Kafka
from laurel.runtime.record import Record

from issuer import domain
from issuer.derivation import Derivation
from issuer.metrics import COMPLETIONS_DECIDED, REJECTIONS
from issuer.signer import Signer, ToSign
from issuer.store import Intent, Store

log = structlog.get_logger(__name__)

SOURCE = "urn:laurel:issuer"


@dataclass(slots=True)
class _Case:
    """One record on its way through a batch: what was decided, and what is published for it."""

    record: Record
    event: Envelope | None = None
    accepted: domain.Accepted | None = None
    credential_id: str = ""
    intent: Intent | None = None
    refusal: Rejected | None = None

    @property
    def key(self) -> str:
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"


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
        # 1. Decode and check each record on its own.
        cases = [_Case(record) for record in records if event_type_of(record.headers) in (None, domain.EVENT_TYPE)]
        await self._decide(cases)
        # 2. The credential id is derived from the event; 3. known ids are replays and keep their stored intent.
        await self._recall(cases)
        # 4. New ones get a status position; 5. what is to be signed is linted and stored before it is signed.
        await self._intend(cases)
        rejections = await self._store_rejections(cases)
        # 6. Sign off the event loop. Ed25519 is deterministic, so a replay signs the same bytes.
        credentials = await self._sign(cases)
        # 7. Publish what follows from what is stored, and wait for the brokers; then the offsets commit.
        await self.kafka.publish(self._messages(cases, rejections, credentials))

    async def _decide(self, cases: Sequence[_Case]) -> None:
        earlier = await self.store.rejections([case.key for case in cases])
        for case in cases:
            self._judge(case)
            if case.key in earlier:
                # What was refused once stays refused, though the catalog may have changed since.
                stored = earlier[case.key]
                case.refusal = Rejected(stored.code, stored.pointer, stored.detail)
                case.accepted = None
        doubtful = [
            case
            for case in cases
            if case.refusal and case.refusal.code in domain.MAY_BE_STALE and case.key not in earlier
        ]
        if doubtful:
            await self.catalog.catch_up()
            for case in doubtful:
                self._judge(case)

    def _judge(self, case: _Case) -> None:
        case.refusal = None
        try:
            case.event = decode(case.record.headers, case.record.value)
            case.accepted = domain.accept(
                case.event, self.catalog, self.derivation.intake_key.public, self.policy, self.clock()
            )
        except Rejected as refusal:
            case.refusal = refusal
            return
        token = self.derivation.token(case.accepted.partner.id, case.event.source, case.event.id)
        case.credential_id = self.addresses.credential(token)

    async def _recall(self, cases: Sequence[_Case]) -> None:
        ids = list({case.credential_id for case in cases if case.accepted})
        known = await self.store.intents(ids)
        for case in cases:
            if case.accepted and case.credential_id in known:
                _settle(case, known[case.credential_id])

    async def _intend(self, cases: Sequence[_Case]) -> None:
        first: dict[str, _Case] = {}
        for case in cases:
            if case.accepted and case.intent is None and case.refusal is None:
                first.setdefault(case.credential_id, case)
        standing = await self.store.add_intents(await self._new_intents(list(first.values())))
        for case in cases:
            if case.accepted and case.intent is None and case.refusal is None:
                _settle(case, standing[case.credential_id])

    async def _new_intents(self, cases: Sequence[_Case]) -> list[Intent]:
        by_issuer: dict[str, list[_Case]] = {}
        for case in cases:
            assert case.accepted
            by_issuer.setdefault(case.accepted.issuer.id, []).append(case)
        intents = []
        for issuer, members in by_issuer.items():
            sequence = await self.store.reserve(issuer, len(members))
            intents += [self._new_intent(case, issuer, sequence + number) for number, case in enumerate(members)]
        return intents

    def _new_intent(self, case: _Case, issuer: str, sequence: int) -> Intent:
        accepted = case.accepted
        assert accepted
        multikey = domain.active_key(accepted.issuer, self.signer.holds)
        if multikey is None:
            # Not the partner's fault: kept whole, to be replayed when the key is here.
            raise Poison(Code.ISSUER_NOT_READY, f"the signing keys file has no key in use of the member {issuer}")
        position = self.derivation.position(issuer, sequence)
        created = self.clock().replace(microsecond=0)
        salt = self.derivation.salt(case.credential_id)
        document = domain.build_credential(accepted, self.addresses, case.credential_id, position, salt, created)
        lint(document)
        return Intent(
            credential_id=case.credential_id, event_source=accepted.event.source, event_id=accepted.event.id,
            digest=accepted.digest, record=case.record.coordinates, partner=accepted.partner.id, issuer=issuer,
            achievement=accepted.achievement.id, position=position, multikey=multikey,
            verification_method=verification_method(accepted.issuer.did, multikey), created=created,
            document=document,
        )  # fmt: skip

    async def _store_rejections(self, cases: Sequence[_Case]) -> dict[str, CompletionRejected]:
        now = self.clock()
        return await self.store.add_rejections(
            {case.key: _rejection(case, now, self.catalog) for case in cases if case.refusal}
        )

    async def _sign(self, cases: Sequence[_Case]) -> dict[str, dict[str, Any]]:
        intents = {case.credential_id: case.intent for case in cases if case.intent}
        signed = await self.signer.sign_all(
            [ToSign(each.document, each.multikey, each.verification_method, each.created) for each in intents.values()]
        )
        return dict(zip(intents, signed, strict=True))

    def _messages(
        self, cases: Sequence[_Case], rejections: Mapping[str, CompletionRejected], credentials: Mapping[str, Any]
    ) -> list[Message]:
        outgoing: list[Message] = []
        for case in cases:
            with telemetry.span_under("issue", telemetry.carrier_of(case.record.headers)) as span:
                if case.intent:
                    outgoing += _issued(case, case.intent, credentials[case.credential_id])
                if case.refusal:
                    body = rejections[case.key]
                    outgoing.append(_rejected(case, body))
                    span.set_attribute("laurel.rejection", body.code.value)
                    REJECTIONS.labels(body.code.value).inc()
                    log.info("completion rejected", code=body.code.value, pointer=body.pointer, event_id=body.event_id)
                COMPLETIONS_DECIDED.labels(_outcome(case)).inc()
        return outgoing


def _settle(case: _Case, stored: Intent) -> None:
    """Hold an accepted event against the intent that stands for its id."""
    assert case.accepted
    if stored.digest != case.accepted.digest:
        case.refusal = Rejected(
            Code.EVENT_ID_REUSED, "",
            "An event with this source and id came before with other content: give each event an id of its own.",
        )  # fmt: skip
        return
    case.intent = stored
    if stored.record != case.record.coordinates:
        # The partner sent it twice. The credential is published again all the same, for a dead letter that is
        # replayed comes this way too and its credential may never have gone out.
        case.refusal = Rejected(Code.DUPLICATE_EVENT, "", "The same event came before: its credential stands.")


def _outcome(case: _Case) -> str:
    if case.refusal is None:
        return "issued"
    return "duplicate" if case.refusal.code is Code.DUPLICATE_EVENT else "rejected"


def _rejection(case: _Case, now: Any, catalog: CatalogIndex) -> CompletionRejected:
    assert case.refusal
    accepted, event = case.accepted, case.event
    partner = accepted.partner.id if accepted else _claimed_partner(event, catalog)
    return CompletionRejected(
        code=case.refusal.code, pointer=case.refusal.pointer[:500], detail=case.refusal.detail, partner=partner,
        event_source=event.source if event else None, event_id=event.id if event else None,
        credential=case.credential_id if case.intent else None, record=case.record.coordinates, rejected_at=now,
    )  # fmt: skip


def _claimed_partner(event: Envelope | None, catalog: CatalogIndex) -> str | None:
    """Whom to tell: the partner that registered the event's source, though it may not have sent this event."""
    if event is None:
        return None
    return next((each.id for each in catalog.partners.values() if event.source in each.sources), None)


def _issued(case: _Case, intent: Intent, credential: dict[str, Any]) -> list[Message]:
    assert case.accepted
    learner = case.accepted.completion.learner
    issued = CredentialIssued(
        id=intent.credential_id, credential=credential, issuer=intent.issuer, achievement=intent.achievement,
        partner=intent.partner, status=intent.position, issued_at=intent.created,
    )  # fmt: skip
    recipient = RecipientRecorded(
        credential=intent.credential_id, name=learner.name, email=learner.email, language=learner.language
    )
    outgoing = []
    for topic, body in ((CREDENTIALS, issued), (RECIPIENTS, recipient)):
        event_id = derived_id(intent.event_source, intent.event_id, next(iter(topic.events)))
        outgoing.append(
            message(topic, body, key=intent.credential_id, event_id=event_id, source=SOURCE, time=intent.created)
        )
    return [replace(each, trace=telemetry.current_carrier()) for each in outgoing]


def _rejected(case: _Case, body: CompletionRejected) -> Message:
    made = message(
        REJECTED_COMPLETIONS, body, key=body.partner or "unknown", source=SOURCE, time=body.rejected_at,
        event_id=derived_id(COMPLETIONS.name, case.key, "completion.rejected"),
    )  # fmt: skip
    return replace(made, trace=telemetry.current_carrier())
