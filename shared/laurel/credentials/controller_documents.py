"""Documents that publish the keys of an issuer: DID documents and other controlled identifier documents.

Controlled Identifiers 1.0 §2 and §3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from laurel.credentials.contexts import DID_V1, MULTIKEY_V1
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.values import format_datetime, parse_datetime

_OTHER_USES = ("authentication", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
_MAX_METHODS = 128


def did_document(did: str, methods: Sequence[VerificationMethod]) -> dict[str, Any]:
    """The DID document of `did` with its keys as Multikeys.

    Active keys are listed under `assertionMethod`; a retired one stays, with `revoked`, so that what it signed
    can still be verified. Raises KeyResolutionError for a method that is not of this DID.
    """
    for method in methods:
        if method.controller != did or method.id.partition("#")[0] != did:
            raise KeyResolutionError(f"The method {method.id!r} does not belong to {did!r}.")
    return {
        "@context": [DID_V1, MULTIKEY_V1],
        "id": did,
        "verificationMethod": [
            {
                "id": method.id,
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": method.public_key.to_multibase(),
                **({"revoked": format_datetime(method.revoked)} if method.revoked else {}),
            }
            for method in methods
        ],
        "assertionMethod": [method.id for method in methods if method.revoked is None],
    }


def methods_of(document: Any) -> Mapping[str, VerificationMethod]:
    """The Ed25519 Multikeys with which the subject of a DID document makes claims, by their full id.

    These are the keys under `assertionMethod`, and retired ones (with `revoked`) that are under no other
    relationship. Keys of other kinds are passed over. So are keys that another DID controls or whose id lies
    outside the document: whoever serves a document may speak for its own id alone.

    Raises KeyResolutionError if the document is malformed.
    """
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise _malformed("The DID document must be an object with an id.")
    subject: str = document["id"]
    asserting = {_absolute(subject, entry) for entry in _entries(document, "assertionMethod")}
    otherwise = {_absolute(subject, entry) for name in _OTHER_USES for entry in _entries(document, name)}
    embedded = [entry for entry in _entries(document, "assertionMethod") if isinstance(entry, dict)]
    methods = {}
    for entry in [*_entries(document, "verificationMethod"), *embedded]:
        method = _method(subject, entry)
        if method is None:
            continue
        if method.id in asserting or (method.revoked is not None and method.id not in otherwise):
            methods[method.id] = method
    return methods


def _entries(document: Mapping[str, Any], name: str) -> list[Any]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or len(entries) > _MAX_METHODS:
        raise _malformed(f"{name} must be a list of at most {_MAX_METHODS} entries.")
    return entries


def _absolute(subject: str, entry: Any) -> str:
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str):
        raise _malformed("A verification method must be a URL or an object with an id.")
    return subject + name if name.startswith("#") else name


def _method(subject: str, entry: Any) -> VerificationMethod | None:
    name = _absolute(subject, entry)
    if not isinstance(entry, dict) or entry.get("type") != "Multikey":
        return None
    if entry.get("controller") != subject or name.partition("#")[0] != subject:
        return None
    multibase = entry.get("publicKeyMultibase")
    if not isinstance(multibase, str) or not multibase.startswith("z6Mk"):
        return None
    try:
        # CID 1.0 §2.2: from `expires` on a key verifies no new proof, which is what `revoked` means here.
        ends = [parse_datetime(entry[end]) for end in ("revoked", "expires") if end in entry]
    except ValueError as error:
        raise _malformed(f"The end of the key {name!r} is {error}.") from error
    return VerificationMethod(name, subject, PublicKey.from_multibase(multibase), min(ends, default=None))


def _malformed(detail: str) -> KeyResolutionError:
    return KeyResolutionError(detail, code="INVALID_CONTROLLED_IDENTIFIER_DOCUMENT")
