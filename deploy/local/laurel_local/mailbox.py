"""A mail catcher: takes every mail over SMTP, keeps it as a file, shows it over HTTP and passes nothing on.

`python -m laurel_local.mailbox --port P --http-port Q [--directory D]` runs it; `Mailbox` runs that as a child.
"""

import argparse
import asyncio
import http.client
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP

from laurel_local.mail_store import MailStore, received_at
from laurel_local.mail_web import build_app
from laurel_local.part import Part
from laurel_local.probes import TIMEOUT_SECONDS, http_answers, tcp_answers
from laurel_local.processes import Process, free_port


class Mailbox(Part):
    """The mail catcher as a child process; its mails are .eml files in `directory`/mails and survive a stop."""

    name = "mailbox"

    def __init__(self, directory: Path, *, smtp_port: int | None = None, http_port: int | None = None) -> None:
        self.smtp_port = smtp_port or free_port()
        self.http_port = http_port or free_port()
        self.ports = (self.smtp_port, self.http_port)
        self._store = MailStore(directory.absolute() / "mails")  # the process runs in it
        ports = ("--port", str(self.smtp_port), "--http-port", str(self.http_port))
        self.process = Process(
            "mailbox",
            [sys.executable, "-m", "laurel_local.mailbox", *ports, "--directory", str(self._store.directory)],
            log_dir=directory,
            cwd=directory,
        )

    @property
    def http_url(self) -> str:
        """Where a browser sees the mails, and the base of the JSON listing; no slash at the end."""
        return f"http://127.0.0.1:{self.http_port}"

    def ready(self) -> bool:
        return tcp_answers(self.smtp_port) and http_answers(f"{self.http_url}/healthz")

    def messages(self) -> list[EmailMessage]:
        """The mails received, oldest first."""
        return [self._store.read(mail_id) for mail_id in self._store.ids()]

    def arrivals(self) -> list[tuple[bytes, datetime]]:
        """The mails received, to the byte, and when, oldest first."""
        return [(self._store.raw(mail_id), received_at(mail_id)) for mail_id in self._store.ids()]

    def fail(self, code: int, times: int) -> None:
        """Have the next `times` mails answered with this SMTP code; 0 times ends it."""
        self._request("POST", "/fail", {"code": code, "times": times})

    def clear(self) -> None:
        """Delete every mail."""
        self._request("DELETE", "/messages")

    def _request(self, method: str, path: str, body: object = None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST:
                raise ValueError(f"{method} {path}: {answer.status} {answer.read().decode()}")
        finally:
            connection.close()


async def serve(store: MailStore, smtp_port: int, http_port: int) -> None:
    """Take mail and answer HTTP until a signal ends it."""
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SMTP(store, hostname="localhost", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", smtp_port
    )
    config = uvicorn.Config(build_app(store), host="127.0.0.1", port=http_port, log_level="warning", access_log=False)
    async with smtp:
        await uvicorn.Server(config).serve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the mail catcher with the command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m laurel_local.mailbox", description="A mail catcher.")
    parser.add_argument("--port", type=int, required=True, help="SMTP port")
    parser.add_argument("--http-port", type=int, required=True, help="HTTP port")
    parser.add_argument("--directory", type=Path, help="where mails are kept (default: nowhere for long)")
    options = parser.parse_args(arguments)
    # The web server, when it has ended in order, raises the signal again: told to stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="laurel-mail-") as temporary:
        store = MailStore(options.directory or Path(temporary))
        asyncio.run(serve(store, options.port, options.http_port))


if __name__ == "__main__":
    main()
