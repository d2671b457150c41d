"""Settings: what is missing or unsafe is refused with a sentence that names the variable, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from issuer.config import IssuerSettings
from laurel.runtime.guard import key_hashes
from laurel.runtime.settings import EXIT_BAD_SETTINGS, KafkaSettings, MongoSettings, ServiceSettings, is_loopback, load
from notifier.config import NotifierSettings
from registry.config import RegistrySettings
from verifier.config import VerifierSettings

SECRET = "Zk3vT9qLw8XrB2nMc5Hd7JfGs1PyAe4U"
SHARED = {"LAUREL_KAFKA_BOOTSTRAP": "127.0.0.1:9", "LAUREL_PUBLIC_URL": "https://badges.example.org"}
MONGO = {"LAUREL_MONGO_URL": "mongodb://127.0.0.1:9"}
GOOD: dict[str, dict[str, str]] = {
    "issuer": SHARED | MONGO | {"LAUREL_MASTER_KEY": SECRET, "LAUREL_SIGNING_KEYS_FILE": "<keys>"},
    "registry": SHARED | MONGO | {"LAUREL_ADMIN_TOKEN": SECRET},
    "verifier": SHARED,
    "notifier": SHARED | MONGO | {
        "LAUREL_SMTP_HOST": "mail.example.org", "LAUREL_MAIL_FROM": "a@example.org",
    },
}  # fmt: skip
CLASSES: dict[str, type[ServiceSettings]] = {
    "issuer": IssuerSettings, "registry": RegistrySettings, "verifier": VerifierSettings, "notifier": NotifierSettings,
}  # fmt: skip
EVERY = sorted(GOOD)
UNSAFE: list[tuple[str, str, str]] = [
    *((service, f"{name}={value}", says) for service in EVERY for name, value, says in (
        ("LAUREL_PUBLIC_URL", "http://badges.example.org", "must be https, except on this machine"),
        ("LAUREL_PUBLIC_URL", "badges.test", "must be an absolute URL"),
        ("LAUREL_PUBLIC_URL", "https://badges.example.org/?a=b", "without query or fragment"),
        ("LAUREL_PUBLIC_URL", "https://badges.example.org/#a", "without query or fragment"),
        ("LAUREL_PUBLIC_URL", "ftp://badges.example.org", "must be an absolute URL"),
        ("LAUREL_KAFKA_REPLICATION", "0", "greater than or equal to 1"),
        ("LAUREL_KAFKA_IDEMPOTENCE", "perhaps", "boolean"),
        ("LAUREL_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("LAUREL_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("LAUREL_DRAIN_SECONDS", "-1", "greater than or equal to 0"),
    )),
    *((service, f"{name}={value}", says) for service in ("issuer", "registry", "notifier") for name, value, says in (
        ("LAUREL_MONGO_URL", "db.example.org", "must begin with mongodb:// or mongodb+srv://"),
        ("LAUREL_MONGO_DRIVER", "odbc", "'motor' or 'pymongo'"),
    )),
    *((service, f"LAUREL_ADMIN_TOKEN={weak}", "at least 32 random characters") for service in ("registry", "notifier")
      for weak in ("", "short", "a" * 64, "abcabcabc" * 5)),
    *((service, f"{name}={wrong}", says) for service, name in (
        ("registry", "LAUREL_ADMIN_TOKEN_HASHES"), ("notifier", "LAUREL_ADMIN_TOKEN_HASHES"),
        ("issuer", "LAUREL_VC_API_TOKEN_HASHES"))
      for wrong, says in (("5e5e5e5e", "must be a JSON list"), (f'["{"5e" * 31}"]', "cannot be used"),
                          (str(["5e" * 32] * 3).replace("'", '"'), "at most 2 items"))),
    ("issuer", "LAUREL_VC_API_TOKEN=changeme", "at least 32 random characters"),
    ("issuer", "LAUREL_MASTER_KEY=changeme", "at least 32 random characters"),
    ("issuer", "LAUREL_SIGNING_KEYS_FILE=/nowhere/keys", "does not exist"),
    ("issuer", "LAUREL_SIGNING_KEYS_FILE=<public>", "chmod 600 it"),
    ("issuer", "LAUREL_STATUS_LIST_INTERVAL_SECONDS=0", "greater than or equal to 0.05"),
    ("registry", "LAUREL_HEARTBEAT_SECONDS=0", "greater than or equal to 0.05"),
    ("verifier", "LAUREL_VIEW_MAX_AGE_SECONDS=3600", "less than or equal to 300"),
    ("verifier", "LAUREL_VIEW_MAX_AGE_SECONDS=0", "greater than or equal to 2"),
    ("notifier", "LAUREL_SMTP_SECURITY=none", "LAUREL_SMTP_SECURITY may be none only when"),
    ("notifier", "LAUREL_SMTP_USERNAME=u", "LAUREL_SMTP_USERNAME and LAUREL_SMTP_PASSWORD must be set together"),
    ("notifier", "LAUREL_SMTP_HOST=mail example", "LAUREL_SMTP_HOST cannot be used"),
    ("notifier", "LAUREL_MAIL_FROM=nobody", "LAUREL_MAIL_FROM cannot be used"),
    ("notifier", "LAUREL_RETRY_SECONDS=soon", "LAUREL_RETRY_SECONDS cannot be used: it must be a JSON list"),
    ("notifier", "LAUREL_RETRY_SECONDS=[-1]", "LAUREL_RETRY_SECONDS_0 cannot be used"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LAUREL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """A keys file that only its owner reads, and one that anybody does."""
    for name, mode in (("keys", 0o600), ("public", 0o644)):
        path = tmp_path / name
        path.write_text("")
        path.chmod(mode)
    return {f"<{path.name}>": str(path) for path in tmp_path.iterdir()}


def given(environment: Mapping[str, str], paths: Mapping[str, str]) -> dict[str, str]:
    return {name: paths.get(value, value) for name, value in environment.items()}


def told(service: str, environment: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The sentences with which the settings are refused."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with pytest.raises(SystemExit) as leaving:
            load(CLASSES[service])
    assert leaving.value.code == EXIT_BAD_SETTINGS
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("service", EVERY)
def test_good_settings_are_loaded_and_frozen(
    service: str, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given(GOOD[service], paths).items():
        monkeypatch.setenv(name, value)
    settings = load(CLASSES[service])
    assert settings.public_url == "https://badges.example.org"
    assert settings.kafka_idempotence
    assert SECRET not in repr(settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.public_url = "https://other.example.org"  # type: ignore[misc]


@pytest.mark.parametrize(("service", "variable"), [(service, name) for service in EVERY for name in GOOD[service]])
def test_a_missing_setting_is_named(
    service: str, variable: str, paths: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {name: value for name, value in given(GOOD[service], paths).items() if name != variable}
    assert told(service, rest, capsys) == [f"{variable} is not set: set this environment variable."]


def test_the_consortiums_key_may_be_given_as_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD["registry"] | {"LAUREL_ADMIN_TOKEN_HASHES": f'["{"5e" * 32}"]'}).items():
        monkeypatch.setenv(name, value)
    both = RegistrySettings()
    monkeypatch.delenv("LAUREL_ADMIN_TOKEN")
    alone = RegistrySettings()
    own = sha256(SECRET.encode()).hexdigest()
    assert key_hashes(both.admin_token, both.admin_token_hashes) == (own, "5e" * 32)
    assert key_hashes(alone.admin_token, alone.admin_token_hashes) == ("5e" * 32,)


@pytest.mark.parametrize(("service", "setting", "says"), UNSAFE)
def test_an_unsafe_setting_is_named_with_what_would_be_right(
    service: str, setting: str, says: str, paths: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, _, value = setting.partition("=")
    (sentence,) = told(service, given(GOOD[service] | {name: value}, paths), capsys)
    assert says in sentence
    assert name in sentence
    assert sentence.endswith(".")
    if len(value) > 6 and name not in ("LAUREL_SIGNING_KEYS_FILE", "LAUREL_SMTP_SECURITY"):
        assert value not in sentence, "it may be a secret"


@pytest.mark.parametrize("service", EVERY)
def test_a_service_that_is_told_nothing_says_all_that_it_needs_and_exits_2(service: str) -> None:
    done = started(service, {})
    assert done.returncode == 2
    assert done.stderr.splitlines() == unordered(
        done, [f"{name} is not set: set this environment variable." for name in GOOD[service]]
    )
    assert done.stdout == ""


@pytest.mark.parametrize("service", EVERY)
def test_a_service_that_is_told_something_unsafe_does_not_start(service: str, paths: dict[str, str]) -> None:
    unsafe = {"LAUREL_PUBLIC_URL": "http://badges.example.org"}
    unsafe |= {name: "changeme" for name in ("LAUREL_MASTER_KEY", "LAUREL_ADMIN_TOKEN") if name in GOOD[service]}
    if service == "issuer":
        unsafe["LAUREL_SIGNING_KEYS_FILE"] = "<public>"
    done = started(service, given(GOOD[service] | unsafe, paths))
    assert done.returncode == 2
    assert {line.split(" cannot be used: ")[0] for line in done.stderr.splitlines()} == set(unsafe)
    assert "changeme" not in done.stderr


def started(service: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("LAUREL_")}
    return subprocess.run(
        [sys.executable, "-m", service], env={**outside, **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def unordered(done: subprocess.CompletedProcess[str], lines: list[str]) -> list[str]:
    """The expected lines in the order in which they came."""
    came = done.stderr.splitlines()
    return sorted(lines, key=lambda line: came.index(line) if line in came else len(came))


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000/x", True), ("http://127.1.2.3", True), ("http://[::1]:8000", True),
        ("https://localhost", True), ("https://LOCALHOST/", True), ("https://example.org", False),
        ("https://127.0.0.1.example.org", False), ("https://localhost.example.org", False), ("https://10.0.0.1", False),
        ("https://user@127.0.0.1@example.org", False), ("", False),
    ],
)  # fmt: skip
def test_this_machine_is_known_by_its_address(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def test_a_public_url_on_this_machine_may_be_http_and_loses_its_last_slash() -> None:
    settings = ServiceSettings(kafka_bootstrap="x:1", public_url="http://127.0.0.1:8010/", http_port=0)
    assert settings.public_url == "http://127.0.0.1:8010"


def test_a_database_url_is_a_secret() -> None:
    settings = MongoSettings.model_validate({"mongo_url": "mongodb://u:pw@h", "mongo_database": "d"})
    assert "pw" not in repr(settings)
    assert KafkaSettings(kafka_bootstrap="x:1").kafka_session_timeout_ms == 10_000
