"""The DIDs that keys go by: did:key and did:jwk, which are keys, and did:web, whose document a web server holds.

Also the form that 1EdTech adds to them: the issuer's own URL with the key as fragment.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from laurel.credentials import strict_json
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, VerificationMethod, decode_base64url
from laurel.credentials.values import MAX_IRI_CHARS, is_absolute_iri

# A host name with an optional port, then path segments. No IP literal in brackets, no user, no empty segment;
# a segment of dots alone would climb out of the path once it is a URL.
_DID_WEB = re.compile(
    r"did:web:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?:%3[Aa][0-9]{1,5})?"
    r"(?::(?!\.+(?::|$))(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)*"
)
_WEB_URL = re.compile(r"https?://(?P<host>[^/?#]+)(?P<path>[^?#]*)")


def did_key(public: PublicKey) -> str:
    """The did:key of a key, such as `did:key:z6Mk…`. Raises KeyResolutionError for RSA, which has none here."""
    return f"did:key:{public.to_multibase()}"


def did_key_method(did: str) -> VerificationMethod:
    """The one verification method of a did:key, given as DID or as DID URL with its only possible fragment.

    Keys of Ed25519, P-256 and P-384 are read. Raises KeyResolutionError.
    """
    subject, _, fragment = did.partition("#")
    multibase = subject.removeprefix("did:key:")
    if multibase == subject or fragment not in ("", multibase):
        raise KeyResolutionError(
            "This is not a did:key, or its fragment is not its own key.", code="INVALID_VERIFICATION_METHOD_URL"
        )
    return VerificationMethod(f"{subject}#{multibase}", subject, PublicKey.from_multibase(multibase))


def did_jwk_method(did: str) -> VerificationMethod:
    """The one verification method of a did:jwk (did:jwk Method Specification), with or without its fragment `#0`.

    Raises KeyResolutionError.
    """
    subject, _, fragment = did.partition("#")
    encoded = subject.removeprefix("did:jwk:")
    if encoded == subject or fragment not in ("", "0"):
        raise KeyResolutionError(
            "This is not a did:jwk, or its fragment is not 0.", code="INVALID_VERIFICATION_METHOD_URL"
        )
    try:
        jwk = strict_json.parse(decode_base64url(encoded, limit=MAX_IRI_CHARS))
    except ValueError as error:
        raise KeyResolutionError(
            f"The did:jwk holds what is {error}.", code="INVALID_VERIFICATION_METHOD_URL"
        ) from None
    return VerificationMethod(f"{subject}#0", subject, PublicKey.from_jwk(jwk))


def issuer_key_method(verification_method: str) -> VerificationMethod:
    """What `<issuer URL>#z6Mk…` claims: that this key is the issuer's. The issuer's URL is its controller.

    1EdTech's validator takes this form for the key itself. But anyone can write a key behind an issuer's URL, so the
    claim holds only once the document at that URL lists the key: pass what `methods_of` finds there to `listed`.
    Until then, a signature shows that the holder of the key made it, and nothing about the issuer.

    Raises KeyResolutionError if this is no https URL with a Multikey as fragment.
    """
    issuer, _, multibase = verification_method.partition("#")
    if not issuer.startswith("https://") or not is_absolute_iri(issuer) or not multibase:
        raise KeyResolutionError(
            "This is not the https URL of an issuer with a key as fragment.", code="INVALID_VERIFICATION_METHOD_URL"
        )
    return VerificationMethod(verification_method, issuer, PublicKey.from_multibase(multibase))


def listed(claimed: VerificationMethod, published: Iterable[VerificationMethod]) -> VerificationMethod:
    """`claimed` as its controller publishes it, under whatever name: the same key, with the time of its retirement.

    `published` are the methods in the controller's own document. Raises KeyResolutionError if the key is not there.
    """
    ends = [
        each.revoked
        for each in published
        if (each.public_key, each.controller) == (claimed.public_key, claimed.controller)
    ]
    if not ends:
        raise KeyResolutionError(f"The document of {claimed.controller[:200]} does not list this key.")
    return replace(claimed, revoked=min((end for end in ends if end is not None), default=None))


def did_web(url: str) -> str:
    """The did:web for a base URL: `https://host:8443/a/b` → `did:web:host%3A8443:a:b`.

    Raises KeyResolutionError for URLs that have no did:web (with a user, a query or a fragment).
    """
    parts = _WEB_URL.fullmatch(url)
    path = [segment for segment in (parts["path"] if parts else "").split("/") if segment]
    did = ":".join(["did", "web", parts["host"].lower().replace(":", "%3A") if parts else "", *path])
    if not _DID_WEB.fullmatch(did):
        raise KeyResolutionError(f"{url[:200]!r} cannot be written as a did:web; use https://host/path.")
    return did


def did_web_url(did: str, *, scheme: str = "https") -> str:
    """Where the DID document of a did:web is served (did:web Method Specification, "Read").

    `scheme` is "http" only for trying things out on one machine. Raises KeyResolutionError.
    """
    if len(did) > MAX_IRI_CHARS or not _DID_WEB.fullmatch(did):
        raise KeyResolutionError(
            f"{did[:200]!r} is not a did:web; it should read did:web:host or did:web:host:path.",
            code="INVALID_VERIFICATION_METHOD_URL",
        )
    host, *path = did.removeprefix("did:web:").split(":")
    base = f"{scheme}://{host.replace('%3A', ':').replace('%3a', ':')}"
    return "/".join([base, *(path or [".well-known"]), "did.json"])
