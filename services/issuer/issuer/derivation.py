"""What is derived rather than drawn, so that a replay gives the same and an outsider can guess none of it.

Everything comes from one master key by HKDF (RFC 5869), with a label a purpose.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

import base58
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from laurel.contracts.credentials import StatusPosition
from laurel.credentials.keys import SigningKey

LIST_LENGTH = 131_072  # entries: the least that Bitstring Status List 1.0 §2.1 allows, for herd privacy
_HALF_BITS = 9
_HALF = (1 << _HALF_BITS) - 1
_ROUNDS = 8


class Derivation:
    """Ids, salts and status positions under one master key."""

    def __init__(self, master_key: str) -> None:
        def subkey(label: str) -> bytes:
            return HKDF(SHA256(), 32, salt=None, info=f"laurel/{label}".encode()).derive(master_key.encode())

        self._id_key = subkey("credential-id")
        self._salt_key = subkey("identity-salt")
        self._index_key = subkey("status-index")
        self.intake_key = SigningKey.from_seed(subkey("intake-signature"))
        """Signs what the HTTP intake vouches for, so that there is one way in."""

    def token(self, partner: str, source: str, event_id: str) -> str:
        """The credential's token (the end of its id) for an event: HMAC-SHA256 in base58, at most 44 characters."""
        message = b"".join(len(part := text.encode()).to_bytes(4) + part for text in (partner, source, event_id))
        return base58.b58encode(hmac.digest(self._id_key, message, sha256)).decode()

    def salt(self, token: str) -> str:
        """The salt of the recipient's identity hash, 128 bits in hexadecimal."""
        return hmac.digest(self._salt_key, token.encode(), sha256)[:16].hex()

    def position(self, issuer: str, sequence: int) -> StatusPosition:
        """The status position of an issuer's credential number `sequence`, counted from 0."""
        number, within = divmod(sequence, LIST_LENGTH)
        family = f"{issuer}-{number}"
        return StatusPosition(family=family, index=self._permuted(family, within))

    def _permuted(self, family: str, index: int) -> int:
        """A keyed permutation of [0, LIST_LENGTH): a Feistel network over 18 bits, walked until inside the list."""
        while True:
            index = self._feistel(family.encode(), index)
            if index < LIST_LENGTH:
                return index

    def _feistel(self, family: bytes, value: int) -> int:
        left, right = value >> _HALF_BITS, value & _HALF
        for number in range(_ROUNDS):
            mixed = hmac.digest(self._index_key, bytes([number]) + right.to_bytes(2) + family, sha256)
            left, right = right, left ^ (int.from_bytes(mixed[:2]) & _HALF)
        return left << _HALF_BITS | right
