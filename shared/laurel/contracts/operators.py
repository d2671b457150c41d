"""Operators: people and programs that act for the consortium, each with a token, and with no more rights than needed.

Rights are in the catalog, beside members and partners, so that every service knows them and they change without a
restart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Annotated

from pydantic import Field, model_validator

from laurel.contracts.base import Contract, Digest, Line, Moment, Slug
from laurel.contracts.errors import Code, Rejected

CONSORTIUM = "consortium"
ANYBODY = "anybody"
"""How the audit names who holds the consortium's own key, and whoever calls what is open; no operators' ids."""


class Right(StrEnum):
    """What an operator may be allowed to do."""

    CATALOG = "catalog"
    STATUS = "status"
    ISSUE = "issue"
    DELIVERIES = "deliveries"
    AUDIT = "audit"

    @property
    def meaning(self) -> str:
        """What it allows, as a part of a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Right.CATALOG: "read the catalog, and change its members, achievements and partners",
    Right.STATUS: "revoke, suspend and reinstate credentials, and read their history",
    Right.ISSUE: "issue credentials in a member's name",
    Right.DELIVERIES: "read the delivery log",
    Right.AUDIT: "read the audit",
}


class TokenHash(Contract):
    """A token of an operator. Two may stand beside each other while one takes the other's place."""

    sha256: Digest
    """The SHA-256 of the token, in hexadecimal; the token has 256 random bits."""
    until: Moment | None = None
    """When the token stops being taken; absent: it is taken until its hash is removed."""


class Operator(Contract):
    """Somebody who acts for the consortium or for some of its members. Nothing is implied but what stands here."""

    id: Slug
    """The operator's name in the catalog and in the audit."""
    name: Line
    """The operator's name, for people."""
    token_hashes: Annotated[tuple[TokenHash, ...], Field(max_length=8)]
    """The operator's tokens, as their hashes. An empty list shuts the operator out."""
    rights: Annotated[tuple[Right, ...], Field(max_length=16)]
    """What the operator may do."""
    members: Annotated[tuple[Slug, ...], Field(max_length=1000)] | None = None
    """The ids of the members it may act for; absent: all."""
    achievements: Annotated[tuple[Slug, ...], Field(max_length=5000)] | None = None
    """The ids of the achievements it may act on; absent: all of these members, and what no completion earned."""

    @model_validator(mode="after")
    def _sound(self) -> Operator:
        if self.id in (CONSORTIUM, ANYBODY):
            raise ValueError(f"{self.id!r} means something else in the audit: give the operator another id")
        if Right.AUDIT in self.rights and self.limited:
            raise ValueError("the audit is one for all members: leave out the right audit, or members and achievements")
        return self

    @property
    def limited(self) -> bool:
        """Whether it may act for some members or achievements only."""
        return self.members is not None or self.achievements is not None

    def holds(self, digest: str, now: datetime) -> bool:
        """Whether a token of this SHA-256 is the operator's, and still taken. Each is compared in constant time."""
        return any(
            compare_digest(each.sha256, digest) and (each.until is None or now < each.until)
            for each in self.token_hashes
        )

    def reaches(self, member: str, achievement: str | None) -> bool:
        """Whether it may act on what is the member's and, unless that is of no achievement, for the achievement."""
        return _within(self.members, member) and _within(self.achievements, achievement)


class OperatorPublished(Operator):
    """An operator's full state."""

    version: Annotated[int, Field(ge=1)]
    """Rises with each change of this operator."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: an operator or, where that is None, somebody who may do everything."""

    operator: OperatorPublished | None = None
    otherwise: str = CONSORTIUM

    @property
    def id(self) -> str:
        """The caller's name in the audit."""
        return self.otherwise if self.operator is None else self.operator.id

    @property
    def limited(self) -> bool:
        """Whether the caller may act for some members or achievements only."""
        return self.operator is not None and self.operator.limited

    def may(self, right: Right) -> bool:
        """Whether the caller has the right, for anything at all."""
        return self.operator is None or right in self.operator.rights

    def reaches(self, member: str, achievement: str | None) -> bool:
        """Whether the caller's rights extend to this; see `Operator.reaches`."""
        return self.operator is None or self.operator.reaches(member, achievement)

    def check_right(self, right: Right) -> None:
        """Raises Rejected(FORBIDDEN) unless the caller has the right, for anything at all."""
        if not self.may(right):
            raise Rejected(
                Code.FORBIDDEN, "",
                f"The operator {self.id!r} may not {right.meaning}: it needs the right {right.value}.",
            )  # fmt: skip

    def check_reach(self, member: str, achievement: str | None, pointer: str = "") -> None:
        """Raises Rejected(FORBIDDEN) unless the caller's rights extend to this."""
        if not self.reaches(member, achievement):
            what = f"member {member!r}" if achievement is None else f"achievement {achievement!r} of member {member!r}"
            raise Rejected(
                Code.FORBIDDEN, pointer,
                f"The operator {self.id!r} may not act on what is of {what}: the consortium can extend its members and "
                "achievements.",
            )  # fmt: skip


def _within(allowed: Collection[str] | None, given: str | None) -> bool:
    return allowed is None or given in allowed
