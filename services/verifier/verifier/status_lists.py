"""The signed status lists, each believed only after its proof has held against the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.status import StatusListSigned, list_id
from laurel.credentials.cryptosuites import proof_of, verify_proof
from laurel.credentials.errors import CredentialError, StatusListError
from laurel.credentials.lint import lint
from laurel.credentials.status_list import Bitstring, decode
from prometheus_client import Counter

from verifier.domain import method_of

log = structlog.get_logger(__name__)

REFUSED = Counter("laurel_status_lists_refused_total", "Signed status lists that did not verify.")

# A forged list with a high version must not push out the true one that is not verified yet.
_OFFERS_KEPT = 8


@dataclass(frozen=True, slots=True)
class _Accepted:
    version: int
    bits: Bitstring


class StatusLists:
    """The newest version of each list that holds, by the list's address.

    Lists arrive on a topic of their own, perhaps before their member does. So they are *offered*, and *settled*
    once the catalog can tell whose they are; settling starts with the newest, so that of a thousand versions read
    at a start one is verified.
    """

    def __init__(self, addresses: Addresses, issuer: Callable[[str], IssuerPublished | None]) -> None:
        self._addresses = addresses
        self._issuer = issuer
        self._accepted: dict[str, _Accepted] = {}
        self._offered: dict[str, list[StatusListSigned]] = {}

    def offer(self, signed: StatusListSigned) -> None:
        """Take note of a version; one that is not newer than what is held is passed over."""
        url = self._addresses.status_list(signed.family, signed.purpose)
        held = self._accepted.get(url)
        if held is not None and signed.version <= held.version:
            return
        offers = [*self._offered.get(url, ()), signed]
        self._offered[url] = sorted(offers, key=lambda each: each.version)[-_OFFERS_KEPT:]

    def settle(self) -> None:
        """Decide on what was offered, as far as the members are known by now."""
        for url in [url for url, offers in self._offered.items() if any(map(self._decidable, offers))]:
            offers = self._offered.pop(url)
            if undecided := [each for each in offers if not self._decidable(each)]:
                self._offered[url] = undecided
            for signed in reversed([each for each in offers if self._decidable(each)]):
                if self._accept(url, signed):
                    break

    def listed(self, url: str, index: int) -> bool | None:
        """The bit at `index` of the list at `url`; None where no such list, or no such place in it, is known."""
        held = self._accepted.get(url)
        return held.bits.get(index) if held is not None and 0 <= index < held.bits.length else None

    def _decidable(self, signed: StatusListSigned) -> bool:
        return self._issuer(signed.issuer) is not None

    def _accept(self, url: str, signed: StatusListSigned) -> bool:
        issuer = self._issuer(signed.issuer)
        assert issuer is not None
        try:
            bits = _verified(signed, url, issuer)
        except CredentialError as error:
            REFUSED.inc()
            log.error("status list refused", list=signed.list_id, version=signed.version, reason=str(error)[:300])
            return False
        held = self._accepted.get(url)
        if held is None or signed.version > held.version:
            self._accepted[url] = _Accepted(signed.version, bits)
        return True


def _verified(signed: StatusListSigned, url: str, issuer: IssuerPublished) -> Bitstring:
    """The list's bits. Raises CredentialError unless `issuer` signed exactly this list, for this purpose."""
    document = signed.credential
    lint(document)
    if "BitstringStatusListCredential" not in document["type"]:
        raise StatusListError("The credential is not a status list.", pointer="/type")
    subject: dict[str, Any] = document["credentialSubject"]
    said = (signed.list_id, document["id"], document["issuer"], subject["statusPurpose"])
    if said != (list_id(signed.family, signed.purpose), url, issuer.did, signed.purpose.value):
        raise StatusListError("The list is not the one its event says it is.")
    method = method_of(issuer, proof_of(document)["verificationMethod"])
    verify_proof(document, method=method)
    return decode(subject["encodedList"])
