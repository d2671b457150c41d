"""Every public address, derived from the registry's public URL and from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from laurel.contracts.status import Purpose, list_id
from laurel.credentials.dids import did_web


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses under one public URL, given without a slash at its end."""

    public_url: str

    def credential(self, token: str) -> str:
        """A credential's id and page."""
        return f"{self.public_url}/credentials/{token}"

    def achievement(self, slug: str) -> str:
        """An achievement's id and page."""
        return f"{self.public_url}/achievements/{slug}"

    def issuer(self, slug: str) -> str:
        """A member's public page."""
        return f"{self.public_url}/issuers/{slug}"

    def did(self, slug: str) -> str:
        """A member's DID: the issuer id in its credentials. Its document is at `<issuer page>/did.json`."""
        return did_web(self.issuer(slug))

    def status_list(self, family: str, purpose: Purpose) -> str:
        """A status list's id and address."""
        return f"{self.public_url}/status-lists/{list_id(family, purpose)}"


def verification_method(did: str, public_key_multibase: str) -> str:
    """The id of a member's key: its DID with the Multikey as fragment."""
    return f"{did}#{public_key_multibase}"
