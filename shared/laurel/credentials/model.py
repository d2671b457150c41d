"""The Open Badges 3.0 credentials that Laurel issues, as frozen models with a limit on every string and list.

Names follow the standard, in snake case; `to_document` writes them as the standard spells them. This is the
profile Laurel signs, narrower than what Open Badges 3.0 allows. The order of fields is the order of members.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES
from laurel.credentials.values import MAX_IRI_CHARS, format_datetime, is_absolute_iri, parse_datetime

CONTEXT = (CREDENTIALS_V2, OPEN_BADGES)


def _absolute(value: str) -> str:
    if not is_absolute_iri(value):
        raise ValueError("must be an absolute IRI such as https://example.org/1")
    return value


def _moment(value: Any) -> Any:
    # Without this, pydantic would also take numbers and dates in other spellings.
    return value if isinstance(value, datetime) else parse_datetime(value)


Iri = Annotated[str, Field(max_length=MAX_IRI_CHARS), AfterValidator(_absolute)]
Short = Annotated[str, Field(min_length=1, max_length=256)]
Line = Annotated[str, Field(min_length=1, max_length=1024)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_moment), PlainSerializer(format_datetime, return_type=str, when_used="json")
]


class Part(BaseModel):
    """What every part of a credential has in common."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, alias_generator=to_camel, extra="forbid", str_strip_whitespace=False
    )


class Image(Part):
    """A picture, by its URL or as a data: URL."""

    id: Iri
    type: Literal["Image"] = "Image"
    caption: Line | None = None


class Profile(Part):
    """Who issues or creates (`Profile` in the OB 3.0 data model)."""

    id: Iri
    type: tuple[Literal["Profile"]] = ("Profile",)
    name: Line
    url: Iri | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    description: Text | None = None
    image: Image | None = None


class Criteria(Part):
    """What had to be done to earn the achievement."""

    id: Iri | None = None
    narrative: Text


class Alignment(Part):
    """A skill, standard or framework node the achievement corresponds to."""

    type: tuple[Literal["Alignment"]] = ("Alignment",)
    target_name: Line
    target_url: Iri
    target_framework: Line | None = None
    target_code: Short | None = None
    target_description: Text | None = None
    target_type: Short | None = None


class Achievement(Part):
    """What can be earned (`Achievement` in the OB 3.0 data model). `in_language` is a BCP 47 tag."""

    id: Iri
    type: tuple[Literal["Achievement"]] = ("Achievement",)
    name: Line
    description: Text
    criteria: Criteria
    achievement_type: Short = "MicroCredential"
    alignment: Annotated[tuple[Alignment, ...], Field(max_length=64)] = ()
    tag: Annotated[tuple[Short, ...], Field(max_length=64)] = ()
    in_language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)] | None = None
    image: Image | None = None
    creator: Profile | None = None


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


class AchievementSubject(Part):
    """The recipient and what they achieved. Needs an `id` or an `identifier`."""

    id: Iri | None = None
    type: tuple[Literal["AchievementSubject"]] = ("AchievementSubject",)
    identifier: Annotated[tuple[IdentityObject, ...], Field(max_length=8)] = ()
    achievement: Achievement
    result: Annotated[tuple[Result, ...], Field(max_length=32)] = ()

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
    issuer: Profile
    valid_from: Moment
    valid_until: Moment | None = None
    awarded_date: Moment | None = None
    credential_subject: AchievementSubject
    credential_status: Annotated[tuple[BitstringStatusListEntry, ...], Field(max_length=8)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=32)] = ()


def to_document(model: BaseModel) -> dict[str, Any]:
    """`model` as the JSON document to sign: the standard's names, dates as XSD dateTimeStamp in UTC.

    Members that are None and lists that are empty are left out, since neither can be signed.
    """
    document: dict[str, Any] = _without_empty(model.model_dump(mode="json", by_alias=True, exclude_none=True))
    return document


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty(item) for name, item in value.items() if item != []}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value


def hash_identity(address: str, salt: str) -> str:
    """The `identityHash` of an address, `sha256$` + hex of SHA-256(address ‖ salt) (OB 3.0, `IdentityHash`).

    The salt must be random: without one, an e-mail address is found by guessing.
    """
    return "sha256$" + hashlib.sha256((address + salt).encode()).hexdigest()
