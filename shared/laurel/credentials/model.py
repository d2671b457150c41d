"""The Open Badges 3.0 credentials that Laurel issues, as frozen models with a limit on every string and list.

Names follow the standard, in snake case; `to_document` writes them as the standard spells them. This is the
profile Laurel signs, narrower than what Open Badges 3.0 allows. The order of fields is the order of members.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES
from laurel.credentials.open_badges.classes import RESULT_TYPES
from laurel.credentials.parts import (
    Address,
    Alignment,
    Alignments,
    CompactJwses,
    Credits,
    Endorsements,
    GeoCoordinates,
    IdentifierEntries,
    IdentifierEntry,
    Image,
    Iri,
    Language,
    Line,
    Moment,
    Part,
    Profile,
    Short,
    Text,
)

__all__ = [
    "CONTEXT", "Achievement", "AchievementSubject", "Address", "Alignment", "BitstringStatusListEntry",
    "CredentialSchema", "Criteria", "Evidence", "GeoCoordinates", "IdentifierEntry", "IdentityObject", "Image",
    "OpenBadgeCredential", "Part", "Profile", "RefreshService", "Related", "Result", "ResultDescription",
    "RubricCriterionLevel", "TermsOfUse", "hash_identity", "to_document",
]  # fmt: skip

CONTEXT = (CREDENTIALS_V2, OPEN_BADGES)


def _result_type(value: str) -> str:
    if value not in RESULT_TYPES:
        raise ValueError("must be a type of result that Open Badges names, or begin with ext:")
    return value


class Criteria(Part):
    """What had to be done to earn the achievement: told, or on a page."""

    id: Iri | None = None
    narrative: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Criteria":
        if self.id is None and self.narrative is None:
            raise ValueError("the criteria need a narrative or the id of a page")
        return self


class Related(Part):
    """An achievement that is another version or translation of this one."""

    id: Iri
    type: tuple[Literal["Related"]] = ("Related",)
    in_language: Language | None = None
    version: Short | None = None


class RubricCriterionLevel(Part):
    """A level of a rubric."""

    id: Iri
    type: tuple[Literal["RubricCriterionLevel"]] = ("RubricCriterionLevel",)
    name: Line
    level: Short | None = None
    points: Short | None = None
    description: Text | None = None
    alignment: Alignments = ()


class ResultDescription(Part):
    """What a result means: its scale, and what was needed. `result_type` is of the standard's vocabulary."""

    id: Iri
    type: tuple[Literal["ResultDescription"]] = ("ResultDescription",)
    name: Line
    result_type: Annotated[Short, AfterValidator(_result_type)]
    allowed_value: Annotated[tuple[Short, ...], Field(max_length=64)] = ()
    required_value: Short | None = None
    required_level: Iri | None = None
    value_min: Short | None = None
    value_max: Short | None = None
    rubric_criterion_level: Annotated[tuple[RubricCriterionLevel, ...], Field(max_length=64)] = ()
    alignment: Alignments = ()


class Achievement(Part):
    """What can be earned (`Achievement` in the OB 3.0 data model). `in_language` is a BCP 47 tag."""

    id: Iri
    type: tuple[Literal["Achievement"]] = ("Achievement",)
    name: Line
    description: Text
    criteria: Criteria
    achievement_type: Short = "MicroCredential"
    alignment: Alignments = ()
    tag: Annotated[tuple[Short, ...], Field(max_length=64)] = ()
    in_language: Language | None = None
    version: Short | None = None
    human_code: Short | None = None
    field_of_study: Line | None = None
    specialization: Line | None = None
    credits_available: Credits | None = None
    image: Image | None = None
    creator: Profile | None = None
    other_identifier: IdentifierEntries = ()
    related: Annotated[tuple[Related, ...], Field(max_length=16)] = ()
    result_description: Annotated[tuple[ResultDescription, ...], Field(max_length=32)] = ()
    endorsement: Endorsements = ()
    endorsement_jwt: CompactJwses = ()


class IdentityObject(Part):
    """The recipient, recognisable to whoever knows the address and to nobody else (`IdentityObject`)."""

    type: Literal["IdentityObject"] = "IdentityObject"
    hashed: Literal[True] = True
    identity_hash: Annotated[str, Field(pattern=r"^sha256\$[0-9a-f]{64}$")]
    identity_type: Short = "emailAddress"
    salt: Annotated[str, Field(min_length=16, max_length=128)]


class Result(Part):
    """A result in the achievement, such as a grade."""

    type: tuple[Literal["Result"]] = ("Result",)
    status: Literal["Completed", "Enrolled", "Failed", "InProgress", "OnHold", "Provisional", "Withdrew"] | None = None
    value: Short | None = None
    result_description: Iri | None = None
    achieved_level: Iri | None = None
    alignment: Alignments = ()


class Evidence(Part):
    """What backs the claim: a page, a portfolio, a narrative."""

    id: Iri | None = None
    type: tuple[Literal["Evidence"]] = ("Evidence",)
    name: Line | None = None
    description: Text | None = None
    narrative: Text | None = None
    genre: Short | None = None
    audience: Line | None = None


class BitstringStatusListEntry(Part):
    """Where to look whether the credential still holds (Bitstring Status List 1.0, `BitstringStatusListEntry`)."""

    id: Iri
    type: Literal["BitstringStatusListEntry"] = "BitstringStatusListEntry"
    status_purpose: Literal["revocation", "suspension"]
    status_list_index: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,9})$")]
    status_list_credential: Iri


class CredentialSchema(Part):
    """A JSON Schema that the credential says it conforms to."""

    id: Iri
    type: Literal["JsonSchema", "1EdTechJsonSchemaValidator2019"]
    digest_sri: Annotated[Line | None, Field(alias="digestSRI")] = None


class RefreshService(Part):
    """Where a newer version of the credential may be had."""

    id: Iri
    type: Short


class TermsOfUse(Part):
    """What may be done with the credential."""

    id: Iri | None = None
    type: Short


class AchievementSubject(Part):
    """The recipient and what they achieved. Needs an `id` or an `identifier`."""

    id: Iri | None = None
    type: tuple[Literal["AchievementSubject"]] = ("AchievementSubject",)
    identifier: Annotated[tuple[IdentityObject, ...], Field(max_length=8)] = ()
    achievement: Achievement
    result: Annotated[tuple[Result, ...], Field(max_length=32)] = ()
    activity_start_date: Moment | None = None
    activity_end_date: Moment | None = None
    credits_earned: Credits | None = None
    image: Image | None = None
    license_number: Short | None = None
    narrative: Text | None = None
    role: Line | None = None
    source: Profile | None = None
    term: Short | None = None

    @model_validator(mode="after")
    def _names_someone(self) -> "AchievementSubject":
        if self.id is None and not self.identifier:
            raise ValueError("the subject needs an id or an identifier, so that it is about someone")
        return self


class OpenBadgeCredential(Part):
    """An Open Badges 3.0 credential, which is a W3C Verifiable Credential 2.0."""

    context: Annotated[tuple[str, ...], Field(alias="@context", max_length=3)] = CONTEXT
    id: Iri
    type: tuple[Literal["VerifiableCredential"], Literal["OpenBadgeCredential"]] = (
        "VerifiableCredential",
        "OpenBadgeCredential",
    )
    name: Line
    description: Text | None = None
    image: Image | None = None
    issuer: Profile
    valid_from: Moment
    valid_until: Moment | None = None
    awarded_date: Moment | None = None
    credential_subject: AchievementSubject
    credential_status: Annotated[tuple[BitstringStatusListEntry, ...], Field(max_length=8)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=32)] = ()
    endorsement: Endorsements = ()
    endorsement_jwt: CompactJwses = ()
    credential_schema: Annotated[tuple[CredentialSchema, ...], Field(max_length=8)] = ()
    refresh_service: RefreshService | None = None
    terms_of_use: Annotated[tuple[TermsOfUse, ...], Field(max_length=8)] = ()


def to_document(model: Part) -> dict[str, Any]:
    """`model` as the JSON document to sign: the standard's names, dates as XSD dateTimeStamp in UTC.

    Members that are None and lists that are empty are left out, since neither can be signed.
    """
    return model.model_dump(mode="json", by_alias=True)


def hash_identity(address: str, salt: str) -> str:
    """The `identityHash` of an address, `sha256$` + hex of SHA-256(address ‖ salt) (OB 3.0, `IdentityHash`).

    The salt must be random: without one, an e-mail address is found by guessing.
    """
    return "sha256$" + hashlib.sha256((address + salt).encode()).hexdigest()
