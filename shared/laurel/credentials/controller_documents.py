"""Documents that publish the keys of an issuer: DID documents and other controlled identifier documents.

Controlled Identifiers 1.0 §2 and §3; VC-JOSE-COSE 1.0 §4.2 wants keys for JWTs as JsonWebKey.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from laurel.credentials.contexts import DID_V1, MULTIKEY_V1
from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.values import format_datetime, is_absolute_iri, parse_datetime, pointer

JWK_V1 = "https://w3id.org/security/jwk/v1"

Purpose = Literal["assertionMethod", "authentication"]
_RELATIONSHIPS = ("assertionMethod", "authentication", "keyAgreement", "capabilityInvocation", "capabilityDelegation")
_MAX_METHODS = 128
# How the keys that are read begin, and which JWKs are; keys of other kinds are of no concern here.
_MULTIBASES = {"Multikey": ("z6Mk", "zDn", "z82"), "Ed25519VerificationKey2020": ("z6Mk",)}
_JWK_TYPES = ("JsonWebKey", "JsonWebKey2020")
_JWKS = (("OKP", "Ed25519"), ("EC", "P-256"), ("EC", "P-384"), ("RSA", None))


def did_document(did: str, methods: Sequence[VerificationMethod]) -> dict[str, Any]:
    """The DID document of `did`, with each key as Multikey and, where JOSE looks for it, as JsonWebKey.

    A JsonWebKey goes by its thumbprint (`jwk_method_id`). Active keys are listed under `assertionMethod`; a retired
    one stays, with `revoked`, so that what it signed can still be verified. Raises KeyResolutionError for a method
    that is not of this DID.
    """
    for method in methods:
        if method.controller != did or method.id.partition("#")[0] != did:
            raise KeyResolutionError(f"The method {method.id!r} does not belong to {did!r}.")
    forms = [form for method in methods for form in _forms(method)]
    return {
        "@context": [DID_V1, MULTIKEY_V1, JWK_V1],
        "id": did,
        "verificationMethod": forms,
        "assertionMethod": [form["id"] for form in forms if "revoked" not in form],
    }


def jwk_method_id(controller: str, key: PublicKey) -> str:
    """The id of a key as JsonWebKey in its controller's document: the `kid` that a JWT names it by."""
    return f"{controller}#{key.thumbprint}"


def _forms(method: VerificationMethod) -> list[dict[str, Any]]:
    key = method.public_key
    ends = {"revoked": format_datetime(method.revoked)} if method.revoked else {}
    multikey = {"type": "Multikey", "controller": method.controller, "publicKeyMultibase": key.to_multibase()}
    jwk = {**key.to_jwk(), "alg": key.algorithm, "kid": key.thumbprint}
    return [
        {"id": method.id, **multikey, **ends},
        {
            "id": jwk_method_id(method.controller, key),
            "type": "JsonWebKey",
            "controller": method.controller,
            "publicKeyJwk": jwk,
            **ends,
        },
    ]


def methods_of(document: Any, purpose: Purpose = "assertionMethod") -> Mapping[str, VerificationMethod]:
    """The keys that the subject of a DID document or an https controller document uses for `purpose`, by full id.

    These are the keys under that relationship; for `assertionMethod` also retired ones (with `revoked`) that are
    under no relationship any more. Multikey, Ed25519VerificationKey2020, JsonWebKey and JsonWebKey2020 are read.
    Keys of other kinds are passed over, and so are keys that another identifier controls or whose id lies outside
    the document: whoever serves a document may speak for its own id alone. That the document was found where its id
    says is for the caller to check.

    Raises KeyResolutionError if the document is malformed, or if it has no such key but one that cannot be read.
    """
    subject = document.get("id") if isinstance(document, dict) else None
    if not isinstance(subject, str) or not is_absolute_iri(subject) or "#" in subject:
        raise _malformed("The document must be an object whose id is a DID or a URL without fragment.", "/id")
    used = {_absolute(subject, entry) for entry in _entries(document, purpose)}
    otherwise = {
        _absolute(subject, entry) for name in _RELATIONSHIPS if name != purpose for entry in _entries(document, name)
    }
    methods: dict[str, VerificationMethod] = {}
    unreadable: list[KeyResolutionError] = []
    for name in ("verificationMethod", purpose):
        for number, entry in enumerate(_entries(document, name)):
            method_id = _absolute(subject, entry)
            # did_document takes a retired key from assertionMethod, and others do the same.
            retired = purpose == "assertionMethod" and method_id not in otherwise and "revoked" in entry
            if method_id not in used and not retired:
                continue
            try:
                method = _method(subject, method_id, entry, pointer(name, number))
            except KeyResolutionError as error:
                # CID 1.0 §3.3 looks at the one key that is asked for: another, for PS256 say, does it no harm.
                unreadable.append(error)
                continue
            if method is None:
                continue
            if methods.setdefault(method_id, method) != method:
                raise _malformed(f"Two keys go by the id {method_id[:200]!r}.", pointer(name, number))
    if unreadable and not methods:
        raise unreadable[0]
    return methods


def _entries(document: Mapping[str, Any], name: str) -> list[Any]:
    entries = document.get(name, [])
    if not isinstance(entries, list) or len(entries) > _MAX_METHODS:
        raise _malformed(f"{name} must be a list of at most {_MAX_METHODS} entries.", pointer(name))
    return entries


def _absolute(subject: str, entry: Any) -> str:
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str):
        raise _malformed("A verification method must be a URL or an object with an id.")
    return subject + name if name.startswith("#") else name


def _method(subject: str, method_id: str, entry: Any, where: str) -> VerificationMethod | None:
    if not isinstance(entry, dict) or entry.get("controller") != subject or method_id.partition("#")[0] != subject:
        return None
    try:
        key = _public_key(entry)
        # CID 1.0 §2.2: from `expires` on a key verifies no new proof, which is what `revoked` means here.
        ends = [parse_datetime(entry[end]) for end in ("revoked", "expires") if end in entry]
    except KeyResolutionError as error:
        detail = f"The key {method_id[:200]!r} cannot be read: {error.detail}"
        raise KeyResolutionError(detail, pointer=where) from None
    except ValueError as error:
        raise _malformed(f"The end of the key {method_id[:200]!r} is {error}.", where) from None
    return VerificationMethod(method_id, subject, key, min(ends, default=None)) if key else None


def _public_key(entry: Mapping[str, Any]) -> PublicKey | None:
    """The key that the entry holds, or None where it is of a kind that is not read."""
    kind, multibase, jwk = (entry.get(name) for name in ("type", "publicKeyMultibase", "publicKeyJwk"))
    if not isinstance(kind, str):
        return None
    if isinstance(multibase, str) and multibase.startswith(_MULTIBASES.get(kind, ())):
        return PublicKey.from_multibase(multibase)
    if kind in _JWK_TYPES and isinstance(jwk, dict) and (jwk.get("kty"), jwk.get("crv")) in _JWKS:
        return PublicKey.from_jwk(jwk)
    return None


def _malformed(detail: str, where: str = "") -> KeyResolutionError:
    return KeyResolutionError(detail, pointer=where, code="INVALID_CONTROLLED_IDENTIFIER_DOCUMENT")
