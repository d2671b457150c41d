"""Mails as files: one .eml each, named so that sorting by name is sorting by time of arrival."""

import email
import email.policy
import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

STAMP = "%Y%m%dT%H%M%S.%fZ"
_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-\d+")


@dataclass
class Failure:
    """What the next mails are to be answered with instead of being taken."""

    code: int = 451
    times: int = 0


class MailStore:
    """The mails in a folder, and the handler aiosmtpd calls for each one that arrives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.failure = Failure()
        self._numbers = itertools.count()

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: ARG002, N802
        """Keep a mail, or refuse it when told to; the name and arguments are aiosmtpd's."""
        if self.failure.times > 0:
            self.failure.times -= 1
            return f"{self.failure.code} refused as asked"
        # As a delivering server does: the envelope goes in front, and the mail's own bytes stay as they came.
        trace = [f"Return-Path: <{envelope.mail_from}>", *(f"Delivered-To: {to}" for to in envelope.rcpt_tos)]
        self.add("".join(f"{line}\r\n" for line in trace).encode(errors="surrogateescape") + envelope.original_content)
        return "250 kept"

    def add(self, content: bytes) -> str:
        """Keep one mail and return its id."""
        mail_id = f"{datetime.now(UTC).strftime(STAMP)}-{next(self._numbers)}"
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{mail_id}"
        temporary.write_bytes(content)
        temporary.replace(self._path(mail_id))  # a reader sees a whole mail or none
        return mail_id

    def ids(self) -> list[str]:
        """The ids of all mails, oldest first."""
        return sorted(path.stem for path in self.directory.glob("*.eml") if _ID.fullmatch(path.stem))

    def raw(self, mail_id: str) -> bytes:
        """A mail's bytes; KeyError when there is none of that id."""
        if not _ID.fullmatch(mail_id):  # ids come in by URL: nothing else may become part of a path
            raise KeyError(mail_id)
        try:
            return self._path(mail_id).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(mail_id) from error

    def read(self, mail_id: str) -> EmailMessage:
        """A mail, parsed; KeyError when there is none of that id."""
        message = email.message_from_bytes(self.raw(mail_id), policy=email.policy.SMTP)
        assert isinstance(message, EmailMessage)
        return message

    def clear(self) -> None:
        """Delete every mail."""
        for mail_id in self.ids():
            self._path(mail_id).unlink(missing_ok=True)

    def summary(self, mail_id: str) -> dict[str, object]:
        """What the listing says about a mail."""
        message = self.read(mail_id)
        return {
            "id": mail_id,
            "to": [str(to) for to in message.get_all("Delivered-To", [])],
            "subject": header(message, "Subject"),
            "messageId": header(message, "Message-ID"),
            "receivedAt": received_at(mail_id).isoformat().replace("+00:00", "Z"),
        }

    def _path(self, mail_id: str) -> Path:
        return self.directory / f"{mail_id}.eml"


def header(message: EmailMessage, name: str) -> str:
    """A header's text, or "" when there is none; as it was written when it cannot be parsed."""
    try:
        return str(message.get(name, "")).strip()
    except Exception:  # on broken headers the standard library's parser raises whatever it stumbles on
        raw = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
        return next(raw, "").strip()


def received_at(mail_id: str) -> datetime:
    """When the mail of this id arrived."""
    return datetime.strptime(mail_id.partition("-")[0], STAMP).replace(tzinfo=UTC)
