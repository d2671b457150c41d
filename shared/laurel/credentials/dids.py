"""The DIDs that keys go by: did:key, which is a key, and did:web, whose document a web server holds."""

import re

from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.values import MAX_IRI_CHARS

# A host name with an optional port, then path segments. No IP literal in brackets, no user, no empty segment;
# a segment of dots alone would climb out of the path once it is a URL.
_DID_WEB = re.compile(
    r"did:web:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?:%3[Aa][0-9]{1,5})?"
    r"(?::(?!\.+(?::|$))(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)*"
)
_WEB_URL = re.compile(r"https?://(?P<host>[^/?#]+)(?P<path>[^?#]*)")


def did_key(public: PublicKey) -> str:
    """The did:key of an Ed25519 key, `did:key:z6Mk…`."""
    return f"did:key:{public.to_multibase()}"


def did_key_method(did: str) -> VerificationMethod:
    """The one verification method of a did:key, given as DID or as DID URL with its only possible fragment.

    Raises KeyResolutionError.
    """
    subject, _, fragment = did.partition("#")
    multibase = subject.removeprefix("did:key:")
    if multibase == subject or fragment not in ("", multibase):
        raise KeyResolutionError(
            "This is not a did:key, or its fragment is not its own key.", code="INVALID_VERIFICATION_METHOD_URL"
        )
    return VerificationMethod(f"{subject}#{multibase}", subject, PublicKey.from_multibase(multibase))


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
