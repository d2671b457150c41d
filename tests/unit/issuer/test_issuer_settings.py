"""Settings that would be unsafe are refused with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from issuer.config import IssuerSettings
from laurel.runtime.settings import complaints

MASTER_KEY = "0123456789abcdef-master-key-for-tests"


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    keys = tmp_path / "keys.json"
    keys.write_text("[]")
    keys.chmod(0o600)
    return {
        "kafka_bootstrap": "127.0.0.1:9092", "mongo_url": "mongodb://127.0.0.1:27017",
        "public_url": "https://badges.example.org", "master_key": MASTER_KEY, "signing_keys_file": keys,
    }  # fmt: skip


def refused(arguments: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as error:
        IssuerSettings(**arguments)
    (line,) = complaints(error.value)
    return line


def test_good_settings_are_taken_and_do_not_show_their_secrets(good: dict[str, Any]) -> None:
    settings = IssuerSettings(**good)
    assert MASTER_KEY not in repr(settings)
    assert settings.clock_skew.total_seconds() == 120
    assert settings.oldest_completion.days == 3650


@pytest.mark.parametrize(
    ("host", "public", "taken"),
    [
        ("127.0.0.1", "http://127.0.0.1:8010", True), ("localhost", "http://localhost", True),
        ("::1", "http://[::1]:8010", True),
        ("0.0.0.0", "http://127.0.0.1:8010", False), ("127.0.0.1", "https://badges.example.org", False),
        ("192.0.2.1", "http://127.0.0.1:8010", False), ("::", "http://127.0.0.1:8010", False),
    ],
)  # fmt: skip
def test_issuing_is_open_to_everybody_only_on_a_machine_of_ones_own(
    host: str, public: str, taken: bool, good: dict[str, Any]
) -> None:
    wanted = good | {"http_host": host, "public_url": public, "vc_api_open": True}
    if taken:
        assert IssuerSettings(**wanted).vc_api_open
    else:
        assert "LAUREL_VC_API_OPEN" in refused(wanted)
    assert not IssuerSettings(**good).vc_api_open
    assert "LAUREL_VC_API_TOKEN" in refused(good | {"vc_api_token": "short"})


@pytest.mark.parametrize(
    ("mode", "owner", "taken"),
    [
        (0o600, 1000, True), (0o400, 1000, True), (0o640, 1000, False), (0o644, 1000, False), (0o604, 1000, False),
        (0o440, 0, True), (0o640, 0, True), (0o660, 0, False), (0o444, 0, False),
    ],
)  # fmt: skip
def test_the_signing_keys_are_for_their_owner_or_given_by_root_to_the_services_group(
    mode: int, owner: int, taken: bool, good: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: Path = good["signing_keys_file"]
    real = Path.stat

    def stat(self: Path, **arguments: Any) -> os.stat_result:
        found = real(self, **arguments)
        if self != keys:
            return found
        return os.stat_result((0o100000 | mode, *found[1:4], owner, *found[5:]))

    monkeypatch.setattr(Path, "stat", stat)
    if taken:
        IssuerSettings(**good)
    else:
        assert refused(good).endswith("can be read by others than its owner; chmod 600 it.")


def test_a_missing_keys_file_is_told_with_the_command_that_makes_one(good: dict[str, Any], tmp_path: Path) -> None:
    line = refused(good | {"signing_keys_file": tmp_path / "nowhere.json"})
    assert line.startswith("LAUREL_SIGNING_KEYS_FILE cannot be used")
    assert "laurel keys new" in line


@pytest.mark.parametrize("master_key", ["short", "a" * 40, ""])
def test_a_weak_master_key_is_refused_and_not_repeated(master_key: str, good: dict[str, Any]) -> None:
    line = refused(good | {"master_key": master_key})
    assert line.startswith("LAUREL_MASTER_KEY cannot be used: must be at least 32 random characters")
    assert not master_key or master_key not in line


@pytest.mark.parametrize("url", ["http://badges.example.org", "badges.example.org", "https://b.example.org/?x=1"])
def test_a_public_url_that_anyone_could_impersonate_is_refused(url: str, good: dict[str, Any]) -> None:
    assert refused(good | {"public_url": url}).startswith("LAUREL_PUBLIC_URL cannot be used")


@pytest.mark.parametrize(
    ("name", "value"),
    [("clock_skew_seconds", -1), ("oldest_completion_days", 0), ("status_list_interval_seconds", 0),
     ("status_list_valid_days", 91), ("status_list_ttl_seconds", 0), ("http_port", 70000)],
)  # fmt: skip
def test_numbers_have_limits(name: str, value: int, good: dict[str, Any]) -> None:
    assert refused(good | {name: value}).startswith(f"LAUREL_{name.upper()} cannot be used")


def test_a_keys_file_that_holds_something_else_is_named_and_ends_with_2(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"issuer": "north", "secretKeyMultibase": "z-something-secret"}')
    keys.chmod(0o600)
    environment = os.environ | {
        "LAUREL_KAFKA_BOOTSTRAP": "127.0.0.1:1", "LAUREL_PUBLIC_URL": "http://127.0.0.1:8010",
        "LAUREL_MONGO_URL": "mongodb://127.0.0.1:1", "LAUREL_SIGNING_KEYS_FILE": str(keys),
        "LAUREL_MASTER_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "issuer"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("LAUREL_SIGNING_KEYS_FILE cannot be used: ")
    assert ended.stderr.count("\n") == 1
    assert "something-secret" not in ended.stderr
