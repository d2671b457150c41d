"""All services, and a consortium with operators whose tokens the tests hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from laurel.contracts.catalog import Catalog
from laurel.contracts.operators import Operator, Right, TokenHash
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.system import System, bearer, builders
from support.world import World

RIGHTS: dict[str, tuple[tuple[Right, ...], dict[str, Any]]] = {
    "auditor": ((Right.AUDIT,), {}),
    "librarian": ((Right.CATALOG,), {}),
    "north-desk": ((Right.STATUS, Right.ISSUE, Right.DELIVERIES), {"members": ("north",)}),
    "north-office": ((Right.CATALOG,), {"members": ("north",)}),
    "welding-desk": ((Right.STATUS, Right.ISSUE), {"achievements": ("welding",)}),
}


def token(operator: str, number: int = 1) -> str:
    """An operator's token, or its next one."""
    return f"the-{operator}-token-number-{number}-0123456789abcdef"


def with_operators(catalog: Catalog, numbers: Sequence[int] = (1,)) -> Catalog:
    """The catalog with every operator, each with tokens of these numbers."""
    operators = tuple(
        Operator(
            id=name, name=f"Operator {name}", rights=rights, **limits,
            token_hashes=tuple(TokenHash(sha256=sha256(token(name, each).encode()).hexdigest()) for each in numbers),
        )
        for name, (rights, limits) in RIGHTS.items()
    )  # fmt: skip
    return catalog.model_copy(update={"operators": operators})


@dataclass(frozen=True)
class Desk:
    """Calls to the services as one of the operators, or with any other token."""

    system: System
    token: str

    async def call(self, service: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.system.clients[service].request(method, path, json=body, headers=bearer(self.token))

    async def apply(self, catalog: Catalog) -> httpx.Response:
        return await self.call("registry", "PUT", "/admin/catalog", catalog.model_dump(mode="json", by_alias=True))

    async def change(self, credential: str, action: str, request: str) -> httpx.Response:
        body = {"credential": credential, "action": action, "reason": "A test says so.", "requestedBy": "Ana",
                "requestId": request}  # fmt: skip
        return await self.call("registry", "POST", "/admin/status-requests", body)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code."""
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def builds(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path,
) -> dict[str, Any]:  # fmt: skip
    return builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)
