"""What every suite promises of any credential: it verifies as signed, and with nothing else in it or in its proof."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from pyld import jsonld

from laurel.credentials.contexts import inline
from laurel.credentials.cryptosuites import CRYPTOSUITES
from laurel.credentials.errors import CredentialError
from laurel.credentials.keys import KeyType, SigningKey, VerificationMethod
from laurel.credentials.proofs import ProvenDocument, sign
from laurel.credentials.values import encode_base58btc
from support.generated import credentials

Document = dict[str, Any]

CREATED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ISSUER = "did:web:academy.example"
ANY = st.one_of(credentials(), credentials(language_values=True, endorsed=True))
# To shrink a credential that fails takes minutes.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
METHOD = f"{ISSUER}#key-1"
KEYS = {key_type: SigningKey.generate(key_type) for key_type in (KeyType.ED25519, KeyType.P256, KeyType.P384)}
SUITES = [(suite.name, key_type) for suite in CRYPTOSUITES.values() for key_type in sorted(suite.key_types)]
in_every_suite = pytest.mark.parametrize(("suite", "key_type"), SUITES)


def signed_with(document: Document, suite: str, key_type: KeyType) -> Document:
    return sign(document, key=KEYS[key_type], verification_method=METHOD, created=CREATED, cryptosuite=suite)


def verify(document: Document, key_type: KeyType) -> None:
    method = VerificationMethod(METHOD, ISSUER, KEYS[key_type].public)
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        proven.verify(proof, method=method)


def refuses(document: Document, key_type: KeyType) -> bool:
    try:
        verify(document, key_type)
    except CredentialError:
        return True
    return False


def says_the_same(one: Document, other: Document) -> bool:
    """Whether two documents make the same statements, by an independent processor's judgement.

    A suite that signs statements cannot and need not tell a document that says one thing twice, of one id, from one
    that says it once.
    """
    options = {"algorithm": "URDNA2015", "format": "application/n-quads"}
    first, second = (jsonld.normalize(inline(document), options) for document in (one, other))
    return bool(first == second)


def check_refused(changed: Document, signed: Document, suite: str, key_type: KeyType) -> None:
    assert refuses(changed, key_type) or ("rdfc" in suite and says_the_same(changed, signed))


# Terms of the contexts, JSON-LD's keywords, and names that no context knows.
NAMES = st.sampled_from([
    "name", "description", "id", "type", "image", "evidence", "nonce", "domain", "expires", "previousProof", "proof",
    "@id", "@type", "@graph", "@included", "@reverse", "@context", "@nest", "@index", "grade", "Name", "~1/",
])  # fmt: skip
VALUES = st.sampled_from(
    ["x", "https://a.example", "2030-01-01T00:00:00Z", ["x"], [], {}, {"id": "urn:x"}, None, 1, True, "z2"]
)


def objects(value: Any) -> Iterator[Document]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


def change_byte(text: bytes, data: st.DataObject) -> bytes:
    # Half of them in the proof, which comes last and is the smaller part.
    start = data.draw(st.sampled_from([0, text.rindex(b'"proof":')]))
    place = data.draw(st.integers(start, len(text) - 1))
    byte = data.draw(st.one_of(st.integers(0x20, 0x7E), st.integers(0, 255)).filter(lambda each: each != text[place]))
    return text[:place] + bytes([byte]) + text[place + 1 :]


def change_member(text: bytes, data: st.DataObject) -> bytes:
    """Drop, add or rename one, anywhere."""
    changed = orjson.loads(text)
    holder = data.draw(st.sampled_from([changed, changed["proof"], *objects(changed)]))
    old = data.draw(st.sampled_from(list(holder)))
    new = data.draw(st.one_of(NAMES, st.just(old.upper()), st.just(old + " ")).filter(lambda each: each not in holder))
    kind = data.draw(st.sampled_from(["drop", "add", "rename"]))
    value = data.draw(VALUES) if kind == "add" else holder[old]
    if kind != "add":
        del holder[old]
    if kind != "drop":
        holder[new] = value
    return orjson.dumps(changed)


@in_every_suite
@settings(max_examples=12, deadline=None, phases=WITHOUT_SHRINKING)
@given(document=ANY, data=st.data())
def test_any_credential_verifies_as_signed_and_with_no_change(
    suite: str, key_type: KeyType, document: Document, data: st.DataObject
) -> None:
    signed = signed_with(document, suite, key_type)
    text = orjson.dumps(signed)
    verify(orjson.loads(text), key_type)
    for change in (change_byte, change_member) * 8:
        try:
            changed = orjson.loads(change(text, data))
        except orjson.JSONDecodeError:
            continue
        assert changed != signed
        check_refused(changed, signed, suite, key_type)


@settings(max_examples=12, deadline=None, phases=WITHOUT_SHRINKING)
@given(one=ANY, other=ANY, with_=st.sampled_from(SUITES))
def test_no_proof_serves_another_document(one: Document, other: Document, with_: tuple[str, KeyType]) -> None:
    assume(one != other)
    signed = signed_with(one, *with_)
    check_refused({**other, "proof": signed["proof"]}, signed, *with_)


COVERED = {
    "id": "urn:proof:1",
    "created": "2026-03-01T09:30:01Z",
    "expires": "2036-03-01T09:30:00Z",
    "domain": ["https://a.example", "https://b.example"],
    "challenge": "1",
    "nonce": "1",
}


@in_every_suite
@pytest.mark.parametrize("member", COVERED)
def test_each_member_of_a_proof_is_covered(suite: str, key_type: KeyType, member: str, signed: Document) -> None:
    document = {name: value for name, value in signed.items() if name != "proof"}
    bare = signed_with(document, suite, key_type)["proof"]
    options = {**bare, member: COVERED[member]}
    del options["proofValue"]
    data = CRYPTOSUITES[suite].hash_data(document, options, KEYS[key_type].public)
    full = {**options, "proofValue": encode_base58btc(KEYS[key_type].sign(data))}
    verify({**document, "proof": full}, key_type)
    # What was signed with it does not hold without it, and the other way round.
    assert refuses({**document, "proof": {**bare, "proofValue": full["proofValue"]}}, key_type)
    assert refuses({**document, "proof": {**full, "proofValue": bare["proofValue"]}}, key_type)


@in_every_suite
def test_no_suite_takes_the_proof_of_another(suite: str, key_type: KeyType, signed: Document) -> None:
    del signed["proof"]
    made = signed_with(signed, suite, key_type)
    for name, _ in SUITES:
        if name != suite:
            made["proof"]["cryptosuite"] = name
            assert refuses(made, key_type)


@in_every_suite
@pytest.mark.parametrize("other", KEYS)
def test_no_suite_takes_another_type_of_key(suite: str, key_type: KeyType, other: KeyType, signed: Document) -> None:
    del signed["proof"]
    made = signed_with(signed, suite, key_type)
    assert refuses(made, other) == (other is not key_type)


FIRST = [pytest.param(*each, id=f"{each[0]}-{each[1]}") for each in SUITES]


@pytest.mark.parametrize(("first", "first_key"), FIRST)
@pytest.mark.parametrize(("second", "second_key"), FIRST)
def test_suites_chain_to_each_other(
    signed: Document, first: str, first_key: KeyType, second: str, second_key: KeyType
) -> None:
    del signed["proof"]
    document = signed
    for number, (suite, key_type) in enumerate([(first, first_key), (second, second_key)]):
        document = sign(
            document,
            key=KEYS[key_type],
            verification_method=f"{METHOD}-{key_type}",
            created=CREATED,
            cryptosuite=suite,
            proof_id=f"urn:proof:{number}",
            previous_proof="urn:proof:0" if number else None,
        )
    methods = {f"{METHOD}-{each}": VerificationMethod(f"{METHOD}-{each}", ISSUER, KEYS[each].public) for each in KEYS}
    proven = ProvenDocument(document)
    for proof in proven.proofs:
        proven.verify(proof, method=methods[proof["verificationMethod"]])
    # The second covers the first: only those two, and only as they were.
    document["proof"][0]["created"] = "2026-03-01T09:30:01Z"
    last = document["proof"][1]
    with pytest.raises(CredentialError, match="does not match"):
        ProvenDocument(document).verify(last, method=methods[last["verificationMethod"]])
