"""The mails that arrived: each about a credential, to the learner who earned it, and one that comes again the same."""

from __future__ import annotations

import email
import email.policy
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import parseaddr
from hashlib import sha256

from laurel.contracts.completions import Learner
from laurel.reconciliation import Facts, mailbox_of
from laurel_local.mail_store import header
from laurel_local.mailbox import Mailbox

_ADDRESS = re.compile(r"https?://\S+?/credentials/[\w-]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrived. `to` is whom the envelope named, `named` whom the mail itself does: name and address.

    `digest` is of everything that the notifier handed over, the envelope too; `credential` the address in the text.
    """

    delivery: str
    to: tuple[str, ...]
    named: tuple[str, str]
    credential: str | None
    digest: str
    at: datetime


def arrived(mailbox: Mailbox) -> list[Mail]:
    """All that the mail catcher has, oldest first."""
    return [_read(raw, at) for raw, at in mailbox.arrivals()]


def _read(raw: bytes, at: datetime) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    (delivery,) = mailbox_of([header(message, "Message-ID")])
    text = message.get_body(("plain",))
    found = _ADDRESS.search(text.get_content()) if text is not None else None
    to = tuple(str(each) for each in message.get_all("Delivered-To", []))
    # The catcher adds the envelope and nothing that differs from time to time, so all of it has to be the same.
    digest = sha256(raw).hexdigest()
    return Mail(delivery, to, parseaddr(header(message, "To")), found and found[0], digest, at)


def arrivals_of(mails: Sequence[Mail]) -> dict[str, list[datetime]]:
    """By delivery, when its mail arrived."""
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for mail in mails:
        found[mail.delivery].append(mail.at)
    return dict(found)


def not_the_same(mails: Sequence[Mail]) -> Iterator[str]:
    """The deliveries whose mails differ in envelope, headers or body."""
    digests: defaultdict[str, set[str]] = defaultdict(set)
    for mail in mails:
        digests[mail.delivery].add(mail.digest)
    return (delivery for delivery, different in digests.items() if len(different) > 1)


def astray(mails: Sequence[Mail], facts: Facts, learners: Mapping[str, Learner]) -> Iterator[str]:
    """What to say of each mail that does not go to the learner of its credential alone, by the envelope and in its
    header, or speaks of another credential. `learners` is by the partner's event id."""
    for mail in mails:
        row = facts.deliveries.get(mail.delivery)
        if row is None:
            continue  # the reconciliation tells of it
        intent = facts.intents.get(row.credential)
        learner = learners.get(intent.event[2]) if intent is not None else None
        right = learner and ((learner.email,), (learner.name, learner.email), row.credential)
        if (mail.to, mail.named, mail.credential) != right:
            yield f"{mail.delivery} to {mail.to}, {mail.named} about {mail.credential}, which should be {right}"
