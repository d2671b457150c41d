"""Credentials and presentations secured as JWTs, in the compact form of JWS (RFC 7515, RFC 7519).

The two profiles agree in the payload, which is the credential itself, and disagree in the rest:

- `vc+jwt` and `vp+jwt` (VC-JOSE-COSE 1.0 §3.1): the header says so in `typ`; claims are about the signature.
- Open Badges 3.0 ("JSON Web Token Proof Format"): the header has `alg`, `kid` or `jwk`, and perhaps `typ: JWT`; the
  claims `iss`, `jti`, `nbf`, `sub` and `exp` repeat members of the credential. Badges of VC 1.1 stand in a claim `vc`.

Verifying takes two steps, since the key is found between them: `decode`, then `verify_signature`. `decode` believes
nothing, but refuses whatever no key could make right, so that no key is looked up for it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from laurel.credentials import jws
from laurel.credentials.contexts import CREDENTIALS_V1
from laurel.credentials.documents import check_size
from laurel.credentials.errors import MalformedCredential, ProofError
from laurel.credentials.form import holder_id, issuer_id, types_of, validity
from laurel.credentials.jws import Jws
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.values import format_datetime, is_absolute_iri

Document = dict[str, Any]


class Profile(StrEnum):
    """By whose rules the token is made."""

    VC = "vc+jwt"
    VP = "vp+jwt"
    OPEN_BADGE = "Open Badges JWT"


_SIGNED_WITH = {
    Profile.VC: ("EdDSA", "ES256", "ES384"),
    Profile.VP: ("EdDSA", "ES256", "ES384"),
    Profile.OPEN_BADGE: ("RS256", "ES256", "EdDSA"),
}
_OPEN_BADGE_HEADERS = {"alg", "kid", "jwk", "typ"}
_CONTENT = {Profile.VC: "vc", Profile.VP: "vp"}
# Members of the payload that speak about the token, not about the credential (RFC 7519 §4.1, RFC 7800).
_CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf")
_VP_CLAIMS = (*_CLAIMS, "nonce")


@dataclass(frozen=True)
class DecodedJwt:
    """A token with its form checked, and nothing else.

    `document` is the credential or presentation without the token's own claims. `signer` is the issuer's id, or the
    holder's where a presentation names one. `verification_method` is what the `kid` stands for: a URL as it is, a
    bare name as fragment behind the signer's id; without a `kid`, there is `jws.jwk`, which counts only if the
    signer's own document lists that key (`dids.listed`).
    """

    profile: Profile
    jws: Jws
    document: Document
    signer: str | None
    verification_method: str | None
    issued: datetime | None
    not_before: datetime | None
    expires: datetime | None

    @property
    def claims(self) -> Mapping[str, Any]:
        """The payload as it was signed: `aud` and `nonce` of a presentation are here."""
        return self.jws.payload


def sign_vc_jwt(document: Document, *, key: SigningKey, kid: str, issued: datetime) -> str:
    """`document`, a credential, as `vc+jwt`. The same arguments give the same token.

    `kid` is the URL of the key, of type JsonWebKey, in its controller's document; `issued` is cut to whole seconds.
    Raises ProofError (PROOF_GENERATION_ERROR) and MalformedCredential.
    """
    claims = {"iss": issuer_id(document), "iat": _seconds(issued)}
    return _sign(Profile.VC, document, claims, key, {"kid": kid})


def sign_vp_jwt(
    document: Document,
    *,
    key: SigningKey,
    kid: str,
    issued: datetime,
    audience: str | None = None,
    nonce: str | None = None,
) -> str:
    """`document`, a presentation, as `vp+jwt`, for the verifier that gave `audience` and `nonce`. See `sign_vc_jwt`."""
    claims = {"iss": holder_id(document), "aud": audience, "nonce": nonce, "iat": _seconds(issued)}
    given = {name: value for name, value in claims.items() if value is not None}
    return _sign(Profile.VP, document, given, key, {"kid": kid})


def sign_open_badge_jwt(document: Document, *, key: SigningKey, kid: str | None, issued: datetime) -> str:
    """`document`, an Open Badge, as JWT by the rules of Open Badges. See `sign_vc_jwt`.

    Without a `kid`, the header holds the public key itself, as 1EdTech's validator wants it.
    """
    claims = {**_repeated(document), "iat": _seconds(issued)}
    return _sign(
        Profile.OPEN_BADGE, document, claims, key, {"jwk": key.public.to_jwk()} if kid is None else {"kid": kid}
    )


def decode(token: str) -> DecodedJwt:
    """Take a token apart and check its form, by the rules of its profile.

    Raises CredentialError: MalformedCredential for what is no such token, ProofError for one that may not be trusted
    whatever key made it (an unexpected algorithm, a header that would change the verification, claims at odds with
    the credential), KeyResolutionError for a malformed `jwk`.
    """
    signed = jws.read(token)
    claims = signed.payload
    check_size(claims)
    profile = _profile(signed.header, claims)
    issued, not_before, expires = (_moment(claims, name) for name in ("iat", "nbf", "exp"))
    _check_claims(profile, claims)
    if profile is Profile.OPEN_BADGE:
        document = _badge(claims, expires)
        signer: str | None = issuer_id(document)
        _check_repeated(claims, document)
    else:
        document = _without(claims, _VP_CLAIMS if profile is Profile.VP else _CLAIMS)
        signer = issuer_id(document) if profile is Profile.VC else holder_id(document)
        if "iss" in claims and signer not in (None, claims["iss"]):
            raise ProofError("The claim iss is not who the document says it is from.", pointer="/iss")
    signer = signer or claims.get("iss")
    method = _method_url(signed.kid, signer)
    return DecodedJwt(profile, signed, document, signer, method, issued, not_before, expires)


def verify_signature(decoded: DecodedJwt, method: VerificationMethod) -> None:
    """Raise ProofError unless the token was signed by the key of `method`, in the one way in which that key signs.

    A retired key (`method.revoked`) verifies what it signed before its retirement, by `iat`, and nothing after.
    Whether `method` belongs to the signer, and the token's `nbf` and `exp`, are the caller's to check.
    """
    if decoded.verification_method not in (None, method.id):
        raise ProofError("The token names another key than the one at hand (its header's kid).")
    if decoded.jws.jwk not in (None, method.public_key):
        raise ProofError("The token brings along another key than the signer's (its header's jwk).")
    if decoded.jws.algorithm != method.public_key.algorithm:
        raise ProofError(
            f"The token says {decoded.jws.algorithm}, but the key signs with {method.public_key.algorithm}."
        )
    if method.revoked is not None:
        if decoded.issued is None:
            raise ProofError("The key has been retired and the token does not say when it was made.", pointer="/iat")
        if decoded.issued >= method.revoked:
            retired = format_datetime(method.revoked)
            raise ProofError(f"The key was retired on {retired}, before this token was made.", pointer="/iat")
    if not method.public_key.verify(decoded.jws.signature, decoded.jws.signing_input):
        raise ProofError(
            "The signature does not match: the token was changed after it was signed, or another key signed it."
        )


def _sign(profile: Profile, document: Document, claims: Document, key: SigningKey, named: Document) -> str:
    if key.public.algorithm not in _SIGNED_WITH[profile]:
        raise ProofError(
            f"A key of {key.public.type.value} makes no {profile.value}; one for "
            f"{' or '.join(_SIGNED_WITH[profile])} does.",
            code="PROOF_GENERATION_ERROR",
        )
    if "kid" in named and not is_absolute_iri(named["kid"]):
        raise ProofError("The kid must be the URL of the key.", code="PROOF_GENERATION_ERROR")
    taken = next((name for name in _VP_CLAIMS if name in document), None)
    if taken is not None:
        detail = f"The document's {taken} would be taken for the token's."
        raise ProofError(detail, pointer=f"/{taken}", code="PROOF_GENERATION_ERROR")
    kinds = {"typ": "JWT"} if profile is Profile.OPEN_BADGE else {"typ": profile.value, "cty": _CONTENT[profile]}
    token = jws.write({**kinds, **named}, {**document, **claims}, key)
    decode(token)  # what no verifier would take is not given out
    return token


def _profile(header: Mapping[str, Any], claims: Document) -> Profile:
    named = header.get("typ")
    # RFC 7515 §4.1.9: compared without regard to case, and "application/" may be left out.
    kind = str(named).lower().removeprefix("application/")
    if kind in (Profile.VC, Profile.VP):
        profile = Profile(kind)
    elif "typ" not in header and "nbf" not in claims and "vc" not in claims:
        # VC-JOSE-COSE only recommends a typ, and Open Badges demand nbf.
        profile = Profile.VP if "VerifiablePresentation" in types_of(claims) else Profile.VC
    elif "typ" not in header or kind == "jwt":
        profile = Profile.OPEN_BADGE
    else:
        raise ProofError("The JWT's typ must be vc+jwt, vp+jwt or JWT.")
    if profile is Profile.OPEN_BADGE:
        if not header.keys() <= _OPEN_BADGE_HEADERS:
            raise ProofError("The header of an Open Badges JWT has alg, kid or jwk, perhaps typ, and nothing else.")
    elif str(header.get("cty", _CONTENT[profile])).lower().removeprefix("application/") != _CONTENT[profile]:
        raise ProofError(f"The cty of a {profile.value} must be {_CONTENT[profile]}.")
    return profile


def _check_claims(profile: Profile, claims: Document) -> None:
    for name in ("iss", "sub", "jti", "nonce"):
        if name in claims and not isinstance(claims[name], str):
            raise ProofError(f"The claim {name} must be a text.", pointer=f"/{name}")
    audience = claims.get("aud", [])
    if not all(isinstance(each, str) for each in (audience if isinstance(audience, list) else [audience])):
        raise ProofError("The claim aud must be a text or a list of texts.", pointer="/aud")
    if "aud" in claims and profile is not Profile.VP:
        # RFC 7519 §4.1.3: a token for somebody else is refused, and a credential is for everybody.
        raise ProofError("The credential is for an audience (aud), which this verifier is not.", pointer="/aud")
    for name in ("vp",) if profile is Profile.OPEN_BADGE else ("vc", "vp"):
        if name in claims:
            raise ProofError(f"A token of the kind {profile.value} may not have the claim {name}.", pointer=f"/{name}")
    for name in ("_sd", "_sd_alg"):
        if name in claims:
            raise ProofError("This is part of an SD-JWT, a format that is not supported.", pointer=f"/{name}")


def _badge(claims: Document, expires: datetime | None) -> Document:
    document = _without(claims, _CLAIMS)
    if "vc" in document:
        inner = document.pop("vc")
        if not isinstance(inner, dict) or document:
            # Two credentials in one token would be read as one by some and as the other by others.
            raise ProofError("The claim vc must be the credential, and no part of it stand beside it.", pointer="/vc")
        document = inner
    if expires is None or validity(document)[1] is not None:
        return document
    contexts = document.get("@context")
    of_1_1 = isinstance(contexts, list) and contexts[:1] == [CREDENTIALS_V1]
    # The standard has exp set what the credential leaves out.
    return {**document, "expirationDate" if of_1_1 else "validUntil": format_datetime(expires)}


def _without(claims: Document, names: Sequence[str]) -> Document:
    return {name: value for name, value in claims.items() if name not in names}


def _repeated(document: Document) -> Document:
    """The claims in which an Open Badges JWT repeats its credential. Raises CredentialError.

    `sub` repeats the subject's id, so there is none where a badge knows its recipient by an `identifier` alone.
    """
    begins, ends = validity(document)
    subject, identifier = document.get("credentialSubject"), document.get("id")
    if isinstance(subject, list) and len(subject) == 1:
        subject = subject[0]
    if not isinstance(subject, dict):
        raise MalformedCredential("An Open Badges JWT is about one subject.", pointer="/credentialSubject")
    if not isinstance(identifier, str):
        raise MalformedCredential("An Open Badges JWT needs the id of the credential.", pointer="/id")
    if begins is None:
        raise MalformedCredential("An Open Badges JWT needs the credential's validFrom.", pointer="/validFrom")
    claims = {"iss": issuer_id(document), "jti": identifier, "nbf": _seconds(begins)}
    if "id" in subject:
        claims["sub"] = subject["id"]
    if ends is not None:
        claims["exp"] = _seconds(ends)
    return claims


def _check_repeated(claims: Document, document: Document) -> None:
    repeated = _repeated(document)
    for name in ("iss", "jti", "nbf", "sub", "exp"):
        if name in repeated and name not in claims:
            raise ProofError(f"An Open Badges JWT for this credential needs the claim {name}.", pointer=f"/{name}")
        given = claims.get(name)
        # Some write a fraction of a second that others cut off.
        if (math.floor(given) if isinstance(given, float) else given) != repeated.get(name):
            raise ProofError(f"The claim {name} is at odds with the credential.", pointer=f"/{name}")


def _moment(claims: Document, name: str) -> datetime | None:
    """A NumericDate (RFC 7519 §2), to the microsecond."""
    if name not in claims:
        return None
    value = claims[name]
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("not a number")
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise ProofError(f"The claim {name} must be seconds since 1970, as a number.", pointer=f"/{name}") from None


def _seconds(moment: datetime) -> int:
    return math.floor(moment.timestamp())


def _method_url(kid: str | None, signer: str | None) -> str | None:
    if kid is None or is_absolute_iri(kid) or signer is None:
        return kid
    return f"{signer}#{kid.removeprefix('#')}"
