"""Safe mode: whatever JSON-LD would drop or read otherwise is refused, with a pointer to it."""

import copy
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from pyld import jsonld

from laurel.credentials import contexts
from laurel.credentials.active_context import ABSENT, names_of_published, root_context
from laurel.credentials.canonical import canonicalize
from laurel.credentials.contexts import (
    CREDENTIALS_EXAMPLES_V2,
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    DID_V1,
    MULTIKEY_V1,
    OPEN_BADGES,
    OPEN_BADGES_3_0_1,
    inline,
)
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.terms import MAX_DEFINITIONS, check_terms, context_urls
from support.jsonld import documents

Document = dict[str, Any]
PUBLISHED = root_context((CREDENTIALS_V2, OPEN_BADGES))
XSD = "http://www.w3.org/2001/XMLSchema#"
DATE = f"{XSD}dateTime"


def badge(**members: Any) -> Document:
    return {"@context": [CREDENTIALS_V2, OPEN_BADGES], "type": ["VerifiableCredential"], **members}


def with_own(context: Any, **members: Any) -> Document:
    """A credential that brings a context of its own."""
    return {"@context": [CREDENTIALS_V2, context], "type": ["VerifiableCredential"], **members}


def second_opinion(document: Document) -> bytes:
    options = {"algorithm": "URDNA2015", "format": "application/n-quads"}
    return str(jsonld.normalize(inline(document), options)).encode()


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
        badge(credentialSubject={"type": "AchievementSubject", "creditsEarned": 3.75}),
        badge(evidence={}),
        badge(evidence=[{"id": "urn:x"}, "urn:y"]),
        badge(_sd={"any": ["JSON", None, 0.5, {}]}),
        badge(credentialSubject={"type": "ResultDescription", "allowedValue": []}),
        # language values, VC 2.0 §11.1
        badge(name=[{"@value": "Kurs", "@language": "de-AT"}, {"@value": "course", "@language": "en"}, "cursus"]),
        badge(evidence={"type": "Evidence", "genre": {"@value": "Aufsatz", "@language": "de"}}),
        badge(name={"@value": "5", "@type": "http://www.w3.org/2001/XMLSchema#integer"}),
        badge(name={"@value": {"any": "JSON"}, "@type": "@json"}),
        # embedded credentials with contexts and proofs of their own
        badge(endorsement=[badge(issuer="urn:x", proof={"type": "DataIntegrityProof", "cryptosuite": "x"})]),
        {
            "@context": CREDENTIALS_V2, "type": "VerifiablePresentation",
            "verifiableCredential": [badge(evidence={"type": "Evidence", "genre": "essay"})],
        },
        badge(evidence={"@context": DID_V1, "service": [{"id": "did:web:x#s", "serviceEndpoint": "https://x.example"}]}),
        # contexts of the document's own
        with_own(CREDENTIALS_EXAMPLES_V2, alumniOf="x"),
        with_own({"degree": "https://x.example#degree"}, degree="x"),
        with_own({"x": "https://x.example/", "degree": "x:degree"}, degree="x", **{"x:other": "y"}),
        with_own({"@vocab": "https://x.example#"}, evidence={"type": "Alumni", "anything": "z"}),
        with_own({"born": {"@id": "urn:born", "@type": DATE}}, born="2001-01-01T00:00:00Z"),
        with_own({"@language": "de", "kurs": {"@id": "urn:k", "@language": "en", "@container": "@list"}}, kurs=["x"]),
        with_own({"degree": "urn:degree"}, evidence={"@context": {"level": "urn:level"}, "degree": "x", "level": "y"}),
        with_own({"name": "https://schema.org/name", "@protected": True}, name="x"),
        with_own({"kind": {"@id": "urn:kind", "@type": "@vocab"}}, kind="Alumni") | {
            "@context": [CREDENTIALS_V2, {"kind": {"@id": "urn:kind", "@type": "@vocab"}, "Alumni": "urn:A"}]
        },
        badge(**{"https://x.example/grade": "A"}),
        badge(evidence={"type": "https://x.example/Essay"}),
    ],
)  # fmt: skip
def test_defined_documents_pass(document: Document) -> None:
    check_terms(document)


def test_a_term_is_a_prefix_only_where_its_context_says_so() -> None:
    # Open Badges have the terms `tag` and `geo`, which are schemes of IRIs as well (RFC 4151, RFC 5870).
    achievement = {"id": "tag:school.example,2026:1", "type": ["Achievement", "tag:school.example,2026:Course"]}
    subject = {"id": "geo:48.2,16.3", "type": "AchievementSubject", "achievement": achievement, "geo:rating": "x"}
    document = badge(credentialSubject=subject)
    check_terms(document)
    assert canonicalize(document) == second_opinion(document)


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
        (badge(**{"@graph": []}), "/@graph"),
        (badge(evidence={"@list": ["urn:x"]}), "/evidence/@list"),
        (badge(id="urn:x", **{"@id": "urn:y"}), "/@id"),
        (badge(evidence={"type": "Evidence", "@type": "Evidence"}), "/evidence/@type"),
        # the contexts have names for them, which is where readers look
        (badge(**{"@id": "urn:x"}), "/@id"),
        (badge(evidence={"@type": "Evidence"}), "/evidence/@type"),
        (badge(name={"@value": "x", "@index": "0"}), "/name/@index"),
        (badge(name={"@value": None}), "/name/@value"),
        (badge(name={"@value": 5, "@language": "en"}), "/name/@value"),
        (badge(name={"@value": "x", "@language": "no tag"}), "/name/@language"),
        (badge(name={"@value": "x", "@language": None}), "/name/@language"),
        (badge(name={"@value": "x", "@direction": "up"}), "/name/@direction"),
        (badge(name={"@value": "x", "@type": "urn:t", "@language": "en"}), "/name/@type"),
        (badge(name={"@value": "x", "@type": "nonsense"}), "/name/@type"),
        (badge(name={"@value": "x", "@type": 5}), "/name/@type"),
        (badge(name={"@value": "x", "@type": "http://www.w3.org/2001/XMLSchema#string"}), "/name"),
        (badge(validFrom={"@value": "2001-01-01T00:00:00Z", "@type": DATE}), "/validFrom"),
        (badge(name={"@value": "yesterday", "@type": DATE}), "/name/@value"),
        # what would be dropped
        (badge(name=None), "/name"),
        (badge(name=["x", None]), "/name/1"),
        (badge(name=[["x"]]), "/name/0"),
        (badge(proof={"id": "urn:x"}), "/proof"),
        (badge(proof="urn:x"), "/proof"),
        (badge(evidence=[]), "/evidence"),
        (badge(id="_:b0"), "/id"),
        (badge(id="x" * 3000 + ":y"), "/id"),
        (badge(evidence="relative"), "/evidence"),
        # what would be read differently from one processor to the next
        (badge(name=0.1 + 0.2), "/name"),
        (badge(name=5e-324), "/name"),
        (badge(name=-0.0), "/name"),
        (badge(name={"@value": "x", "@direction": "rtl"}), "/name/@direction"),
        (with_own({"@direction": "rtl"}, name="x"), "/name"),
        (with_own({"degree": {"@id": "urn:d", "@direction": "rtl"}}, degree="x"), "/degree"),
        (badge(name={"@value": "5", "@type": "http://www.w3.org/2001/XMLSchema#double"}), "/name/@value"),
        (badge(name=2**53), "/name"),
        (badge(name="bell\x07"), "/name"),
        (badge(_sd={"a": [{"\ufb33": 1}]}), "/_sd/a/0/\ufb33"),
        (badge(_sd={"@context": DID_V1}), "/_sd/@context"),
        (badge(_sd=["bell\x07"]), "/_sd/0"),
        (badge(credentialSubject={"type": "IdentityObject", "hashed": "true"}), "/credentialSubject/hashed"),
        # a prefix, which would be expanded
        (
            {"@context": CREDENTIALS_V1, "type": "VerifiableCredential", "issuer": "cred:x"},
            "/issuer",
        ),
        # pyoxigraph would have none of it (`evidence`, an IRI to it), another processor would
        (with_own({"@vocab": "https://x.example#", "of": {"@id": "urn:of", "@context": {}}}, of={"evidence": "x"}),
         "/@context/1/of"),
        # and pyoxigraph alone leaves out the language
        (with_own({"@language": "en", "degree": {"@id": "urn:d", "@type": "@none"}}, degree="x"), "/@context/1/degree"),
        # contexts
        ({"@context": [CREDENTIALS_V1, CREDENTIALS_V2], "type": "VerifiableCredential"}, "/@context/1"),
        ({"@context": [CREDENTIALS_V2, OPEN_BADGES_3_0_1]}, "/@context/1"),
        ({"@context": [DID_V1] * 33}, "/@context"),
        ({"@context": []}, "/@context"),
        ({"@context": None}, "/@context"),
        ({"id": "urn:x"}, "/@context"),
        ({"@context": [CREDENTIALS_V2, 5]}, "/@context/1"),
        ({"@context": [CREDENTIALS_V2, None]}, "/@context/1"),
        (badge(evidence={"@context": None, "id": "urn:x"}), "/evidence/@context"),
        (badge(evidence={"@context": "https://evil.example"}), "/evidence/@context"),
        (badge(evidence=[{"@context": DID_V1}] * 31), "/evidence/30/@context"),
        (badge(evidence={"@context": {"name": "urn:name"}, "name": "x"}), "/evidence/@context/name"),
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
        {"x": {"@id": "https://x.example#x", "@container": "@language"}},
        {"x": "https://x.example#x", "graph": "@graph"},
        {"x": {"@id": "https://x.example#x", "@context": "urn:c"}, "graph": "urn:g"},
    ],
)
def test_published_contexts_are_not_taken_on_trust(one_context: Document, context: Document) -> None:
    one_context.update(context)
    with pytest.raises(MalformedCredential):
        check_terms({"@context": "urn:c", "x": {"graph": "y"}})


@pytest.mark.parametrize(
    ("context", "pointer"),
    [
        ({"@import": "https://x.example"}, "/@import"),
        ({"@base": "https://x.example"}, "/@base"),
        ({"@propagate": False}, "/@propagate"),
        ({"@version": 1.0}, "/@version"),
        ({"@protected": False}, "/@protected"),
        ({"@vocab": "relative"}, "/@vocab"),
        ({"@vocab": ""}, "/@vocab"),
        ({"@vocab": "x:y#", "x": "https://x.example/"}, "/@vocab"),
        ({"@vocab": None}, "/@vocab"),
        ({"@language": "no tag"}, "/@language"),
        ({"@language": None}, "/@language"),
        ({"@direction": "up"}, "/@direction"),
        ({"x": None}, "/x"),
        ({"x": 5}, "/x"),
        ({"x": "relative"}, "/x"),
        ({"x": {}}, "/x"),
        ({"x": {"@id": None}}, "/x"),
        ({"x": {"@id": "urn:x", "@type": "relative"}}, "/x"),
        ({"x": {"@id": "urn:x", "@type": ["@id"]}}, "/x"),
        ({"x": {"@id": "urn:x", "@reverse": "urn:y"}}, "/x"),
        ({"x": {"@id": "urn:x", "@container": "@index"}}, "/x"),
        ({"x": {"@id": "urn:x", "@container": [["@set"]]}}, "/x"),
        ({"x": {"@id": "urn:x", "@container": "@list", "@type": "@json"}}, "/x"),
        ({"x": {"@id": "urn:x", "@language": "no tag"}}, "/x/@language"),
        ({"x": {"@id": "urn:x", "@direction": "up"}}, "/x"),
        ({"x": "_:b"}, "/x"),
        ({"x": "y", "y": "x"}, "/x"),
        ({"x": "@graph"}, "/x"),
        ({"identifier": "@id"}, "/identifier"),
        ({"": "urn:x"}, "/"),
        ({"a:b": "urn:x"}, "/a:b"),
        ({"a/b": "urn:x"}, "/a~1b"),
        ({"x": "no iri:\u0000"}, "/x"),
        ({"type": "urn:type"}, "/type"),
        ({f"x{n}": f"x{n + 1}" for n in range(20)} | {"x20": "urn:x"}, "/x16"),
        # what a published context names keeps its name
        ({"x": "https://www.w3.org/2018/credentials#credentialStatus"}, "/x"),
        ({"p": "https://www.w3.org/2018/credentials#", "x": "p:credentialStatus"}, "/x"),
        ({"x": "https://www.w3.org/ns/credentials/status#statusPurpose"}, "/x"),
        ({"Badge": "https://purl.imsglobal.org/spec/vc/ob/vocab.html#OpenBadgeCredential"}, "/Badge"),
        ({f"x{n}": "urn:x" for n in range(MAX_DEFINITIONS + 1)}, ""),
        ({"x": {"@id": "urn:x", "@context": {f"x{n}": "urn:x" for n in range(MAX_DEFINITIONS)}}}, ""),
    ],
)
def test_what_a_documents_own_context_may_not_do(context: Document, pointer: str) -> None:
    with pytest.raises(MalformedCredential) as caught:
        check_terms(with_own(context))
    assert caught.value.pointer == "/@context/1" + pointer


@pytest.mark.parametrize(
    ("context", "member"),
    [
        ({"@vocab": "https://www.w3.org/2018/"}, "credentials#credentialStatus"),
        ({"p": "https://www.w3.org/2018/credentials#"}, "p:credentialStatus"),
        ({}, "https://www.w3.org/2018/credentials#credentialStatus"),
    ],
)
def test_nothing_hides_under_another_name(context: Document, member: str) -> None:
    # The signature over RDF would hold, and whoever reads the JSON would see no status.
    entry = {"id": "urn:x", "type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    check_terms(with_own(context, credentialStatus=entry))
    with pytest.raises(MalformedCredential) as caught:
        check_terms(with_own(context, **{member: entry}))
    assert caught.value.pointer == "/" + member.replace("/", "~1")


def test_no_published_context_gives_another_name_to_what_verification_reads() -> None:
    read = ("credentialStatus", "validUntil", "expirationDate", "issuer", "credentialSubject", "proof", "statusPurpose")
    for iri, names in names_of_published().items():
        assert len(names) == 1 or not names.intersection(read), iri


@pytest.mark.parametrize(
    "members",
    [
        {"name": {"@value": "x", "@direction": "rtl"}},
        {"name": {"@value": "x", "@direction": "rtl", "@language": "ar"}},
        {"name": {"@value": 0.5, "@type": f"{XSD}double"}}, {"name": {"@value": 5.0, "@type": f"{XSD}integer"}},
        {"name": {"@value": True, "@type": f"{XSD}boolean"}}, {"name": 0.1 + 0.2},
        {"name": 2**53}, {"name": "bell\x07"}, {"name": None}, {"evidence": []},
        {"_sd": {"\ufb33": 1, "\x07": 2, "@context": 3}},
    ],
)  # fmt: skip
def test_what_only_rdf_cannot_hold_is_fine_where_the_json_is_signed(members: Document) -> None:
    check_terms(badge(**members), rdf=False)
    with pytest.raises(MalformedCredential):
        check_terms(badge(**members))


def test_all_else_is_refused_where_the_json_is_signed_too() -> None:
    for members in (
        {"grade": "A"},
        {"type": "Nonsense"},
        {"id": "relative"},
        {"validFrom": "2001-01-01"},
        {"id": None},
    ):
        with pytest.raises(MalformedCredential):
            check_terms(badge(**members), rdf=False)


def test_context_urls_are_urls() -> None:
    assert context_urls({"@context": "urn:x"}) == ("urn:x",)
    with pytest.raises(MalformedCredential) as caught:
        context_urls({"@context": ["urn:x", {}]})
    assert caught.value.pointer == "/@context/1"


@pytest.mark.parametrize(
    ("first", "second"),
    list(product((CREDENTIALS_V1, CREDENTIALS_V2), contexts.FILES)),
)
def test_contexts_go_together_if_another_implementation_says_so(first: str, second: str) -> None:
    document = {"@context": [first, second], "id": "urn:x", "type": "VerifiableCredential"}
    try:
        other = second_opinion(document)
    except jsonld.JsonLdError:
        with pytest.raises(MalformedCredential, match="protected"):
            check_terms(document)
    else:
        check_terms(document)
        assert canonicalize(document) == other


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(documents())
def test_what_passes_comes_out_of_every_processor_alike_and_entire(document: Document) -> None:
    try:
        check_terms(document)
        canonical = canonicalize(document)
    except MalformedCredential:
        assume(False)
    assert canonical == second_opinion(document)
    for path in _members(document):
        less = _without(document, path)
        try:
            assert canonicalize(less) != canonical, path
        except MalformedCredential:
            continue


def _members(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all members and items whose absence must be seen."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "@context":
                yield (*path, name)
                yield from _members(item, (*path, name)) if "@value" not in value else ()
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # RDF knows no number of times.
            if value.count(item) == 1:
                yield (*path, index)
            yield from _members(item, (*path, index))


def _without(document: Document, path: tuple[str | int, ...]) -> Document:
    copied = copy.deepcopy(document)
    holder: Any = copied
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    return copied


def test_own_contexts_scoped_to_types_and_properties_are_fine_where_the_json_is_signed() -> None:
    at = {"@id": "urn:A", "@context": {"at": "urn:at"}}
    check_terms(with_own({"Alumni": at}, evidence={"type": "Alumni", "at": "y"}), rdf=False)
    # The property's context holds for bare values, too.
    prefixed = {"@id": "urn:d", "@type": "@id", "@context": {"x": "https://x.example/"}}
    with pytest.raises(MalformedCredential) as caught:
        check_terms(with_own({"degree": prefixed}, degree="x:y"), rdf=False)
    assert caught.value.pointer == "/degree"


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


# Those that define members of their own; the parser has trouble where an object is of two of them.
SCOPED_TYPES = sorted(name for name, term in PUBLISHED.terms.items() if name[0].isupper() and term.scope is not ABSENT)


@pytest.mark.parametrize(("first", "second"), list(combinations(SCOPED_TYPES, 2)))
def test_objects_of_two_types_come_out_entire_or_not_at_all(first: str, second: str) -> None:
    for member in ("genre", "level", "email", "targetName", "endorsementComment", "salt", "ttl", "nonce"):
        document = badge(evidence={"id": "urn:x", "type": [first, second], member: "x"}, id="urn:y")
        try:
            check_terms(document)
        except MalformedCredential:
            continue
        assert canonicalize(document) == second_opinion(document)
