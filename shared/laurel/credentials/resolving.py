"""Keys and statuses of any issuer, from what it publishes: each checked before it is believed.

Controlled Identifiers 1.0 §3.3 "Retrieve Verification Method" for keys, Bitstring Status List 1.0 §3.2 "Validate
Algorithm" for statuses. Fetching is the caller's: nothing in here knows how.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, get_args

from laurel.credentials.controller_documents import Purpose, methods_of
from laurel.credentials.dids import did_jwk_method, did_key_method, did_web_url, issuer_key_method, listed
from laurel.credentials.document_cache import BRIEFLY, Document
from laurel.credentials.documents import read_json
from laurel.credentials.errors import (
    CredentialError,
    KeyResolutionError,
    MalformedCredential,
    StatusListError,
    Unavailable,
)
from laurel.credentials.form import issuer_id, types_of, validity
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.report import Outcome
from laurel.credentials.secured import Secured, read_credential
from laurel.credentials.status_list import check_status
from laurel.credentials.values import is_absolute_iri
from laurel.credentials.verification import verify

_KEYS_MEDIA = "application/did+json, application/cid+json, application/ld+json, application/json"
_LIST_MEDIA = "application/vc, application/vc+jwt, application/ld+json, application/json"

_TYPE = "BitstringStatusListCredential"

_RELATIONSHIPS: tuple[Purpose, ...] = get_args(Purpose)
_KEYS_THEMSELVES = ("did:key:", "did:jwk:")

_KEYS_KEPT = timedelta(minutes=5)
# Bitstring Status List 1.0 §2.2: five minutes where a list does not say. Beyond an hour a revocation would be
# overlooked for longer than people expect, whatever the issuer allows.
_DEFAULT_TTL = timedelta(minutes=5)
_MAX_TTL = timedelta(hours=1)
# Somebody else's credentials, of which a presentation holds several, must not make this a tool for calling on others.
_MAX_ADDRESSES = 32


class Get(Protocol):
    """How documents are had: `DocumentCache.get`, or what leads to it. Raises Unavailable."""

    def __call__(self, url: str, accept: str, newer_than: datetime | None = None) -> Awaitable[Document]:
        """What is at `url`, as of after `newer_than` if that is given."""


def never(url: str) -> bool:  # noqa: ARG001
    """Never."""
    return False


class WebSources:
    """The sources of one verification at the moment `now` (`laurel.credentials.verification.Sources`).

    did:web documents are at https, except where `over_http` says so of their URL, for trials on one machine.
    """

    def __init__(self, get: Get, now: datetime, *, over_http: Callable[[str], bool] = never) -> None:
        self._get = get
        self._now = now
        self._over_http = over_http
        self._documents: dict[str, Document] = {}
        self._addresses: set[str] = set()

    async def method(
        self, verification_method: str, issuer: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The key of that name, which its controller uses for `purpose`: of a did:key, did:jwk, did:web, or https URL.

        Raises KeyResolutionError if there is none, Unavailable if it is out of reach.
        """
        subject, _, fragment = verification_method.partition("#")
        if subject.startswith(_KEYS_THEMSELVES):
            return _itself(verification_method)
        if fragment:
            return await self._look_up(subject, lambda document: _named(document, verification_method, purpose))
        return replace(await self._bare_key(subject, issuer, purpose), id=verification_method)

    async def method_with(
        self, key: PublicKey, controller: str, purpose: str = "assertionMethod"
    ) -> VerificationMethod:
        """The method of `controller` that holds `key`, for signatures that bring their key along (`jwk` of a JWT).

        Raises KeyResolutionError if its document does not list the key, Unavailable if that is out of reach.
        """
        claimed = VerificationMethod(controller, controller, key)
        if controller.startswith(_KEYS_THEMSELVES):
            return listed(claimed, [_itself(controller)])
        return await self._look_up(
            controller, lambda document: listed(claimed, methods_of(document, _relationship(purpose)).values())
        )

    async def _bare_key(self, url: str, issuer: str, purpose: str) -> VerificationMethod:
        """The JWK at a URL, where Open Badges has the `kid` of a JWT lead. It does not say whose it is."""
        if not url.startswith("https://"):
            raise KeyResolutionError(f"{url[:200]!r} names no key.", code="INVALID_VERIFICATION_METHOD_URL")
        jwk = _json(await self._document(self._address(url), _KEYS_MEDIA), url)
        if not isinstance(jwk, dict) or "kty" not in jwk:
            raise KeyResolutionError(f"What is published at {url[:200]} is no JWK; name a key in it, after a #.")
        return await self.method_with(PublicKey.from_jwk(jwk), issuer, purpose)

    async def _look_up(
        self, subject: str, choose: Callable[[dict[str, Any]], VerificationMethod]
    ) -> VerificationMethod:
        url = self._address(subject)
        document = await self._document(url, _KEYS_MEDIA)
        try:
            method = choose(_document_of(subject, document))
        except KeyResolutionError:
            if self._now - document.fetched < BRIEFLY:
                raise
            # The key may have been added since.
            document = await self._document(url, _KEYS_MEDIA, newer_than=document.fetched)
            method = choose(_document_of(subject, document))
        document.until = max(document.until, document.fetched + _KEYS_KEPT)
        return method

    def _address(self, subject: str) -> str:
        if subject.startswith("did:web:"):
            url = did_web_url(subject)
            return did_web_url(subject, scheme="http") if self._over_http(url) else url
        if subject.startswith("https://") and is_absolute_iri(subject):
            return subject
        raise Unavailable(
            f"Keys under {subject[:100]!r} cannot be looked up here, only did:web, did:key, did:jwk and https URLs."
        )

    async def status(self, entry: dict[str, Any], issuer: str) -> bool:
        """Whether the entry's bit is set, in a list that is itself verified as the issuer's.

        The list must be by the issuer of the credential: the standard lets them differ, but says nothing of who may
        then speak for whom. Raises StatusListError if the list does not hold, Unavailable if it is out of reach or
        too old.
        """
        url = entry["statusListCredential"]
        if not url.startswith(("https://", "http://")):
            raise Unavailable(f"The status list {url[:200]!r} is at no address that can be fetched.")
        document = await self._document(url, _LIST_MEDIA)
        if document.verified is None:
            secured = await self._verified_list(document.body, url, issuer)
            document.until = _end_of_use(secured, document.fetched)
            document.verified = secured.document
        _check_issuer(document.verified, issuer)
        return check_status(entry, document.verified)

    async def _verified_list(self, body: bytes, url: str, issuer: str) -> Secured:
        try:
            secured = read_credential(body)
        except CredentialError as error:
            if error.code == "PARSING_ERROR":
                raise Unavailable(f"What is published at {url} cannot be read: {error.detail}") from None
            raise StatusListError(f"{url} does not hold a status list: {error.detail}") from None
        if "credentialStatus" in secured.document or _TYPE not in types_of(secured.document):
            raise StatusListError(f"{url} does not hold a status list.")
        _check_issuer(secured.document, issuer)
        for step in (await verify(body, self, self._now)).steps:
            # An expired list says how things stood; how they stand is not known.
            if (step.outcome is Outcome.unknown and not step.advisory) or step.code == "EXPIRED":
                raise Unavailable(f"The status list at {url}: {step.detail}")
            if step.outcome is Outcome.invalid:
                raise StatusListError(f"The status list at {url}: {step.detail}")
        return secured

    async def _document(self, url: str, accept: str, newer_than: datetime | None = None) -> Document:
        """What was fetched once is kept for the length of the verification."""
        document = self._documents.get(url)
        if document is None or newer_than is not None:
            self._addresses.add(url)
            if len(self._addresses) > _MAX_ADDRESSES:
                raise Unavailable(f"What is verified leads to more than {_MAX_ADDRESSES} addresses.")
            document = self._documents[url] = await self._get(url, accept, newer_than)
        return document


def _itself(name: str) -> VerificationMethod:
    return did_key_method(name) if name.startswith("did:key:") else did_jwk_method(name)


def _document_of(subject: str, document: Document) -> dict[str, Any]:
    """The document, if it is that of `subject`."""
    content = _json(document, subject)
    if not isinstance(content, dict) or content.get("id") != subject:
        raise KeyResolutionError(
            f"What is published for {subject[:200]} is not its own document, whose id would be the same.",
            code="INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID",
        )
    if subject.startswith("https://") and not {"verificationMethod", *_RELATIONSHIPS} & content.keys():
        # An Open Badges profile need not list keys, so its silence says nothing about any.
        raise Unavailable(f"{subject[:200]} publishes no keys, so whose key this is cannot be told.")
    return content


def _named(document: dict[str, Any], name: str, purpose: str) -> VerificationMethod:
    subject, _, fragment = name.partition("#")
    methods = methods_of(document, _relationship(purpose))
    if name in methods:
        return methods[name]
    if subject.startswith("https://") and fragment.startswith("z"):
        return listed(issuer_key_method(name), methods.values())
    code, other = "INVALID_VERIFICATION_METHOD", "at all"
    if any(name in methods_of(document, each) for each in _RELATIONSHIPS):
        code, other = "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD", f"for {purpose}"
    raise KeyResolutionError(f"The document of {subject[:200]} has no key {name[:300]!r} {other}.", code=code)


def _relationship(purpose: str) -> Purpose:
    for each in _RELATIONSHIPS:
        if each == purpose:
            return each
    raise KeyResolutionError(
        f"No key is used for {purpose[:100]!r} here.", code="INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"
    )


def _json(document: Document, name: str) -> Any:
    try:
        return read_json(document.body)
    except MalformedCredential as error:
        raise Unavailable(f"What is published at {name[:200]} cannot be read: {error.detail}") from None


def _check_issuer(status_list: dict[str, Any], issuer: str) -> None:
    found = issuer_id(status_list)
    if found != issuer:
        raise StatusListError(f"The status list is not the issuer's but from {found[:200]}.")


def _end_of_use(secured: Secured, fetched: datetime) -> datetime:
    """As the list's `ttl` says, in milliseconds; never past the end of the list, or of a signature of it."""
    subject = secured.document.get("credentialSubject")
    ttl = subject.get("ttl") if isinstance(subject, dict) else None
    kept = _DEFAULT_TTL
    if isinstance(ttl, int | float) and not isinstance(ttl, bool):
        kept = timedelta(milliseconds=min(max(ttl, 0), _MAX_TTL / timedelta(milliseconds=1)))
    ends = [fetched + kept, validity(secured.document)[1], *(each.expires for each in secured.signatures)]
    return min(end for end in ends if end is not None)
