"""What is refused before signing, and that the pointer leads to it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from laurel.credentials.contexts import (
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    DATA_INTEGRITY_V2,
    OPEN_BADGES,
    OPEN_BADGES_EXTENSIONS,
)
from laurel.credentials.errors import CredentialError, LintError, MalformedCredential
from laurel.credentials.form import check_form, issuer_id
from laurel.credentials.lint import lint
from laurel.credentials.status_list import Bitstring, encode, status_list_credential

Document = dict[str, Any]
Build = Callable[[], Document]
REMOVE = object()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def at(document: Any, pointer: str) -> tuple[Any, Any]:
    """The container and the last step of a JSON pointer."""
    *path, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
    for part in path:
        document = document[part]
    return document, last


def changed(document: Document, pointer: str, value: Any) -> Document:
    holder, last = at(document, pointer)
    if value is REMOVE:
        del holder[last]
    else:
        holder[last] = value
    return document


def test_a_badge_with_everything_passes(badge: Build, signed: Document) -> None:
    lint(badge())
    lint(signed)


def test_a_badge_with_the_extensions_context_passes(badge: Build) -> None:
    lint(changed(badge(), "/@context", [CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS]))


ACHIEVEMENT = "/credentialSubject/achievement"
IDENTITY = "/credentialSubject/identifier/0"


@pytest.mark.parametrize(
    ("place", "value", "pointer"),
    [
        # contexts
        ("/@context", REMOVE, "/@context"),
        ("/@context", CREDENTIALS_V2, "/@context"),
        ("/@context", [OPEN_BADGES, CREDENTIALS_V2], "/@context"),
        ("/@context", [CREDENTIALS_V2], "/type/1"),
        ("/@context", [CREDENTIALS_V2, OPEN_BADGES, DATA_INTEGRITY_V2], "/@context"),
        ("/@context", [CREDENTIALS_V2, "https://evil.example"], "/@context/1"),
        ("/@context", [CREDENTIALS_V2, OPEN_BADGES, {"x": "urn:x"}], "/@context/2"),
        ("/@context", [], "/@context"),
        # required members
        *[(f"/{name}", REMOVE, f"/{name}") for name in ("id", "issuer", "validFrom", "credentialSubject", "name")],
        ("/type", REMOVE, "/type"),
        ("/type", ["VerifiableCredential"], "/type/1"),
        ("/type", ["OpenBadgeCredential"], "/type"),
        ("/credentialSubject/type", REMOVE, "/credentialSubject/identifier"),
        (ACHIEVEMENT, REMOVE, ACHIEVEMENT),
        *[(f"{ACHIEVEMENT}/{n}", REMOVE, f"{ACHIEVEMENT}/{n}") for n in ("id", "name", "description", "criteria")],
        (f"{ACHIEVEMENT}/criteria/narrative", 7, f"{ACHIEVEMENT}/criteria/narrative"),
        ("/credentialSubject/identifier", REMOVE, "/credentialSubject"),
        # terms and types
        ("/grade", "A", "/grade"),
        (f"{ACHIEVEMENT}/colour", "red", f"{ACHIEVEMENT}/colour"),
        (f"{ACHIEVEMENT}/type/0", "Achievment", f"{ACHIEVEMENT}/type/0"),
        ("/credentialSubject/achievementType", "x", "/credentialSubject/achievementType"),
        # ids and other IRIs
        ("/id", "credentials/1", "/id"),
        ("/id", ["urn:a"], "/id"),
        ("/issuer/id", "academy", "/issuer/id"),
        ("/issuer", "did:web:academy.example", "/issuer"),
        ("/issuer/email", "no address", "/issuer/email"),
        (f"{ACHIEVEMENT}/id", "https://x.example/a b", f"{ACHIEVEMENT}/id"),
        (f"{ACHIEVEMENT}/alignment/0/targetUrl", "esco", f"{ACHIEVEMENT}/alignment/0/targetUrl"),
        # dates
        ("/validFrom", "2026-03-01", "/validFrom"),
        ("/validFrom", "2026-03-01T09:30:00", "/validFrom"),
        ("/validFrom", "2026-02-30T09:30:00Z", "/validFrom"),
        ("/validFrom", 1_767_225_600, "/validFrom"),
        ("/awardedDate", "yesterday", "/awardedDate"),
        ("/validUntil", "2026-03-01T09:29:59Z", "/validUntil"),
        ("/validFrom", ["2026-03-01T09:30:00Z"], "/validFrom"),
        # status entries
        ("/credentialStatus", REMOVE, "/credentialStatus"),
        ("/credentialStatus/1", REMOVE, "/credentialStatus"),
        ("/credentialStatus/0/statusPurpose", "suspension", "/credentialStatus"),
        ("/credentialStatus/0/statusPurpose", "message", "/credentialStatus/0/statusPurpose"),
        ("/credentialStatus/1/id", "urn:uuid:7d3c7c51-1111-4b7e-8f3e-9a1f4a4f0001", "/credentialStatus/1/id"),
        (
            "/credentialStatus/0/id",
            "https://registry.example/status/revocation/1",
            "/credentialStatus/0/id",
        ),
        ("/credentialStatus/0/id", REMOVE, "/credentialStatus/0/id"),
        ("/credentialStatus/0/type", REMOVE, "/credentialStatus/0/statusPurpose"),
        ("/credentialStatus/0/statusListIndex", 94567, "/credentialStatus/0/statusListIndex"),
        ("/credentialStatus/0/statusListIndex", "0x10", "/credentialStatus/0/statusListIndex"),
        ("/credentialStatus/0/statusListCredential", REMOVE, "/credentialStatus/0/statusListCredential"),
        # identity hashes
        (f"{IDENTITY}/salt", REMOVE, f"{IDENTITY}/salt"),
        (f"{IDENTITY}/salt", "short", f"{IDENTITY}/salt"),
        (f"{IDENTITY}/hashed", False, f"{IDENTITY}/hashed"),
        (f"{IDENTITY}/identityHash", "ada@example.org", f"{IDENTITY}/identityHash"),
        # what OB allows and Laurel does not issue
        (f"{ACHIEVEMENT}/tag", "data", f"{ACHIEVEMENT}/tag"),
        ("/credentialSchema", {"type": "JsonSchema"}, "/credentialSchema/id"),
        ("/name", "x" * 1025, "/name"),
    ],
)
def test_the_pointer_leads_to_what_is_wrong(badge: Build, place: str, value: Any, pointer: str) -> None:
    document = changed(badge(), place, value)
    with pytest.raises(LintError) as caught:
        lint(document)
    assert caught.value.pointer == pointer
    assert caught.value.detail.endswith(".")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(MalformedCredential) as caught:
        check_form([])
    assert caught.value.problem_type == "https://www.w3.org/TR/vc-data-model#PARSING_ERROR"


def vc(**changes: Any) -> Document:
    document = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiableCredential"],
        "issuer": "https://school.example",
        "credentialSubject": {"id": "urn:x"},
    } | changes
    return {name: value for name, value in document.items() if value is not REMOVE}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "VerifiableCredential"},
        {"validFrom": "2026-03-01T10:30:00+01:00", "validUntil": "2026-03-01T09:30:00Z"},  # the same moment
        {"credentialSubject": [{"id": "urn:x"}, {"id": "urn:y"}]},
        {"issuer": {"id": "https://school.example", "name": "School"}},
        {"credentialSchema": {"id": "urn:schema", "type": "JsonSchema"}},
        {"credentialStatus": {"id": "urn:s", "type": "JsonSchema"}},
        {"@context": [CREDENTIALS_V1], "issuanceDate": "2020-01-01T00:00:00Z", "validFrom": REMOVE},
    ],
)
def test_credentials_of_others_have_a_good_form(changes: Document) -> None:
    check_form(vc(**changes))


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"type": ["BitstringStatusListCredential"]}, "/type"),
        ({"type": REMOVE}, "/type"),
        ({"issuer": REMOVE}, "/issuer"),
        ({"issuer": {"name": "School"}}, "/issuer"),
        ({"credentialSubject": REMOVE}, "/credentialSubject"),
        ({"credentialSubject": {}}, "/credentialSubject"),
        ({"credentialSubject": []}, "/credentialSubject"),
        ({"credentialStatus": "urn:x"}, "/credentialStatus"),
        ({"credentialStatus": ["urn:x"]}, "/credentialStatus/0"),
        ({"credentialStatus": {"id": "urn:x"}}, "/credentialStatus/type"),
        ({"credentialStatus": [{"id": "urn:x", "type": "JsonSchema"}] * 9}, "/credentialStatus"),
        ({"credentialSchema": "urn:x"}, "/credentialSchema"),
        ({"credentialSchema": {"id": "urn:x"}}, "/credentialSchema/type"),
        ({"evidence": {"id": "urn:x"}}, "/evidence/type"),
        ({"termsOfUse": [{"id": "urn:x"}]}, "/termsOfUse/0/type"),
        ({"id": "not-a-url"}, "/id"),
        ({"@context": CREDENTIALS_V2}, "/@context"),
        ({"@context": [CREDENTIALS_V1], "validFrom": REMOVE}, "/issuanceDate"),
    ],
)
def test_credentials_with_a_bad_form(changes: Document, pointer: str) -> None:
    with pytest.raises(MalformedCredential) as caught:
        check_form(vc(**changes))
    assert caught.value.pointer == pointer


def test_a_vc_that_is_no_badge_is_not_for_laurel_to_sign() -> None:
    with pytest.raises(LintError):
        lint(vc())


def test_the_issuer_is_a_url_or_has_one() -> None:
    assert issuer_id({"issuer": "urn:a"}) == issuer_id({"issuer": {"id": "urn:a"}}) == "urn:a"


def status_list() -> Document:
    return status_list_credential(
        list_id="https://registry.example/status/1",
        issuer="did:web:academy.example",
        purpose="suspension",
        bits=Bitstring(),
        valid_from=NOW,
        valid_until=NOW + timedelta(days=1),
        ttl_ms=60_000,
    )


@pytest.mark.parametrize(
    ("place", "value", "pointer"),
    [
        ("/@context", [CREDENTIALS_V2, OPEN_BADGES], "/@context"),
        ("/id", REMOVE, "/id"),
        ("/validFrom", REMOVE, "/validFrom"),
        ("/validUntil", REMOVE, "/validUntil"),
        ("/issuer", {"id": "did:web:academy.example"}, "/issuer"),
        ("/credentialSubject", [{"id": "urn:x"}], "/credentialSubject"),
        ("/credentialSubject", {"id": "urn:x"}, "/credentialSubject"),
        ("/credentialSubject/statusPurpose", "message", "/credentialSubject/statusPurpose"),
        ("/credentialSubject/ttl", REMOVE, "/credentialSubject/ttl"),
        ("/credentialSubject/ttl", 0, "/credentialSubject/ttl"),
        ("/credentialSubject/ttl", "60000", "/credentialSubject/ttl"),
        ("/credentialSubject/ttl", True, "/credentialSubject/ttl"),
        ("/credentialSubject/encodedList", encode(Bitstring(8)), "/credentialSubject/encodedList"),
        ("/credentialSubject/encodedList", "uAAAA", "/credentialSubject/encodedList"),
        ("/credentialSubject/encodedList", REMOVE, "/credentialSubject/encodedList"),
    ],
)
def test_status_lists_that_are_not_signed(place: str, value: Any, pointer: str) -> None:
    lint(status_list())
    with pytest.raises(LintError) as caught:
        lint(changed(status_list(), place, value))
    assert caught.value.pointer == pointer


def test_errors_without_a_standard_code_have_no_problem_type_of_their_own() -> None:
    assert CredentialError("x", code="OURS").problem_type == "about:blank"
    assert str(CredentialError("The field is wrong.", pointer="/a")) == "/a: The field is wrong."
