"""Writing the mail. It is a function of stored state: a repeated attempt sends the same bytes."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from pathlib import Path

from email_validator import validate_email
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import NameEmail

from notifier.domain import Delivery, Recipient, Wording, language_of

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")), undefined=StrictUndefined,
    autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def envelope_address(email: str) -> str:
    """The address as mail servers want it: the domain in its ASCII form, and, where it can be, all of it."""
    parts = validate_email(email, check_deliverability=False)
    return parts.ascii_email or f"{parts.local_part}@{parts.ascii_domain}"


def write(delivery: Delivery, recipient: Recipient, wording: Wording, sender: NameEmail) -> bytes:
    """The whole mail, as text and as HTML, in the learner's language."""
    subject, text, html = render(delivery, recipient, wording)
    to = envelope_address(recipient.email)
    mail = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    mail["From"] = _address(sender.name, sender.email)
    mail["To"] = _address(recipient.name, to)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(delivery.created_at)
    mail["Message-ID"] = f"<{delivery.id}@{sender.email.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    # Quoted-printable passes every server; left to itself, the library picks by content.
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_{delivery.id}")  # "=_" occurs in no quoted-printable text (RFC 2045 §6.7)
    return mail.as_bytes()


def render(delivery: Delivery, recipient: Recipient, wording: Wording) -> tuple[str, str, str]:
    """Subject, text and HTML. The first line of a text template is the subject."""
    language = language_of(recipient.language)
    values = {
        "language": language,
        "name": one_line(recipient.name),
        "achievement": one_line(wording.achievement),
        "issuer": one_line(wording.issuer),
        "contact": wording.contact,
        "contact_link": wording.contact if "://" in wording.contact else f"mailto:{wording.contact}",
        "link": delivery.credential,
        "since": delivery.since,
        "reason": None if delivery.reason is None else one_line(delivery.reason),
    }
    base = f"{language}/{delivery.occasion.value}"
    subject, _, text = _TEMPLATES.get_template(f"{base}.txt").render(values).lstrip("\n").partition("\n")
    html = _TEMPLATES.get_template(f"{base}.html").render(values | {"subject": subject})
    return subject, text.lstrip("\n"), html


def one_line(text: str) -> str:
    """A text that cannot end a header: every kind of line break, and there are more than CR and LF, is a space."""
    return " ".join(text.split())


def _address(name: str, email: str) -> Address:
    local, _, domain = email.rpartition("@")
    return Address(one_line(name), local, domain)
