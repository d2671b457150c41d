"""Whether a credential was awarded to the person whose address a verifier knows (OB 3.0, "Verify the Recipient").

The address comes from whoever asks, never from the credential. It is compared with every identifier of every subject,
and the answer says nothing of which of them it was.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

# MD5 is the other one that the specification names ("IdentityHash"), and badges with it are about.
_HASHES = {"sha256": hashlib.sha256, "md5": hashlib.md5}
_MAX_SUBJECTS = 64
_MAX_IDENTIFIERS = 64
_MAX_ADDRESS_CHARS = 320


def recipient_matches(document: Mapping[str, Any], address: str) -> bool:
    """Whether `address`, an e-mail address, is that of a subject of the credential.

    It is if a subject has an identifier of the type `emailAddress` that is the address or its hash (SHA-256 or MD5,
    with the salt if there is one), or if its id is `mailto:` + address. White space around the address is forgiven;
    a hash is compared with the address as it is given and in lower case, since issuers hash either spelling. The first
    64 subjects and the first 64 identifiers of each are looked at. Comparisons take constant time. Raises nothing for
    what is wrong with the credential.
    """
    address = address.strip()
    if not address or len(address) > _MAX_ADDRESS_CHARS:
        return False
    # All of them, with no early end: how long it takes does not tell which one it was.
    matches = [
        hmac.compare_digest(_utf8(said), _utf8(known))
        for subject in _listed(document.get("credentialSubject"))[:_MAX_SUBJECTS]
        if isinstance(subject, dict)
        for said, known in _compared(subject, address)
    ]
    return any(matches)


def _compared(subject: Mapping[str, Any], address: str) -> Iterator[tuple[str, str]]:
    """What the subject says of itself, each with what it would say if it were about `address`."""
    named = subject.get("id")
    if isinstance(named, str):
        scheme, _, rest = named.partition(":")
        if scheme.lower() == "mailto":
            yield rest.lower(), address.lower()
    for identity in _listed(subject.get("identifier"))[:_MAX_IDENTIFIERS]:
        if isinstance(identity, dict) and identity.get("identityType") == "emailAddress":
            yield from _identity(identity, address)


def _identity(identity: Mapping[str, Any], address: str) -> Iterator[tuple[str, str]]:
    content, salt, hashed = identity.get("identityHash"), identity.get("salt", ""), identity.get("hashed")
    if not isinstance(content, str) or not isinstance(salt, str):
        return
    if hashed is False:
        yield content.lower(), address.lower()
    elif hashed is True:
        name, _, digest = content.partition("$")
        if name in _HASHES:
            for spelling in (address, address.lower()):
                # Hexadecimal digits may be of either case.
                yield digest.lower(), _HASHES[name](_utf8(spelling + salt)).hexdigest()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
