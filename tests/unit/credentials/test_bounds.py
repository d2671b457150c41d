"""No document from outside takes long, be it accepted or refused."""

from typing import Any

import pytest

from laurel.credentials import jcs
from laurel.credentials.canonical import canonicalize
from laurel.credentials.contexts import CREDENTIALS_EXAMPLES_V2, CREDENTIALS_V2, OPEN_BADGES, pruning
from laurel.credentials.documents import check_size, read_json
from laurel.credentials.errors import MalformedCredential, ProofError
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.proofs import MAX_PROOFS, ProvenDocument
from laurel.credentials.terms import check_terms
from laurel.credentials.values import encode_base58btc
from support.cpu import cpu_seconds

Document = dict[str, Any]
KEY = SigningKey.from_seed(b"bounds".ljust(32))
EVERY_TERM = sorted(pruning._term_names(CREDENTIALS_V2) | pruning._term_names(OPEN_BADGES))


def credential(**members: Any) -> Document:
    contexts = [CREDENTIALS_V2, OPEN_BADGES, CREDENTIALS_EXAMPLES_V2]
    return {"@context": contexts, "type": ["VerifiableCredential"], **members}


def nested(depth: int) -> Document:
    value: Any = "urn:x"
    for level in range(depth):
        value = {"evidence": value} if level % 2 else [value]
    return credential(evidence=value)


def with_own(context: Document, **members: Any) -> Document:
    return {"@context": [CREDENTIALS_V2, context], "type": "VerifiableCredential", **members}


@pytest.mark.parametrize(
    "data",
    [
        b'{"name": "' + b"x" * 10_000_000 + b'"}',
        b"[" * 10_000_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"-" * 1_000_000,
        b"[" + b"1" * 1_000_000 + b"]",
        b'{"a": 1' + b"0" * 1_000_000 + b"}",
        b'["' + b"\\ud800" * 100_000 + b'"]',
    ],
    ids=lambda data: f"{data[:9]!r} {len(data)}",
)
def test_text_is_refused_in_no_time(data: bytes) -> None:
    def refuse() -> None:
        with pytest.raises(MalformedCredential):
            check_size(read_json(data))

    assert cpu_seconds(refuse) < 0.1


# Objects as they come, should a caller not have checked the text.
@pytest.mark.parametrize("check", [check_size, check_terms, canonicalize, jcs.canonicalize])
@pytest.mark.parametrize(
    "document", [nested(300), nested(10_000), credential(_sd=nested(10_000))], ids=["300", "10000", "JSON literal"]
)
def test_depth_is_refused_in_no_time(document: Document, check: Any) -> None:
    def refuse() -> None:
        with pytest.raises(MalformedCredential):
            check(document)

    assert cpu_seconds(refuse) < 0.1


@pytest.mark.parametrize(
    "document",
    [
        credential(evidence=[{"id": f"urn:{n}", "alumniOf": "x" * 50} for n in range(9000)]),
        credential(evidence=[{"id": f"urn:{n}", "type": "Evidence", "genre": "y"} for n in range(3300)]),
        credential(evidence=[{"type": ["Achievement", "Profile", "Evidence", "Image"]} for _ in range(990)]),
        credential(evidence=[{"type": "Evidence", "genre": "x"} for _ in range(990)]),
        credential(evidence=[{"type": "Evidence", "genre": str(n)} for n in range(990)]),
        credential(evidence=["urn:" + "x" * 2000 + str(n) for n in range(480)]),
        credential(evidence=[{"@context": [CREDENTIALS_V2, OPEN_BADGES], "name": "x"}] * 14, alumniOf=EVERY_TERM),
        credential(**{f"word{n}": "x" for n in range(9000)}),
        credential(type=["VerifiableCredential", *(f"Type{n}" for n in range(9000))]),
        credential(name=[{"@value": str(n), "@language": "en"} for n in range(6000)]),
        credential(_sd={f"k{n}": [1.5, None] for n in range(6000)}),
        credential(name="x" * 1_000_000),
        with_own({f"t{n}": f"urn:{n}" for n in range(20_000)}),
        with_own({f"t{n}": f"t{n + 1}" for n in range(199)}),
        with_own({f"t{n}": {"@id": f"urn:{n}", "@context": {"u": "urn:u"}} for n in range(99)},
                 t1=[{f"t{n}": [{f"t{m}": {"u": "x"}} for m in range(9)]} for n in range(99)]),
        with_own({f"T{n}": {"@id": f"urn:{n}", "@context": {"u": "urn:u"}} for n in range(60)},
                 evidence=[{"type": [f"T{(n * 7 + m * m) % 60}" for m in range(10)], "u": "x"} for n in range(900)]),
        with_own({f"t{n}": f"urn:{n}" for n in range(150)},
                 t1=[{"@context": {"u": "urn:u"}, "u": "x"} for _ in range(28)]),
    ],
    ids=lambda document: str(sorted(document)[-1]),
)  # fmt: skip
def test_whatever_the_document_it_does_not_take_long(document: Document) -> None:
    def work() -> None:
        try:
            check_size(document)
            check_terms(document)
            canonicalize(document)
        except MalformedCredential:
            pass

    # The largest that are accepted take a fifth of this on a busy machine.
    assert cpu_seconds(work) < 1


def tree(depth: int, width: int) -> Document:
    """Objects that differ in nothing, each in many others: what RDFC-1.0 takes exponential time for."""
    below = {"https://e.example/p": [tree(depth - 1, width)] * width} if depth else {}
    return {"type": "Evidence", **below}


@pytest.mark.parametrize("place", ["the document", "the proof"])
@pytest.mark.parametrize("chain", [False, True], ids=["set", "chain"])
def test_more_proofs_do_not_make_more_work_of_a_refusal(place: str, chain: bool) -> None:
    issuer = f"did:key:{KEY.public.to_multibase()}"
    poison = {"https://e.example/p": tree(2, 7)}
    proofs: list[Document] = [
        {
            "id": f"urn:proof:{number}", "type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022",
            "created": "2026-01-01T00:00:00Z", "proofPurpose": "assertionMethod",
            "verificationMethod": f"{issuer}#{KEY.public.to_multibase()}",
            "proofValue": encode_base58btc(bytes([number]) * 64),
            **({"previousProof": [f"urn:proof:{before}" for before in range(number)]} if chain and number else {}),
            **(poison if place == "the proof" else {}),
        }
        for number in range(MAX_PROOFS)
    ]  # fmt: skip
    document = credential(issuer=issuer, credentialSubject={"id": "urn:x"}, proof=proofs)
    if place == "the document":
        document |= {"evidence": poison | {"type": "Evidence"}}
    proven = ProvenDocument(document)
    method = VerificationMethod(proofs[0]["verificationMethod"], issuer, KEY.public)

    def refuse() -> None:
        for proof in proven.proofs:
            with pytest.raises(ProofError) as error:
                proven.verify(proof, method=method)
            assert error.value.code == "PROOF_TRANSFORMATION_ERROR"

    assert cpu_seconds(refuse) < 0.1
