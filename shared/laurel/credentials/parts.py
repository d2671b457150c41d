"""The parts that Open Badges 3.0 credentials share: kinds of text, pictures, addresses, people and organisations.

Frozen models with a limit on every string and list, spelt in snake case; the standard's names are their aliases.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    StrictFloat,
    StrictInt,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from laurel.credentials.open_badges import BadgeKind, kind_of
from laurel.credentials.open_badges.classes import IDENTIFIER_TYPES
from laurel.credentials.values import MAX_IRI_CHARS, format_datetime, is_absolute_iri, parse_datetime


def _absolute(value: str) -> str:
    if not is_absolute_iri(value):
        raise ValueError("must be an absolute IRI such as https://example.org/1")
    return value


def _moment(value: Any) -> Any:
    # Without this, pydantic would also take numbers and dates in other spellings.
    return value if isinstance(value, datetime) else parse_datetime(value)


def _day(value: str) -> str:
    date.fromisoformat(value)
    return value


def _identifier_type(value: str) -> str:
    if value not in IDENTIFIER_TYPES:
        raise ValueError("must be a type of identifier that Open Badges names, or begin with ext:")
    return value


def _endorsement(value: dict[str, Any]) -> dict[str, Any]:
    # What else it must be is looked at with the badge around it (`open_badges.check_profile`).
    if kind_of(value) is not BadgeKind.ENDORSEMENT:
        raise ValueError("must be an EndorsementCredential")
    return value


Iri = Annotated[str, Field(max_length=MAX_IRI_CHARS), AfterValidator(_absolute)]
Short = Annotated[str, Field(min_length=1, max_length=256)]
Line = Annotated[str, Field(min_length=1, max_length=1024)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_moment), PlainSerializer(format_datetime, return_type=str, when_used="json")
]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
# Whole numbers stay whole: 3 and 3.0 are not signed alike.
Number = StrictInt | StrictFloat
Credits = Annotated[Number, Field(ge=0, le=1_000_000)]
# Somebody else's signed document, which is carried as it is.
Endorsement = Annotated[dict[str, Any], AfterValidator(_endorsement)]
Endorsements = Annotated[tuple[Endorsement, ...], Field(max_length=16)]
CompactJws = Annotated[str, Field(max_length=65_536, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$")]
CompactJwses = Annotated[tuple[CompactJws, ...], Field(max_length=16)]


class Part(BaseModel):
    """What every part of a credential has in common."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, alias_generator=to_camel, extra="forbid", str_strip_whitespace=False
    )

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Neither null nor an empty list can be signed. What an endorsement holds is not looked into: it is signed.
        return {name: value for name, value in write(self).items() if value not in (None, [], ())}


class Image(Part):
    """A picture, by its URL or as a data: URL."""

    id: Iri
    type: Literal["Image"] = "Image"
    caption: Line | None = None


class IdentifierEntry(Part):
    """What somebody or something is called in another system. `identifier_type` is of the standard's vocabulary."""

    type: Literal["IdentifierEntry"] = "IdentifierEntry"
    identifier: Line
    identifier_type: Annotated[Short, AfterValidator(_identifier_type)]


IdentifierEntries = Annotated[tuple[IdentifierEntry, ...], Field(max_length=16)]


class GeoCoordinates(Part):
    """A place, in degrees (WGS 84)."""

    type: Literal["GeoCoordinates"] = "GeoCoordinates"
    latitude: Annotated[Number, Field(ge=-90, le=90)]
    longitude: Annotated[Number, Field(ge=-180, le=180)]


class Address(Part):
    """A postal address."""

    type: tuple[Literal["Address"]] = ("Address",)
    address_country: Short | None = None
    address_country_code: Short | None = None
    address_region: Short | None = None
    address_locality: Short | None = None
    street_address: Line | None = None
    post_office_box_number: Short | None = None
    postal_code: Short | None = None
    geo: GeoCoordinates | None = None


class Profile(Part):
    """Who issues or creates (`Profile` in the OB 3.0 data model)."""

    id: Iri
    type: tuple[Literal["Profile"]] = ("Profile",)
    name: Line
    url: Iri | None = None
    phone: Short | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    description: Text | None = None
    image: Image | None = None
    address: Address | None = None
    other_identifier: IdentifierEntries = ()
    official: Line | None = None
    parent_org: "Profile | None" = None
    family_name: Line | None = None
    given_name: Line | None = None
    additional_name: Line | None = None
    patronymic_name: Line | None = None
    honorific_prefix: Line | None = None
    honorific_suffix: Line | None = None
    family_name_prefix: Line | None = None
    date_of_birth: Day | None = None
    endorsement: Endorsements = ()
    endorsement_jwt: CompactJwses = ()


class Alignment(Part):
    """A skill, standard or framework node the achievement corresponds to."""

    type: tuple[Literal["Alignment"]] = ("Alignment",)
    target_name: Line
    target_url: Iri
    target_framework: Line | None = None
    target_code: Short | None = None
    target_description: Text | None = None
    target_type: Short | None = None


Alignments = Annotated[tuple[Alignment, ...], Field(max_length=64)]
