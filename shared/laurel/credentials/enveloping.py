"""Tokens inside JSON: EnvelopedVerifiableCredential and EnvelopedVerifiablePresentation.

VC Data Model 2.0, "Enveloped Verifiable Credentials" and "Enveloped Verifiable Presentations": an object whose id is
a `data:` URL with the token.
"""

from typing import Any

from laurel.credentials.contexts import CREDENTIALS_V2
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.jwt import Profile, decode

_PREFIXES = {
    "EnvelopedVerifiableCredential": "data:application/vc+jwt,",
    "EnvelopedVerifiablePresentation": "data:application/vp+jwt,",
}


def is_envelope(document: Any) -> bool:
    """Whether `document` says that it is an envelope, well-formed or not."""
    return _kind(document) is not None


def envelope(token: str) -> dict[str, Any]:
    """The object that stands for a token where JSON is due. Raises CredentialError for what is no such token."""
    presentation = decode(token).profile is Profile.VP
    kind = "EnvelopedVerifiablePresentation" if presentation else "EnvelopedVerifiableCredential"
    return {"@context": [CREDENTIALS_V2], "id": _PREFIXES[kind] + token, "type": kind}


def enveloped(document: Any) -> str:
    """The token in an envelope, to be decoded. Raises MalformedCredential.

    Members besides `@context`, `id` and `type` are refused: no signature covers them.
    """
    kind = _kind(document)
    if kind is None:
        raise MalformedCredential(f"The type must be one of {', '.join(_PREFIXES)}.", pointer="/type")
    contexts = document.get("@context")
    if contexts != CREDENTIALS_V2 and not (isinstance(contexts, list) and CREDENTIALS_V2 in contexts):
        raise MalformedCredential(f"An envelope's @context must include {CREDENTIALS_V2}.", pointer="/@context")
    beside = sorted(document.keys() - {"@context", "id", "type"})
    if beside:
        raise MalformedCredential(f"An envelope has no member {beside[0][:60]!r}: nothing would vouch for it.")
    identifier, prefix = document.get("id"), _PREFIXES[kind]
    if not isinstance(identifier, str) or not identifier.startswith(prefix):
        raise MalformedCredential(f"The id of this envelope must begin with {prefix}", pointer="/id")
    return identifier.removeprefix(prefix)


def _kind(document: Any) -> str | None:
    declared = document.get("type") if isinstance(document, dict) else None
    types = declared if isinstance(declared, list) else [declared]
    return next((each for each in types if isinstance(each, str) and each in _PREFIXES), None)
