"""Keys: what they sign, how they are written, and what is no key."""

import pickle
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import import_key
from joserfc.jws import deserialize_compact, serialize_compact

from laurel.credentials.errors import KeyResolutionError
from laurel.credentials.keys import KeyType, PublicKey, SigningKey, decode_base64url, encode_base64url

# From the EdDSA cryptosuites specification, appendix "Test Vectors".
PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
SECRET = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
KEYS = {key_type: SigningKey.generate(key_type) for key_type in KeyType}
BY_TYPE = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
WITH_MULTIKEY = [KEYS[key_type] for key_type in (KeyType.ED25519, KeyType.P256, KeyType.P384)]


def test_the_published_key_pair() -> None:
    key = SigningKey.from_multibase(SECRET)
    assert key.public.to_multibase() == PUBLIC
    assert key.to_multibase() == SECRET
    assert PublicKey.from_multibase(PUBLIC) == key.public


@settings(deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), data=st.binary(max_size=200))
def test_signatures_are_those_of_another_implementation(seed: bytes, data: bytes) -> None:
    key = SigningKey.from_seed(seed)
    other = Ed25519PrivateKey.from_private_bytes(seed)
    assert key.sign(data) == other.sign(data)
    assert key.public.raw == other.public_key().public_bytes_raw()
    assert key.public.verify(key.sign(data), data)
    assert not key.public.verify(key.sign(data), data + b"x")
    assert not key.public.verify(key.sign(data)[:-1], data)
    assert PublicKey.from_multibase(key.public.to_multibase()) == PublicKey(key.public.raw)


def test_no_text_form_shows_the_secret() -> None:
    key = SigningKey.from_multibase(SECRET)
    for text in (repr(key), str(key), f"{key}"):
        assert text == f"SigningKey(public={PUBLIC})"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "multibase",
    [
        "",
        "z",
        PUBLIC[1:],
        PUBLIC + "\n",
        PUBLIC[:-1],
        PUBLIC[:-1] + "0",
        PUBLIC + "2" * 10_000,
        SECRET,
        None,
    ],
)
def test_a_malformed_public_key_is_refused(multibase: Any) -> None:
    with pytest.raises(KeyResolutionError, match="not a public key") as caught:
        PublicKey.from_multibase(multibase)
    assert caught.value.code == "INVALID_VERIFICATION_METHOD"


def test_a_malformed_secret_is_not_repeated() -> None:
    wrong = SECRET[:-1]
    with pytest.raises(KeyResolutionError) as caught:
        SigningKey.from_multibase(wrong)
    assert wrong not in str(caught.value)


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(KeyResolutionError, match="32 bytes, not 31"):
        PublicKey(b"x" * 31)
    with pytest.raises(KeyResolutionError, match="32 bytes, not 33"):
        SigningKey.from_seed(b"x" * 33)


@pytest.mark.parametrize(
    ("key_type", "d", "signature"),
    [
        (  # RFC 6979 appendix A.2.5, SHA-256, "sample"
            KeyType.P256,
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (  # RFC 6979 appendix A.2.6, SHA-384, "sample"
            KeyType.P384,
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"
            "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
    ],
)
def test_ecdsa_is_deterministic_as_published(key_type: KeyType, d: str, signature: str) -> None:
    curve = {KeyType.P256: ec.SECP256R1(), KeyType.P384: ec.SECP384R1()}[key_type]
    key = SigningKey(ec.derive_private_key(int(d, 16), curve))
    assert key.sign(b"sample").hex() == signature.lower()
    assert key.public.verify(bytes.fromhex(signature), b"sample")


def test_the_published_thumbprint() -> None:
    """RFC 8037 appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert PublicKey.from_jwk(jwk).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@BY_TYPE
def test_thumbprints_are_those_of_another_implementation(key: SigningKey) -> None:
    assert import_key(dict(key.public.to_jwk())).thumbprint() == key.public.thumbprint


@BY_TYPE
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc's word on RFC 9864
def test_another_implementation_verifies_and_is_verified(key: SigningKey) -> None:
    """As JWS, whose signature covers `header.payload`."""
    algorithms = [key.public.algorithm]
    theirs = serialize_compact({"alg": algorithms[0]}, b"data", import_key(dict(key.to_jwk())), algorithms)
    signed, _, signature = theirs.rpartition(".")
    assert key.public.verify(decode_base64url(signature, limit=1000), signed.encode())
    ours = f"{signed}.{encode_base64url(key.sign(signed.encode()))}"
    assert deserialize_compact(ours, import_key(dict(key.public.to_jwk())), algorithms).payload == b"data"


@BY_TYPE
@settings(deadline=None, max_examples=25)
@given(data=st.binary(max_size=200), where=st.integers(0, 511), flip=st.integers(1, 255))
def test_any_other_signature_is_refused(key: SigningKey, data: bytes, where: int, flip: int) -> None:
    signature = key.sign(data)
    assert len(signature) == key.public.signature_bytes
    assert key.sign(data) == signature, "a replay signs the same bytes"
    assert key.public.verify(signature, data)
    where %= len(signature)
    altered = signature[:where] + bytes([signature[where] ^ flip]) + signature[where + 1 :]
    assert not key.public.verify(altered, data)
    for other in (signature[:-1], signature + b"\0", b"", bytes(len(signature))):
        assert not key.public.verify(other, data)
    assert not key.public.verify(signature, data + b"x")
    for each in KEYS.values():
        assert each is key or not each.public.verify(signature, data)


@settings(deadline=None, max_examples=25)
@given(number=st.integers(1, 2**255), key_type=st.sampled_from([KeyType.P256, KeyType.P384]))
def test_keys_are_the_same_after_a_journey(number: int, key_type: KeyType) -> None:
    key = SigningKey(ec.derive_private_key(number, ec.SECP256R1() if key_type is KeyType.P256 else ec.SECP384R1()))
    assert key.public.type is key_type
    for again in (SigningKey.from_multibase(key.to_multibase()), SigningKey.from_jwk(key.to_jwk())):
        assert (again.public, again.sign(b"x")) == (key.public, key.sign(b"x"))
    assert PublicKey.from_multibase(key.public.to_multibase()) == key.public
    assert PublicKey.from_jwk(key.public.to_jwk()) == key.public


@BY_TYPE
def test_jwks_there_and_back(key: SigningKey) -> None:
    assert PublicKey.from_jwk(key.public.to_jwk()) == key.public
    again = SigningKey.from_jwk(key.to_jwk())
    assert (again.public, again.sign(b"x")) == (key.public, key.sign(b"x"))
    marked = {**key.public.to_jwk(), "alg": key.public.algorithm, "use": "sig", "key_ops": ["verify"], "kid": "k"}
    assert PublicKey.from_jwk(marked) == key.public


def test_an_rsa_key_has_no_multikey() -> None:
    rsa_key = KEYS[KeyType.RSA]
    for write in (rsa_key.to_multibase, rsa_key.public.to_multibase):
        with pytest.raises(KeyResolutionError, match="write it as a JWK"):
            write()
    assert repr(rsa_key) == f"SigningKey(public={rsa_key.public.to_jwk()['n']})"


ED, P256, P384, RSA = (KEYS[key_type].public.to_jwk() for key_type in KeyType)


@pytest.mark.parametrize(
    "jwk",
    [
        None, [], "x", {}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-521"}, {"kty": "OKP", "crv": "X25519"},
        {"kty": ["EC"], "crv": {}}, ED | {"x": ED["x"][:-1]}, ED | {"x": ED["x"] + "="}, ED | {"x": 5},
        ED | {"d": "AAAA"}, ED | {"alg": "ES256"}, ED | {"alg": ["EdDSA"]}, ED | {"use": "enc"},
        ED | {"key_ops": ["encrypt"]}, ED | {"key_ops": "verify"}, ED | {"key_ops": [{}]},
        P256 | {"x": P256["y"]}, P256 | {"y": P256["x"]}, P256 | {"y": "A" * 43}, P256 | {"crv": "P-384"},
        P256 | {"x": "_" * 42 + "8"}, P384 | {"crv": "P-256"}, P256 | {"alg": "ES384"}, P384 | {"x": "AAAA"},
        RSA | {"n": "AQAB"}, RSA | {"n": "_" * 1400}, RSA | {"n": "_" * 2000}, RSA | {"e": "AA"}, RSA | {"e": "AQ"},
        RSA | {"e": "Ag"}, RSA | {"e": RSA["n"]}, RSA | {"alg": "PS256"}, RSA | {"p": "AQAB"}, RSA | {"oth": []},
        {"kty": "RSA", "e": "AQAB"}, {"kty": "RSA", "n": encode_base64url(b"\xff" * 128), "e": "AQAB"},
        {"kty": "RSA", "n": encode_base64url(b"\xff" * 513), "e": "AQAB"},
    ],
)  # fmt: skip
def test_malformed_jwks_are_refused(jwk: Any) -> None:
    with pytest.raises(KeyResolutionError):
        PublicKey.from_jwk(jwk)


_MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "alg", "use", "key_ops"])
_VALUES = st.one_of(
    st.none(), st.integers(), st.text(max_size=50), st.binary(max_size=80).map(encode_base64url),
    st.sampled_from(["EC", "OKP", "RSA", "P-256", "P-384", "Ed25519", "AQAB", "EdDSA", "ES256"]),
    st.lists(st.text(max_size=5), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=1),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(base=st.sampled_from([{}, ED, P256, P384, RSA]), changes=st.dictionaries(_MEMBERS, _VALUES, max_size=4))
def test_nothing_but_a_key_error_comes_of_any_jwk(base: dict[str, str], changes: dict[str, Any]) -> None:
    for read in (PublicKey.from_jwk, SigningKey.from_jwk):
        with suppress(KeyResolutionError):
            read(base | changes)


@pytest.mark.parametrize(
    "change", [{"d": None}, {"d": "AAAA"}, {"d": KEYS[KeyType.P384].to_jwk()["d"]}, {"d": "A" * 43}, {"d": "_" * 43}]
)
def test_a_secret_jwk_that_is_wrong_is_not_repeated(change: dict[str, Any]) -> None:
    wrong = KEYS[KeyType.P256].to_jwk() | change
    with pytest.raises(KeyResolutionError) as caught:
        SigningKey.from_jwk(wrong)
    assert str(change["d"])[:40] not in str(caught.value)


def test_the_halves_of_a_secret_jwk_are_of_one_key() -> None:
    for key in KEYS.values():
        other = SigningKey.generate(key.public.type)
        with pytest.raises(KeyResolutionError):
            SigningKey.from_jwk(key.to_jwk() | other.public.to_jwk())
    with pytest.raises(KeyResolutionError):
        SigningKey(ec.generate_private_key(ec.SECP521R1()))


@pytest.mark.parametrize("key", WITH_MULTIKEY)
@settings(deadline=None, max_examples=50)
@given(where=st.integers(0, 200), char=st.sampled_from("123456789ABCXYZabcxyz0OIl \n"))
def test_a_multikey_has_one_spelling(key: SigningKey, where: int, char: str) -> None:
    text = key.public.to_multibase()
    where %= len(text)
    altered = text[:where] + char + text[where + 1 :]
    if altered != text:
        try:
            assert PublicKey.from_multibase(altered).to_multibase() == altered
        except KeyResolutionError:
            return
