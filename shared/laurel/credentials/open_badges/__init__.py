"""Whether a credential is an Open Badge 3.0, and whether it is a good one (1EdTech, Open Badges 3.0).

This is apart from verification: a credential of another kind does not fail for being no badge. It looks at what Open
Badges says of its own members, after `form.check_form` has looked at what holds for all credentials. An *error* is what
the specification forbids; a *warning* is what it allows and somebody will regret. Where a list is due, a single value
is taken too, as JSON-LD reads both alike; the strict JSON form is for the schema to judge (`schema_check`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from laurel.credentials.documents import MAX_NESTING
from laurel.credentials.open_badges.classes import CLASSES, Class, Kind
from laurel.credentials.open_badges.findings import (
    Finding,
    Path,
    Severity,
    each,
    error,
    missing,
    objects,
    types_of,
    warning,
)
from laurel.credentials.open_badges.kinds import check_value
from laurel.credentials.open_badges.rules import check_contexts, check_object

__all__ = ["MAX_FINDINGS", "BadgeKind", "Finding", "ProfileCheck", "Severity", "check_profile", "kind_of"]

MAX_FINDINGS = 50
"""Errors told at most, and warnings."""


class BadgeKind(StrEnum):
    """What a document claims to be."""

    BADGE = "badge"
    ENDORSEMENT = "endorsement"


_CLASS = {BadgeKind.BADGE: "AchievementCredential", BadgeKind.ENDORSEMENT: "EndorsementCredential"}


@dataclass(frozen=True)
class ProfileCheck:
    """What the document claims to be (None: no Open Badge, so there is nothing to find) and what is wrong with it."""

    kind: BadgeKind | None
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that the specification forbids."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)


def kind_of(document: Mapping[str, Any]) -> BadgeKind | None:
    """What the types of `document` claim it to be."""
    types = types_of(document)
    if not types.isdisjoint(("OpenBadgeCredential", "AchievementCredential")):
        return BadgeKind.BADGE
    return BadgeKind.ENDORSEMENT if "EndorsementCredential" in types else None


def check_profile(document: Mapping[str, Any]) -> ProfileCheck:
    """Compare `document`, parsed JSON of bounded size, with Open Badges 3.0.

    At most 50 errors and 50 warnings are told. Raises nothing for what is wrong with it.
    """
    kind = kind_of(document)
    if kind is None:
        return ProfileCheck(None)
    return ProfileCheck(kind, tuple(_first(_findings(document, kind))))


def _findings(document: Mapping[str, Any], kind: BadgeKind) -> Iterator[Finding]:
    yield from check_contexts(document)
    yield from _Walk(_ids(document)).object(document, _CLASS[kind], ())


def _first(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The first of each severity: warnings without end must not hide an error."""
    left = dict.fromkeys(Severity, MAX_FINDINGS)
    for finding in findings:
        if left[finding.severity]:
            yield finding
            left[finding.severity] -= 1
        if not left[Severity.ERROR]:
            return


class _Walk:
    """One walk through a document along the classes of the data model.

    `endorsable` are the ids that an endorsement within it may speak of.
    """

    def __init__(self, endorsable: frozenset[str]) -> None:
        self.endorsable = endorsable

    def object(self, value: Any, name: str, path: Path) -> Iterator[Finding]:
        """Compare `value` with the class `name`."""
        if len(path) >= MAX_NESTING:
            yield error("BADGE_TOO_DEEP", path, f"The badge is nested deeper than {MAX_NESTING} levels.")
        elif isinstance(value, str) and name == "Issuer":
            # An issuer may be given by its URL alone (OB 3.0, "ProfileRef").
            yield from check_value(value, Kind.URL, path)
        elif isinstance(value, str) and name == "Image":
            # JSON-LD reads it as a picture with this id, and many badges have it so.
            yield warning("BADGE_IMAGE", path, "The picture should be an object with an id and the type Image.")
        else:
            yield from self._object(value, "Profile" if name == "Issuer" else name, path)

    def _object(self, value: Any, name: str, path: Path) -> Iterator[Finding]:
        described = CLASSES[name]
        if not isinstance(value, dict):
            yield error("BADGE_VALUE", path, f"This must be an object: {described.label}.")
            return
        yield from self._members(value, described, path)
        yield from check_object(value, name, path)
        if name == "EndorsementCredential" and path:
            yield from self._endorsed(value, path)

    def _members(self, value: Mapping[str, Any], described: Class, path: Path) -> Iterator[Finding]:
        if described.type is not None and described.type not in types_of(value):
            yield error("BADGE_TYPE", (*path, "type"), f"The type of {described.label} must be {described.type}.")
        for name in described.required:
            if name not in value:
                yield missing(name, described.label, path)
        for name, wanted in described.members.items():
            for here, item in each(value.get(name), (*path, name)):
                if isinstance(wanted, str):
                    yield from self.object(item, wanted, here)
                else:
                    yield from check_value(item, wanted, here)

    def _endorsed(self, value: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        for here, subject in objects(value.get("credentialSubject"), (*path, "credentialSubject")):
            named = subject.get("id")
            if isinstance(named, str) and named not in self.endorsable:
                detail = "The endorsement speaks of something that is not this badge, its achievement or its issuer."
                yield warning("BADGE_UNRELATED_ENDORSEMENT", (*here, "id"), detail)


def _ids(document: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the badge, its issuer, its achievement and who created that."""
    achievements = [
        achievement
        for _, subject in objects(document.get("credentialSubject"))
        for _, achievement in objects(subject.get("achievement"))
    ]
    parties = [document.get("issuer"), *(achievement.get("creator") for achievement in achievements)]
    named = [document, *achievements, *parties]
    ids = (item.get("id") if isinstance(item, Mapping) else item for item in named)
    return frozenset(item for item in ids if isinstance(item, str))
