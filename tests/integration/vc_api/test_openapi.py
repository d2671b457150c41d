"""The services answer what their OpenAPI documents say, to whatever is sent: no 500, no status that is not named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    allow_header_conformance,
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.dids import did_key, did_key_method
from laurel.credentials.keys import SigningKey
from laurel.credentials.proofs import sign
from laurel.runtime.clock import utc_now
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.system import VC_API_TOKEN, System, bearer, builders, running
from support.waiting import eventually
from support.wishes import wish
from support.world import API_KEY, World

SERVICES = ("issuer", "registry", "verifier")
EXAMPLES = 6
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, allow_header_conformance,
]  # fmt: skip
Operation = Any
AnyCase = Case[Any]
Send = Callable[[AnyCase], httpx.Response]


def token_for(service: str, path: str) -> str:
    """What opens an operation."""
    if service == "issuer":
        return API_KEY if path == "/completions" else VC_API_TOKEN
    return bearer()["Authorization"].removeprefix("Bearer ")


def known(credential: dict[str, Any], address: str) -> dict[str, dict[str, Any]]:
    """Path parameters and bodies that lead somewhere, by the operation's label; no generator would hit on them."""
    token = address.rpartition("/")[2]
    status = {"credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "suspension"}}
    request = {"credential": credential["id"], "reason": "A test says so.", "requestedBy": "tester", "requestId": "r-1"}
    completion = {
        "id": "e-1",
        "data": {
            "achievement": "welding", "completedAt": "2026-05-01T10:00:00Z",
            "learner": {"reference": "s-1", "name": "Ana Lima", "email": "ana@example.org"},
        },
    }  # fmt: skip
    return {
        "GET /credentials/{name}": {"path_parameters": {"name": token}},
        "GET /issuers/{name}": {"path_parameters": {"name": "north"}},
        "GET /issuers/{name}/did.json": {"path_parameters": {"name": "north"}},
        "GET /achievements/{name}": {"path_parameters": {"name": "welding"}},
        "GET /status-lists/{name}": {"path_parameters": {"name": "north-0-revocation"}},
        "GET /admin/credentials/{token}": {"path_parameters": {"token": token}},
        "POST /admin/status-requests": {"body": request | {"action": "suspend"}},
        "GET /admin/status-requests/{request_id}": {"path_parameters": {"request_id": "r-1"}},
        "POST /credentials/status": {"body": status | {"credentialId": credential["id"], "status": False}},
        "POST /credentials/verify": {"body": {"verifiableCredential": credential}},
        "POST /presentations/verify": {"body": {"verifiablePresentation": _presentation(credential)}},
        "POST /credentials/issue": {"body": {"credential": wish(World(), id="urn:x:openapi")}},
        "POST /completions": {"body": [completion, {}]},
    }


def _presentation(credential: dict[str, Any]) -> dict[str, Any]:
    holder = SigningKey.generate()
    did = did_key(holder.public)
    presented = {
        "@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], "holder": did,
        "verifiableCredential": [credential],
    }  # fmt: skip
    return sign(presented, key=holder, verification_method=did_key_method(did).id, created=utc_now(),
                proof_purpose="authentication")  # fmt: skip


def check(operation: Operation, service: str, send: Send, mode: GenerationMode) -> None:
    """Call one operation with generated data and hold every answer to the document."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def each(case: AnyCase) -> None:
        hold(case, service, send)

    each()


def hold(case: AnyCase, service: str, send: Send) -> httpx.Response:
    """Send one case, with what opens the operation, and check the answer."""
    case.headers["Authorization"] = f"Bearer {token_for(service, case.operation.path)}"
    answer = send(case)
    case.validate_response(answer, checks=CHECKS)
    return answer


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    found: Iterator[Any] = schemathesis.openapi.from_dict(document).get_all_operations()
    return (each.ok() for each in found)


def modes_of(operation: Operation) -> list[GenerationMode]:
    """With what the document allows and, where there is a body, with what it does not."""
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if len(operation.body) else [])]


def sender(client: httpx.AsyncClient, loop: asyncio.AbstractEventLoop) -> Send:
    """Sends a case to the application, which lives in another thread's event loop."""

    def send(case: AnyCase) -> httpx.Response:
        sent: Any = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url))).prepare()
        call = client.request(sent.method, sent.url, headers=dict(sent.headers), content=sent.body)
        return asyncio.run_coroutine_threadsafe(call, loop).result(60)

    return send


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for name, value in node.items() if name == "$ref" and isinstance(value, str))
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")  # schemathesis's own doing
@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_the_services_keep_to_their_openapi_documents(
    kafka_settings: KafkaSettings, database: EmbeddedDatabase, database_name: str, mailbox: Mailbox, world: World,
    tmp_path: Path,
) -> None:  # fmt: skip
    builds = builders(kafka_settings, database.url, database_name, mailbox, world, tmp_path)
    loop = asyncio.get_running_loop()
    async with running(builds) as system:
        await system.apply_catalog(world)
        issued = await system.issue(wish(world))
        await listed(system, issued.headers["location"])
        met: set[str] = set()
        for service in SERVICES:
            client = system.clients[service]
            document = (await client.get("/openapi.json")).json()
            schemas = document["components"]["schemas"]
            assert {each.removeprefix("#/components/schemas/") for each in references(document)} <= set(schemas)
            send = sender(client, loop)
            for operation in operations_of(document):
                for mode in modes_of(operation):
                    await asyncio.to_thread(check, operation, service, send, mode)
                good = known(issued.json(), issued.headers["location"]).get(operation.label)
                if good is not None:
                    case = operation.Case(**good, media_type="application/json" if "body" in good else None)
                    answer = await asyncio.to_thread(hold, case, service, send)
                    assert answer.status_code < 300, (operation.label, answer.text)
                    met.add(operation.label)
        assert met == set(known(issued.json(), ""))


async def listed(system: System, address: str) -> None:
    """Wait until the registry has the credential and its member's status list."""

    async def both() -> bool:
        paths = (address, "/status-lists/north-0-revocation")
        return all([(await system.clients["registry"].get(path)).status_code == 200 for path in paths])

    await eventually(both, what="the credential and its status list")
