"""The demo is the end-to-end test: what it shows a person is what is asserted here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from laurel.credentials.proofs import proofs_of

MODULE = [sys.executable, "-m", "laurel_local.demo", "--free-ports", "--directory"]


def processes_in(directory: Path) -> list[int]:
    """The processes that work in `directory` or below it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cwd = (entry / "cwd").resolve()
            except OSError:
                continue
            if cwd.is_relative_to(directory):
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("demo") / "run"
    done = subprocess.run([*MODULE, directory, "--once"], capture_output=True, text=True, timeout=180, check=False)
    return directory, done


def summary(directory: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((directory / "summary.json").read_text())
    return loaded


def test_every_count_is_what_it_should_be(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, done = run
    assert done.returncode == 0, done.stdout + done.stderr
    figures = summary(directory)
    assert figures["wrong"] == []
    assert (figures["published"], figures["issued"], figures["duplicates"], figures["mails"]) == (50, 44, 1, 45)
    assert figures["rejected"] == dict.fromkeys(("LRL-1001", "LRL-1006", "LRL-1008", "LRL-1009", "LRL-1010"), 1)
    assert figures["published"] == figures["issued"] + sum(figures["rejected"].values()) + figures["duplicates"]
    assert figures["deadLetters"] == 0
    assert 0 < figures["revocationVisibleMilliseconds"] < 5000


def test_the_terminal_tells_each_refusal_and_the_first_public_page(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    directory, done = run
    for code in (*summary(directory)["rejected"], "LRL-1012"):
        assert code in done.stdout
    assert summary(directory)["urls"]["credential"] in done.stdout
    assert "has revoked the credential" in done.stdout


def test_it_leaves_no_process_behind(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert processes_in(run[0]) == []


def test_the_credential_it_leaves_is_a_signed_open_badge_without_personal_data(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    credential = json.loads(Path(summary(run[0])["credentialFile"]).read_text())
    assert "OpenBadgeCredential" in credential["type"]
    assert [proof["cryptosuite"] for proof in proofs_of(credential)] == ["eddsa-rdfc-2022"]
    assert "learner.example.org" not in json.dumps(credential)


def test_every_line_of_every_log_is_json_and_what_came_of_an_event_names_its_trace(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lines = {
        service: [json.loads(line) for line in (run[0] / service / f"{service}.log").read_text().splitlines()]
        for service in ("issuer", "registry", "verifier", "notifier")
    }
    assert all(line["service"] == service for service, found in lines.items() for line in found)
    rejected = [line for line in lines["issuer"] if line["event"] == "completion rejected"]
    changed = [line for line in lines["registry"] if line["event"] == "status changed"]
    assert len(rejected) == 6
    assert len(changed) == 1
    assert all(len(line["trace_id"]) == 32 and len(line["span_id"]) == 16 for line in [*rejected, *changed])
    assert "learner.example.org" not in json.dumps(lines)


def test_nothing_of_its_data_is_kept(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert sorted(path.name for path in run[0].iterdir()) == [
        "broker", "credential.json", "issuer", "notifier", "registry", "summary.json", "verifier",
    ]  # fmt: skip
    assert [path for path in run[0].rglob("*") if path.is_file() and path.suffix not in (".log", ".json")] == []


def test_a_demo_that_stays_up_shows_its_mails_and_ends_whole_on_ctrl_c(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with subprocess.Popen(
        [*MODULE, directory], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Up until Ctrl-C" in line:
                break
        assert len(processes_in(directory)) >= 4
        mails = mails_of(summary(directory)["urls"]["mailbox"])
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert processes_in(directory) == []
    assert not (directory / "mailbox").exists()

    assert len(mails) == 45
    assert len({mail["Message-ID"] for mail in mails}) == 45
    assert len({mail["To"] for mail in mails}) == 44, "the learner whose credential was revoked had two"
    texts = [body.get_content() for mail in mails if (body := mail.get_body(("plain",))) is not None]
    assert len(texts) == 45
    assert any("Nachweis" in text for text in texts)


def mails_of(mailbox: str) -> list[EmailMessage]:
    """Every mail in the demo's mailbox."""
    listed = httpx.get(f"{mailbox}/messages", trust_env=False).json()
    sources = [httpx.get(f"{mailbox}/messages/{each['id']}", trust_env=False).content for each in listed]
    return [message_from_bytes(source, policy=policy.default) for source in sources]
