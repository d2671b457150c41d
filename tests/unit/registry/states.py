"""Rows as the registry stores them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.status import Action, StatusChangeRequested
from registry.domain import changed, registration
from registry.rows import StoredCredential, StoredRequest
from support.world import EPOCH
from unit.registry.issuing import Issuer


def filed(issuer: Issuer, token: str, **more: Any) -> StoredCredential:
    """A credential as it is stored when it is new."""
    event = issuer.issued(token, **more).event
    body = CredentialIssued.model_validate_json(event.data)
    member = next(each for each in issuer.world.published() if each.id == body.issuer)
    return registration(body, event.id, member, issuer.world.addresses)  # type: ignore[arg-type]


def accepted(
    issuer: Issuer, token: str, *, id_: str = "request-1", partner: str | None = None, at: datetime = EPOCH
) -> StoredRequest:
    """A request without an outcome."""
    return StoredRequest(
        id=id_, partner=partner, credential=issuer.world.addresses.credential(token), digest="0" * 64, accepted_at=at
    )


def wish(request: StoredRequest, action: Action) -> StatusChangeRequested:
    """What the request asks for."""
    return StatusChangeRequested(
        credential=request.credential, action=action, reason="a mistake", requested_by="registrar", requested_at=EPOCH
    )


def changed_by(credential: StoredCredential, request: StoredRequest, action: Action) -> StoredCredential:
    """The credential after the request."""
    return changed(credential, request, wish(request, action))
