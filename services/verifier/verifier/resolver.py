"""Where verification gets keys and statuses from: the view for our own issuers, the DID itself for did:key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from laurel.contracts.addresses import Addresses
from laurel.credentials.dids import did_key_method
from laurel.credentials.errors import CredentialError, Unavailable
from laurel.credentials.form import issuer_id, status_entries
from laurel.credentials.keys import VerificationMethod
from laurel.credentials.report import Verification
from laurel.credentials.status_list import entry_index
from laurel.credentials.verification import verify
from verifier.domain import Standing, authentic, conclude, is_set, method_of, registration, staleness
from verifier.view import View


class Resolver:
    """Verifies documents against the view."""

    def __init__(self, view: View, addresses: Addresses, max_age: timedelta) -> None:
        self._view = view
        self._addresses = addresses
        self._max_age = max_age

    def verify(self, document: dict[str, Any], now: datetime) -> Verification:
        """Verify one document. Nothing in here waits, so that it can run in a worker thread."""
        # Read first: were a heartbeat to arrive meanwhile, the answer would claim to be fresher than it is.
        as_of = self._view.as_of
        name = document.get("id")
        standing = self._view.standings.get(name) if isinstance(name, str) else None
        sources = ViewSources(self._view, standing, staleness(as_of, now, self._max_age))
        verification = _at_once(document, sources, now)
        if not authentic(verification):
            return verification
        issuer = self._view.issuer_of_did(issuer_id(document))
        if issuer is None:
            return verification
        registered = registration(standing, issuer.id, status_entries(document), self._addresses)
        return conclude(verification, registered, as_of)


class ViewSources:
    """The answers for one document (`laurel.credentials.verification.Sources`)."""

    def __init__(self, view: View, standing: Standing | None, stale: str | None) -> None:
        self._view = view
        self._standing = standing
        self._stale = stale

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"  # noqa: ARG002
    ) -> VerificationMethod:  # fmt: skip
        """The key of that name, of a member or a did:key.

        Raises KeyResolutionError if there is none, Unavailable for other issuers' keys.
        """
        did = verification_method.partition("#")[0]
        if did.startswith("did:key:"):
            return did_key_method(verification_method)
        member = self._view.issuer_of_did(did) or self._view.issuer_of_did(issuer)
        if member is None:
            raise Unavailable("The issuer is not a member here, and keys of other issuers are not fetched yet.")
        try:
            return method_of(member, verification_method)
        except CredentialError:
            if self._stale is not None:  # the key may have been registered since
                raise Unavailable(self._stale) from None
            raise

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the credential is revoked, or suspended. Raises Unavailable where that is not known here."""
        member = self._view.issuer_of_did(issuer)
        if member is None:
            raise Unavailable("The issuer is not a member here, and status lists of others are not fetched yet.")
        listed = self._view.lists.listed(member.id, entry["statusListCredential"], entry_index(entry))
        return is_set(entry["statusPurpose"], self._standing, listed, self._stale)


def _at_once(document: dict[str, Any], sources: ViewSources, now: datetime) -> Verification:
    """Run `verify` without an event loop: with these sources it never waits."""
    running = verify(document, sources, now)
    try:
        running.send(None)
    except StopIteration as done:
        verification: Verification = done.value
        return verification
    running.close()
    raise RuntimeError("a source waited")
