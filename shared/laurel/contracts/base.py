"""What all contracts share: the model configuration and the field types with their limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    PlainSerializer,
)
from pydantic.alias_generators import to_camel

from laurel.credentials.values import is_absolute_iri


class Contract(BaseModel):
    """A body that travels: camelCase on the wire, frozen, and blind to fields it does not know (so that a
    writer may add optional ones)."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, extra="ignore",
        str_strip_whitespace=True, serialize_by_alias=True, use_attribute_docstrings=True,
        hide_input_in_errors=True,  # an error's text goes to logs and dead letters, a learner's name does not
    )  # fmt: skip

    def to_bytes(self) -> bytes:
        """The body as UTF-8 JSON; the same model always gives the same bytes."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def utc_text(moment: datetime) -> str:
    """An aware time as RFC 3339 in UTC with a `Z`, to the second or, where there are any, the microsecond."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# They change the order in which the text around them is shown, and with it what a public page seems to say.
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # all but tab and line feed


def _no_control_characters(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("control characters are not allowed")
    if _BIDI_CONTROLS.search(text):
        raise ValueError("characters that change the direction of writing are not allowed")
    return text


def in_range(moment: datetime) -> bool:
    """Whether a time lies, in UTC, between 1900 and 2900: years 1 and 9999 with an offset have no UTC at all."""
    return 1000 < moment.year < 3000 and 1900 <= moment.astimezone(UTC).year <= 2900


def _within_range(moment: datetime) -> datetime:
    if not in_range(moment):
        raise ValueError("must lie between the years 1900 and 2900")
    return moment


def _as_text(value: object) -> object:
    # A bare number would be read as seconds or, if it is large, as milliseconds.
    if isinstance(value, int | float):
        raise ValueError("must be RFC 3339 text, such as 2026-05-01T12:00:00Z")
    return value


def _http_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest or any(char.isspace() or char in '<>"' for char in url):
        raise ValueError("must be an absolute http or https URL")
    return _iri(url)


def _iri(text: str) -> str:
    # What is not one cannot be signed, and would stop the issuer where the sender should have been told.
    if not is_absolute_iri(text):
        raise ValueError("has characters that an address cannot have, such as { or |: percent-encode them")
    return text


_CLEAN = AfterValidator(_no_control_characters)
# The generated schemas say with a pattern what `_http_url` says in better words.
_WEB = {"format": "uri", "pattern": r'^https?://[^\s<>"]+$'}
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Reference = Annotated[str, Field(min_length=1, max_length=200), _CLEAN]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\r\n]*$"), _CLEAN]
Text = Annotated[str, Field(min_length=1, max_length=4000), _CLEAN]
Url = Annotated[str, Field(min_length=8, max_length=2000, json_schema_extra=_WEB), _CLEAN, AfterValidator(_http_url)]
Uri = Annotated[
    str, Field(min_length=3, max_length=2000, pattern=r'^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+$'), _CLEAN,
    AfterValidator(_iri),
]  # fmt: skip
Did = Annotated[str, Field(min_length=8, max_length=500, pattern=r'^did:[a-z0-9]+:[^\s#?<>"]+$')]
CredentialId = Annotated[
    str, Field(min_length=3, max_length=500, pattern=r'^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+$'), _CLEAN,
    AfterValidator(_iri),
]  # fmt: skip
Multikey = Annotated[str, Field(pattern=r"^z[1-9A-HJ-NP-Za-km-z]{40,80}$")]
Language = Annotated[str, Field(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Score = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f]+$"), _CLEAN]
Email = Annotated[EmailStr, Field(max_length=254)]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_as_text), AfterValidator(_within_range),
    PlainSerializer(utc_text, return_type=str, when_used="json"),
]  # fmt: skip
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
