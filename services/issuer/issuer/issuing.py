"""Issuing what is asked for through the VC-API: stored first, then signed, then published, then answered with.

It follows the rule of the completions: a request that comes again finds what was stored and gives the same bytes.
No record is delivered again after a crash, though, so what was stored and perhaps not published is taken up at the
next start. Until it is published nobody has the signed credential, so nothing is out that the registry lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from issuer import requested
from issuer.derivation import Derivation
from issuer.domain import SOURCE
from issuer.handlers import issued_message, to_sign
from issuer.metrics import CREDENTIALS_REQUESTED
from issuer.requested import VC_API, Requested
from issuer.signer import Signer
from issuer.store import Intent, Store
from laurel.contracts import audit_entries
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import ANYBODY, Caller
from laurel.contracts.topics import Message
from laurel.credentials.errors import CredentialError
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
from laurel.runtime.guard import Admission
from laurel.runtime.kafka import Kafka

log = structlog.get_logger(__name__)

PUBLISH_SECONDS = 20.0


class Issuing:
    """Signs credentials for those who may ask for them. `draw` gives a name to what was given none."""

    def __init__(
        self, store: Store, catalog: CatalogView, kafka: Kafka, signer: Signer, derivation: Derivation,
        addresses: Addresses, clock: Clock, draw: Callable[[], str],
    ) -> None:  # fmt: skip
        self._store = store
        self._catalog = catalog
        self._kafka = kafka
        self._signer = signer
        self._derivation = derivation
        self._addresses = addresses
        self._clock = clock
        self._draw = draw

    async def issue(
        self, body: bytes, trace: Mapping[str, str], admission: Admission | None
    ) -> tuple[dict[str, Any], str]:
        """The signed credential that the body asks for, and its public address, once the brokers have it.

        `admission` is None where anybody may issue.

        Raises:
            Rejected: INVALID_BODY, BODY_TOO_LARGE, NOT_THE_ISSUER, FORBIDDEN, CREDENTIAL_ID_REUSED or
                ISSUER_NOT_READY.
            CredentialError: the credential is none that Laurel signs.
        """
        wish = await asyncio.to_thread(requested.read, body, self._addresses)
        issuer = await self._member(wish.issuer)
        if admission is not None:
            await admission.reach(f"issuer/{issuer.id}", issuer.id, None, "/credential/issuer")
        name = wish.id or self._draw()
        address = self._addresses.credential(self._derivation.token(VC_API, issuer.id, name))
        known = await self._store.intents([wish.id]) if wish.id else {}
        by = Caller(otherwise=ANYBODY) if admission is None else admission.caller
        intent = known.get(name) or await self._intend(wish, issuer, address, by, trace)
        if (intent.event_source, intent.issuer, intent.digest) != (VC_API, issuer.id, wish.digest):
            CREDENTIALS_REQUESTED.labels("refused").inc()
            raise Rejected(Code.CREDENTIAL_ID_REUSED, "/credential/id", "A credential with this id was issued before "
                           "with other content: give each credential an id of its own.")  # fmt: skip
        with telemetry.span_under("issue on request", trace):
            try:
                credential = await self._publish(intent)
            except Poison as error:
                raise _without_key(error.code) from None
        CREDENTIALS_REQUESTED.labels("issued").inc()
        return credential, address

    async def publish_unfinished(self) -> None:
        """Publish what was stored before a crash, or while the broker was away, and perhaps never published."""
        for intent in await self._store.unpublished_requests():
            try:
                await self._publish(intent)
            except (Poison, CredentialError) as error:  # the others must not wait for this one
                log.warning("credential not published", credential=intent.credential_id, error=str(error)[:300])

    async def _member(self, did: str) -> IssuerPublished:
        found = self._catalog.issuer_of_did(did)
        if found is None:
            await self._catch_up()
            found = self._catalog.issuer_of_did(did)
        if found is None:
            CREDENTIALS_REQUESTED.labels("refused").inc()
            raise Rejected(Code.NOT_THE_ISSUER, "/credential/issuer", f"{did[:300]} is no member that is issued for "
                           "here: the issuer must be a member's DID.")  # fmt: skip
        return found

    async def _catch_up(self) -> None:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await self._catalog.catch_up()

    async def _intend(
        self, wish: Requested, issuer: IssuerPublished, address: str, by: Caller, trace: Mapping[str, str]
    ) -> Intent:
        # Anywhere on the lists: where it will be makes no difference to whether it can be signed.
        trial = requested.unsigned(wish, address, StatusPosition(family=f"{issuer.id}-0", index=0), self._addresses)
        await asyncio.to_thread(requested.check, trial)
        issuer, multikey = await self._key_for(issuer)
        position = self._derivation.position(issuer.id, await self._store.reserve(issuer.id, 1))
        document = requested.unsigned(wish, address, position, self._addresses)
        name = document["id"]
        return await self._store.add_request(
            Intent(
                credential_id=name, address=None if name == address else address, event_source=VC_API, event_id=name,
                digest=wish.digest, issuer=issuer.id, position=position, multikey=multikey, cryptosuite=issuer.suite,
                verification_method=verification_method(issuer.did, multikey),
                created=self._clock().replace(microsecond=0), document=document, requested_by=by.id,
                trace=telemetry.trace_id_of(trace),
            )
        )  # fmt: skip

    async def _key_for(self, issuer: IssuerPublished) -> tuple[IssuerPublished, str]:
        """The key to sign with, and the member whose newest form has it."""
        try:
            return issuer, self._signer.key_for(issuer, self._clock())
        except Poison:
            await self._catch_up()  # a key that was registered just now
        issuer = self._catalog.issuers[issuer.id]
        try:
            return issuer, self._signer.key_for(issuer, self._clock())
        except Poison as error:
            raise _without_key(error.code) from None

    async def _publish(self, intent: Intent) -> dict[str, Any]:
        (credential,) = await self._signer.sign_all([to_sign(intent)])
        outgoing = [issued_message(intent, credential), *_audited(intent)]
        trace = telemetry.current_carrier()
        async with asyncio.timeout(PUBLISH_SECONDS):
            await self._kafka.publish([replace(each, trace=trace) for each in outgoing])
        await self._store.published(intent.credential_id)
        return credential


def _audited(intent: Intent) -> list[Message]:
    """The audit's entry on what was asked for; none where nobody noted who asked, before there was an audit."""
    if intent.requested_by is None:
        return []
    body = AdminActionRecorded(
        operator=intent.requested_by, action="credential.issue", target=intent.credential_id,
        outcome=AuditOutcome.DONE, detail=f"for member {intent.issuer}", trace=intent.trace, at=intent.created,
    )  # fmt: skip
    return [audit_entries.entry(SOURCE, f"issue/{intent.credential_id}", body)]


def _without_key(code: Code) -> Rejected:
    return Rejected(code, "", "The member's signing key for this is not here: the consortium has to add one that fits "
                    "its cryptosuite, or put back the one that was chosen.")  # fmt: skip
