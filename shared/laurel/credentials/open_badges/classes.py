"""The classes of the Open Badges 3.0 data model and their vocabularies, as data (OB 3.0, appendix "Data Models").

What a member may hold is a `Kind`, a vocabulary (a set of values, which `ext:` extends) or the name of a class. Each
may stand alone or in a list, since JSON-LD reads both alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    """The values that are no objects."""

    TEXT = auto()
    URL = auto()
    DATE = auto()
    MOMENT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    JWS = auto()


@dataclass(frozen=True)
class Vocabulary:
    """The values that a member may have; an extensible one also takes any that begins with `ext:`."""

    values: tuple[str, ...]
    extensible: bool = True

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and (value in self.values or (self.extensible and value.startswith("ext:")))


ACHIEVEMENT_TYPES = Vocabulary(
    (
        "Achievement", "ApprenticeshipCertificate", "Assessment", "Assignment", "AssociateDegree", "Award", "Badge",
        "BachelorDegree", "Certificate", "CertificateOfCompletion", "Certification", "CommunityService", "Competency",
        "Course", "CoCurricular", "Degree", "Diploma", "DoctoralDegree", "Fieldwork", "GeneralEducationDevelopment",
        "JourneymanCertificate", "LearningProgram", "License", "Membership", "ProfessionalDoctorate",
        "QualityAssuranceCredential", "MasterCertificate", "MasterDegree", "MicroCredential", "ResearchDoctorate",
        "SecondarySchoolDiploma",
    )
)  # fmt: skip
IDENTIFIER_TYPES = Vocabulary(
    (
        "name", "sourcedId", "systemId", "productId", "userName", "accountId", "emailAddress", "nationalIdentityNumber",
        "isbn", "issn", "lisSourcedId", "oneRosterSourcedId", "sisSourcedId", "ltiContextId", "ltiDeploymentId",
        "ltiToolId", "ltiPlatformId", "ltiUserId", "identifier",
    )
)  # fmt: skip
RESULT_TYPES = Vocabulary(
    (
        "GradePointAverage", "LetterGrade", "Percent", "PerformanceLevel", "PredictedScore", "RawScore", "Result",
        "RubricCriterion", "RubricCriterionLevel", "RubricScore", "ScaledScore", "Status",
    )
)  # fmt: skip
RESULT_STATUSES = Vocabulary(
    ("Completed", "Enrolled", "Failed", "InProgress", "OnHold", "Provisional", "Withdrew"), extensible=False
)
TARGET_TYPES = Vocabulary(
    (
        "ceasn:Competency",
        "ceterms:Credential",
        "CFItem",
        "CFRubric",
        "CFRubricCriterion",
        "CFRubricCriterionLevel",
        "CTDL",
    )
)


@dataclass(frozen=True)
class Class:
    """One class: how to speak of it, the `type` its objects carry (if any), what they must and what they may have."""

    label: str
    type: str | None
    required: tuple[str, ...]
    members: Mapping[str, Kind | Vocabulary | str] = field(default_factory=dict)


_PERSON = ("familyName", "givenName", "additionalName", "patronymicName", "honorificPrefix", "honorificSuffix")

CLASSES: Mapping[str, Class] = {
    "AchievementCredential": Class(
        "the badge",
        None,
        ("id", "issuer", "credentialSubject"),
        {
            "id": Kind.URL, "name": Kind.TEXT, "description": Kind.TEXT, "image": "Image", "awardedDate": Kind.MOMENT,
            "issuer": "Issuer", "credentialSubject": "AchievementSubject", "evidence": "Evidence",
            "endorsement": "EndorsementCredential", "endorsementJwt": Kind.JWS,
        },
    ),
    "EndorsementCredential": Class(
        "an endorsement",
        "EndorsementCredential",
        ("id", "name", "issuer", "credentialSubject"),
        {
            "id": Kind.URL, "name": Kind.TEXT, "description": Kind.TEXT, "awardedDate": Kind.MOMENT,
            "issuer": "Issuer", "credentialSubject": "EndorsementSubject", "evidence": "Evidence",
        },
    ),
    "AchievementSubject": Class(
        "the entry about the recipient",
        "AchievementSubject",
        ("achievement",),
        {
            "id": Kind.URL, "identifier": "IdentityObject", "achievement": "Achievement", "result": "Result",
            "activityStartDate": Kind.MOMENT, "activityEndDate": Kind.MOMENT, "creditsEarned": Kind.NUMBER,
            "image": "Image", "licenseNumber": Kind.TEXT, "narrative": Kind.TEXT, "role": Kind.TEXT,
            "source": "Profile", "term": Kind.TEXT,
        },
    ),
    "EndorsementSubject": Class(
        "the entry about what is endorsed", "EndorsementSubject", ("id",),
        {"id": Kind.URL, "endorsementComment": Kind.TEXT},
    ),
    "Achievement": Class(
        "the achievement",
        "Achievement",
        ("id", "name", "description", "criteria"),
        {
            "id": Kind.URL, "name": Kind.TEXT, "description": Kind.TEXT, "criteria": "Criteria",
            "achievementType": ACHIEVEMENT_TYPES, "alignment": "Alignment", "creator": "Profile",
            "creditsAvailable": Kind.NUMBER, "endorsement": "EndorsementCredential", "endorsementJwt": Kind.JWS,
            "fieldOfStudy": Kind.TEXT, "humanCode": Kind.TEXT, "image": "Image", "inLanguage": Kind.TEXT,
            "otherIdentifier": "IdentifierEntry", "related": "Related", "resultDescription": "ResultDescription",
            "specialization": Kind.TEXT, "tag": Kind.TEXT, "version": Kind.TEXT,
        },
    ),
    "Profile": Class(
        "the entry about a person or organisation",
        "Profile",
        ("id",),
        {
            "id": Kind.URL, "name": Kind.TEXT, "url": Kind.URL, "phone": Kind.TEXT, "description": Kind.TEXT,
            "endorsement": "EndorsementCredential", "endorsementJwt": Kind.JWS, "image": "Image", "email": Kind.TEXT,
            "address": "Address", "otherIdentifier": "IdentifierEntry", "official": Kind.TEXT, "parentOrg": "Profile",
            **dict.fromkeys((*_PERSON, "familyNamePrefix"), Kind.TEXT), "dateOfBirth": Kind.DATE,
        },
    ),
    "IdentityObject": Class(
        "the identifier of the recipient",
        "IdentityObject",
        ("hashed", "identityHash", "identityType"),
        {
            "hashed": Kind.BOOLEAN, "identityHash": Kind.TEXT, "identityType": IDENTIFIER_TYPES, "salt": Kind.TEXT,
        },
    ),
    "Criteria": Class("the criteria", None, (), {"id": Kind.URL, "narrative": Kind.TEXT}),
    "Alignment": Class(
        "an alignment",
        "Alignment",
        ("targetName", "targetUrl"),
        {
            "targetName": Kind.TEXT, "targetUrl": Kind.URL, "targetCode": Kind.TEXT, "targetDescription": Kind.TEXT,
            "targetFramework": Kind.TEXT, "targetType": TARGET_TYPES,
        },
    ),
    "Result": Class(
        "a result",
        "Result",
        (),
        {
            "achievedLevel": Kind.URL, "alignment": "Alignment", "resultDescription": Kind.URL,
            "status": RESULT_STATUSES, "value": Kind.TEXT,
        },
    ),
    "ResultDescription": Class(
        "the description of a result",
        "ResultDescription",
        ("id", "name", "resultType"),
        {
            "id": Kind.URL, "name": Kind.TEXT, "resultType": RESULT_TYPES, "alignment": "Alignment",
            "allowedValue": Kind.TEXT, "requiredLevel": Kind.URL, "requiredValue": Kind.TEXT,
            "rubricCriterionLevel": "RubricCriterionLevel", "valueMax": Kind.TEXT, "valueMin": Kind.TEXT,
        },
    ),
    "RubricCriterionLevel": Class(
        "a level of a rubric",
        "RubricCriterionLevel",
        ("id", "name"),
        {
            "id": Kind.URL, "name": Kind.TEXT, "alignment": "Alignment", "description": Kind.TEXT, "level": Kind.TEXT,
            "points": Kind.TEXT,
        },
    ),
    "Evidence": Class(
        "a piece of evidence",
        "Evidence",
        (),
        {
            "id": Kind.URL, "name": Kind.TEXT, "description": Kind.TEXT, "narrative": Kind.TEXT, "genre": Kind.TEXT,
            "audience": Kind.TEXT,
        },
    ),
    "IdentifierEntry": Class(
        "an identifier", "IdentifierEntry", ("identifier", "identifierType"),
        {"identifier": Kind.TEXT, "identifierType": IDENTIFIER_TYPES},
    ),
    "Related": Class(
        "a related achievement", "Related", ("id",),
        {"id": Kind.URL, "inLanguage": Kind.TEXT, "version": Kind.TEXT},
    ),
    "Address": Class(
        "an address",
        "Address",
        (),
        {
            **dict.fromkeys(
                ("addressCountry", "addressCountryCode", "addressRegion", "addressLocality", "streetAddress",
                 "postOfficeBoxNumber", "postalCode"), Kind.TEXT),
            "geo": "GeoCoordinates",
        },
    ),
    "GeoCoordinates": Class(
        "a place", "GeoCoordinates", ("latitude", "longitude"),
        {"latitude": Kind.NUMBER, "longitude": Kind.NUMBER},
    ),
    "Image": Class("a picture", "Image", ("id",), {"caption": Kind.TEXT}),
}  # fmt: skip
