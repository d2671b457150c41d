"""The members' secret keys, and signing with them away from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from issuer.domain import active_key
from laurel.contracts.base import Contract, Slug
from laurel.contracts.catalog import Cryptosuite, IssuerPublished
from laurel.contracts.errors import Code
from laurel.credentials.errors import CredentialError
from laurel.credentials.keys import SigningKey
from laurel.credentials.proofs import sign
from laurel.runtime.faults import Poison


class MemberKey(Contract):
    """One line of the signing keys file: whose key it is, for people, and the key."""

    issuer: Slug
    secret_key_multibase: Annotated[str, Field(min_length=40, max_length=100, repr=False)]


@dataclass(frozen=True, slots=True)
class ToSign:
    """A document and everything its proof depends on: the same again gives the same bytes."""

    document: dict[str, Any]
    multikey: str
    verification_method: str
    cryptosuite: Cryptosuite
    created: datetime


class Signer:
    """Holds the secret keys by their Multikey."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = {key.public.to_multibase(): key for key in keys}

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """Read a JSON array of member keys. Raises ValueError, without repeating any of it."""
        try:
            entries = TypeAdapter(list[MemberKey]).validate_json(path.read_bytes())
            return cls([SigningKey.from_multibase(entry.secret_key_multibase) for entry in entries])
        except (ValidationError, CredentialError):
            raise ValueError(f"{path} is not a JSON array of objects with issuer and secretKeyMultibase") from None

    def key_for(self, issuer: IssuerPublished, now: datetime) -> str:
        """The Multikey to sign with for a member. Raises Poison(ISSUER_NOT_READY) when none in use is held."""
        multikey = active_key(issuer, self.holds, now)
        if multikey is None:
            raise Poison(Code.ISSUER_NOT_READY, f"the signing keys file has no key in use of the member {issuer.id} "
                         f"that signs with {issuer.suite.value}")  # fmt: skip
        return multikey

    def holds(self, multikey: str) -> bool:
        """Whether the secret half of this public key is here."""
        return multikey in self._keys

    async def sign_all(self, batch: Sequence[ToSign]) -> list[dict[str, Any]]:
        """Sign a batch in a thread, so that heartbeats to the broker go on meanwhile.

        Raises:
            Poison: ISSUER_NOT_READY, the secret half of a key is not here (any more).
        """
        missing = next((each.multikey for each in batch if not self.holds(each.multikey)), None)
        if missing is not None:
            # Another key would give another proof, and what was stored may have been published: put the key back.
            raise Poison(Code.ISSUER_NOT_READY, f"the signing keys file lacks {missing}, chosen when it was there")
        return await asyncio.to_thread(lambda: [self._sign(each) for each in batch])

    def _sign(self, each: ToSign) -> dict[str, Any]:
        return sign(
            each.document, key=self._keys[each.multikey], verification_method=each.verification_method,
            created=each.created, cryptosuite=each.cryptosuite.value,
        )  # fmt: skip
