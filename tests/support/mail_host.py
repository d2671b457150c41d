"""A mail server that takes mails or refuses them by whom they are for, so that whoever repeats one gets the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiosmtpd.controller import Controller

from laurel_local.processes import free_port


@dataclass(frozen=True)
class MailHost:
    """Its handler, under the names of aiosmtpd; `refusals` are its answers by address."""

    smtp_port: int
    refusals: Mapping[str, str]

    async def handle_RCPT(  # noqa: N802
        self, server: object, session: object, envelope: Any, address: str, options: object
    ) -> str:  # fmt: skip
        """Whether a mail for this address is taken."""
        if (refusal := self.refusals.get(address)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        """Take it; nobody reads it."""
        return "250 taken"


@contextmanager
def answering(refusals: Mapping[str, str]) -> Iterator[MailHost]:
    """A mail server on this machine, in a thread of its own."""
    host = MailHost(free_port(), refusals)
    controller = Controller(host, hostname="127.0.0.1", port=host.smtp_port, enable_SMTPUTF8=True)
    controller.start()
    try:
        yield host
    finally:
        controller.stop()
