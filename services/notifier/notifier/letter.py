"""Writing the mail. It is a function of stored state: a repeated attempt sends the same bytes."""

from __future__ import annotations

from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
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
    headers = {
        "From": _address("From", sender.name, sender.email),
        "To": _address("To", recipient.name, envelope_address(recipient.email)),
        "Subject": _text("Subject", subject),
        "Date": format_datetime(delivery.created_at),
        "Message-ID": f"<{delivery.id}@{sender.email.rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",
    }
    body = EmailMessage(policy=SMTP)
    # Quoted-printable passes every server; left to itself, the library picks by content.
    body.set_content(text, cte="quoted-printable")
    body.add_alternative(html, subtype="html", cte="quoted-printable")
    body.set_boundary(f"=_{delivery.id}")  # "=_" occurs in no quoted-printable text (RFC 2045 §6.7)
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + body.as_bytes()


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


# The headers are written here and not by EmailMessage, which takes a name such as "=?utf-8?q?Boss?=" for an
# encoded one, decodes it, line breaks and all, and in folding a long subject loses a space.
def _address(header: str, name: str, email: str) -> str:
    name = one_line(name)
    return f"{_quoted(name) if _plain(name) else _text(header, name)} <{email}>"


def _text(header: str, text: str) -> str:
    """A header's text: as it is when that is unmistakable, else as encoded words (RFC 2047); folded."""
    charset = "us-ascii" if _plain(text) else "utf-8"
    return Header(one_line(text), charset, header_name=header).encode(linesep="\r\n")


def _plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
