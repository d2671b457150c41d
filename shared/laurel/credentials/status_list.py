"""Bitstring Status List 1.0: whether a credential still holds, one bit a credential."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from isal import igzip, isal_zlib

from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.errors import StatusListError
from laurel.credentials.values import format_datetime

MINIMUM_LENGTH = 131_072
"""Entries in a list at least, for the privacy of those in it (section "BitstringStatusList")."""

MAX_BYTES = 1 << 21
"""Bytes a list may have once decompressed, unless the caller says otherwise: 16.8 million entries."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_GZIP_WINDOW_BITS = 31


class Bitstring:
    """A row of bits; index 0 is the leftmost, that is, the highest bit of the first byte."""

    __slots__ = ("_bytes",)

    def __init__(self, length: int = MINIMUM_LENGTH) -> None:
        """All bits clear. `length` counts bits and is a multiple of 8. Raises StatusListError."""
        if length <= 0 or length % 8:
            raise StatusListError("The length must be a multiple of 8 bits.", code="STATUS_LIST_LENGTH_ERROR")
        self._bytes = bytearray(length // 8)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Bitstring":
        """The bits of `raw`, which is copied. Raises StatusListError if it is empty."""
        bits = cls(len(raw) * 8)
        bits._bytes[:] = raw
        return bits

    def to_bytes(self) -> bytes:
        """The bits as bytes."""
        return bytes(self._bytes)

    @property
    def length(self) -> int:
        """How many bits there are."""
        return len(self._bytes) * 8

    def get(self, index: int) -> bool:
        """The bit at `index`. Raises StatusListError (RANGE_ERROR) outside the list."""
        byte, mask = self._locate(index)
        return bool(self._bytes[byte] & mask)

    def set(self, index: int, value: bool) -> bool:
        """Set or clear the bit at `index`; tells whether that changed it. Raises StatusListError (RANGE_ERROR)."""
        byte, mask = self._locate(index)
        if bool(self._bytes[byte] & mask) == value:
            return False
        self._bytes[byte] ^= mask
        return True

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self.length:
            raise StatusListError(
                f"The index {index} lies outside the list of {self.length} entries.", code="RANGE_ERROR"
            )
        return index >> 3, 0x80 >> (index & 7)

    def __eq__(self, other: object) -> bool:
        return self._bytes == other._bytes if isinstance(other, Bitstring) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"Bitstring(length={self.length})"


def encode(bits: Bitstring) -> str:
    """`bits` as `encodedList`: Multibase `u` + unpadded base64url of GZIP. The same bits give the same string."""
    # GZIP would otherwise carry the time of day.
    compressed = igzip.compress(bits.to_bytes(), 2, mtime=0)
    return "u" + urlsafe_b64encode(compressed).rstrip(b"=").decode("ascii")


def decode(encoded: Any, *, max_bytes: int = MAX_BYTES) -> Bitstring:
    """The bits of an `encodedList`. Decompression stops at `max_bytes`, whatever the input promises.

    Raises StatusListError (MALFORMED_VALUE_ERROR, or STATUS_LIST_LENGTH_ERROR beyond `max_bytes`).
    """
    if not isinstance(encoded, str) or not encoded.startswith("u") or not _BASE64URL.fullmatch(encoded, 1):
        raise _malformed("The encodedList must be a string of base64url that starts with u.")
    # GZIP makes nothing much larger, so a longer text could only hold what is too long as well.
    if len(encoded) > 2 * max_bytes + 1024:
        raise StatusListError("The encodedList is too long.", code="STATUS_LIST_LENGTH_ERROR")
    try:
        compressed = urlsafe_b64decode(encoded[1:] + "=" * (-(len(encoded) - 1) % 4))
        stream = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)
        raw = stream.decompress(compressed, max_bytes + 1)
    except (binascii.Error, isal_zlib.error) as error:  # type: ignore[misc]  # the stubs take the class for an instance
        raise _malformed("The encodedList is not base64url of GZIP data.") from error
    if len(raw) > max_bytes:
        raise StatusListError(f"The list has more than {max_bytes} bytes.", code="STATUS_LIST_LENGTH_ERROR")
    if not raw or not stream.eof or stream.unused_data:
        raise _malformed("The encodedList is cut off, empty, or followed by something else.")
    return Bitstring.from_bytes(raw)


def status_list_credential(
    *,
    list_id: str,
    issuer: str,
    purpose: Literal["revocation", "suspension"],
    bits: Bitstring,
    valid_from: datetime,
    valid_until: datetime,
    ttl_ms: int,
) -> dict[str, Any]:
    """The unsigned BitstringStatusListCredential with `bits`. `list_id` is the URL it is served at.

    `ttl_ms` says for how many milliseconds verifiers may keep it. Raises StatusListError for a list too short.
    """
    if bits.length < MINIMUM_LENGTH:
        raise StatusListError(f"A status list has at least {MINIMUM_LENGTH} entries.", code="STATUS_LIST_LENGTH_ERROR")
    return {
        "@context": [CREDENTIALS_V2],
        "id": list_id,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": format_datetime(valid_from),
        "validUntil": format_datetime(valid_until),
        "credentialSubject": {
            "id": f"{list_id}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": encode(bits),
            "ttl": ttl_ms,
        },
    }


def is_bitstring_entry(entry: Mapping[str, Any]) -> bool:
    """Whether the entry is a BitstringStatusListEntry, its type given as a string or as a list of one."""
    return entry.get("type") in ("BitstringStatusListEntry", ["BitstringStatusListEntry"])


def entry_index(entry: Mapping[str, Any]) -> int:
    """The entry's `statusListIndex`, a base-10 string. Raises StatusListError (MALFORMED_VALUE_ERROR)."""
    index = entry.get("statusListIndex")
    if not isinstance(index, str) or not _INDEX.fullmatch(index):
        raise _malformed("The statusListIndex must be a whole number written as a string.", "/statusListIndex")
    return int(index)


def check_status(entry: dict[str, Any], status_list: dict[str, Any]) -> bool:
    """Whether the bit that `entry` points to is set in `status_list`: Bitstring Status List 1.0, "Validate Algorithm".

    The list's proof, issuer and dates are the caller's to verify first, as for any credential; this checks that
    it is the list the entry names, that the purposes match, the list's length and the index. Raises
    StatusListError.
    """
    if not is_bitstring_entry(entry) or entry.get("statusSize", 1) != 1:
        raise _malformed("The status entry must be a BitstringStatusListEntry of one bit.", "/type")
    index = entry_index(entry)
    # An issuer's other list is just as well signed, and says nothing about this credential.
    if status_list.get("id", entry.get("statusListCredential")) != entry.get("statusListCredential"):
        raise StatusListError("The status list at hand is not the one the credential names.")
    subject = status_list.get("credentialSubject")
    if not isinstance(subject, dict) or subject.get("type") not in ("BitstringStatusList", ["BitstringStatusList"]):
        raise StatusListError("The status list credential holds no BitstringStatusList.")
    purpose, served = entry.get("statusPurpose"), subject.get("statusPurpose")
    if not isinstance(purpose, str) or purpose not in (served if isinstance(served, list) else [served]):
        raise StatusListError("The status list serves another purpose than the status entry.")
    bits = decode(subject.get("encodedList"))
    if bits.length < MINIMUM_LENGTH:
        raise StatusListError(
            f"The status list has {bits.length} entries; at least {MINIMUM_LENGTH} are due.",
            code="STATUS_LIST_LENGTH_ERROR",
        )
    return bits.get(index)


def _malformed(detail: str, pointer: str = "") -> StatusListError:
    return StatusListError(detail, pointer=pointer, code="MALFORMED_VALUE_ERROR")
