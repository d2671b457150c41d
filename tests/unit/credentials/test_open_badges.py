"""What is an Open Badge, what is wrong with one, and that a credential of another kind is left alone."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.open_badges import MAX_FINDINGS, BadgeKind, Severity, check_profile, kind_of
from laurel.credentials.open_badges.classes import CLASSES, Class
from laurel.credentials.schema_check import check_schemas
from laurel.credentials.schemas import SCHEMAS
from support.examples import REMOVED, changed, example

Document = dict[str, Any]
SCHEMA = SCHEMAS[
    "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
].document
SUBJECT = "/credentialSubject"
EARNED = f"{SUBJECT}/achievement"
IDENTITY = f"{SUBJECT}/identifier/0"
SHA256 = "sha256$" + "0f" * 32
OB = "https://purl.imsglobal.org/spec/ob/v3p0/context"


def complete() -> Document:
    """The specification's complete example, with hashed identifiers in place of its plain ones."""
    document = example("complete")
    for identity in document["credentialSubject"]["identifier"]:
        identity.update(hashed=True, identityHash=SHA256, salt="0123456789abcdef")
    return document


def told(document: Document) -> list[tuple[str, str, str]]:
    return [(each.severity.value, each.code, each.pointer) for each in check_profile(document).findings]


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["VerifiableCredential", "OpenBadgeCredential"], BadgeKind.BADGE),
        (["VerifiableCredential", "AchievementCredential"], BadgeKind.BADGE),
        ("OpenBadgeCredential", BadgeKind.BADGE),
        (["VerifiableCredential", "EndorsementCredential"], BadgeKind.ENDORSEMENT),
        (["VerifiableCredential"], None),
        (["VerifiableCredential", "BitstringStatusListCredential"], None),
        (None, None),
        ([None, {"OpenBadgeCredential": 1}], None),
    ],
)
def test_the_types_tell_what_a_document_claims_to_be(types: Any, kind: BadgeKind | None) -> None:
    assert kind_of({"type": types}) is kind


def test_a_credential_of_another_kind_has_no_findings() -> None:
    check = check_profile({"type": ["VerifiableCredential"], "credentialSubject": [{"achievement": 3}]})
    assert (check.kind, check.findings) == (None, ())


def test_good_badges_have_no_findings(badge: Callable[[], Document], signed: Document) -> None:
    for document in (example("basic"), complete(), badge(), signed):
        check = check_profile(document)
        assert (check.kind, check.findings) == (BadgeKind.BADGE, ())


def test_a_badge_of_vc_1_1_has_no_findings() -> None:
    assert told(example("skill-assertion")) == []


def test_an_endorsement_has_none_either() -> None:
    check = check_profile(
        example("complete")["issuer"]["endorsement"][0] | {"@context": example("complete")["@context"]}
    )
    assert (check.kind, check.findings) == (BadgeKind.ENDORSEMENT, ())


def test_one_value_serves_where_a_list_is_due() -> None:
    document = complete()
    document["issuer"]["type"] = "Profile"
    document["credentialSubject"] = [document["credentialSubject"]]
    subject = document["credentialSubject"][0]
    for name in ("identifier", "result"):
        subject[name] = subject[name][0]
    subject["achievement"]["tag"] = "research"
    assert told(document) == []


ERROR, WARNING = "error", "warning"
# Each: where the complete example is changed, to what, what the profile finds where, and whether the schema, which
# knows forms alone, is content with it.
CASES: list[tuple[str, Any, str, str, str, bool]] = [
    # what must be there
    *[(f"/{n}", REMOVED, ERROR, "BADGE_MEMBER_MISSING", f"/{n}", False) for n in ("id", "issuer", "validFrom")],
    (SUBJECT, REMOVED, ERROR, "BADGE_MEMBER_MISSING", SUBJECT, False),
    (EARNED, REMOVED, ERROR, "BADGE_MEMBER_MISSING", EARNED, False),
    *[
        (f"{EARNED}/{name}", REMOVED, ERROR, "BADGE_MEMBER_MISSING", f"{EARNED}/{name}", False)
        for name in ("id", "name", "description", "criteria")
    ],
    *[
        (f"{EARNED}/alignment/0/{name}", REMOVED, ERROR, "BADGE_MEMBER_MISSING", f"{EARNED}/alignment/0/{name}", False)
        for name in ("targetName", "targetUrl")
    ],
    (f"{IDENTITY}/hashed", REMOVED, ERROR, "BADGE_MEMBER_MISSING", f"{IDENTITY}/hashed", False),
    ("/endorsement/0/name", REMOVED, ERROR, "BADGE_MEMBER_MISSING", "/endorsement/0/name", False),
    ("/endorsement/0/validFrom", REMOVED, ERROR, "BADGE_MEMBER_MISSING", "/endorsement/0/validFrom", False),
    # types
    (f"{EARNED}/type", REMOVED, ERROR, "BADGE_TYPE", f"{EARNED}/type", False),
    (f"{SUBJECT}/type", ["Person"], ERROR, "BADGE_TYPE", f"{SUBJECT}/type", False),
    ("/issuer/type", "Organization", ERROR, "BADGE_TYPE", "/issuer/type", True),
    ("/evidence/1/type", ["Document"], ERROR, "BADGE_TYPE", "/evidence/1/type", False),
    # contexts
    ("/@context/0", f"{CREDENTIALS_V2}#", ERROR, "BADGE_CONTEXT", "/@context", False),
    ("/@context/0", CREDENTIALS_V1, ERROR, "BADGE_MEMBER_MISSING", "/issuanceDate", False),
    ("/@context", [OPEN_BADGES, CREDENTIALS_V2, OPEN_BADGES_EXTENSIONS], ERROR, "BADGE_CONTEXT", "/@context", False),
    ("/@context/1", f"{OB}-3.0.2.json", WARNING, "BADGE_CONTEXT", "/@context/1", True),
    ("/@context/1", f"{OB}.json", WARNING, "BADGE_CONTEXT", "/@context/1", True),
    ("/@context/1", f"{OB}-3.0.3.json#", ERROR, "BADGE_CONTEXT", "/@context", False),
    # the recipient
    (f"{SUBJECT}/id", "student", ERROR, "BADGE_VALUE", f"{SUBJECT}/id", True),
    (f"{IDENTITY}/identityHash", "ada@example.org", ERROR, "BADGE_IDENTITY_HASH", f"{IDENTITY}/identityHash", True),
    (f"{IDENTITY}/identityHash", SHA256[:-1], ERROR, "BADGE_IDENTITY_HASH", f"{IDENTITY}/identityHash", True),
    (f"{IDENTITY}/identityHash", "sha1$" + "0f" * 20, ERROR, "BADGE_IDENTITY_HASH", f"{IDENTITY}/identityHash", True),
    (f"{IDENTITY}/identityHash", "md5$" + "0F" * 16, WARNING, "BADGE_WEAK_HASH", f"{IDENTITY}/identityHash", True),
    (f"{IDENTITY}/salt", REMOVED, WARNING, "BADGE_GUESSABLE_IDENTITY", IDENTITY, True),
    (f"{IDENTITY}/salt", "", WARNING, "BADGE_GUESSABLE_IDENTITY", IDENTITY, True),
    (f"{IDENTITY}/hashed", False, WARNING, "BADGE_PLAIN_IDENTITY", f"{IDENTITY}/identityHash", True),
    (f"{IDENTITY}/hashed", "true", ERROR, "BADGE_VALUE", f"{IDENTITY}/hashed", False),
    (f"{IDENTITY}/identityType", "email", ERROR, "BADGE_VOCABULARY", f"{IDENTITY}/identityType", False),
    # vocabularies
    (f"{SUBJECT}/result/2/status", "Done", ERROR, "BADGE_VOCABULARY", f"{SUBJECT}/result/2/status", False),
    (f"{SUBJECT}/result/2/status", "ext:Done", ERROR, "BADGE_VOCABULARY", f"{SUBJECT}/result/2/status", False),
    (f"{EARNED}/achievementType", "Medal", ERROR, "BADGE_VOCABULARY", f"{EARNED}/achievementType", False),
    (f"{EARNED}/achievementType", ["Badge", 3], ERROR, "BADGE_VOCABULARY", f"{EARNED}/achievementType/1", False),
    (f"{EARNED}/alignment/1/targetType", "ESCO", ERROR, "BADGE_VOCABULARY", f"{EARNED}/alignment/1/targetType", False),
    # pictures
    ("/image", "https://1edtech.edu/image.png", WARNING, "BADGE_IMAGE", "/image", False),
    ("/image/id", "urn:uuid:f6ab24cd-86e8-4eaf-b8c6-ded74e8fd41c", ERROR, "BADGE_IMAGE", "/image/id", True),
    ("/issuer/image/id", "data:text/html,<p>", ERROR, "BADGE_IMAGE", "/issuer/image/id", True),
    ("/image", 3, ERROR, "BADGE_VALUE", "/image", False),
    # other values
    (f"{EARNED}/criteria", {}, WARNING, "BADGE_NO_CRITERIA", f"{EARNED}/criteria", True),
    (f"{EARNED}/criteria", "https://1edtech.edu", ERROR, "BADGE_VALUE", f"{EARNED}/criteria", False),
    (f"{EARNED}/name", 3, ERROR, "BADGE_VALUE", f"{EARNED}/name", False),
    (f"{EARNED}/alignment/0/targetUrl", "S1.2", ERROR, "BADGE_VALUE", f"{EARNED}/alignment/0/targetUrl", True),
    ("/issuer", "academy", ERROR, "BADGE_VALUE", "/issuer", True),
    ("/issuer/dateOfBirth", "1815-12-10T00:00:00Z", ERROR, "BADGE_VALUE", "/issuer/dateOfBirth", False),
    ("/issuer/dateOfBirth", 18151210, ERROR, "BADGE_VALUE", "/issuer/dateOfBirth", False),
    ("/issuer/address/geo/longitude", True, ERROR, "BADGE_VALUE", "/issuer/address/geo/longitude", False),
    (f"{SUBJECT}/creditsEarned", "42", ERROR, "BADGE_VALUE", f"{SUBJECT}/creditsEarned", False),
    ("/validFrom", "2010-01-01", ERROR, "BADGE_VALUE", "/validFrom", False),
    ("/awardedDate", "yesterday", ERROR, "BADGE_VALUE", "/awardedDate", False),
    (f"{SUBJECT}/activityEndDate", "2009-12-31T00:00:00Z", WARNING, "BADGE_DATES", f"{SUBJECT}/activityEndDate", True),
    ("/endorsementJwt", ["a.b.c", "a.b"], ERROR, "BADGE_VALUE", "/endorsementJwt/1", False),
    # what refers to what
    (
        f"{SUBJECT}/result/0/resultDescription", "urn:x:1",
        WARNING, "BADGE_UNKNOWN_RESULT", f"{SUBJECT}/result/0/resultDescription", True,
    ),
    (
        "/endorsement/0/credentialSubject/id", "https://other.example",
        WARNING, "BADGE_UNRELATED_ENDORSEMENT", "/endorsement/0/credentialSubject/id", True,
    ),
    (
        "/issuer/endorsement/0/credentialSubject/id", "https://other.example",
        WARNING, "BADGE_UNRELATED_ENDORSEMENT", "/issuer/endorsement/0/credentialSubject/id", True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "severity", "code", "pointer", "schema_is_content"), CASES)
def test_one_fault_is_one_finding(
    place: str, value: Any, severity: str, code: str, pointer: str, schema_is_content: bool
) -> None:
    document = changed(complete(), place, value)
    assert told(document) == [(severity, code, pointer)]
    assert check_profile(document).findings[0].detail.endswith(".")
    assert bool(check_profile(document).errors) == (severity == ERROR)
    assert (check_schemas(document)[0].outcome == "valid") is schema_is_content


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (f"{EARNED}/achievementType", "ext:Nanodegree"),
        (f"{EARNED}/achievementType", "MicroCredential"),
        (f"{EARNED}/alignment/0/targetType", "ext:ESCO"),
        (f"{EARNED}/criteria", {"narrative": "Passed both exams."}),
        (f"{EARNED}/criteria", {"id": "https://1edtech.edu/criteria"}),
        (f"{EARNED}/name", {"en": "Degree", "de": "Abschluss"}),
        (f"{SUBJECT}/id", REMOVED),
        (f"{SUBJECT}/identifier", REMOVED),
        (f"{IDENTITY}/identityHash", SHA256.upper().replace("SHA", "sha")),
        ("/image/id", "data:image/png;base64," + "A" * 5000),
        ("/issuer", "https://1edtech.edu/issuers/565049"),
        ("/issuer/dateOfBirth", "1815-12-10"),
        ("/endorsementJwt", ["a.b.c", "a..c"]),
        ("/endorsement/0/credentialSubject/id", "http://1edtech.edu/credentials/3732"),
        ("/endorsement/0/credentialSubject/id", "https://1edtech.edu/achievements/degree"),
        ("/colour", "red"),
    ],
)
def test_what_open_badges_allows_is_no_finding(place: str, value: Any) -> None:
    document = changed(complete(), place, value)
    assert told(document) == []
    assert check_schemas(document)[0].outcome == "valid"


def test_a_recipient_is_needed_and_no_more_than_one() -> None:
    nobody = changed(changed(complete(), f"{SUBJECT}/id", REMOVED), f"{SUBJECT}/identifier", REMOVED)
    assert told(nobody) == [(ERROR, "BADGE_NO_RECIPIENT", SUBJECT)]
    assert told(changed(nobody, f"{SUBJECT}/identifier", [])) == [(ERROR, "BADGE_NO_RECIPIENT", SUBJECT)]
    subject = complete()["credentialSubject"]
    assert told(complete() | {"credentialSubject": [subject, subject]}) == [(ERROR, "BADGE_SUBJECTS", SUBJECT)]
    assert told(complete() | {"credentialSubject": []}) == [(ERROR, "BADGE_SUBJECTS", SUBJECT)]


def test_the_types_of_1edtech_need_their_context() -> None:
    document = changed(complete(), "/@context/2", REMOVED)
    assert [
        (ERROR, "BADGE_CONTEXT", f"/{place}/type")
        for place in ("credentialSchema/0", "credentialStatus", "refreshService")
    ] == told(document)


def test_an_endorsement_with_faults_of_its_own() -> None:
    assert told(example("endorsement")) == [
        (ERROR, "BADGE_MEMBER_MISSING", "/id"),
        (ERROR, "BADGE_MEMBER_MISSING", "/name"),
    ]


def test_endorsements_are_looked_at_however_they_are_nested() -> None:
    place = f"{EARNED}/creator/endorsement/1/issuer/endorsement"
    inner = complete()["endorsement"][0]
    assert told(changed(complete(), place, [inner])) == []
    assert told(changed(complete(), place, [inner | {"name": 3}])) == [(ERROR, "BADGE_VALUE", f"{place}/0/name")]


def shape(described: Class) -> tuple[set[str], set[str]]:
    return set(described.members), set(described.required)


def test_the_classes_have_the_members_of_the_published_schema() -> None:
    classes = {**SCHEMA["$defs"], "AchievementCredential": SCHEMA}
    for name, described in CLASSES.items():
        members, required = shape(described)
        published = classes[name]
        # `type`, the dates, `id` of a picture and what VC 2.0 defines are looked at elsewhere.
        elsewhere = {"type", "@context", "validFrom", "validUntil", "proof", "credentialSchema", "credentialStatus"} | {
            "refreshService", "termsOfUse", *(["id"] if name == "Image" else [])
        }  # fmt: skip
        assert members == set(published["properties"]) - elsewhere, name
        assert required - {"id"} == set(published.get("required", ())) - elsewhere - {"id"}, name
        assert ("id" in required) == ("id" in published.get("required", ())), name


def deep(levels: int) -> Document:
    profile: Document = {"id": "urn:x:0", "type": "Profile"}
    for level in range(levels):
        profile = {"id": f"urn:x:{level}", "type": "Profile", "parentOrg": profile}
    return complete() | {"issuer": profile}


def test_nesting_and_findings_are_bounded() -> None:
    assert told(deep(40)) == []
    assert told(deep(900)) == [(ERROR, "BADGE_TOO_DEEP", "/issuer" + "/parentOrg" * 63)]
    assert len(told(complete() | {"evidence": [3] * 100_000})) == MAX_FINDINGS == 50


def test_no_number_of_warnings_hides_an_error() -> None:
    subject = complete()["credentialSubject"] | {"identifier": [complete()["credentialSubject"]["identifier"][0]] * 90}
    for identity in subject["identifier"]:
        identity["hashed"] = False
    found = told(complete() | {"credentialSubject": subject | {"achievement": 5}, "evidence": [3]})
    assert [each[1:] for each in found if each[0] == ERROR] == [
        ("BADGE_VALUE", f"{SUBJECT}/achievement"),
        ("BADGE_VALUE", "/evidence/0"),
    ]
    assert len(found) == MAX_FINDINGS + 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "@context", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = sorted({place for place, *_ in CASES if "endorsementJwt" not in place})


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([*PLACES, "/endorsement/0/@context", "/@context", "/type", f"{SUBJECT}/result"]), JSON)
def test_whatever_stands_anywhere_only_findings_come_out(place: str, value: Any) -> None:
    check = check_profile(changed(complete(), place, value))
    assert all(finding.severity in Severity and finding.pointer.startswith("/") for finding in check.findings)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["type", "@context", "issuer", "credentialSubject", "endorsement"]), JSON))
def test_whatever_the_document_only_findings_come_out(document: Document) -> None:
    check_profile({"type": ["OpenBadgeCredential"]} | document)
