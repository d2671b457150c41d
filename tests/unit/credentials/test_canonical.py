"""Canonical N-Quads: the same as an independent implementation's, and bounded in work."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from laurel.credentials.canonical import canonicalize, check_size
from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES, inline
from laurel.credentials.errors import MalformedCredential
from laurel.credentials.terms import check_terms
from support.generated import credentials

Document = dict[str, Any]


def second_opinion(document: Document) -> bytes:
    options = {"algorithm": "URDNA2015", "format": "application/n-quads"}
    return str(jsonld.normalize(inline(document), options)).encode()


@settings(max_examples=40, deadline=None)
@given(document=credentials(language_values=True, endorsed=True, fractions=True))
def test_agrees_with_pyld_on_every_credential(document: Document) -> None:
    check_terms(document)
    assert canonicalize(document) == second_opinion(document)


@settings(max_examples=10, deadline=None)
@given(documents=st.lists(credentials(fractions=True), min_size=2, max_size=3))
def test_agrees_with_pyld_on_several_achievements(documents: list[Document]) -> None:
    document = {**documents[0], "credentialSubject": [each["credentialSubject"] for each in documents]}
    check_terms(document)
    assert canonicalize(document) == second_opinion(document)


def test_agrees_with_pyld_on_equal_anonymous_objects(badge: Callable[[], Document]) -> None:
    document = badge()
    document["credentialSubject"]["result"] = [{"type": ["Result"], "value": "1"}] * 5
    assert canonicalize(document) == second_opinion(document)


def test_agrees_with_pyld_on_a_vc_1_credential_with_its_prefixes() -> None:
    document = {
        "@context": [CREDENTIALS_V1],
        "type": ["VerifiableCredential"],
        "issuer": "https://example.org",
        "issuanceDate": "2020-01-01T00:00:00Z",
        "credentialSubject": {"id": "urn:x"},
        "credentialSchema": {"id": "urn:y", "type": "JsonSchemaValidator2018"},
    }
    assert canonicalize(document) == second_opinion(document)
    assert b"<http://www.w3.org/2001/XMLSchema#dateTime>" in canonicalize(document)


def test_lines_are_sorted_and_a_line_separator_does_not_split_one(badge: Callable[[], Document]) -> None:
    document = badge()
    document["name"] = "a\u2028b"
    lines = canonicalize(document).split(b"\n")
    assert lines[-1] == b""
    assert lines[:-1] == sorted(lines[:-1])
    assert any("a\u2028b".encode() in line for line in lines)


def _achievement(**members: Any) -> Document:
    return {"@context": [CREDENTIALS_V2, OPEN_BADGES], "type": "Achievement", **members}


def _twins(width: int) -> Document:
    child: Document = {"type": "Alignment", "targetName": "x"}
    twin = {"type": "Achievement", "alignment": [dict(child) for _ in range(width)]}
    return _achievement(related=[twin, dict(twin)])


def _clique(size: int) -> Document:
    context = {"p": {"@id": "http://example.org/p", "@type": "@id"}}
    nodes = [{"@id": f"_:n{i}", "p": [f"_:n{j}" for j in range(size) if j != i]} for i in range(size)]
    return {"@context": context, "@graph": nodes}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (_twins(8), "refer to each other"),
        (_achievement(related=[{"type": "Related", "version": str(n)} for n in range(1001)]), "without an id"),
        (_achievement(tag=[str(n) for n in range(10_001)]), "statements"),
        (_achievement(name="x" * (1 << 20)), "bytes"),
        ({"@context": CREDENTIALS_V2, "nothing": 1}, "states nothing"),
        ({"@context": 5, "id": "urn:x"}, "JSON-LD"),
        ({"@context": CREDENTIALS_V2, "name": 2**64}, "not JSON"),
        ({"@context": CREDENTIALS_V2, "name": "\ud800"}, "not JSON"),
        ({"@context": CREDENTIALS_V2, 5: "x"}, "not JSON"),
    ],
)
def test_refuses_what_would_cost_too_much_and_what_is_not_json(document: Document, says: str) -> None:
    with pytest.raises(MalformedCredential, match=says):
        canonicalize(document)


def test_small_symmetries_are_no_poison() -> None:
    assert canonicalize(_twins(2)) == second_opinion(_twins(2))
    assert canonicalize(_clique(5)).count(b"\n") == 20


def test_check_size_takes_any_json() -> None:
    check_size(["x", 1, None])
