"""The notifier's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NameEmail, SecretStr, model_validator

from laurel.runtime.settings import AdminSettings, MongoSettings, ServiceSettings, is_loopback


def _ascii_address(sender: NameEmail) -> NameEmail:
    if not sender.email.isascii():
        # A sender's address of other characters would shut out every mail server without SMTPUTF8.
        raise ValueError("must have an address of ASCII characters; write the domain in its xn-- form")
    return sender


class NotifierSettings(ServiceSettings, MongoSettings, AdminSettings):
    """The notifier's settings.

    `recipient_days` is how long a learner's name and address are kept, counted from when they were recorded. It
    trades privacy against reach: a learner whose data is gone hears nothing of a later revocation. The default
    is a little over a year; set 8 to keep it only as long as the mail about the award can take.

    `retry_seconds` are the waits after each failed attempt (± 20 %); after the last the notification is given up.

    `send_concurrency` is how many mails are in the mail server's hands at once. As many go out again, each just as it
    was, when the notifier is killed at that moment; more than one is worth that only with a slow mail server.

    It needs no `admin_token`: without one, only operators with the right read the delivery log.
    """

    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "laurel_notifier"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8030

    smtp_host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")]
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_username: Annotated[str, Field(min_length=1, max_length=320)] | None = None
    smtp_password: Annotated[SecretStr, Field(min_length=1, max_length=1000)] | None = None
    mail_from: Annotated[NameEmail, AfterValidator(_ascii_address)]

    recipient_days: Annotated[int, Field(ge=1, le=3660)] = 400
    retry_seconds: tuple[Annotated[float, Field(ge=0, le=864_000)], ...] = (5, 300, 1800, 7200, 18000, 36000, 36000)
    send_concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _safe(self) -> NotifierSettings:
        host = f"[{self.smtp_host}]" if ":" in self.smtp_host else self.smtp_host
        if self.smtp_security == "none" and not is_loopback(f"smtp://{host}"):
            # Names, addresses and the password would cross the network readable.
            raise ValueError("LAUREL_SMTP_SECURITY may be none only when LAUREL_SMTP_HOST is this machine")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("LAUREL_SMTP_USERNAME and LAUREL_SMTP_PASSWORD must be set together")
        return self
