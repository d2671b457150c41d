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
from issuer.handlers import issued_message, to_sign
from issuer.metrics import CREDENTIALS_REQUESTED
from issuer.requested import VC_API, Requested
from issuer.signer import Signer
from issuer.store import Intent, Store
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.errors import Code, Rejected
from laurel.credentials.errors import CredentialError
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import Poison
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
        self._catching_up = asyncio.Lock()

    async def issue(self, body: bytes, trace: Mapping[str, str]) -> tuple[dict[str, Any], str]:
        """The signed credential that the body asks for, and its public address, once the brokers have it.

        Raises:
            Rejected: INVALID_BODY, BODY_TOO_LARGE, NOT_THE_ISSUER, CREDENTIAL_ID_REUSED or ISSUER_NOT_READY.
            CredentialError: the credential is none that Laurel signs.
        """
        wish = await asyncio.to_thread(requested.read, body, self._addresses)
        issuer = await self._member(wish.issuer)
        name = wish.id or self._draw()
        address = self._addresses.credential(self._derivation.token(VC_API, issuer.id, name))
        known = await self._store.intents([wish.id]) if wish.id else {}
        intent = known.get(name) or await self._intend(wish, issuer, address)
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
        async with self._catching_up, asyncio.timeout(PUBLISH_SECONDS):
            await self._catalog.catch_up()

    async def _intend(self, wish: Requested, issuer: IssuerPublished, address: str) -> Intent:
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
                created=self._clock().replace(microsecond=0), document=document,
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
        outgoing = replace(issued_message(intent, credential), trace=telemetry.current_carrier())
        async with asyncio.timeout(PUBLISH_SECONDS):
            await self._kafka.publish([outgoing])
        await self._store.published(intent.credential_id)
        return credential


def _without_key(code: Code) -> Rejected:
    return Rejected(code, "", "The member's signing key for this is not here: the consortium has to add one that fits "
                    "its cryptosuite, or put back the one that was chosen.")  # fmt: skip
