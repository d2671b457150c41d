"""Codes and refusals: numbered once, pointing at the culprit, and quoting nobody's data."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from laurel.contracts.completions import CompletionRecorded, Learner
from laurel.contracts.errors import DETAIL_LIMIT, Code, Rejected, pointer_of, rejection_of, rejections_of

GOOD = {
    "achievement": "welding", "completedAt": "2026-06-01T12:00:00Z",
    "learner": {"reference": "r", "name": "Ada", "email": "ada@example.org"},
}  # fmt: skip


def finding(**changes: Any) -> ValidationError:
    document = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(ValidationError) as error:
        CompletionRecorded.model_validate_json(json.dumps(document))
    return error.value


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_number_and_a_sentence(code: Code) -> None:
    assert re.fullmatch(r"LRL-[1-4]\d{3}", code.value)
    assert re.fullmatch(r"[A-Z][^\n]{10,150}\.", code.meaning)


def test_no_two_codes_share_a_number_or_a_meaning() -> None:
    assert len({code.value for code in Code}) == len(list(Code)) == len({code.meaning for code in Code})


def test_the_numbers_that_partners_know_stay() -> None:
    assert {code.name: code.value for code in Code if code.value < "LRL-2000"} == {
        "MALFORMED_EVENT": "LRL-1001", "EVENT_TOO_LARGE": "LRL-1002", "INVALID_FIELD": "LRL-1003",
        "SIGNATURE_MISSING": "LRL-1004", "UNKNOWN_KEY": "LRL-1005", "SIGNATURE_WRONG": "LRL-1006",
        "SOURCE_NOT_REGISTERED": "LRL-1007", "UNKNOWN_ACHIEVEMENT": "LRL-1008", "ACHIEVEMENT_NOT_ALLOWED": "LRL-1009",
        "DATE_IN_FUTURE": "LRL-1010", "DATE_TOO_OLD": "LRL-1011", "DUPLICATE_EVENT": "LRL-1012",
        "EVENT_ID_REUSED": "LRL-1013", "ISSUER_NOT_READY": "LRL-1014",
    }  # fmt: skip


def test_a_refusal_says_what_where_and_why() -> None:
    refusal = Rejected(Code.INVALID_FIELD, "/a", "The field /a is not right.")
    assert (refusal.code, refusal.pointer, refusal.detail) == (Code.INVALID_FIELD, "/a", "The field /a is not right.")
    assert str(refusal) == "LRL-1003 at /a: The field /a is not right."
    assert str(Rejected(Code.NOT_FOUND, "", "Gone.")) == "LRL-3004 at /: Gone."
    assert len(Rejected(Code.NOT_FOUND, "", "x" * 9999).detail) == DETAIL_LIMIT


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        ((), ""),
        (("a",), "/a"),
        (("a", 0, "b"), "/a/0/b"),
        (("a/b", "~c"), "/a~1b/~0c"),
        (("",), "/"),
        (("~1",), "/~01"),
    ],
)
def test_a_location_is_a_json_pointer(location: tuple[int | str, ...], pointer: str) -> None:
    assert pointer_of(location) == pointer


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), max_size=5))
def test_a_pointer_leads_back_to_the_location(location: list[str]) -> None:
    steps = pointer_of(tuple(location)).split("/")[1:]
    assert [step.replace("~1", "/").replace("~0", "~") for step in steps] == location


CASES: list[tuple[dict[str, Any], Code, str, str]] = [
    ({"achievement": None}, Code.INVALID_FIELD, "/achievement", "The field /achievement is missing: add it."),
    ({"learner": {"reference": "r", "email": "ada@example.org"}}, Code.INVALID_FIELD, "/learner/name",
     "The field /learner/name is missing: add it."),
    ({"completedAt": "2026-06-01T12:00:00"}, Code.INVALID_FIELD, "/completedAt",
     "The field /completedAt is not right: Input should have timezone info. Correct it."),
    ({"evidence": [{"url": "https://a.example"}, {"url": "ftp://secret.example"}]}, Code.INVALID_FIELD,
     "/evidence/1/url", "The field /evidence/1/url is not right: must be an absolute http or https URL. Correct it."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "code", "pointer", "detail"), CASES)
def test_a_finding_becomes_a_sentence(changes: dict[str, Any], code: Code, pointer: str, detail: str) -> None:
    refusal = rejection_of(finding(**changes))
    assert (refusal.code, refusal.pointer, refusal.detail) == (code, pointer, detail)


def test_a_body_that_is_no_json_is_a_malformed_event() -> None:
    with pytest.raises(ValidationError) as error:
        CompletionRecorded.model_validate_json(b'{"achievement": ')
    refusal = rejection_of(error.value)
    assert (refusal.code, refusal.pointer) == (Code.MALFORMED_EVENT, "")
    assert refusal.detail.startswith("The body is not JSON: ")


def test_a_body_that_is_no_object_is_said_of_the_whole() -> None:
    with pytest.raises(ValidationError) as error:
        CompletionRecorded.model_validate_json(b"7")
    refusal = rejection_of(error.value)
    assert (refusal.code, refusal.pointer) == (Code.INVALID_FIELD, "")
    assert refusal.detail.startswith("The field / is not right: ")


def test_an_unknown_field_is_named_where_none_is_allowed() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")

    with pytest.raises(ValidationError) as error:
        Strict.model_validate({"scor": 1})
    assert rejection_of(error.value, Code.INVALID_BODY).detail == (
        "The field /scor is not known: correct its name or remove it."
    )
    assert rejection_of(error.value, Code.INVALID_BODY).code is Code.INVALID_BODY


def test_further_findings_are_counted_and_can_all_be_had() -> None:
    two = finding(achievement="NO", learner={"reference": "r", "name": "Ada", "email": "nobody"})
    assert rejection_of(two).detail.endswith("(1 more finding in this record)")
    assert [each.pointer for each in rejections_of(two)] == ["/achievement", "/learner/email"]
    three = finding(achievement=None, completedAt=None, learner=None)
    assert rejection_of(three).detail == "The field /achievement is missing: add it. (2 more findings in this record)"


def test_the_offending_value_is_not_repeated() -> None:
    personal = "grace.hopper\u0007"
    with pytest.raises(ValidationError) as error:
        Learner.model_validate({"reference": personal, "name": personal, "email": personal, "language": personal})
    told = [each.detail for each in rejections_of(error.value)]
    assert len(told) == 4
    assert not any("grace" in each or "hopper" in each for each in told)
