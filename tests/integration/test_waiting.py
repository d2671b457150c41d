"""A service whose database or broker is away when it starts waits for it, says so, and then works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from laurel_local.broker import EmbeddedBroker
from laurel_local.consortium import load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.probes import http_answers
from laurel_local.services import SERVICES, Ports, add_services
from laurel_local.stack import Stack
from support.waiting import eventually


async def reasons(url: str) -> dict[str, Any]:
    """Why the service is not ready, by its own word; nothing while it does not answer at all, or is ready."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            answer = await client.get(url)
        except httpx.HTTPError:
            return {}
    found: dict[str, Any] = answer.json()["reasons"]
    assert answer.status_code == (503 if found else 200)
    return found


@pytest.mark.parametrize("name", SERVICES)
async def test_a_broker_and_a_database_that_are_away_are_waited_for_visibly(name: str, tmp_path: Path) -> None:
    stack = Stack(
        tmp_path, EmbeddedBroker(tmp_path / "broker"), EmbeddedDatabase(tmp_path / "database"),
        Mailbox(tmp_path / "mailbox"),
    )  # fmt: skip
    add_services(stack, load_or_make(tmp_path / "consortium"), Ports.free())
    service = stack.services[name]
    url = service.ready_url
    service.launch()
    try:
        if name != "verifier":  # it has no database
            await eventually(lambda: _names("MongoDB", url), what="waiting for MongoDB")
            stack.database.start()
        await eventually(lambda: _names("Kafka", url), what="waiting for Kafka")
        assert http_answers(url.replace("readyz", "livez")), "waiting is no reason to be restarted"
        stack.broker.nodes[0].start()
        await eventually(lambda: service.ready(), timeout=60, what="readiness")  # noqa: PLW0108
        assert '"event": "waiting"' in service.process.log_file.read_text()
        async with httpx.AsyncClient(trust_env=False) as client:
            metrics = await client.get(url.replace("readyz", "metrics"))
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "# TYPE laurel_records_handled_total counter" in metrics.text
    finally:
        stack.stop()
    assert service.process.returncode == 0


async def _names(what: str, url: str) -> bool:
    return what in await reasons(url)
