"""What the pages show, put together from what is stored, and the templates that show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from laurel.contracts.catalog import AchievementPublished, IssuerPublished
from laurel.contracts.status import State
from laurel.credentials.form import members, types_of, validity
from laurel.credentials.model import (
    CONTEXT,
    Achievement,
    Alignment,
    Criteria,
    OpenBadgeCredential,
    Part,
    Profile,
    to_document,
)
from registry.domain import Standing, standing
from registry.rows import StoredCredential

_MEANING = {
    Standing.ACTIVE: "This credential is in force.",
    Standing.SUSPENDED: "The issuer has suspended this credential for now.",
    Standing.REVOKED: "The issuer has revoked this credential for good.",
    Standing.EXPIRED: "This credential was valid for a limited time, which is over.",
    Standing.PENDING: "This credential is not valid yet.",
}


@dataclass(frozen=True)
class StandingView:
    """Where a credential stands, as its page shows it."""

    standing: Standing
    meaning: str
    since: datetime | None
    reason: str | None


@dataclass(frozen=True)
class GenericView:
    """A credential of any kind, as far as its page can tell what it says."""

    id: str
    name: str
    description: str | None
    types: tuple[str, ...]
    valid_from: datetime | None
    valid_until: datetime | None
    subjects: tuple[Any, ...]


def badge_view(stored: StoredCredential, now: datetime) -> tuple[OpenBadgeCredential, StandingView]:
    """The page's content as of `now`. The stored document was linted when it was filed."""
    document = orjson.loads(stored.document)
    document.pop("proof", None)
    badge = OpenBadgeCredential.model_validate(document)
    return badge, _standing_view(stored, badge.valid_from, badge.valid_until, now)


def generic_view(stored: StoredCredential, now: datetime) -> tuple[GenericView, StandingView]:
    """The page's content as of `now`, for what was asked for through the VC-API. Its form was checked when filed."""
    document = orjson.loads(stored.document)
    begins, ends = validity(document)
    types = tuple(each for each in types_of(document) if each != "VerifiableCredential")
    view = GenericView(
        id=stored.id, name=_plain(document.get("name")) or next(reversed(types), "Verifiable credential"),
        description=_plain(document.get("description")), types=types, valid_from=begins, valid_until=ends,
        subjects=tuple(subject for _, subject in members(document, "credentialSubject")),
    )  # fmt: skip
    return view, _standing_view(stored, begins, ends, now)


def _standing_view(
    stored: StoredCredential, begins: datetime | None, ends: datetime | None, now: datetime
) -> StandingView:
    stands = standing(stored.state, begins, ends, now)
    newest = stored.history[-1]
    told = stands.value == stored.state.value and stored.state is not State.ACTIVE
    since = newest.at if told else ends if stands is Standing.EXPIRED else None
    return StandingView(stands, _MEANING[stands], since, newest.reason if told else None)


def _plain(value: Any) -> str | None:
    """The text of a name or description, which may be given in languages (VC Data Model 2.0 §11.1); the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("@value")
    return value if isinstance(value, str) and value.strip() else None


def issuer_document(issuer: IssuerPublished) -> bytes:
    """A member as an Open Badges Profile."""
    profile = Profile(
        id=issuer.did, name=issuer.name, url=issuer.url, email=issuer.email, description=issuer.description
    )
    return _json_ld(profile)


def achievement_document(achievement: AchievementPublished, issuer: IssuerPublished | None) -> bytes:
    """An achievement as Open Badges has it."""
    creator = Profile(id=issuer.did, name=issuer.name, url=issuer.url) if issuer is not None else None
    return _json_ld(
        Achievement(
            id=achievement.uri, name=achievement.name, description=achievement.description,
            criteria=Criteria(narrative=achievement.criteria), achievement_type=achievement.achievement_type,
            alignment=tuple(Alignment(**each.model_dump()) for each in achievement.alignments),
            tag=achievement.tags, in_language=achievement.language, creator=creator,
        )
    )  # fmt: skip


def _json_ld(part: Part) -> bytes:
    return orjson.dumps({"@context": list(CONTEXT), **to_document(part)})


def render(template: str, **values: object) -> bytes:
    """A page."""
    return _templates.get_template(template).render(**values).encode()


def _web_link(address: object) -> str | None:
    """The address if a browser may be led there: any other scheme could be a script."""
    if not isinstance(address, str):
        return None
    try:
        return address if urlsplit(address).scheme in ("http", "https") else None
    except ValueError:
        return None


def _day(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B} {at.year}"


def _minute(moment: datetime) -> str:
    return f"{_day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


_templates = Environment(
    loader=PackageLoader("registry.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_templates.filters |= {"web_link": _web_link, "day": _day, "minute": _minute, "timestamp": _timestamp}
