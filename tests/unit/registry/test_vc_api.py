"""The VC-API's way of changing a status, in terms of Laurel's own."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import Action, State
from registry.vc_api import StatusUpdate, action_for

FINAL = Code.TRANSITION_NOT_ALLOWED


def update(purpose: str, status: object) -> StatusUpdate:
    return StatusUpdate.model_validate(
        {"credentialId": "urn:x:1", "status": status,
         "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": purpose}}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "purpose", "status", "action"),
    [
        (State.ACTIVE, "revocation", True, Action.REVOKE), (State.SUSPENDED, "revocation", True, Action.REVOKE),
        (State.REVOKED, "revocation", True, None),
        (State.ACTIVE, "revocation", False, FINAL), (State.SUSPENDED, "revocation", False, FINAL),
        (State.REVOKED, "revocation", False, FINAL),
        (State.ACTIVE, "suspension", True, Action.SUSPEND), (State.SUSPENDED, "suspension", True, None),
        (State.ACTIVE, "suspension", False, None), (State.SUSPENDED, "suspension", False, Action.REINSTATE),
        (State.REVOKED, "suspension", True, FINAL), (State.REVOKED, "suspension", False, FINAL),
    ],
)  # fmt: skip
def test_what_setting_or_clearing_a_bit_asks_for(
    state: State, purpose: str, status: bool, action: Action | Code | None
) -> None:
    if isinstance(action, Code):
        with pytest.raises(Rejected) as refusal:
            action_for(update(purpose, status), state)
        assert refusal.value.code is action
    else:
        assert action_for(update(purpose, status), state) is action


@pytest.mark.parametrize(
    ("purpose", "status"), [("refresh", True), ("revocation", "true"), ("revocation", 1), ("revocation", None)]
)
def test_only_a_boolean_sets_a_bit_and_only_of_two_purposes(purpose: str, status: object) -> None:
    with pytest.raises(ValidationError):
        update(purpose, status)
