"""Where verification gets keys and statuses from: the view for our own issuers, the network for all others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from laurel.contracts.addresses import Addresses
from laurel.contracts.catalog import IssuerPublished
from laurel.credentials.dids import listed
from laurel.credentials.errors import CredentialError, KeyResolutionError, Unavailable
from laurel.credentials.form import issuer_id, status_entries
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.presentations import PresentationVerification, verify_presentation
from laurel.credentials.report import Verification
from laurel.credentials.resolving import WebSources
from laurel.credentials.secured import claimed
from laurel.credentials.status_list import entry_index
from laurel.credentials.verification import ANYBODY, Expected, verify
from verifier.domain import Standing, authentic, conclude, is_set, method_of, methods_of, registration, staleness
from verifier.view import View

Foreign = Callable[[datetime], WebSources]
"""The sources for issuers that are not members, at a moment."""


class Resolver:
    """Verifies documents against the view, and those of other issuers against what `foreign` gives."""

    def __init__(self, view: View, addresses: Addresses, max_age: timedelta, foreign: Foreign) -> None:
        self._view = view
        self._addresses = addresses
        self._max_age = max_age
        self._foreign = foreign

    async def verify(self, given: Any, now: datetime, expected: Expected = ANYBODY) -> Verification:
        """Verify one credential, in any form that `secured` reads. It waits only for what `foreign` waits for."""
        # Read first: were a heartbeat to arrive meanwhile, the answer would claim to be fresher than it is.
        as_of = self._view.as_of
        document = claimed(given)
        name = document.get("id")
        standing = self._view.standings.get(name) if isinstance(name, str) else None
        stale = staleness(as_of, now, self._max_age)
        sources = ViewSources(self._view, self._addresses, standing, stale, self._foreign(now))
        verification = await verify(given, sources, now, expected)
        if not authentic(verification):
            return verification
        issuer = self._view.issuer_of_did(issuer_id(document))
        if issuer is None:
            return verification
        registered = registration(standing, issuer.id, status_entries(document), self._addresses)
        return conclude(verification, registered, as_of)

    async def verify_presentation(self, given: Any, now: datetime, expected: Expected) -> PresentationVerification:
        """Verify a presentation and every credential in it. It waits as `verify` does."""
        stale = staleness(self._view.as_of, now, self._max_age)
        sources = ViewSources(self._view, self._addresses, None, stale, self._foreign(now))

        async def verify_one(credential: Any) -> Verification:
            return await self.verify(credential, now, expected.in_presentation)

        return await verify_presentation(given, sources, now, expected, verify_one)


class ViewSources:
    """The answers for one document (`laurel.credentials.verification.Sources`).

    A member's keys and statuses come from the view alone; `foreign` is asked about everybody else.
    """

    def __init__(
        self, view: View, addresses: Addresses, standing: Standing | None, stale: str | None, foreign: WebSources
    ) -> None:
        self._view = view
        self._members = f"{addresses.did('')}:"
        self._standing = standing
        self._stale = stale
        self._foreign = foreign

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The key of that name, which its controller uses for `purpose`.

        Raises KeyResolutionError if there is none, Unavailable if it is out of reach.
        """
        did = verification_method.partition("#")[0]
        member = self._member(did) or self._member(issuer)
        if member is None or did.startswith("did:key:"):
            return await self._foreign.method(verification_method, issuer, purpose)
        return self._of_member(member, purpose, lambda: method_of(member, verification_method))

    async def method_with(
        self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The method of `controller` that holds `key`. Raises as `method` does."""
        member = self._member(controller)
        if member is None:
            return await self._foreign.method_with(key, controller, purpose)
        claimed = VerificationMethod(controller, controller, key)
        return self._of_member(member, purpose, lambda: listed(claimed, methods_of(member)))

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the credential is revoked, or suspended. Raises Unavailable where that is not known here."""
        member = self._member(issuer)
        if member is None:
            return await self._foreign.status(entry, issuer)
        listed = self._view.lists.listed(member.id, entry["statusListCredential"], entry_index(entry))
        return is_set(entry["statusPurpose"], self._standing, listed, self._stale)

    def _of_member(
        self, member: IssuerPublished, purpose: str, find: Callable[[], VerificationMethod]
    ) -> VerificationMethod:
        if purpose != "assertionMethod":
            raise KeyResolutionError(
                f"{member.name} uses its keys to make claims and for nothing else.",
                code="INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD",
            )
        try:
            return find()
        except CredentialError:
            if self._stale is not None:  # the key may have been registered since
                raise Unavailable(self._stale) from None
            raise

    def _member(self, did: str) -> IssuerPublished | None:
        member = self._view.issuer_of_did(did)
        if member is None and did.startswith(self._members):
            raise Unavailable(f"{did[:200]} would be a member, but the record knows of none such.")
        return member
