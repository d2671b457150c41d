"""The registry on real parts: what it files, what it refuses, and what it publishes."""

from __future__ import annotations

from integration.registry.conftest import Issuer, Registry
from laurel.contracts.status import Action, State, StatusChanged
from laurel.contracts.topics import STATUS_CHANGES
from support.log import publish
from support.waiting import eventually


async def test_issue_and_revoke(registry: Registry, issuer: Issuer) -> None:
    await publish(registry.settings, [issuer.issued("token-0001")])
    await eventually(lambda: found(registry, "token-0001"))
    answer = await registry.change("token-0001", Action.REVOKE)
    assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (200, "revoked", 2), answer.text
    changes = await registry.bodies(STATUS_CHANGES, StatusChanged)
    assert [(each.version, each.state) for each in changes] == [(1, State.ACTIVE), (2, State.REVOKED)]


async def found(registry: Registry, token: str) -> bool:
    return (await registry.admin("GET", f"/credentials/{token}")).status_code == 200
