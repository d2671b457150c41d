"""What the registry does with the events it reads: file credentials, change statuses, keep status lists."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, TypeVar

import structlog
from prometheus_client import Counter

from laurel.contracts import signature
from laurel.contracts.addresses import Addresses
from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.base import Contract
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.envelope import Envelope, derived_id
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import StatusChangeRequested, StatusListSigned
from laurel.runtime import telemetry
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
from laurel.runtime.record import Record, read_event
from registry.announcer import Announcer, Publish, Trace
from registry.database import Overtaken
from registry.domain import SOURCE, application, audited, authorised_partner, changed, registration, signed_list
from registry.outcomes import Outcomes
from registry.rows import Refused, StoredAction, StoredCredential, StoredRequest
from registry.store import Store

log = structlog.get_logger(__name__)

STATUS_CHANGES_TOTAL = Counter("laurel_status_changes_total", "Status changes carried out.", ["state"])
STATUS_REFUSALS_TOTAL = Counter("laurel_status_refusals_total", "Status requests refused.", ["code"])
CONFLICTS_TOTAL = Counter(
    "laurel_credential_conflicts_total", "Times an id came that is registered with other content."
)
Body = TypeVar("Body", bound=Contract)


@dataclass(frozen=True)
class Incoming(Generic[Body]):
    """A record with its event and body."""

    record: Record
    event: Envelope
    body: Body

    @property
    def trace(self) -> Trace:
        """The sender's trace context."""
        return telemetry.carrier_of(self.record.headers)


@dataclass(frozen=True)
class Decision:
    """A status request with its outcome and, if it was applied now or before, the credential as it then is."""

    request: StoredRequest
    credential: StoredCredential | None
    trace: Trace


def _decision(request: StoredRequest, body: StatusChangeRequested, credential: StoredCredential | None) -> Decision:
    trace = telemetry.current_carrier()
    if request.refused is not None:
        return Decision(request, None, trace)
    try:
        after = changed(credential, request, body)
    except Rejected as refusal:
        refused = Refused(code=refusal.code, pointer=refusal.pointer, detail=refusal.detail)
        return Decision(request.model_copy(update={"refused": refused}), None, trace)
    return Decision(request.model_copy(update={"applied": application(after.history, request.id)}), after, trace)


def _refuse_reused(offered: Sequence[StoredRequest], held: Mapping[str, StoredRequest]) -> None:
    """Raises Rejected where an offered request's id is that of another."""
    for request in offered:
        there = held.get(request.id, request)
        if (there.digest, there.partner) != (request.digest, request.partner):
            raise Rejected(Code.REQUEST_ID_REUSED, "", "A request with this id came before with other content.")


def _is_ours(each: Incoming[StatusChangeRequested]) -> bool:
    return each.event.source == SOURCE


def _request_id(event: Envelope) -> str:
    """The id under which the request is stored: our own API's, or one that no other sender's can be."""
    return event.id if event.source == SOURCE else derived_id(event.source, event.id, event.type)


def _digest(each: Incoming[StatusChangeRequested]) -> str:
    return sha256(each.event.data).hexdigest()


def _tell(
    changes: Sequence[tuple[StoredCredential, StoredCredential]], refused: Sequence[StoredRequest]
) -> None:  # fmt: skip
    for before, after in changes:
        for entry in after.history[len(before.history) :]:
            STATUS_CHANGES_TOTAL.labels(entry.state.value).inc()
            log.info("status changed", credential=after.id, state=entry.state.value, version=entry.version,
                     request=entry.request)  # fmt: skip
    for request in refused:
        assert request.refused is not None
        STATUS_REFUSALS_TOTAL.labels(request.refused.code.value).inc()
        log.info("status request refused", credential=request.credential, code=request.refused.code.value,
                 request=request.id)  # fmt: skip


def _read(records: Sequence[Record], contract: type[Body]) -> list[Incoming[Body]]:
    read = ((record, read_event(record)) for record in records)
    return [Incoming(record, found[0], found[1]) for record, found in read if found and isinstance(found[1], contract)]


class Handlers:
    """One method an event type; each takes a batch and may be run again on the same records."""

    def __init__(
        self, store: Store, announcer: Announcer, publish: Publish, outcomes: Outcomes, addresses: Addresses,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._announcer = announcer
        self._publish = publish
        self._outcomes = outcomes
        self._addresses = addresses
        self._clock = clock

    # --- credentials.v1 ---

    async def register(self, records: Sequence[Record]) -> None:
        """File credentials that are new, and publish the status of all. Raises Poison for one that does not verify."""
        incoming = _read(records, CredentialIssued)
        with self._announcer.owing(records):
            issuers = await self._store.issuers(each.body.issuer for each in incoming)

            def verify() -> list[StoredCredential]:
                return [
                    registration(each.body, each.event.id, issuers[each.body.issuer], self._addresses)
                    for each in incoming
                ]

            try:
                offered = await asyncio.to_thread(verify)
            except Rejected as refusal:
                raise Poison(refusal.code, f"{refusal.pointer}: {refusal.detail}") from None
            held = await self._store.register(offered)
            traces = []
            for each in incoming:
                with telemetry.span_under("register credential", each.trace):
                    traces.append(telemetry.current_carrier())
            kept = [ours.digest == theirs.digest for ours, theirs in zip(offered, held, strict=True)]
            await self._announcer.announce(
                [(each, trace) for each, trace, same in zip(held, traces, kept, strict=True) if same]
            )
            conflict = next((each.id for each, same in zip(held, kept, strict=True) if not same), None)
            if conflict is not None:
                CONFLICTS_TOTAL.inc()
                log.critical("another credential under a registered id", credential=conflict)
                raise Poison(Code.CREDENTIAL_CONFLICT, f"{conflict} is registered with other content.")

    # --- status.requests.v1 ---

    async def change_status(self, records: Sequence[Record]) -> None:
        """Carry out status requests or refuse them; either is stored with the request.

        Raises:
            Poison: a request that nobody who may ask has made. Operators see it among the dead letters.
        """
        incoming = _read(records, StatusChangeRequested)
        with self._announcer.owing(records):
            try:
                # What is read here is read for the whole batch; whatever changes meanwhile, `advance` notices.
                requests, before = await asyncio.gather(self._admit(incoming), self._credentials_of(incoming))
            except Rejected as refusal:
                raise Poison(refusal.code, refusal.detail) from None
            decisions = await self._decided(incoming, requests, before)
            await self._announcer.announce(
                [(each.credential, each.trace) for each in decisions if each.credential is not None]
            )
            # Only now: a request with an outcome is one whose change is on the topic.
            for each in decisions:
                self._outcomes.tell(each.request)
        # After the answer, which need not wait for it. Until the offsets commit, a replay comes by here again. Nothing
        # is missing from the status topic any more, so an audit that is held up does not make it look old.
        entries = [audited(each.request, one.body) for each, one in zip(decisions, incoming, strict=True)]
        await asyncio.gather(
            self._store.requests.settle(each.id for each in requests),
            self._publish([entry for entry in entries if entry]),
        )

    async def _admit(self, incoming: Sequence[Incoming[StatusChangeRequested]]) -> list[StoredRequest]:
        """Each as it is stored, now or before, after checking who made it; from here on its change is owed to the
        topic. Raises Rejected."""
        ids = [_request_id(each.event) for each in incoming]
        claims = {
            id_: signature.read(each.event) for each, id_ in zip(incoming, ids, strict=True) if not _is_ours(each)
        }
        held, signers = await asyncio.gather(
            self._store.requests.accepted(ids),
            self._store.partners_of_keys(claim.kid for claim in claims.values()),
        )
        now = self._clock()
        offered = []
        for each, id_ in zip(incoming, ids, strict=True):
            before = held.get(id_)
            if id_ not in claims:
                # Anyone who may write to the topic can claim our source, so only what our API wrote down counts.
                if before is None or before.partner is not None or before.digest != _digest(each):
                    raise Rejected(Code.STATUS_NOT_YOURS, "", "This registry's API has accepted no such request.")
                continue
            claim = claims[id_]
            at = before.accepted_at if before else now
            partner, key = authorised_partner(each.event, claim, signers.get(claim.kid), at)
            offered.append(
                StoredRequest(id=id_, partner=partner.id, achievements=key.achievements,
                              credential=each.body.credential, digest=_digest(each), accepted_at=at)
            )  # fmt: skip
        _refuse_reused(offered, held)
        new = [each for each in offered if each.id not in held]
        stored, _ = await asyncio.gather(self._store.requests.accept(new), self._store.requests.owe(ids))
        held |= {each.id: each for each in stored}
        _refuse_reused(offered, held)  # another instance may have been faster
        return [held[id_] for id_ in ids]

    async def _credentials_of(self, incoming: Sequence[Incoming[StatusChangeRequested]]) -> dict[str, StoredCredential]:
        return await self._store.credentials(each.body.credential for each in incoming)

    async def _decided(
        self, incoming: Sequence[Incoming[StatusChangeRequested]], requests: Sequence[StoredRequest],
        before: Mapping[str, StoredCredential],
    ) -> list[Decision]:  # fmt: skip
        while True:
            try:
                return await self._decide(incoming, requests, before)
            except Overtaken:
                held = await self._store.requests.accepted(each.id for each in requests)
                requests = [held[each.id] for each in requests]
                before = await self._credentials_of(incoming)

    async def _decide(
        self, incoming: Sequence[Incoming[StatusChangeRequested]], requests: Sequence[StoredRequest],
        before: Mapping[str, StoredCredential],
    ) -> list[Decision]:  # fmt: skip
        """Decide on each in order, and store what changed and what was refused.

        Raises:
            Overtaken: somebody else changed one of the credentials meanwhile: decide anew, from what is stored now.
        """
        now = dict(before)
        decisions = []
        for each, request in zip(incoming, requests, strict=True):
            with telemetry.span_under("change status", each.trace):
                decision = _decision(request, each.body, now.get(each.body.credential))
            decisions.append(decision)
            if decision.credential is not None:
                now[decision.credential.id] = decision.credential
        changed = [(before[id_], after) for id_, after in now.items() if after is not before[id_]]
        await self._store.advance(changed)
        # Stored at once: a replay that found another state would otherwise decide otherwise.
        refused = [
            decision.request
            for decision, request in zip(decisions, requests, strict=True)
            if decision.request.refused and not request.refused
        ]
        await self._store.requests.refuse(refused)
        _tell(changed, refused)
        return decisions

    # --- status-lists.v1 ---

    async def keep_list(self, records: Sequence[Record]) -> None:
        """Keep the newest version of each status list. Raises Poison for one that does not verify."""
        for each in _read(records, StatusListSigned):
            issuer = await self._store.issuer(each.body.issuer)
            try:
                offered = await asyncio.to_thread(signed_list, each.body, issuer, self._addresses)
            except Rejected as refusal:
                raise Poison(refusal.code, f"{refusal.pointer}: {refusal.detail}") from None
            held = await self._store.put_list(offered)
            if held.issuer != offered.issuer:
                raise Poison(Code.PROOF_REFUSED, f"The list {held.list_id} belongs to {held.issuer!r}.")
            if held.version == offered.version and held.digest != offered.digest:
                log.critical("another list under a stored version", list=held.list_id, version=held.version)
                raise Poison(Code.CREDENTIAL_CONFLICT, f"{held.list_id} has a version {held.version} already.")
            if held.version > offered.version:
                log.info("older list passed over", list=held.list_id, version=offered.version, stored=held.version)

    # --- audit.v1 ---

    async def keep_action(self, records: Sequence[Record]) -> None:
        """Keep what is new of the audit, so that it can be looked through. Raises Poison."""
        await self._store.enter(
            [
                StoredAction(**each.body.model_dump(), id=each.event.id, service=each.event.source,
                             place=each.record.offset)
                for each in _read(records, AdminActionRecorded)
            ]
        )  # fmt: skip
