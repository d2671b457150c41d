"""Which version of a credential's status set each index of a family of status lists.

A family is rewritten with every change. Packed, its versions are some kilobytes however many credentials were ever
revoked; a member for each would be more than a megabyte for a full list.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping

from isal import isal_zlib

from laurel.credentials.status_list import MINIMUM_LENGTH

_REGISTRATION = 1
_TYPE = "I"
_LEVEL = 1
assert array(_TYPE).itemsize == 4


class IndexVersions:
    """A version for each index. Until one is set, an index has version 1, that of a registration."""

    def __init__(self, packed: bytes | None = None) -> None:
        """As `pack` gave them; all indexes unset without it."""
        self._versions = array(_TYPE, isal_zlib.decompress(packed) if packed else bytes(4 * MINIMUM_LENGTH))
        if packed and sys.byteorder == "big":
            self._versions.byteswap()

    @classmethod
    def from_mapping(cls, versions: Mapping[str, int]) -> IndexVersions:
        """From the form in which earlier releases stored them: a member for each index that was set."""
        made = cls()
        for index, version in versions.items():
            made.rise(int(index), version)
        return made

    def rise(self, index: int, version: int) -> bool:
        """Set the version of an index if it is higher than the one it has; tells whether it was.

        Raises:
            IndexError: there is no such index.
        """
        if version <= max(self._versions[index], _REGISTRATION):
            return False
        self._versions[index] = version
        return True

    def pack(self) -> bytes:
        """The same versions give the same bytes: zlib of four bytes an index, the lowest first."""
        versions = self._versions
        if sys.byteorder == "big":
            versions = array(_TYPE, versions)
            versions.byteswap()
        return isal_zlib.compress(versions.tobytes(), _LEVEL)
