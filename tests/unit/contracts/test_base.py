"""The field types and their limits, and how a body is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from laurel.contracts.base import (
    Contract,
    CredentialId,
    Did,
    Digest,
    Email,
    Language,
    Line,
    Moment,
    Multikey,
    Reference,
    Slug,
    Text,
    Uri,
    Url,
    utc_text,
)
from laurel.contracts.credentials import RecipientRecorded

KEY = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
GOOD: list[tuple[Any, str]] = [
    (Slug, "a"), (Slug, "7"), (Slug, "first-aid"), (Slug, "a" * 63), (Slug, "a--b"),
    (Reference, "r"), (Reference, "R 4711/Ä\t"), (Reference, "r" * 200),
    (Line, "l"), (Line, "Łucja ✓"), (Line, "l" * 200),
    (Text, "t"), (Text, "one\n\ttwo"), (Text, "t" * 4000),
    (Url, "http://x"), (Url, "https://example.org/a?b#c"), (Url, "https://" + "x" * 1992),
    (Uri, "a:b"), (Uri, "urn:laurel:x"), (Uri, "https://example.org"), (Uri, "u:" + "x" * 1998),
    (Did, "did:web:example.org"), (Did, "did:web:127.0.0.1%3A80:a"), (Did, "did:x:" + "y" * 494),
    (CredentialId, "https://example.org/credentials/1"), (CredentialId, "http://x"),
    (CredentialId, "https://" + "x" * 492), (CredentialId, "urn:uuid:1234"), (CredentialId, "a:b"),
    (Multikey, KEY), (Multikey, "z" + "1" * 40), (Multikey, "z" + "1" * 80),
    (Language, "en"), (Language, "de-AT"), (Language, "sgn-BE-FR"), (Language, "zh-Hant-TW"),
    (Email, "ada@example.org"), (Email, "ada+badges@mail.example.org"),
    (Digest, "0" * 64), (Digest, "0123456789abcdef" * 4),
]  # fmt: skip
BAD: list[tuple[Any, Any]] = [
    (Slug, ""), (Slug, "A"), (Slug, "-a"), (Slug, "a-"), (Slug, "a_b"), (Slug, "a/b"), (Slug, "ä"), (Slug, "a" * 64),
    (Slug, "a\n"), (Slug, 7),
    (Reference, ""), (Reference, "r" * 201), (Reference, "a\x00b"), (Reference, "a\x7f"), (Reference, "a\rb"),
    (Line, ""), (Line, "l" * 201), (Line, "a\nb"), (Line, "a\rb"), (Line, "a\x1bb"),
    (Text, ""), (Text, "t" * 4001), (Text, "a\x08b"), (Text, "a\rb"),
    (Url, "http://"), (Url, "ftp://example.org"), (Url, "example.org/path"), (Url, "https://" + "x" * 1993),
    (Url, "https://a b.example"), (Url, "https://a.example/<b>"), (Url, 'https://a.example/"'),
    (Url, "https://a.example/{x}"), (Url, "https://a.example/a|b"), (Uri, "urn:x:{y}"), (Url, "javascript:alert(1)"),
    (Url, "https://a.example/\x00"), (Url, "HTTPS:/x.example"),
    (Uri, "ab"), (Uri, "no colon"), (Uri, "1a:b"), (Uri, "a:"), (Uri, "a:b c"), (Uri, "a:<b>"),
    (Uri, "u:" + "x" * 1999),
    (Did, "did:web:"), (Did, "did:web:a b"), (Did, "did:web:a#key"), (Did, "did:web:a?b"), (Did, "DID:web:a"),
    (Did, "did:x:" + "y" * 495),
    (CredentialId, "1234"), (CredentialId, "urn:a b"), (CredentialId, "urn:x:{y}"),
    (CredentialId, "https://" + "x" * 493),
    (Multikey, "u" + KEY[1:]), (Multikey, "z" + "1" * 39), (Multikey, "z" + "1" * 81), (Multikey, "z" + "0" * 48),
    (Language, ""), (Language, "e"), (Language, "EN"), (Language, "en_GB"), (Language, "en-a"),
    (Language, "en-" + "a" * 9), (Language, "en" + "-aaaaaaaa" * 4),
    (Email, "ada"), (Email, "ada@"), (Email, "a@b@example.org"), (Email, "a" * 250 + "@example.org"),
    (Digest, "0" * 63), (Digest, "0" * 65), (Digest, "A" * 64), (Digest, "g" * 64),
    (Moment, "2026-06-01T12:00:00"), (Moment, "yesterday"), (Moment, "2026-06-01"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_a_value_within_the_limits_is_taken_as_it_is(kind: Any, value: str) -> None:
    assert TypeAdapter(kind).validate_python(value) == value


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_a_value_beyond_the_limits_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


class Part(Contract):
    """A part of the sample."""

    a_number: int = 0


class Sample(Contract):
    """A body of the tests' own."""

    display_name: Line
    at: Moment
    note: Text | None = None
    parts: tuple[Part, ...] = ()


AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def test_a_body_is_camel_case_json_without_what_has_no_value() -> None:
    assert (
        Sample(display_name="Ł", at=AT).to_bytes()
        == '{"displayName":"Ł","at":"2026-06-01T12:00:00Z","parts":[]}'.encode()
    )
    full = Sample(display_name="x", at=AT, note="n", parts=(Part(a_number=2),))
    assert full.to_bytes() == (b'{"displayName":"x","at":"2026-06-01T12:00:00Z","note":"n","parts":[{"aNumber":2}]}')
    assert Sample.model_validate_json(full.to_bytes()) == full


def test_a_body_is_read_by_either_name_trimmed_and_without_unknown_fields() -> None:
    wire = {"displayName": "  x ", "at": "2026-06-01T14:00:00+02:00", "another": {"field": 1}}
    assert Sample.model_validate(wire) == Sample(display_name="x", at=AT)


def test_a_body_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample(display_name="x", at=AT).display_name = "y"  # type: ignore[misc]


def test_a_field_is_described_by_the_text_beneath_it() -> None:
    class Told(Contract):
        """A body."""

        name: Line
        """What it is called."""

    assert Told.model_fields["name"].description == "What it is called."


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (AT, "2026-06-01T12:00:00Z"),
        (datetime(2026, 6, 1, 14, 0, 0, 250000, tzinfo=timezone(timedelta(hours=2))), "2026-06-01T12:00:00.250000Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-12-31T23:30:00Z"),
    ],
)
def test_a_time_is_written_in_utc(moment: datetime, text: str) -> None:
    assert utc_text(moment) == text


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2900, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_that_was_written_is_read_as_the_same_moment(moment: datetime) -> None:
    body = Sample(display_name="x", at=moment)
    assert Sample.model_validate_json(body.to_bytes()).at == moment.astimezone(UTC)
    assert Sample.model_validate_json(body.to_bytes()).to_bytes() == body.to_bytes()


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", 0, 253402300799, 1.5])
def test_a_time_is_text_within_range(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(text)


@pytest.mark.parametrize("text", ["a\u202eb", "\u2066a", "a\u200f"])
def test_what_turns_the_writing_around_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="direction"):
        TypeAdapter(Line).validate_python(text)


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(ValidationError) as error:
        RecipientRecorded.model_validate({"credential": "https://x.example.org/1", "name": 7, "email": "ana.lima"})
    assert "ana.lima" not in str(error.value)
