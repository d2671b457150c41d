"""Settings that would be unsafe are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from laurel.runtime.settings import complaints
from notifier.config import NotifierSettings

GOOD: dict[str, Any] = {
    "kafka_bootstrap": "127.0.0.1:9092", "mongo_url": "mongodb://127.0.0.1", "public_url": "https://badges.example",
    "smtp_host": "mail.example", "mail_from": "Laurel <badges@laurel.example>",
    "admin_token": "0123456789-abcdefghijklmnopqrstuvwxyz",
}  # fmt: skip


def test_the_defaults() -> None:
    settings = NotifierSettings.model_validate(GOOD)
    assert (settings.mongo_database, settings.http_port, settings.smtp_security) == (
        "laurel_notifier",
        8030,
        "starttls",
    )
    assert len(settings.retry_seconds) == 7
    assert (settings.mail_from.name, settings.mail_from.email) == ("Laurel", "badges@laurel.example")
    assert "abcdefghij" not in repr(settings)


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(f"LAUREL_{name.upper()}", value)
    monkeypatch.setenv("LAUREL_RETRY_SECONDS", "[0.1, 2]")
    settings = NotifierSettings()
    assert settings.retry_seconds == (0.1, 2)
    assert settings.mail_from.email == "badges@laurel.example"


@pytest.mark.parametrize(
    "changes",
    [
        {"smtp_security": "none", "smtp_host": "127.0.0.1"},
        {"smtp_security": "none", "smtp_host": "::1"},
        {"smtp_security": "none", "smtp_host": "localhost"},
        {"smtp_security": "tls"},
        {"smtp_username": "laurel", "smtp_password": "secret"},
        {"mail_from": "badges@laurel.example"},
    ],
)
def test_safe(changes: dict[str, Any]) -> None:
    NotifierSettings.model_validate(GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"smtp_security": "none"}, "only when LAUREL_SMTP_HOST is this machine"),
        ({"smtp_security": "none", "smtp_host": "localhost.evil.example"}, "only when LAUREL_SMTP_HOST"),
        ({"smtp_security": "maybe"}, "LAUREL_SMTP_SECURITY"),
        ({"smtp_username": "laurel"}, "must be set together"),
        ({"smtp_password": "secret"}, "must be set together"),
        ({"smtp_host": "mail.example/x"}, "LAUREL_SMTP_HOST"),
        ({"mail_from": "Laurel"}, "LAUREL_MAIL_FROM"),
        ({"mail_from": "Laurel <badges@bücher.example>"}, "xn--"),
        ({"mail_from": "Laurel\r\nBcc: x@y.example <badges@laurel.example>"}, "LAUREL_MAIL_FROM"),
        ({"admin_token": "short"}, "LAUREL_ADMIN_TOKEN"),
        ({"retry_seconds": (-1,)}, "LAUREL_RETRY_SECONDS"),
        ({"recipient_days": 0}, "LAUREL_RECIPIENT_DAYS"),
    ],
)
def test_unsafe(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NotifierSettings.model_validate(GOOD | changes)
    (line,) = complaints(refused.value)
    assert complaint in line
