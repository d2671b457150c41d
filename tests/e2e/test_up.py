"""`make up` keeps what it was given: everything is there again after a stop and a start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from laurel_local.consortium import load_or_make
from laurel_local.processes import can_bind, free_port
from support.stacks import staying_up
from support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("apache_kafka")]


@contextmanager
def up(directory: Path, first_port: int) -> Iterator[None]:
    arguments = ["--directory", str(directory), "--first-port", str(first_port)]
    with staying_up([sys.executable, "-m", "laurel_local.up", *arguments], directory) as process:
        yield
    assert process.returncode == 0


def room() -> int:
    """A first port whose followers are free too."""
    for _ in range(50):
        first = free_port()
        if first < 60000 and all(can_bind(first + step) for step in (0, 10, 20, 24, 25, 30, 1017, 1092, 1093)):
            return first
    raise AssertionError("no free ports")


async def test_what_was_issued_is_still_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    first = room()
    completion = {
        "id": "order-1",
        "data": {
            "achievement": "python-foundations", "completedAt": "2026-05-01T10:00:00Z",
            "learner": {"reference": "s-1", "name": "Ana Lima", "email": "ana@learner.example.org"},
        },
    }  # fmt: skip
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:

        async def document(url: str) -> bytes | None:
            answer = await client.get(url, headers={"Accept": "application/json"})
            return answer.content if answer.status_code == 200 else None

        with up(tmp_path, first):
            api_key = load_or_make(tmp_path / "consortium").api_keys["campus"]
            taken = await client.post(
                f"http://127.0.0.1:{first}/completions", json=completion, headers={"Authorization": f"Bearer {api_key}"}
            )
            url = taken.json()["completions"][0]["credential"]
            before = await eventually(lambda: document(url), what="the registered credential")
        with up(tmp_path, first):
            assert await eventually(lambda: document(url)) == before
            verified = await client.post(
                f"http://127.0.0.1:{first + 20}/credentials/verify",
                json={"verifiableCredential": httpx.Response(200, content=before).json()},
            )
            assert verified.json()["verified"] is True, verified.text
            again = await client.post(
                f"http://127.0.0.1:{first}/completions", json=completion, headers={"Authorization": f"Bearer {api_key}"}
            )
            assert again.json()["completions"][0]["credential"] == url
    mails = list((tmp_path / "mailbox").rglob("*.eml"))
    assert len(mails) == 1
