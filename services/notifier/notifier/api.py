"""The delivery log, for operators: what was sent, what was not and why, without names and addresses."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from laurel.contracts.base import Contract, Moment
from laurel.contracts.operations import Occasion
from laurel.contracts.operators import Right
from laurel.runtime import openapi
from laurel.runtime.guard import BEARER, Admission, Guard
from notifier.domain import Delivery, DeliveryState, Missing, Outcome, Recipient, masked
from notifier.store import Store


class AttemptShown(Contract):
    """One attempt; without an outcome it is in hand, or its end was never recorded."""

    at: Moment
    outcome: Outcome | None
    detail: str
    ended_at: Moment | None
    next_at: Moment | None


class DeliveryShown(Contract):
    """One delivery. `address` is masked, and absent once the contact data is deleted."""

    id: str
    credential: str
    occasion: Occasion
    state: DeliveryState
    address: str | None
    created_at: Moment
    due_at: Moment | None
    waiting_for: Missing | None
    attempts: tuple[AttemptShown, ...]


class DeliveriesShown(Contract):
    """Deliveries, the newest first."""

    deliveries: tuple[DeliveryShown, ...]


_REFUSALS = openapi.problems(
    {
        400: "A parameter is not right.",
        401: "The token is missing or wrong.",
        403: "The token's operator may not read the delivery log.",
        503: "The database does not answer: try again.",
    }
)


def router(store: Store, guard: Guard) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["deliveries"], dependencies=[Depends(BEARER)])
    reading = Annotated[Admission, Depends(guard.needing(Right.DELIVERIES, "deliveries.read"))]

    @routes.get("/deliveries", summary="What became of notifications", response_model_exclude_none=True,
                responses=_REFUSALS)  # fmt: skip
    async def deliveries(
        admission: reading,
        credential: Annotated[str | None, Query(max_length=500)] = None,
        state: DeliveryState | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> DeliveriesShown:
        """Of an operator's members and achievements, where it acts for some only."""
        operator = admission.caller.operator
        members, achievements = (None, None) if operator is None else (operator.members, operator.achievements)
        rows = await store.newest(credential, state, limit, issuers=members, achievements=achievements)
        known = await store.recipients([row.credential for row in rows])
        return DeliveriesShown(deliveries=tuple(_shown(row, known.get(row.credential)) for row in rows))

    return routes


def _shown(row: Delivery, recipient: Recipient | None) -> DeliveryShown:
    return DeliveryShown(
        id=row.id, credential=row.credential, occasion=row.occasion, state=row.state,
        address=None if recipient is None else masked(recipient.email), created_at=row.created_at, due_at=row.due_at,
        waiting_for=row.waiting_for,
        attempts=tuple(
            AttemptShown(at=each.at, outcome=each.outcome, detail=each.detail, ended_at=each.ended_at,
                         next_at=each.next_at)
            for each in row.attempts
        ),
    )  # fmt: skip
