"""Where verification gets keys and statuses from: the view for our own issuers, the network for all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
from laurel.credentials.verification import ANYBODY, Expected, verify, with_status_anew
from verifier.domain import Standing, authentic, conclude, is_set, method_of, methods_of, registration
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
        return await self._concluded(given, await self._verified(given, now, expected))

    async def verify_presentation(self, given: Any, now: datetime, expected: Expected) -> PresentationVerification:
        """Verify a presentation and every credential in it. It waits as `verify` does."""
        credentials: list[Any] = []

        async def verify_one(credential: Any) -> Verification:
            credentials.append(credential)
            return await self._verified(credential, now, expected.in_presentation)

        found = await verify_presentation(given, self._sources(None, now), now, expected, verify_one)
        # Only now: whatever was waited for, the holder's key or the key of another credential, has been waited for.
        concluded = [await self._concluded(*each) for each in zip(credentials, found.credentials, strict=True)]
        return replace(found, credentials=tuple(concluded))

    async def _verified(self, given: Any, now: datetime, expected: Expected) -> Verification:
        return await verify(given, self._sources(claimed(given), now), now, expected)

    async def _concluded(self, given: Any, verification: Verification) -> Verification:
        """The answer at the moment when it is given. For what is a member's, nothing in here waits."""
        if not authentic(verification):
            return verification
        document = claimed(given)
        issuer = self._view.issuer_of_did(issuer_id(document))
        if issuer is None:
            return verification
        # Read first: were a heartbeat to arrive meanwhile, the answer would claim to be fresher than it is.
        as_of = self._view.freshness.as_of()
        sources = self._sources(document, verification.as_of)
        standing = sources.standing()
        registered = registration(standing, issuer.id, status_entries(document), self._addresses)
        return conclude(await with_status_anew(verification, document, sources), registered, as_of)

    def _sources(self, document: dict[str, Any] | None, now: datetime) -> ViewSources:
        name = None if document is None else document.get("id")
        known_by = name if isinstance(name, str) else None
        return ViewSources(self._view, self._addresses, known_by, self._max_age, self._foreign(now))


class ViewSources:
    """The answers for one document (`laurel.credentials.verification.Sources`).

    A member's keys and statuses come from the view alone, as it is when they are asked for; `foreign` is asked about
    everybody else. `credential` is the id of the document, if it is a credential and has one.
    """

    def __init__(
        self, view: View, addresses: Addresses, credential: str | None, max_age: timedelta, foreign: WebSources
    ) -> None:
        self._view = view
        self._members = f"{addresses.did('')}:"
        self._credential = credential
        self._max_age = max_age
        self._foreign = foreign

    def standing(self) -> Standing | None:
        """What the status changes say of the credential; None where they do not know it."""
        return None if self._credential is None else self._view.standings.get(self._credential)

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
        # Read first: what a heartbeat that arrives meanwhile vouches for may not be in what is read.
        stale = self._stale()
        listed = self._view.lists.listed(member.id, entry["statusListCredential"], entry_index(entry))
        return is_set(entry["statusPurpose"], self.standing(), listed, stale)

    def _stale(self) -> str | None:
        return self._view.freshness.staleness(self._max_age)

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
            if stale := self._stale():  # the key may have been registered since
                raise Unavailable(stale) from None
            raise

    def _member(self, did: str) -> IssuerPublished | None:
        member = self._view.issuer_of_did(did)
        if member is None and did.startswith(self._members):
            raise Unavailable(f"{did[:200]} would be a member, but the record knows of none such.")
        return member
