"""The catalog as an in-memory view of `catalog.v1`, for services that only read it."""

from __future__ import annotations

from laurel.contracts.catalog import AchievementPublished, IssuerPublished, PartnerKey, PartnerPublished
from laurel.contracts.topics import CATALOG
from laurel.runtime.health import Health
from laurel.runtime.kafka import TableReader
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings


class CatalogView:
    """Members, partners and achievements by id; the newest version of each wins."""

    def __init__(self, settings: KafkaSettings, service: str, health: Health) -> None:
        self.issuers: dict[str, IssuerPublished] = {}
        self.partners: dict[str, PartnerPublished] = {}
        self.achievements: dict[str, AchievementPublished] = {}
        self._reader = TableReader(settings, service, [CATALOG], self.apply, health)
        self.start = self._reader.start
        self.stop = self._reader.stop
        self.catch_up = self._reader.catch_up

    def apply(self, record: Record) -> None:
        """Take in one record of the topic. Raises Poison when it does not have its contract's form."""
        read = read_event(record)
        if read is None:
            return
        match read[1]:
            case IssuerPublished() as issuer:
                if _newer(issuer, self.issuers.get(issuer.id)):
                    self.issuers[issuer.id] = issuer
            case PartnerPublished() as partner:
                if _newer(partner, self.partners.get(partner.id)):
                    self.partners[partner.id] = partner
            case AchievementPublished() as achievement:
                if _newer(achievement, self.achievements.get(achievement.id)):
                    self.achievements[achievement.id] = achievement

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

    def partner_of_api_key(self, digest: str) -> PartnerPublished | None:
        """The partner whose API key has this SHA-256, in hexadecimal.

        An API key has 256 random bits, so looking its hash up reveals nothing that comparing would hide.
        """
        return next((each for each in self.partners.values() if digest in each.api_key_hashes), None)


def _newer(
    offered: IssuerPublished | PartnerPublished | AchievementPublished,
    held: IssuerPublished | PartnerPublished | AchievementPublished | None,
) -> bool:
    return held is None or offered.version >= held.version
