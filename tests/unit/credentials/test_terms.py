"""Safe mode: whatever JSON-LD would drop or read otherwise is refused, with a pointer to it."""

from collections.abc import Iterator
from typing import Any

import pytest

from laurel.credentials import contexts
from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DID_V1, MULTIKEY_V1, OPEN_BADGES
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.terms import check_terms, root_context

Document = dict[str, Any]


def badge(**members: Any) -> Document:
    return {"@context": [CREDENTIALS_V2, OPEN_BADGES], "type": ["VerifiableCredential"], **members}


@pytest.mark.parametrize(
    "document",
    [
        badge(evidence={"type": "Evidence", "genre": "essay"}),
        # alignment is defined at the root, so outside an Achievement too
        badge(alignment=[{"type": "Alignment", "targetName": "x"}]),
        badge(proof={"type": "DataIntegrityProof", "proofPurpose": "authentication"}),
        # a property-scoped context holds in the objects below
        {"@context": DID_V1, "service": [{"id": "did:web:x#s", "serviceEndpoint": "https://x.example"}]},
        {"@context": [DID_V1, MULTIKEY_V1], "verificationMethod": {"type": "Multikey", "publicKeyMultibase": "z"}},
        {"@context": [CREDENTIALS_V1], "id": "urn:x", "type": "VerifiableCredential", "issuer": "https://x.example"},
        badge(credentialSubject={"type": "AchievementSubject", "creditsEarned": 3}),
    ],
)  # fmt: skip
def test_defined_documents_pass(document: Document) -> None:
    check_terms(document)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        # a type-scoped context ends at the next object
        (badge(evidence={"type": "Evidence", "narrative": {"genre": "essay"}}), "/evidence/narrative/genre"),
        (badge(evidence={"genre": "essay"}), "/evidence/genre"),
        # a type is looked up before the type-scoped contexts apply
        (badge(evidence={"type": ["Evidence", "Nonsense"]}), "/evidence/type/1"),
        (badge(evidence={"type": "id"}), "/evidence/type"),
        (badge(evidence={"type": []}), "/evidence/type"),
        (badge(evidence={"type": [5]}), "/evidence/type/0"),
        ({"@context": DID_V1, "serviceEndpoint": "https://x.example"}, "/serviceEndpoint"),
        (badge(proof={"type": "DataIntegrityProof", "proofPurpose": "signing"}), "/proof/proofPurpose"),
        (badge(proof={"type": "DataIntegrityProof", "proofPurpose": "id"}), "/proof/proofPurpose"),
        (badge(proof={"type": "DataIntegrityProof", "proofPurpose": 5}), "/proof/proofPurpose"),
        (badge(proof={"type": "DataIntegrityProof", "created": "now"}), "/proof/created"),
        # keywords and value objects
        (badge(**{"@id": "urn:x"}), "/@id"),
        (badge(name={"@value": "x", "@language": "en"}), "/name/@value"),
        (badge(evidence={"@context": DID_V1}), "/evidence/@context"),
        # what would be dropped
        (badge(name=None), "/name"),
        (badge(name=["x", None]), "/name/1"),
        (badge(name=[["x"]]), "/name/0"),
        (badge(evidence={}), "/evidence"),
        (badge(evidence=[]), "/evidence"),
        (badge(id="_:b0"), "/id"),
        (badge(id="x" * 3000 + ":y"), "/id"),
        (badge(evidence="relative"), "/evidence"),
        # what would be read differently from one processor to the next
        (badge(name=1.5), "/name"),
        (badge(name=2**53), "/name"),
        (badge(name="bell\x07"), "/name"),
        (badge(_sd={"any": "JSON"}), "/_sd"),
        (badge(credentialSubject={"type": "IdentityObject", "hashed": "true"}), "/credentialSubject/hashed"),
        # a prefix, which would be expanded
        (
            {"@context": CREDENTIALS_V1, "type": "VerifiableCredential", "issuer": "cred:x"},
            "/issuer",
        ),
        # contexts
        ({"@context": [CREDENTIALS_V1, CREDENTIALS_V2], "type": "VerifiableCredential"}, "/@context"),
        ({"@context": [DID_V1] * 33}, "/@context"),
        ({"@context": None}, "/@context/0"),
        ({"id": "urn:x"}, "/@context/0"),
        ({"@context": [CREDENTIALS_V2], 5: "x"}, "/5"),
    ],
)  # fmt: skip
def test_everything_else_is_refused(document: Document, pointer: str) -> None:
    with pytest.raises(MalformedCredential) as caught:
        check_terms(document)
    assert caught.value.pointer == pointer


def test_nesting_is_bounded() -> None:
    document: Document = {"name": "x"}
    for _ in range(70):
        document = {"evidence": document, "type": "VerifiableCredential"}
    with pytest.raises(MalformedCredential, match="nested deeper"):
        check_terms({"@context": [CREDENTIALS_V2], **document})


@pytest.fixture
def one_context(monkeypatch: pytest.MonkeyPatch) -> Iterator[Document]:
    context: Document = {}
    monkeypatch.setattr(contexts, "CONTEXTS", {"urn:c": {"@context": context}})
    root_context.cache_clear()
    yield context
    root_context.cache_clear()


@pytest.mark.parametrize(
    "context",
    [
        {"@vocab": "https://x.example#"},
        {"x": {"@id": "https://x.example#x", "@container": "@language"}},
        {"x": "https://x.example#x", "graph": "@graph"},
    ],
)
def test_contexts_that_do_more_than_define_are_refused(one_context: Document, context: Document) -> None:
    one_context.update(context)
    with pytest.raises(MalformedCredential):
        check_terms({"@context": "urn:c", "x": "y", "graph": "z"})


def test_a_scoped_null_context_lifts_every_definition() -> None:
    inner = {"type": ["VerifiableCredential"], "issuer": "https://x.example"}
    document = {
        "@context": [CREDENTIALS_V2],
        "type": "VerifiablePresentation",
        "verifiableCredential": inner,
    }
    with pytest.raises(MalformedCredential) as caught:
        check_terms(document)
    assert caught.value.pointer == "/verifiableCredential/type/0"
