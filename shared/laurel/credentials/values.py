"""The values that JSON does not have a type for: IRIs, XSD dates, base58, JSON pointers."""

import re
from datetime import UTC, datetime
from typing import Any

import base58
from pyoxigraph import NamedNode

MAX_IRI_CHARS = 2048
# A picture, or a token in its envelope.
MAX_DATA_URL_CHARS = 1 << 20

# XML Schema 1.1 part 2 §3.4.28: a dateTime whose time zone is required. Years beyond four digits are valid
# there and of no use here.
_DATE_TIME_STAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]+")


def is_absolute_iri(value: Any) -> bool:
    """Whether `value` is an absolute IRI (RFC 3987), by the judgement of the RDF parser itself.

    The parser silently drops a statement whose IRI it does not accept, so its own judgement is the one
    that decides what a signature covers.
    """
    if not isinstance(value, str) or len(value) > (MAX_DATA_URL_CHARS if value[:5] == "data:" else MAX_IRI_CHARS):
        return False
    try:
        NamedNode(value)
    except ValueError:
        return False
    return True


def parse_datetime(value: Any) -> datetime:
    """The moment an XSD dateTimeStamp names, in UTC. Raises ValueError for anything else."""
    if not isinstance(value, str) or not _DATE_TIME_STAMP.fullmatch(value):
        raise ValueError("not an XSD dateTimeStamp such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def format_datetime(moment: datetime) -> str:
    """`moment` as an XSD dateTimeStamp in UTC, `YYYY-MM-DDTHH:MM:SSZ`; parts of a second are cut off.

    Raises ValueError for a datetime without a time zone, which names no moment.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone names no moment; pass an aware one")
    # isoformat, not strftime: "%Y" does not pad the year to four digits everywhere.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def decode_base58btc(value: Any, *, size: int) -> bytes:
    """The `size` bytes of a Multibase base58btc string ("z…"). Raises ValueError.

    The length is checked first, since base58 takes quadratic time, and so is the alphabet, since the
    decoder forgives white space and two spellings of a signature must not both verify.
    """
    longest = size * 138 // 100 + 2
    if not isinstance(value, str) or not value.startswith("z") or not 1 < len(value) <= longest + 1:
        raise ValueError(f"not {size} bytes in base58btc (a string that starts with z)")
    if not _BASE58.fullmatch(value, 1):
        raise ValueError("not base58btc: a character is outside the alphabet")
    raw = base58.b58decode(value[1:])
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes where {size} are due")
    return raw


def encode_base58btc(raw: bytes) -> str:
    """`raw` as Multibase base58btc."""
    return "z" + base58.b58encode(raw).decode("ascii")


def pointer(*path: str | int) -> str:
    """The JSON pointer (RFC 6901) for a path of member names and list indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
