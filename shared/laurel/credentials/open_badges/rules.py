"""The rules of Open Badges that are about more than one member, or about what a text says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.open_badges.classes import CLASSES, Kind
from laurel.credentials.open_badges.findings import (
    Finding,
    Path,
    each,
    error,
    missing,
    objects,
    types_of,
    warning,
)
from laurel.credentials.open_badges.kinds import check_value, is_moment
from laurel.credentials.values import parse_datetime

_CONTEXT = re.compile(r"https://purl\.imsglobal\.org/spec/ob/v3p0/context(-3\.[0-9]\.[0-9])?\.json")
_HASH = re.compile(r"sha256\$[0-9a-fA-F]{64}|md5\$[0-9a-fA-F]{32}")
_EXTENSIONS = ("1EdTechJsonSchemaValidator2019", "1EdTechRevocationList", "1EdTechCredentialRefresh")
_DATES = ("validFrom", "validUntil", "issuanceDate", "expirationDate")


def check_contexts(document: Mapping[str, Any]) -> Iterator[Finding]:
    """The base context, that of Open Badges after it, and the extensions where their types are used."""
    urls = [url for _, url in each(document.get("@context"))]
    base, badges = (*urls, None, None)[:2]
    if base not in (CREDENTIALS_V1, CREDENTIALS_V2) or not isinstance(badges, str) or not _CONTEXT.fullmatch(badges):
        detail = f"The contexts must begin with {CREDENTIALS_V2} and {OPEN_BADGES}, in this order."
        yield error("BADGE_CONTEXT", ("@context",), detail)
    # Up to 3.0.2 they redefine terms that VC 2.0 protects.
    elif base == CREDENTIALS_V2 and badges != OPEN_BADGES:
        detail = f"This version of the Open Badges context may contradict VC 2.0; its issuer should use {OPEN_BADGES}."
        yield warning("BADGE_CONTEXT", ("@context", 1), detail)
    if OPEN_BADGES_EXTENSIONS in urls:
        return
    for member in ("credentialSchema", "credentialStatus", "refreshService"):
        for path, value in objects(document.get(member), (member,)):
            if not types_of(value).isdisjoint(_EXTENSIONS):
                detail = f"1EdTech's own types need {OPEN_BADGES_EXTENSIONS}, which defines them, as a further context."
                yield error("BADGE_CONTEXT", (*path, "type"), detail)


def check_object(value: Mapping[str, Any], name: str, path: Path) -> Iterator[Finding]:
    """The rules of the class `name`, beyond what its members may hold."""
    if name in ("AchievementCredential", "EndorsementCredential"):
        yield from _dates(value, CLASSES[name].label, path)
        if name == "AchievementCredential":
            yield from _one_subject(value, path)
    elif name == "AchievementSubject":
        yield from _recipient(value, path)
        yield from _results(value, path)
    elif name == "IdentityObject":
        yield from _identity(value, path)
    elif name == "Criteria" and value.keys().isdisjoint(("id", "narrative")):
        detail = "The criteria say nothing: they should tell what had to be done, or link to a page that does."
        yield warning("BADGE_NO_CRITERIA", path, detail)
    elif name == "Image":
        yield from _image(value, path)


def _dates(value: Mapping[str, Any], label: str, path: Path) -> Iterator[Finding]:
    # Open Badges for VC 1.1 have its names. An endorsement without contexts of its own may follow either.
    base = next((url for _, url in each(value.get("@context"))), None)
    wanted = (
        ("validFrom", "issuanceDate") if base is None else ("issuanceDate" if base == CREDENTIALS_V1 else "validFrom",)
    )
    if value.keys().isdisjoint(wanted):
        yield missing(wanted[0], label, path)
    for name in _DATES:
        if name in value:
            yield from check_value(value[name], Kind.MOMENT, (*path, name))


def _one_subject(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    subject = value.get("credentialSubject")
    if isinstance(subject, list) and len(subject) != 1:
        detail = "An Open Badge is about one recipient and one achievement; split this one."
        yield error("BADGE_SUBJECTS", (*path, "credentialSubject"), detail)


def _recipient(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if not value.get("id") and not value.get("identifier"):
        detail = "The badge does not say who earned it: its subject needs an id or an identifier."
        yield error("BADGE_NO_RECIPIENT", path, detail)
    begins, ends = value.get("activityStartDate"), value.get("activityEndDate")
    if is_moment(begins) and is_moment(ends) and parse_datetime(begins) > parse_datetime(ends):
        yield warning("BADGE_DATES", (*path, "activityEndDate"), "The activity ends before it starts.")


def _results(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    achievements = [achievement for _, achievement in objects(value.get("achievement"))]
    if not achievements:
        return
    described = [
        item.get("id") for achievement in achievements for _, item in objects(achievement.get("resultDescription"))
    ]
    known = {name for name in described if isinstance(name, str)}
    for here, result in objects(value.get("result"), (*path, "result")):
        named = result.get("resultDescription")
        if isinstance(named, str) and named not in known:
            detail = "The result refers to a description that the achievement does not have, so what it means is open."
            yield warning("BADGE_UNKNOWN_RESULT", (*here, "resultDescription"), detail)


def _identity(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    content, hashed = value.get("identityHash"), value.get("hashed")
    here = (*path, "identityHash")
    if hashed is False:
        detail = "The recipient can be read by whoever holds the badge; a salted hash would keep it from strangers."
        yield warning("BADGE_PLAIN_IDENTITY", here, detail)
    elif hashed is True and isinstance(content, str):
        if not _HASH.fullmatch(content):
            detail = "The hash must be sha256$ followed by 64 hexadecimal digits."
            yield error("BADGE_IDENTITY_HASH", here, detail)
        elif content.startswith("md5$"):
            yield warning("BADGE_WEAK_HASH", here, "MD5 is broken; the issuer should hash with SHA-256.")
        if not value.get("salt"):
            detail = "The hash has no salt, so whom it stands for can be found by guessing."
            yield warning("BADGE_GUESSABLE_IDENTITY", path, detail)


def _image(value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    source = value.get("id", "data:image/")
    if not isinstance(source, str) or not source.startswith(("https://", "http://", "data:image/")):
        detail = "The id of a picture must be its address on the web, or the picture itself as a data: URL."
        yield error("BADGE_IMAGE", (*path, "id"), detail)
