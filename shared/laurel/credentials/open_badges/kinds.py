"""Whether a value that is no object is what its member wants."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from laurel.credentials.open_badges.classes import Kind, Vocabulary
from laurel.credentials.open_badges.findings import Finding, Path, error
from laurel.credentials.values import is_absolute_iri, parse_datetime

_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_SHOWN = 8


def check_value(value: Any, wanted: Kind | Vocabulary, path: Path) -> Iterator[Finding]:
    """What is wrong with `value`, which stands at `path`."""
    if isinstance(wanted, Vocabulary):
        if value not in wanted:
            options = ", ".join(wanted.values[:_SHOWN]) + (", …" if len(wanted.values) > _SHOWN else "")
            extended = " or begin with ext:" if wanted.extensible else ""
            detail = f"The value must be one that Open Badges names ({options}){extended}."
            yield error("BADGE_VOCABULARY", path, detail)
    elif not _FITS[wanted](value):
        yield error("BADGE_VALUE", path, f"The value must be {_WORDS[wanted]}.")


def is_moment(value: Any) -> bool:
    """Whether `value` is a date and time with a time zone."""
    try:
        parse_datetime(value)
    except ValueError:
        return False
    return True


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_text(value: Any) -> bool:
    # Or a map from languages to texts (OB 3.0, "Internationalization").
    return isinstance(value, str) or (isinstance(value, dict) and all(isinstance(text, str) for text in value.values()))


def _is_url(value: Any) -> bool:
    # A data: URL is longer than any other.
    return is_absolute_iri(value) or (isinstance(value, str) and value.startswith("data:"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_jws(value: Any) -> bool:
    return isinstance(value, str) and _COMPACT_JWS.fullmatch(value) is not None


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: _is_text,
    Kind.URL: _is_url,
    Kind.DATE: _is_date,
    Kind.MOMENT: is_moment,
    Kind.NUMBER: _is_number,
    Kind.BOOLEAN: _is_boolean,
    Kind.JWS: _is_jws,
}
_WORDS: Mapping[Kind, str] = {
    Kind.TEXT: "a text",
    Kind.URL: "a complete address such as https://example.org/1, or a URN or DID",
    Kind.DATE: "a date such as 2026-01-31",
    Kind.MOMENT: "a date and time with a time zone, such as 2026-01-31T12:00:00Z",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.JWS: "a signed endorsement in the compact form of JWS, three parts with dots between them",
}
