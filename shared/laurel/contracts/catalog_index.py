"""A catalog that can be asked: entries by id, key and DID, the newest version of each."""

from __future__ import annotations

from hmac import compare_digest

from laurel.contracts.catalog import AchievementPublished, ApiKey, IssuerPublished, PartnerKey, PartnerPublished
from laurel.contracts.operators import OperatorPublished

Entry = IssuerPublished | PartnerPublished | AchievementPublished | OperatorPublished


class CatalogIndex:
    """Members, partners, achievements and operators by id."""

    def __init__(self) -> None:
        self.issuers: dict[str, IssuerPublished] = {}
        self.partners: dict[str, PartnerPublished] = {}
        self.achievements: dict[str, AchievementPublished] = {}
        self.operators: dict[str, OperatorPublished] = {}

    def add(self, entry: Entry) -> None:
        """Take in an entry, unless a newer version of it is held."""
        match entry:
            case IssuerPublished():
                if _newer(entry, self.issuers.get(entry.id)):
                    self.issuers[entry.id] = entry
            case PartnerPublished():
                if _newer(entry, self.partners.get(entry.id)):
                    self.partners[entry.id] = entry
            case AchievementPublished():
                if _newer(entry, self.achievements.get(entry.id)):
                    self.achievements[entry.id] = entry
            case OperatorPublished():
                if _newer(entry, self.operators.get(entry.id)):
                    self.operators[entry.id] = entry

    def issuer_of_did(self, did: str) -> IssuerPublished | None:
        """The member with this DID."""
        return next((issuer for issuer in self.issuers.values() if issuer.did == did), None)

    def partner_of_key(self, kid: str) -> tuple[PartnerPublished, PartnerKey] | None:
        """The partner that registered the key `kid`, and the key, retired or not."""
        for partner in self.partners.values():
            for key in partner.keys:
                if key.kid == kid:
                    return partner, key
        return None

    def partner_of_api_key(self, digest: str) -> tuple[PartnerPublished, ApiKey] | None:
        """The partner whose API key has this SHA-256, in hexadecimal, and the key."""
        for partner in self.partners.values():
            if key := partner.api_key(digest):
                return partner, key
        return None

    def operator_of_token(self, digest: str) -> OperatorPublished | None:
        """The operator that has, or had, a token of this SHA-256. Each is compared in constant time."""
        return next((each for each in self.operators.values()
                     if any(compare_digest(token.sha256, digest) for token in each.token_hashes)), None)  # fmt: skip


def _newer(offered: Entry, held: Entry | None) -> bool:
    return held is None or offered.version >= held.version
