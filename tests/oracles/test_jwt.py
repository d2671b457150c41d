"""JWTs: Open Badges' with `openbadgeslib`, and `vc+jwt` with `jose` and `openvc-core`; both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import orjson
import pytest
from openbadgeslib.ob3 import Achievement, Issuer, OB3Signer, OB3VerificationError, OB3Verifier, OpenBadgeCredential
from openvc import OpenvcError, verify_credential
from openvc.keys import signing_key_from_jwk
from openvc.keys import verify_signature as verify_signature_by_openvc
from openvc.proof.vc_jwt import VcJwtProofSuite

from laurel.credentials import jws
from laurel.credentials.controller_documents import jwk_method_id
from laurel.credentials.errors import CredentialError
from laurel.credentials.jwt import Profile, decode, sign_open_badge_jwt, sign_vc_jwt, verify_signature
from laurel.credentials.keys import KeyType, SigningKey, decode_base64url, encode_base64url
from oracles.digital_bazaar import NodeProcess
from oracles.open_badges_lib import private_pem
from oracles.openvc_core import resolver_of
from oracles.oracle import CREATED, Document, Refused, Signer, by_url
from oracles.ours import resolve
from oracles.samples import badge

Keys = Mapping[KeyType, SigningKey]

OPEN_BADGES = [KeyType.RSA, KeyType.P256, KeyType.ED25519]
VC_JOSE = [KeyType.P256, KeyType.P384, KeyType.ED25519]


def laurel_verifies(token: str, documents: Mapping[str, Document]) -> Document:
    """The credential in the token, once Laurel has found the key and the signature good. Raises CredentialError."""
    decoded = decode(token)
    assert decoded.verification_method is not None
    verify_signature(decoded, resolve(decoded.verification_method, documents))
    return decoded.document


def published(key: SigningKey) -> tuple[Signer, str]:
    """An issuer with a did:web, and the URL of its key as JsonWebKey, which is where JOSE looks for it."""
    issuer = Signer.with_did_web(key)
    return issuer, jwk_method_id(issuer.controller, key.public)


def with_payload(token: str, **changes: object) -> str:
    """The token with other claims under the same signature."""
    header, payload, signature = token.split(".")
    claims = {**orjson.loads(decode_base64url(payload, limit=100_000)), **changes}
    return ".".join((header, encode_base64url(orjson.dumps(claims)), signature))


def with_header(token: str, **changes: object) -> str:
    """The token with another header over the same signature."""
    header, payload, signature = token.split(".")
    changed = {**orjson.loads(decode_base64url(header, limit=10_000)), **changes}
    return ".".join((encode_base64url(orjson.dumps(changed)), payload, signature))


def openbadgeslib_verifies(token: str, issuer: Signer) -> OpenBadgeCredential:
    """What the library makes of the token. Raises OB3VerificationError."""
    served = by_url(issuer.documents)
    verifier = OB3Verifier.for_issuer_did(issuer.controller, download=lambda url: orjson.dumps(served[url]))
    return verifier.verify(token)


@pytest.mark.parametrize("key_type", OPEN_BADGES)
@pytest.mark.parametrize("named", [True, False], ids=["kid", "jwk"])
def test_openbadgeslib_verifies_laurels_open_badges_jwt(keys: Keys, key_type: KeyType, named: bool) -> None:
    issuer, kid = published(keys[key_type])
    token = sign_open_badge_jwt(badge(issuer), key=issuer.key, kid=kid if named else None, issued=CREATED)
    assert openbadgeslib_verifies(token, issuer).achievement.name == "Schweißen für Anfänger 🔧"


@pytest.mark.parametrize("key_type", OPEN_BADGES)
def test_laurel_verifies_openbadgeslibs_jwt(keys: Keys, key_type: KeyType) -> None:
    issuer, kid = published(keys[key_type])
    token = OB3Signer(private_pem(issuer.key), issuer.key.public.algorithm).sign(
        OpenBadgeCredential(
            issuer=Issuer(issuer.controller, "Collège du Nord"), recipient_id="mailto:ana@example.org",
            achievement=Achievement("https://college.example/1", "Schweißen", "MIG and TIG.", "Weld three joints."),
            issuance_date=CREATED,
        )
    )  # fmt: skip
    decoded = decode(token)
    assert decoded.profile is Profile.OPEN_BADGE
    assert decoded.jws.jwk == issuer.key.public
    method = resolve(kid, issuer.documents)
    verify_signature(decoded, method)
    assert decoded.document["credentialSubject"]["achievement"]["name"] == "Schweißen"
    with pytest.raises(CredentialError):
        verify_signature(decode(with_payload(token, name="Another")), method)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: with_payload(token, name="Another"),
        lambda token: with_payload(token, issuer="did:web:other.example"),
        lambda token: with_payload(token, iss="did:web:other.example"),
        lambda token: with_payload(token, jti="urn:uuid:1"),
        lambda token: with_header(token, alg="none"),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: with_header(token, alg="none").rpartition(".")[0] + ".",
        lambda token: with_header(token, alg="HS256"),
        lambda token: with_header(token, alg="ES384"),
        lambda token: with_header(token, kid="did:web:other.example#key-1"),
        lambda token: with_header(token, crit=["b64"], b64=False),
    ],
    ids=[
        "text", "issuer", "iss", "jti", "none", "no signature", "none without signature", "HS256", "ES384",
        "another's key", "unencoded payload",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key_type", OPEN_BADGES)
def test_both_refuse_a_changed_open_badges_jwt(keys: Keys, key_type: KeyType, change: Callable[[str], str]) -> None:
    issuer, kid = published(keys[key_type])
    token = change(sign_open_badge_jwt(badge(issuer), key=issuer.key, kid=kid, issued=CREATED))
    with pytest.raises(OB3VerificationError):
        openbadgeslib_verifies(token, issuer)
    with pytest.raises(CredentialError):
        laurel_verifies(token, issuer.documents)


def test_openbadgeslib_lets_the_dates_of_a_jwt_differ_from_the_credentials(keys: Keys) -> None:
    """Open Badges 3.0 §8.2.4.1 gives `nbf` the value of `validFrom`; the library takes any value."""
    issuer, kid = published(keys[KeyType.ED25519])
    document = badge(issuer)
    claims = {**document, "iss": issuer.controller, "jti": document["id"], "nbf": int(CREATED.timestamp()) - 1}
    token = jws.write({"typ": "JWT", "kid": kid}, claims, issuer.key)
    openbadgeslib_verifies(token, issuer)
    with pytest.raises(CredentialError, match="nbf"):
        laurel_verifies(token, issuer.documents)


@pytest.mark.parametrize("key_type", VC_JOSE)
def test_jose_verifies_laurels_vc_jwt(node: NodeProcess, keys: Keys, key_type: KeyType) -> None:
    issuer, kid = published(keys[key_type])
    token = sign_vc_jwt(badge(issuer), key=issuer.key, kid=kid, issued=CREATED)

    def verified(token: str) -> Document:
        found: Document = node.ask(
            "verifyJwt", token=token, jwk=issuer.key.public.to_jwk(), algorithm=issuer.key.public.algorithm,
            typ="vc+jwt",
        )  # fmt: skip
        return found

    assert verified(token) == {
        "header": {"alg": issuer.key.public.algorithm, "typ": "vc+jwt", "cty": "vc", "kid": kid},
        "payload": {**badge(issuer), "iss": issuer.controller, "iat": int(CREATED.timestamp())},
    }
    with pytest.raises(Refused, match="signature verification failed"):
        verified(with_payload(token, name="Another"))


@pytest.mark.parametrize("key_type", VC_JOSE)
def test_laurel_verifies_the_vc_jwt_that_jose_signed(node: NodeProcess, keys: Keys, key_type: KeyType) -> None:
    issuer, kid = published(keys[key_type])
    token = node.ask(
        "signJwt", payload=badge(issuer), secret=issuer.key.to_jwk(),
        header={"alg": issuer.key.public.algorithm, "typ": "vc+jwt", "cty": "vc", "kid": kid},
    )  # fmt: skip
    assert laurel_verifies(token, issuer.documents) == badge(issuer)
    with pytest.raises(CredentialError):
        laurel_verifies(with_payload(token, name="Another"), issuer.documents)


@pytest.mark.parametrize("key_type", VC_JOSE)
def test_openvc_core_verifies_the_signature_of_laurels_vc_jwt_and_wants_the_older_form(
    keys: Keys, key_type: KeyType
) -> None:
    """It knows only the JWTs of VC 1.1, with a claim `vc`, which VC-JOSE-COSE 1.0 §3.1.1 rules out of a `vc+jwt`."""
    issuer, kid = published(keys[key_type])
    token = sign_vc_jwt(badge(issuer), key=issuer.key, kid=kid, issued=CREATED)
    signing_input, _, signature = token.rpartition(".")
    assert verify_signature_by_openvc(
        alg=issuer.key.public.algorithm, public_jwk=issuer.key.public.to_jwk(), signing_input=signing_input.encode(),
        signature=decode_base64url(signature, limit=1024),
    )  # fmt: skip
    with pytest.raises(OpenvcError, match="no embedded `vc` object"):
        verify_credential(token, resolver=resolver_of(issuer.documents))


@pytest.mark.parametrize("key_type", [KeyType.P256, KeyType.ED25519])
def test_laurel_verifies_openvc_cores_jwt_of_the_older_form(
    keys: Keys, key_type: KeyType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sets `nbf` from the clock, where VC 1.1 §6.3.1 and Open Badges 3.0 want the beginning of the validity."""
    issuer, kid = published(keys[key_type])
    monkeypatch.setattr("openvc.proof.vc_jwt.time", SimpleNamespace(time=CREATED.timestamp))
    token = VcJwtProofSuite().sign(badge(issuer), signing_key=signing_key_from_jwk(issuer.key.to_jwk(), kid))
    verify_credential(token, resolver=resolver_of(issuer.documents))
    assert laurel_verifies(token, issuer.documents) == badge(issuer)
    with pytest.raises(CredentialError):
        laurel_verifies(with_header(token, alg="none"), issuer.documents)
