"""Handing a mail to the mail server, and reading its answer."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from notifier.config import NotifierSettings
from notifier.domain import Outcome, Stage, outcome_of

_GOODBYE_SECONDS = 2.0  # it has answered already; this is courtesy


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. `text` may quote the recipient's address: it is not fit to be kept as it is."""

    outcome: Outcome
    text: str


class MailServer:
    """The one mail server that everything goes through.

    A connection a mail: it costs a few round trips, and there is no state that could be stale or mixed up.
    """

    def __init__(self, settings: NotifierSettings) -> None:
        self._settings = settings
        # Half the lease: a row is never given to somebody else while its mail is still being handed over.
        self._seconds = settings.lease_seconds / 2

    async def send(self, recipient: str, content: bytes) -> Answer:
        """Try once; every way to fail is an answer."""
        client = self._client()
        try:
            async with asyncio.timeout(self._seconds):
                await client.connect()
                options = [] if recipient.isascii() else ["SMTPUTF8"]
                _, text = await client.sendmail(
                    self._settings.mail_from.email, [recipient], content, mail_options=options
                )
        except SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            return _refusal(Stage.RECIPIENT, refusal.code, refusal.message)
        except SMTPDataError as error:
            return _refusal(Stage.CONTENT, error.code, error.message)
        except SMTPResponseException as error:
            return _refusal(Stage.CONNECTION, error.code, error.message)
        except SMTPNotSupported as error:
            # It was asked for an extension it lacks: SMTPUTF8, which this address needs, or our STARTTLS.
            final = "SMTPUTF8" in error.message
            return Answer(Outcome.REFUSED if final else Outcome.DEFERRED, error.message)
        except SMTPException as error:
            return Answer(Outcome.DEFERRED, f"the mail server could not be used: {error.message}")
        except (OSError, TimeoutError) as error:
            return Answer(Outcome.DEFERRED, f"the mail server could not be used: {type(error).__name__}")
        else:
            return Answer(Outcome.SENT, text)
        finally:
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                if client.is_connected:
                    await client.quit(timeout=_GOODBYE_SECONDS)
            client.close()

    def _client(self) -> SMTP:
        settings = self._settings
        password = settings.smtp_password
        return SMTP(
            hostname=settings.smtp_host, port=settings.smtp_port, timeout=self._seconds,
            use_tls=settings.smtp_security == "tls", start_tls=settings.smtp_security == "starttls",
            username=settings.smtp_username, password=None if password is None else password.get_secret_value(),
            # Else the library asks a name server for this machine's name.
            local_hostname=settings.mail_from.email.rpartition("@")[2],
        )  # fmt: skip


def _refusal(stage: Stage, code: int, text: str) -> Answer:
    return Answer(outcome_of(stage, code), f"{code} {text}")
