"""All four services in one process, each wired by its own `build`, on a real broker, database and mailbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
from fastapi import FastAPI

import issuer.app
import issuer.config
import notifier.app
import notifier.config
import registry.app
import registry.config
import verifier.app
import verifier.config
from laurel.credentials.keys import SigningKey
from laurel.runtime.settings import KafkaSettings
from support.world import World

ADMIN_TOKEN = "an-admin-token-for-tests-0123456789abcdef"
VC_API_TOKEN = "a-vc-api-token-for-tests-0123456789abcdef"
LIST_INTERVAL_SECONDS = 0.1
MASTER_KEY = "a-master-key-for-tests-0123456789abcdefgh"


@dataclass(frozen=True)
class System:
    """The running applications by service, and a client for each."""

    apps: dict[str, FastAPI]
    clients: dict[str, httpx.AsyncClient]

    async def apply_catalog(self, world: World) -> None:
        """Put the world's catalog into the registry."""
        body = world.catalog.model_dump(mode="json", by_alias=True, exclude_none=True)
        answer = await self.clients["registry"].put("/admin/catalog", json=body, headers=bearer())
        assert answer.status_code == 200, answer.text

    async def revoke(self, credential: str) -> None:
        """Revoke through the registry's admin API."""
        body = {"credential": credential, "action": "revoke", "reason": "A test says so.", "requestedBy": "tester"}
        answer = await self.clients["registry"].post("/admin/status-requests", json=body, headers=bearer())
        assert answer.status_code == 200, answer.text

    async def issue(self, credential: dict[str, Any], **options: Any) -> httpx.Response:
        """Ask for a credential through the VC-API."""
        body = {"credential": credential, "options": options}
        return await self.clients["issuer"].post("/credentials/issue", json=body, headers=bearer(VC_API_TOKEN))

    async def set_status(self, credential: str, purpose: str, status: bool) -> httpx.Response:
        """Set or clear a status through the VC-API."""
        entry = {"type": "BitstringStatusListEntry", "statusPurpose": purpose}
        body = {"credentialId": credential, "credentialStatus": entry, "status": status}
        return await self.clients["registry"].post("/credentials/status", json=body, headers=bearer())

    async def verify(self, credential: dict[str, Any]) -> dict[str, Any]:
        """What the verifier says."""
        answer = await self.clients["verifier"].post("/credentials/verify", json={"verifiableCredential": credential})
        body: dict[str, Any] = answer.json()
        return body


def bearer(token: str = ADMIN_TOKEN) -> dict[str, str]:
    """The header that opens the admin API."""
    return {"Authorization": f"Bearer {token}"}


def put_keys(file: Path, members: Mapping[str, SigningKey]) -> Path:
    """Write the file of the members' signing keys."""
    file.write_text(json.dumps([{"issuer": each, "secretKeyMultibase": key.to_multibase()}
                                for each, key in members.items()]))  # fmt: skip
    file.chmod(0o600)
    return file


class TakesMail(Protocol):
    """A mail server on this machine."""

    @property
    def smtp_port(self) -> int:
        """Where it listens."""


def builders(
    kafka: KafkaSettings, mongo_url: str, name: str, mailbox: TakesMail, world: World, directory: Path
) -> dict[str, Callable[..., FastAPI]]:
    """What makes each service, as often as it is called, on the same broker and databases; takes `clock` and such."""
    keys = put_keys(directory / "signing-keys.json", world.members)
    common: dict[str, Any] = {**kafka.model_dump(), "public_url": world.public_url}
    mongo: dict[str, Any] = {"mongo_url": mongo_url}
    issuer_settings = issuer.config.IssuerSettings(
        **common, **mongo, mongo_database=f"{name}-issuer", master_key=MASTER_KEY, signing_keys_file=keys,
        status_list_interval_seconds=LIST_INTERVAL_SECONDS, vc_api_token=VC_API_TOKEN,
    )  # fmt: skip
    registry_settings = registry.config.RegistrySettings(
        **common, **mongo, mongo_database=f"{name}-registry", admin_token=ADMIN_TOKEN, heartbeat_seconds=0.2
    )
    notifier_settings = notifier.config.NotifierSettings(
        **common, **mongo, mongo_database=f"{name}-notifier", admin_token=ADMIN_TOKEN, smtp_host="127.0.0.1",
        smtp_port=mailbox.smtp_port, smtp_security="none", mail_from="Laurel <laurel@example.org>",
    )  # fmt: skip
    verifier_settings = verifier.config.VerifierSettings(**common)
    return {
        "issuer": partial(issuer.app.build, issuer_settings),
        "registry": partial(registry.app.build, registry_settings),
        "verifier": partial(verifier.app.build, verifier_settings),
        "notifier": partial(notifier.app.build, notifier_settings),
    }


@asynccontextmanager
async def running(builds: dict[str, Callable[..., FastAPI]]) -> AsyncIterator[System]:
    """All services, started one after the other, stopped in reverse."""
    async with AsyncExitStack() as stack:
        system = System({}, {})
        for name, build in builds.items():
            app = build()
            await stack.enter_async_context(app.state.lifecycle)
            transport = httpx.ASGITransport(app)
            client = httpx.AsyncClient(transport=transport, base_url=f"http://{name}", timeout=30)
            system.apps[name] = app
            system.clients[name] = await stack.enter_async_context(client)
        yield system
