"""The model: names as the standard spells them, dates as it writes them, limits everywhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from laurel.credentials import model
from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES
from laurel.credentials.lint import lint
from laurel.credentials.model import (
    AchievementSubject,
    Alignment,
    Evidence,
    IdentityObject,
    OpenBadgeCredential,
    hash_identity,
    to_document,
)
from laurel.credentials.open_badges import check_profile
from laurel.credentials.open_badges.classes import CLASSES
from laurel.credentials.schema_check import check_schemas
from laurel.credentials.values import format_datetime, parse_datetime, pointer
from support.examples import changed, example

Document = dict[str, Any]
Build = Callable[[], Document]


def test_the_document_reads_as_the_standard_has_it(badge: Build) -> None:
    document = badge()
    assert list(document) == [
        "@context", "id", "type", "name", "description", "issuer", "validFrom", "validUntil", "awardedDate",
        "credentialSubject", "credentialStatus", "evidence",
    ]  # fmt: skip
    assert document["@context"] == [CREDENTIALS_V2, OPEN_BADGES]
    assert document["validFrom"] == "2026-03-01T09:30:00Z"
    assert document["credentialSubject"]["achievement"]["achievementType"] == "MicroCredential"
    assert document["credentialSubject"]["achievement"]["alignment"][0]["targetName"] == "interpret data"


def test_a_document_read_back_is_the_same_document(badge: Build) -> None:
    assert to_document(OpenBadgeCredential.model_validate(badge())) == badge()


def everything(badge: Build) -> Document:
    """The specification's complete example, with the recipient and the status as Laurel has them."""
    document = example("complete")
    document["credentialStatus"] = badge()["credentialStatus"]
    subject = document["credentialSubject"]
    subject["identifier"] = badge()["credentialSubject"]["identifier"]
    # JSON-LD has one spelling for whole numbers alone.
    subject["creditsEarned"], subject["achievement"]["creditsAvailable"] = 42, 36
    for profile in (document["issuer"], subject["achievement"]["creator"]):
        profile["address"]["geo"] = {"type": "GeoCoordinates", "latitude": 1, "longitude": 1}
    return document


def test_the_model_has_all_that_the_standard_has(badge: Build) -> None:
    document = everything(badge)
    assert to_document(OpenBadgeCredential.model_validate(document)) == document
    assert check_profile(document).findings == ()
    # The published schema has room for one status alone.
    alone = document | {"credentialStatus": document["credentialStatus"][0]}
    assert [each.outcome for each in check_schemas(alone)] == ["valid"]


def test_what_is_complete_may_be_signed(badge: Build) -> None:
    document = everything(badge)
    del document["endorsement"], document["issuer"]["endorsement"]
    achievement = document["credentialSubject"]["achievement"]
    del achievement["endorsement"], achievement["creator"]["endorsement"]
    lint(document)


def test_an_endorsement_is_carried_as_it_was_signed(badge: Build) -> None:
    endorsement = {"type": ["VerifiableCredential", "EndorsementCredential"], "x": [], "y": {"z": [None, []]}}
    document = badge() | {"endorsement": [endorsement]}
    assert to_document(OpenBadgeCredential.model_validate(document))["endorsement"] == [endorsement]


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - {"EndorsementCredential", "EndorsementSubject"}))
def test_no_member_of_a_class_is_forgotten(name: str) -> None:
    model_class = getattr(model, {"AchievementCredential": "OpenBadgeCredential"}.get(name, name))
    members = {field.alias for field in model_class.model_fields.values()}
    assert CLASSES[name].members.keys() <= members


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("/credentialSubject/creditsEarned", "42"),
        ("/credentialSubject/creditsEarned", True),
        ("/credentialSubject/creditsEarned", -1),
        ("/credentialSubject/creditsEarned", float("nan")),
        ("/credentialSubject/achievement/criteria", {}),
        ("/credentialSubject/achievement/otherIdentifier/0/identifierType", "email"),
        ("/credentialSubject/achievement/resultDescription/0/resultType", "Mark"),
        ("/credentialSubject/achievement/resultDescription/0/colour", "red"),
        ("/credentialSubject/result/0/status", "Done"),
        ("/credentialSubject/activityEndDate", "2010-01-02"),
        ("/issuer/address/geo/latitude", 91),
        ("/issuer/dateOfBirth", "1815-02-30"),
        ("/issuer/parentOrg/parentOrg", {"id": "urn:x", "type": ["Profile"]}),
        ("/endorsement/0/type", ["VerifiableCredential"]),
        ("/endorsementJwt", ["a.b"]),
        ("/credentialSchema/0/type", "JsonSchemaCredential"),
        ("/refreshService/id", "refresh"),
    ],
)
def test_what_the_standard_has_no_room_for(badge: Build, place: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        OpenBadgeCredential.model_validate(changed(everything(badge), place, value))


def test_what_is_empty_is_left_out() -> None:
    assert to_document(Evidence(name="x")) == {"type": ["Evidence"], "name": "x"}


def test_snake_case_and_camel_case_are_both_understood() -> None:
    by_name = Alignment(target_name="a", target_url="urn:x")
    assert by_name == Alignment.model_validate({"type": ["Alignment"], "targetName": "a", "targetUrl": "urn:x"})


def test_models_do_not_change() -> None:
    evidence = Evidence(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        evidence.name = "y"  # type: ignore[misc]


@pytest.mark.parametrize("moment", [1_767_225_600, "2026-03-01", datetime(2026, 3, 1)])  # noqa: DTZ001 - naive on purpose
def test_only_moments_are_dates(badge: Build, moment: Any) -> None:
    with pytest.raises(ValidationError):
        OpenBadgeCredential.model_validate({**badge(), "validFrom": moment})


def test_identity_hash() -> None:
    # Computed apart, with: printf '%s' 'ada@example.orgsalt' | sha256sum
    expected = "a014001d5b097167917a72429dd5a82f1753a805174e3d74f47086d6459b96a1"
    assert hash_identity("ada@example.org", "salt") == f"sha256${expected}"
    assert hash_identity("ada@example.org", "other") != hash_identity("ada@example.org", "salt")


def test_an_identity_must_be_salted() -> None:
    with pytest.raises(ValidationError, match="salt"):
        IdentityObject.model_validate({"identityHash": hash_identity("a@b.example", "")})


def test_a_subject_must_be_someone(badge: Build) -> None:
    subject = {name: value for name, value in badge()["credentialSubject"].items() if name != "identifier"}
    with pytest.raises(ValidationError, match="about someone"):
        AchievementSubject.model_validate(subject)


def test_dates_are_written_in_utc_without_parts_of_a_second() -> None:
    zone = timezone(timedelta(hours=2))
    assert format_datetime(datetime(2026, 3, 1, 1, 30, 59, 999_999, zone)) == "2026-02-28T23:30:59Z"
    assert format_datetime(datetime(987, 1, 1, tzinfo=UTC)) == "0987-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00.5+02:00", datetime(2026, 3, 1, 7, 30, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_xsd_date_time_stamps(text: str, moment: datetime) -> None:
    assert parse_datetime(text) == moment


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T09:30:00", "2026-03-01 09:30:00Z", "2026-13-01T09:30:00Z", "2026-03-01T24:00:00Z", "20260301T093000Z",
     "0001-01-01T00:00:00+14:00", "2026-03-01T09:30:00z", "2026-03-01T09:30:00Z\n", "", None, 5],
)  # fmt: skip
def test_what_is_no_date_time_stamp(text: Any) -> None:
    with pytest.raises(ValueError, match=r"date|dateTimeStamp|month|hour"):
        parse_datetime(text)


def test_json_pointers_are_escaped() -> None:
    assert pointer("a/b", 0, "~") == "/a~1b/0/~0"
    assert pointer() == ""
