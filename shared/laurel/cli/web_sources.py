"""Keys and statuses over HTTP: did:web documents and status lists, each checked before it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from laurel.credentials.controller_documents import methods_of
from laurel.credentials.dids import did_key_method, did_web_url
from laurel.credentials.errors import CredentialError, KeyResolutionError, StatusListError, Unavailable
from laurel.credentials.form import issuer_id
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.report import Outcome
from laurel.credentials.status_list import check_status
from laurel.credentials.verification import verify
from laurel.runtime.egress import Egress, Refused
from laurel.runtime.faults import Transient
from laurel.runtime.settings import is_loopback

_LIST_MEDIA = "application/vc, application/ld+json, application/json"


class WebSources:
    """The sources of one verification; what was fetched once is kept for its length. `now` is when it takes place."""

    def __init__(self, egress: Egress, now: datetime) -> None:
        self._egress = egress
        self._now = now
        self._methods: dict[str, Mapping[str, VerificationMethod]] = {}

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"  # noqa: ARG002
    ) -> VerificationMethod:  # fmt: skip
        """The key of that name. Raises KeyResolutionError if there is none, Unavailable if it is out of reach."""
        did, _, _ = verification_method.partition("#")
        if did.startswith("did:key:"):
            return did_key_method(verification_method)
        if not did.startswith("did:web:"):
            raise Unavailable(f"Keys under {did[:100]!r} cannot be looked up here, only did:web and did:key.")
        if did not in self._methods:
            self._methods[did] = await self._document(did)
        method = self._methods[did].get(verification_method)
        if method is None:
            raise KeyResolutionError(f"The document of {did} has no key {verification_method!r} for making claims.")
        return method

    async def _document(self, did: str) -> Mapping[str, VerificationMethod]:
        url = did_web_url(did)
        if is_loopback(url):
            url = did_web_url(did, scheme="http")
        document = await self._fetch(url, "application/did+json, application/json")
        if not isinstance(document, dict) or document.get("id") != did:
            raise KeyResolutionError(
                f"{url} does not hold the document of {did}.", code="INVALID_CONTROLLED_IDENTIFIER_DOCUMENT"
            )
        return methods_of(document)

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the entry's bit is set, in a list that is itself verified as the issuer's.

        Raises StatusListError if the list does not hold, Unavailable if it is out of reach or too old.
        """
        url = entry["statusListCredential"]
        document = await self._fetch(url, _LIST_MEDIA)
        if not isinstance(document, dict) or "credentialStatus" in document:
            raise StatusListError(f"{url} does not hold a status list.")
        try:
            signer = issuer_id(document)
        except CredentialError as error:
            raise StatusListError(error.detail, pointer=error.pointer) from None
        if signer != issuer:
            raise StatusListError(f"The status list at {url} is not the issuer's but from {signer}.")
        for step in (await verify(document, self, self._now)).steps:
            # An expired list says how things stood; how they stand is not known.
            if step.outcome is Outcome.unknown or step.code == "EXPIRED":
                raise Unavailable(f"The status list at {url}: {step.detail}")
            if step.outcome is Outcome.invalid:
                raise StatusListError(f"The status list at {url}: {step.detail}")
        return check_status(entry, document)

    async def _fetch(self, url: str, accept: str) -> Any:
        try:
            return orjson.loads(await self._egress.get(url, accept=accept))
        except (Refused, Transient) as error:
            raise Unavailable(f"{error}.") from None
        except orjson.JSONDecodeError:
            raise Unavailable(f"{url} did not answer with JSON.") from None
