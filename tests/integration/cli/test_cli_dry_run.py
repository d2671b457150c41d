"""`laurel partner check --against-live` against an issuer that is a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import orjson
import pytest

from integration.cli.test_cli_partner import entry
from integration.issuer.running import update
from laurel.cli.service import TRIES
from laurel.contracts.catalog import PartnerKey, PartnerPublished
from laurel.contracts.topics import COMPLETIONS
from laurel.runtime.settings import KafkaSettings
from laurel_local.broker import EmbeddedBroker
from laurel_local.database import EmbeddedDatabase
from laurel_local.processes import free_port
from laurel_local.stack import Service
from support.command import Run
from support.log import publish, read_topic
from support.serving import Caller
from support.site import Site
from support.terminal import on_terminal
from support.waiting import eventually
from support.world import API_KEY, EPOCH, World, key

MANY = 5000


@pytest.fixture
def kafka(
    tmp_path: Path, database: EmbeddedDatabase, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KafkaSettings]:
    """A running issuer that knows the catalog; the command is told where it is."""
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    port = free_port()
    world = World("http://127.0.0.1:1")
    keys = tmp_path / "keys.json"
    keys.touch(mode=0o600)
    secrets = [{"issuer": name, "secretKeyMultibase": key.to_multibase()} for name, key in world.members.items()]
    keys.write_bytes(orjson.dumps(secrets))
    env = {
        "LAUREL_KAFKA_BOOTSTRAP": broker.bootstrap, "LAUREL_KAFKA_IDEMPOTENCE": "false",
        "LAUREL_KAFKA_SESSION_TIMEOUT_MS": "1500", "LAUREL_PUBLIC_URL": world.public_url,
        "LAUREL_MONGO_URL": database.url, "LAUREL_MONGO_DATABASE": database_name, "LAUREL_HTTP_PORT": str(port),
        "LAUREL_MASTER_KEY": "0123456789abcdef-master-key-for-tests", "LAUREL_SIGNING_KEYS_FILE": str(keys),
        "LAUREL_INTAKE_REQUESTS_AT_ONCE": "1",
    }  # fmt: skip
    service = Service(
        "issuer", "issuer", env=env, directory=tmp_path / "issuer", ready_url=f"http://127.0.0.1:{port}/readyz"
    )
    monkeypatch.setenv("LAUREL_INTAKE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("LAUREL_API_KEY", API_KEY)
    settings = KafkaSettings(kafka_bootstrap=broker.bootstrap, kafka_idempotence=False)
    try:
        service.start()
        asyncio.run(publish(settings, world.catalog_messages()))
        yield settings
    finally:
        for each in (service, broker):
            each.stop()


def test_a_large_file_is_foretold_line_by_line(run: Run, kafka: KafkaSettings, tmp_path: Path) -> None:
    lines = [entry(f"e-{number}") for number in range(MANY)]
    lines[17] = entry("e-17", achievement="juggling")
    lines[18] = entry("e-18", completedAt="2090-05-01T12:00:00Z")
    lines[19] = "nonsense"
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join(lines))

    ran = run("partner", "check", file, "--against-live", "--json")
    assert ran.code == 1
    facts = ran.document["error"]
    assert {name: facts["live"][name] for name in ("issued", "rejected", "duplicate")} == {
        "issued": MANY - 3, "rejected": 2, "duplicate": 0,
    }  # fmt: skip
    assert [(each["id"], each["code"], each["pointer"]) for each in facts["live"]["rejections"]] == [
        ("e-17", "LRL-1008", "/data/achievement"), ("e-18", "LRL-1010", "/data/completedAt"),
    ]  # fmt: skip
    assert [each["line"] for each in facts["findings"]] == [20]
    assert f"{file}:e-17: There is no achievement 'juggling'" in ran.err
    assert asyncio.run(read_topic(kafka, COMPLETIONS)) == []

    file.write_text(json.dumps([json.loads(line) for line in lines[:17]]))
    ran = run("partner", "check", file, "--against-live")
    assert (ran.code, ran.err) == (0, "")
    assert "17 completions asked about: 17 would be issued, 0 rejected, 0 duplicate." in ran.out


def test_what_stands_in_the_way_of_asking_is_a_sentence(
    run: Run, kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("e-1"))
    wrong = tmp_path / "key"
    wrong.write_text("no-such-key-0123456789")
    ran = run("partner", "check", file, "--against-live", "--api-key-file", wrong)
    assert (ran.code, "does not accept the token" in ran.err) == (1, True)
    ran = run("partner", "check", file, "--against-live", "--partner-source", "https://forge.example.org/lms")
    assert (ran.code, "LRL-1007" in ran.err) == (1, True)
    ran = run("partner", "check", file, "--against-live", "--intake", "http://127.0.0.1:1")
    assert ran.code == 3
    monkeypatch.delenv("LAUREL_API_KEY")
    ran = run("partner", "check", file, "--against-live")
    assert (ran.code, "set LAUREL_API_KEY or give --api-key-file" in ran.err) == (2, True)


def test_what_events_by_a_key_are_in_for_is_foretold(run: Run, kafka: KafkaSettings, tmp_path: Path) -> None:
    campus = next(each for each in World().published() if isinstance(each, PartnerPublished) and each.id == "campus")
    more = [
        PartnerKey(kid=kid, public_key_multibase=key(kid).public.to_multibase(), **changes)
        for kid, changes in (("campus#narrow", {"achievements": ("python",)}), ("old", {"retired": EPOCH}))
    ]
    asyncio.run(publish(kafka, [update(campus, keys=(*campus.keys, *more))]))
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join([entry("e-1"), entry("e-2", achievement="python")]))
    for kid, counts, codes in (
        ("campus-1", (2, 0), set()), ("campus#narrow", (1, 1), {"LRL-1009"}), ("old", (0, 2), {"LRL-1005"}),
        ("nobodys", (0, 2), {"LRL-1005"}),
    ):  # fmt: skip
        ran = run("partner", "check", file, "--against-live", "--kid", kid, "--json")
        live = ran.document["live"] if ran.code == 0 else ran.document["error"]["live"]
        assert (live["issued"], live["rejected"]) == counts, kid
        assert {each["code"] for each in live["rejections"]} == codes


def percentages(shown: str) -> list[int]:
    """The figures of a bar, as they were drawn one over the other."""
    return [int(each) for each in re.findall(r"(\d+)%", shown)]


def test_a_terminal_shows_how_far_it_is(kafka: KafkaSettings, tmp_path: Path) -> None:
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join(entry(f"e-{number}") for number in range(MANY)))
    with on_terminal("partner", "check", file, "--against-live") as terminal:
        code, out = terminal.end()
    assert (code, f"{MANY} would be issued" in out) == (0, True)
    assert "checking against live" in terminal.shown
    seen = percentages(terminal.shown)
    assert (seen == sorted(seen), seen[-1]) == (True, 100)
    assert len(set(seen)) >= 4  # it moved
    assert "\x1b" not in out

    command = [str(Path(sys.executable).with_name("laurel")), "partner", "check", str(file), "--against-live"]
    piped = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "TERM": "xterm"})
    assert (piped.stdout, piped.stderr) == (out, "")


async def test_an_issuer_with_its_hands_full_is_asked_again(kafka: KafkaSettings, tmp_path: Path) -> None:
    url = os.environ["LAUREL_INTAKE_URL"]
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join(entry(f"e-{number}") for number in range(1200)))
    holding = asyncio.create_task(hold_the_place(int(url.rpartition(":")[2])))
    async with httpx.AsyncClient(timeout=30) as client:

        async def shed() -> bool:
            return 'laurel_requests_shed_total{path="/completions"} ' in (await client.get(f"{url}/metrics")).text

        with on_terminal("partner", "check", file, "--against-live") as terminal:
            await eventually(shed, what="a request that was shed")
            await eventually(lambda: percentages(terminal.shown), what="the bar while it waits")
            holding.cancel()
            code, out = await asyncio.to_thread(terminal.end)
    assert (code, "1200 would be issued" in out) == (0, True), terminal.shown
    assert (percentages(terminal.shown)[0], percentages(terminal.shown)[-1]) == (0, 100)


async def hold_the_place(port: int) -> None:
    """Hold the issuer's one place with a body that never comes, each time for as long as it is lent."""
    while True:
        caller = await Caller.dial(port)
        with closing(caller.writer):
            await caller.announce("/completions", 100, {"Authorization": f"Bearer {API_KEY}"})
            await caller.answer()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("after", "asked"), [("0", TRIES), ("86400", 1)])
def test_it_does_not_ask_for_ever(
    run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, after: str, asked: int
) -> None:
    monkeypatch.setenv("LAUREL_API_KEY", API_KEY)
    site.serve("/completions?dryRun=true", {"code": "LRL-3010", "detail": "Later."}, method="POST", status=status)
    site.headers["Retry-After"] = after
    file = tmp_path / "completions.jsonl"
    file.write_text(entry("e-1"))
    ran = run("partner", "check", file, "--against-live", "--intake", site.url)
    assert (ran.code, f"cannot answer now ({status}): Later." in ran.err) == (3, True)
    assert len(site.requests) == asked
