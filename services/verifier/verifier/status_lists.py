"""The signed status lists, each believed only after its proof has held against the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import IssuerPublished
from laurel.contracts.status import StatusListSigned, list_id
from laurel.credentials.errors import CredentialError, StatusListError
from laurel.credentials.lint import lint
from laurel.credentials.proofs import ProvenDocument
from laurel.credentials.status_list import Bitstring, decode
from verifier.domain import method_of

log = structlog.get_logger(__name__)

REFUSED = Counter("laurel_status_lists_refused_total", "Signed status lists that did not verify.")

# A forged list with a high version must not push out the true one that is not verified yet.
_OFFERS_KEPT = 8

_Place = tuple[str, str]  # the member and the list's address


@dataclass(frozen=True, slots=True)
class _Accepted:
    version: int
    bits: Bitstring


class StatusLists:
    """The newest version of each list that holds, by its member and its address: a member speaks for its own
    credentials alone, so its list under another's address means nothing for the other's.

    Lists arrive on a topic of their own, perhaps before their member does. So they are *offered*, and *settled*
    once the catalog can tell whose they are; settling starts with the newest, so that of a thousand versions read
    at a start one is verified.
    """

    def __init__(self, addresses: Addresses, issuer: Callable[[str], IssuerPublished | None]) -> None:
        self._addresses = addresses
        self._issuer = issuer
        self._accepted: dict[_Place, _Accepted] = {}
        self._offered: dict[_Place, list[StatusListSigned]] = {}

    def offer(self, signed: StatusListSigned) -> None:
        """Take note of a version; one that is not newer than what is held is passed over."""
        place = (signed.issuer, self._addresses.status_list(signed.family, signed.purpose))
        held = self._accepted.get(place)
        if held is not None and signed.version <= held.version:
            return
        offers = [*self._offered.get(place, ()), signed]
        self._offered[place] = sorted(offers, key=lambda each: each.version)[-_OFFERS_KEPT:]

    def settle(self) -> None:
        """Decide on what was offered, as far as the members are known by now."""
        for place in list(self._offered):
            issuer = self._issuer(place[0])
            if issuer is not None:
                self._decide(place, issuer, self._offered.pop(place))

    def listed(self, issuer: str, url: str, index: int) -> bool | None:
        """The bit at `index` of the member's list at `url`; None where no such list, or place in it, is known."""
        held = self._accepted.get((issuer, url))
        return held.bits.get(index) if held is not None and 0 <= index < held.bits.length else None

    def _decide(self, place: _Place, issuer: IssuerPublished, offers: list[StatusListSigned]) -> None:
        for signed in reversed(offers):
            try:
                self._accepted[place] = _Accepted(signed.version, _verified(signed, place[1], issuer))
            except CredentialError as error:
                REFUSED.inc()
                log.error("status list refused", list=signed.list_id, version=signed.version, reason=str(error)[:300])
            else:
                return


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
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        proven.verify(proof, method=method_of(issuer, proof["verificationMethod"]))
    return decode(subject["encodedList"])
