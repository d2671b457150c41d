"""Keys and statuses from memory: the stand-in for a verifier's sources."""

from __future__ import annotations

from typing import Any

from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, VerificationMethod


class MemorySources:
    """Answers from what it is told. An exception given as an answer is raised.

    `tests/contract/test_sources.py` holds it to what the real ones do.
    """

    def __init__(self, methods: dict[str, VerificationMethod | Exception]) -> None:
        self.methods = methods
        self.bits: dict[str, bool | Exception] = {"revocation": False, "suspension": False}
        self.asked: list[str] = []

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:  # fmt: skip
        """The key of that name."""
        answer = self.methods.get(verification_method, KeyResolutionError("The DID document lists no such key."))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def method_with(
        self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The method of `controller` that holds `key`."""
        for name, known in self.methods.items():
            if isinstance(known, VerificationMethod) and (known.public_key, known.controller) == (key, controller):
                return await self.method(name, controller, purpose)
        raise KeyResolutionError("The DID document lists no such key.")

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """The bit for the entry's purpose."""
        self.asked.append(entry["statusPurpose"])
        answer = self.bits[entry["statusPurpose"]]
        if isinstance(answer, Exception):
            raise answer
        return answer
