"""Partner intake over HTTP. It vouches for the partner and publishes to the topic that partners use."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated

from fastapi import Request
from opentelemetry.trace import SpanKind
from pydantic import Field, ValidationError

from issuer import domain
from issuer.derivation import Derivation
from laurel.contracts import signature
from laurel.contracts.addresses import Addresses
from laurel.contracts.base import Contract, Uri
from laurel.contracts.catalog import ApiKey, PartnerKey, PartnerPublished
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.errors import Code, Rejected, rejection_of
from laurel.contracts.topics import COMPLETIONS, Message, message
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.faults import is_transient
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka
from laurel.runtime.web import bearer_of

INTAKE_LIMIT = 500
PUBLISH_SECONDS = 20.0


class CompletionIn(Contract):
    """One completion to be taken in. `id` is the partner's own id for it: sending the same again changes nothing."""

    id: Annotated[str, Field(min_length=1, max_length=500)]
    """The partner's own id for this completion."""
    source: Uri | None = None
    """Which of the partner's sources it comes from; absent: the first one in the catalog."""
    data: CompletionRecorded
    """What was completed, and by whom."""


CompletionsIn = CompletionIn | Annotated[list[CompletionIn], Field(min_length=1, max_length=INTAKE_LIMIT)]
"""The body as it is described. Each completion is read by itself, so that one bad one does not refuse the others."""


class CompletionTaken(Contract):
    """What became of one completion at the door."""

    id: str | None = None
    """The id it was sent with; absent where it could not be read."""
    accepted: bool
    """Whether it was passed on."""
    credential: str | None = None
    """If it was: the id that its credential will have."""
    code: Code | None = None
    """If not: the reason's number."""
    pointer: str | None = None
    """If not: a JSON pointer to the culprit in the completion as it was sent."""
    detail: str | None = None
    """If not: one sentence that says what to mend."""


class CompletionsTaken(Contract):
    """What became of each completion, in the order in which they were sent."""

    completions: list[CompletionTaken]


class Intake:
    """Takes completions in over HTTP for partners that do not speak Kafka."""

    def __init__(
        self, catalog: CatalogView, kafka: Kafka, derivation: Derivation, addresses: Addresses,
        policy: domain.Policy, clock: Clock, health: Health,
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._kafka = kafka
        self._derivation = derivation
        self._addresses = addresses
        self._policy = policy
        self._clock = clock
        self._health = health

    async def sender_of(self, request: Request) -> domain.Sender:
        """The partner whose API key the request bears, and the key.

        Raises:
            Rejected: UNAUTHORIZED, or NOT_READY while the catalog is still being read.
        """
        reasons = self._health.not_ready()
        if reasons:
            why = "; ".join(reasons.values())
            raise Rejected(Code.NOT_READY, "", f"The issuer is not ready: {why}. Send the same again soon.")
        digest = sha256(bearer_of(request).encode()).hexdigest()
        found = self._catalog.partner_of_api_key(digest)
        if found is None:
            await self.catch_up()
            found = self._catalog.partner_of_api_key(digest)
        if found is None:
            raise Rejected(Code.UNAUTHORIZED, "", "The API key is not one that is registered in the catalog.")
        return domain.Sender(*found)

    async def signing(self, sender: domain.Sender, kid: str) -> domain.Sender:
        """The same partner, as it sends events that its key of this name has signed.

        Raises:
            Rejected: UNKNOWN_KEY, it has no such key in use; NOT_READY, the broker does not answer.
        """
        try:
            return self._signing(sender, kid)
        except Rejected:
            await self.catch_up()
            return self._signing(sender, kid)

    def _signing(self, sender: domain.Sender, kid: str) -> domain.Sender:
        partner, key = domain.key_in_use(kid, self._catalog, self._clock())
        if partner.id != sender.partner.id:  # what others may award, and did, is not for it to ask
            raise domain.unknown_key()
        return domain.Sender(partner, key)

    async def take(
        self, sender: domain.Sender, given: Sequence[object], trace: Mapping[str, str]
    ) -> list[CompletionTaken]:
        """Check each, publish the good ones under the caller's trace, and return when the brokers have them.

        Raises:
            Rejected: NOT_READY, the brokers do not answer.
        """
        admitted = await self.admit(sender, given)
        outgoing = [each for each in admitted if isinstance(each, Message)]
        if outgoing:
            await self._publish([self._vouched(sender.partner, each) for each in outgoing], trace)
        return [
            each if isinstance(each, CompletionTaken) else self._accepted(sender.partner, each) for each in admitted
        ]

    async def admit(self, sender: domain.Sender, given: Sequence[object]) -> list[Message | CompletionTaken]:
        """The unsigned event of each completion, or why it is refused. Raises Rejected(NOT_READY)."""
        admitted: list[Message | CompletionTaken] = []
        fresh = False
        for each in given:
            try:
                try:
                    admitted.append(self._event(sender, _read(each)))
                except Rejected as refusal:
                    if fresh or refusal.code not in domain.MAY_BE_STALE:
                        raise
                    await self.catch_up()
                    fresh, sender = True, self.renewed(sender)
                    admitted.append(self._event(sender, _read(each)))
            except Rejected as refusal:
                admitted.append(refused(each, refusal))
        return admitted

    def renewed(self, sender: domain.Sender) -> domain.Sender:
        """The sender as the catalog has it by now; as it was, where its key is gone: it was let in with it."""
        found: tuple[PartnerPublished, ApiKey | PartnerKey] | None = None
        if isinstance(sender.key, ApiKey):
            found = self._catalog.partner_of_api_key(sender.key.sha256)
        elif isinstance(sender.key, PartnerKey):
            found = self._catalog.partner_of_key(sender.key.kid)
        return domain.Sender(*found) if found else sender

    def credential_id(self, partner: PartnerPublished, admitted: Message) -> str:
        """The id of the credential that the event leads to."""
        return self._addresses.credential(
            self._derivation.token(partner.id, admitted.event.source, admitted.event.id)
        )  # fmt: skip

    def _accepted(self, partner: PartnerPublished, admitted: Message) -> CompletionTaken:
        return CompletionTaken(
            id=admitted.event.id, accepted=True, credential=self.credential_id(partner, admitted)
        )  # fmt: skip

    async def catch_up(self) -> None:
        """Take in what the registry has just published, before anything is refused for the lack of it.

        Raises:
            Rejected: NOT_READY, the broker does not answer.
        """
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._catalog.catch_up()
        except Exception as error:
            if not is_transient(error):
                raise
            raise _unanswered() from error

    def _event(self, sender: domain.Sender, given: CompletionIn) -> Message:
        source = given.source or sender.partner.sources[0]
        try:
            domain.authorize(sender, source, given.data, self._catalog)
            domain.check_dates(given.data, self._policy, self._clock())
        except Rejected as refusal:
            pointer = "/source" if refusal.code is Code.SOURCE_NOT_REGISTERED else f"/data{refusal.pointer}"
            raise Rejected(refusal.code, pointer, refusal.detail) from None
        return message(COMPLETIONS, given.data, key=given.data.learner.reference, event_id=given.id, source=source,
                       time=given.data.completed_at)  # fmt: skip

    def _vouched(self, partner: PartnerPublished, made: Message) -> Message:
        event = signature.sign(made.event, self._derivation.intake_key, domain.INTAKE_KID, partner=partner.id)
        return replace(made, event=event)

    async def _publish(self, outgoing: Sequence[Message], trace: Mapping[str, str]) -> None:
        with telemetry.span_under("publish completion.recorded", trace, kind=SpanKind.PRODUCER):
            carrier = telemetry.current_carrier()
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._kafka.publish([replace(each, trace=carrier) for each in outgoing])
            except Exception as error:
                if not is_transient(error):
                    raise
                raise _unanswered() from error


def _unanswered() -> Rejected:
    return Rejected(Code.NOT_READY, "", "The broker does not answer: send the same again soon.")


def _read(given: object) -> CompletionIn:
    try:
        return CompletionIn.model_validate(given)
    except ValidationError as error:
        raise rejection_of(error, Code.INVALID_BODY) from None


def refused(given: object, refusal: Rejected) -> CompletionTaken:
    """The answer to a completion that is refused, under the id it was sent with if that is one."""
    named = given.get("id") if isinstance(given, dict) else None
    return CompletionTaken(
        id=named[:500] if isinstance(named, str) and _is_text(named) else None,
        accepted=False, code=refusal.code, pointer=refusal.pointer, detail=refusal.detail,
    )  # fmt: skip


def _is_text(text: str) -> bool:
    """Whether a JSON string is text: half of a surrogate pair is none, and cannot be sent back."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
