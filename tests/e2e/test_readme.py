"""README's commands, run as they are written in a copy of the project that nothing was installed in."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from laurel_local.processes import can_bind
from support.stacks import staying_up
from support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("apache_kafka", "ports")]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# `make demo`, `make up`, the partner's file, his POST, the employer's check, the revocation, `make test`.
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PORTS = (8000, 8010, 8020, 8030, 8024, 8025, 9017, 9092, 9093)
ADDRESS = "CREDENTIAL-ADDRESS"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project as a clone would hold them; the first command that is run installs."""
    clone = tmp_path_factory.mktemp("readme") / "laurel"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            target = clone / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return clone


@pytest.fixture
def ports() -> None:
    """README's commands use fixed ports."""
    busy = [port for port in PORTS if not can_bind(port)]
    assert not busy, f"README's commands use fixed ports, and something else has {busy}: end it first"


def test_the_demo_runs(checkout: Path) -> None:
    assert BLOCKS[0] == "make demo\n"
    with staying_up(["bash", "-c", BLOCKS[0]], checkout):
        assert (checkout / "var/demo/summary.json").exists()


async def test_a_partner_gets_a_first_credential_and_an_employer_sees_it_fall(checkout: Path) -> None:
    demo, up, publish, post, verify, revoke, test = BLOCKS
    assert (demo, up, test) == ("make demo\n", "make up\n", "make test\n"), "a new block is to be run here too"

    def run(block: str, address: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace(ADDRESS, address)], cwd=checkout, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

    def until(block: str, address: str, code: int) -> Callable[[], str | None]:
        def ran() -> str | None:
            done = run(block, address)
            return done.stdout if done.returncode == code else None

        return ran

    mailbox = httpx.AsyncClient(base_url="http://127.0.0.1:8025", trust_env=False)

    async def mails() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await mailbox.get("/messages")).json()
        return listed

    with staying_up(["bash", "-c", up], checkout):
        async with mailbox:
            published = run(publish)
            assert published.returncode == 0, published.stdout + published.stderr
            posted = run(post)
            assert posted.returncode == 0, posted.stderr
            address = httpx.Response(200, text=posted.stdout).json()["completions"][0]["credential"]

            assert "The credential holds." in await eventually(until(verify, address, 0))
            (mail,) = await eventually(mails)
            assert mail["to"] == ["ana@learner.example.org"]
            assert address in (await mailbox.get(f"/messages/{mail['id']}")).text

            revoked = run(revoke, address)
            assert revoked.returncode == 0, revoked.stdout + revoked.stderr
            assert "revoked" in await eventually(until(verify, address, 1))
