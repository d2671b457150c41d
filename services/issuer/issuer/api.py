"""The issuer's HTTP: partner intake. It vouches for the partner and publishes to the topic that partners use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from laurel.contracts import signature
from laurel.contracts.addresses import Addresses
from laurel.contracts.base import Contract, Uri
from laurel.contracts.catalog import PartnerPublished
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.topics import COMPLETIONS, Message, message
from laurel.runtime import telemetry
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock
from laurel.runtime.kafka import Kafka
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.web import bearer_of
from opentelemetry.trace import SpanKind
from pydantic import Field

from issuer import domain
from issuer.derivation import Derivation

INTAKE_LIMIT = 500


class CompletionIn(Contract):
    """One completion to be taken in. `id` is the partner's own id for it: sending the same again changes nothing."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    source: Uri | None = None
    data: CompletionRecorded


CompletionsIn = Annotated[list[CompletionIn], Field(min_length=1, max_length=INTAKE_LIMIT)]


class CompletionTaken(Contract):
    """What became of one completion at the door: `credential` is the id it will have, or why it was refused."""

    id: str
    accepted: bool
    credential: str | None = None
    code: Code | None = None
    pointer: str | None = None
    detail: str | None = None


class Intake:
    """Takes completions in over HTTP for partners that do not speak Kafka."""

    def __init__(
        self, catalog: CatalogView, kafka: Kafka, derivation: Derivation, addresses: Addresses,
        policy: domain.Policy, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._kafka = kafka
        self._derivation = derivation
        self._addresses = addresses
        self._policy = policy
        self._clock = clock

    def partner_of(self, request: Request) -> PartnerPublished:
        """The partner whose API key the request bears. Raises Rejected(UNAUTHORIZED)."""
        partner = self._catalog.partner_of_api_key(sha256(bearer_of(request).encode()).hexdigest())
        if partner is None:
            raise Rejected(Code.UNAUTHORIZED, "", "The API key is not one that is registered in the catalog.")
        return partner

    async def take(self, partner: PartnerPublished, given: Sequence[CompletionIn]) -> list[CompletionTaken]:
        """Check each, publish the good ones, and return when the brokers have them."""
        taken: list[CompletionTaken] = []
        outgoing: list[Message] = []
        for each in given:
            try:
                outgoing.append(self._admit(partner, each))
            except Rejected as refusal:
                taken.append(CompletionTaken(id=each.id, accepted=False, code=refusal.code, pointer=refusal.pointer,
                                             detail=refusal.detail))  # fmt: skip
                continue
            token = self._derivation.token(partner.id, outgoing[-1].event.source, each.id)
            taken.append(CompletionTaken(id=each.id, accepted=True, credential=self._addresses.credential(token)))
        with telemetry.span_under("publish completion.recorded", telemetry.current_carrier(), kind=SpanKind.PRODUCER):
            await self._kafka.publish([replace(each, trace=telemetry.current_carrier()) for each in outgoing])
        return taken

    def _admit(self, partner: PartnerPublished, given: CompletionIn) -> Message:
        source = given.source or partner.sources[0]
        domain.authorize(partner, source, given.data, self._catalog)
        domain.check_dates(given.data, self._policy, self._clock())
        made = message(COMPLETIONS, given.data, key=given.data.learner.reference, event_id=given.id, source=source,
                       time=given.data.completed_at)  # fmt: skip
        vouched = signature.sign(made.event, self._derivation.intake_key, domain.INTAKE_KID, partner=partner.id)
        return replace(made, event=vouched)


def routes(intake: Intake, lifecycle: Lifecycle) -> APIRouter:
    """`POST /completions`."""
    router = APIRouter(tags=["intake"])

    @router.post(
        "/completions", status_code=202, summary="Report one completion, or up to 500",
        responses={401: {"description": "unknown API key"}, 422: {"description": "refused"}},
    )  # fmt: skip
    async def completions(
        request: Request,
        body: CompletionIn | Annotated[list[CompletionIn], Field(min_length=1, max_length=INTAKE_LIMIT)],
    ) -> JSONResponse:
        _refuse_while_not_ready(lifecycle)
        partner = intake.partner_of(request)
        given = body if isinstance(body, list) else [body]
        taken = await intake.take(partner, given)
        if not isinstance(body, list):
            _raise_refusal(taken[0])
        return JSONResponse({"completions": [_json(each) for each in taken]}, 202)

    return router


def _refuse_while_not_ready(lifecycle: Lifecycle) -> None:
    reasons = lifecycle.health.not_ready()
    if reasons:
        raise Rejected(Code.NOT_READY, "", f"The issuer is not ready: {'; '.join(reasons.values())}. Try again soon.")


def _raise_refusal(taken: CompletionTaken) -> None:
    if taken.code is not None:
        raise Rejected(taken.code, f"/data{taken.pointer}" if taken.pointer else "", taken.detail or "")


def _json(taken: CompletionTaken) -> dict[str, Any]:
    return taken.model_dump(mode="json", by_alias=True, exclude_none=True)
