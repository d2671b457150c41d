"""The mails themselves: both languages, both occasions, and names that would like to be something else."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser

import pytest
from pydantic import NameEmail

from laurel.contracts.operations import Occasion
from notifier.domain import LANGUAGES, Delivery, Recipient, Wording, delivery_id
from notifier.letter import envelope_address, render, write

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
CREDENTIAL = "https://badges.example/credentials/one?a=1&b=2"
SENDER = NameEmail(name="Laurel, of course", email="badges@laurel.example")
WORDING = Wording("Welding & joining", "Member North", "hello@north.example")
SCRIPT = "<script>alert('you')</script>"


def delivery(occasion: Occasion, reason: str | None = "Issued in error") -> Delivery:
    return Delivery(
        id=delivery_id(CREDENTIAL, occasion), credential=CREDENTIAL, occasion=occasion, issuer="north",
        achievement="welding", since=NOW, created_at=NOW, due_at=NOW,
        reason=reason if occasion is Occasion.REVOKED else None,
    )  # fmt: skip


def recipient(name: str = "Ana Å. Silva", language: str = "en", address: str = "ana@learner.example") -> Recipient:
    return Recipient(CREDENTIAL, name, address, language, NOW)


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message


def unfolded(content: bytes, name: str) -> str:
    """A header as it was sent."""
    return str(email.message_from_bytes(content)[name]).replace("\r\n", "")


def decoded(text: str) -> str:
    """Encoded words as RFC 2047 reads them; the library's newer parser puts spaces into long names."""
    return str(make_header(decode_header(text)))


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return str(text.get_content()), str(html.get_content())


class Tags(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("occasion", "language", "subject", "sentences"),
    [
        (Occasion.ISSUED, "en", "Your credential: Welding & joining",
         ["Hello Ana Å. Silva,", "Member North has awarded you", "put the link into a profile", "can check there"]),
        (Occasion.ISSUED, "de-AT", "Ihr Nachweis: Welding & joining",
         ["Guten Tag Ana Å. Silva,", "Member North hat Ihnen", "Setzen Sie den Link", "kann dort prüfen"]),
        (Occasion.REVOKED, "fr", "Revoked: Welding & joining",
         ["Hello Ana Å. Silva,", "since 1 March 2026", "Reason given: Issued in error", "ask Member North",
          "hello@north.example"]),
        (Occasion.REVOKED, "de", "Widerrufen: Welding & joining",
         ["Guten Tag Ana Å. Silva,", "seit dem 1. März 2026", "Angegebener Grund: Issued in error",
          "wenden Sie sich an Member North", "hello@north.example"]),
    ],
)  # fmt: skip
def test_what_the_mail_says(occasion: Occasion, language: str, subject: str, sentences: list[str]) -> None:
    message = parsed(write(delivery(occasion), recipient(language=language), WORDING, SENDER))
    assert message["Subject"] == subject
    text, html = parts(message)
    page = Tags(html)
    for said in (text, page.text):
        for sentence in [*sentences, "Welding & joining"]:
            assert sentence in said
    assert CREDENTIAL in text
    assert CREDENTIAL in page.links


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_revocation_without_a_reason_gives_none(language: str) -> None:
    _, text, html = render(delivery(Occasion.REVOKED, None), recipient(language=language), WORDING)
    for said in (text, html):
        assert "None" not in said
        assert "Reason" not in said
        assert "Grund" not in said


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("hello@north.example", "mailto:hello@north.example"),
        ("https://north.example/help", "https://north.example/help"),
    ],
)
def test_the_member_can_be_asked(contact: str, link: str) -> None:
    _, _, html = render(delivery(Occasion.REVOKED), recipient(), Wording("Welding", "North", contact))
    assert link in Tags(html).links


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", list(Occasion))
@pytest.mark.parametrize(
    "name",
    [
        SCRIPT,
        "عمر خالد",
        "Ana 👩🏽‍🎓 Силва",
        '"Ana" <boss@evil.example>',
        "Ana, Bo; (both) \\ @home",
        "x" * 200,
        "学" * 200,
        "Ana\r\nBcc: all@evil.example",
        "Ana\x85Bcc: all@evil.example",
        "Ana\u2028Bcc: all@evil.example",
        "{{ 7 * 7 }} {% raw %}",
        "=?utf-8?q?Boss?=",
        "=?utf-8?q?Boss=0D=0ABcc:_all=40evil.example?=",
        "Основы безопасности данных für Größen, Überprüfung (Aufbaukurs): «Система» управления / Teil II & Müller " * 2,
    ],
)
def test_a_name_is_only_ever_a_name(name: str, occasion: Occasion, language: str) -> None:
    hostile = Wording(name, name, "hello@north.example")
    content = write(delivery(occasion, name), recipient(name, language), hostile, SENDER)
    message = parsed(content)
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert not message.defects
    clean = " ".join(name.split())
    to, address = parseaddr(unfolded(content, "To"))
    assert address == "ana@learner.example"
    assert decoded(to) == clean
    assert decoded(unfolded(content, "Subject")).endswith(clean)
    text, html = parts(message)
    assert clean in text
    page = Tags(html)
    assert clean in page.text
    assert page.tags <= {"html", "head", "meta", "title", "body", "div", "p", "bdi", "h1", "a", "br"}


def test_the_same_state_gives_the_same_bytes() -> None:
    first, second = (write(delivery(Occasion.ISSUED), recipient(), WORDING, SENDER) for _ in range(2))
    assert first == second
    assert first.isascii()
    assert all(len(line) <= 998 for line in first.split(b"\r\n"))


def test_the_headers() -> None:
    message = parsed(write(delivery(Occasion.ISSUED), recipient(), WORDING, SENDER))
    row_id = delivery(Occasion.ISSUED).id
    assert message["From"] == '"Laurel, of course" <badges@laurel.example>'
    assert message["To"].addresses[0].display_name == "Ana Å. Silva"
    assert message["Date"] == "Sun, 01 Mar 2026 23:30:00 +0000"
    assert message["Message-ID"] == f"<{row_id}@laurel.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_boundary() == f"=_{row_id}"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("ana@learner.example", "ana@learner.example"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("jösé@bücher.example", "jösé@xn--bcher-kva.example"),
    ],
)
def test_international_addresses(given: str, used: str) -> None:
    assert envelope_address(given) == used
    content = write(delivery(Occasion.ISSUED), recipient(address=given), WORDING, SENDER)
    assert f" <{used}>\r\nSubject: " in content.decode()
