"""Which credentials a bulk status change is about, and what would become of each. Pure: no clock, no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from laurel.contracts.base import Contract, CredentialId, Digest, Moment, Slug, utc_text
from laurel.contracts.status import Action, State
from registry.domain import TRANSITIONS

LISTED_LIMIT = 100_000
SHOWN_LIMIT = 10
GROUPS_LIMIT = 20
BulkId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class Selection(Contract):
    """Criteria that all hold; or ids; or what an earlier bulk change did and nobody has changed since.

    A field that is not known is refused: left out of account, it would make the selection larger than was meant.
    """

    model_config = ConfigDict(extra="forbid")

    achievement: Slug | None = None
    partner: Slug | None = None
    """Who reported the completion."""
    issued_from: Moment | None = None
    """Issued at this moment or later."""
    issued_to: Moment | None = None
    """Issued before this moment."""
    credentials: Annotated[tuple[CredentialId, ...], Field(min_length=1, max_length=LISTED_LIMIT)] | None = None
    bulk: BulkId | None = None
    """The id of an earlier bulk change."""

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        criteria = (self.achievement, self.partner, self.issued_from, self.issued_to)
        kinds = (any(each is not None for each in criteria), self.credentials is not None, self.bulk is not None)
        if sum(kinds) != 1:
            raise ValueError("select by achievement, partner and dates, or by credentials, or by bulk: by one of the "
                             "three")  # fmt: skip
        if self.issued_from is not None and self.issued_to is not None and self.issued_from >= self.issued_to:
            raise ValueError("issuedFrom must lie before issuedTo")
        return self

    def described(self) -> dict[str, Any]:
        """It as it is kept and shown: of a list of ids, how many there are."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"credentials"})
        return shown if self.credentials is None else shown | {"listed": len(set(self.credentials))}

    def holds(self, candidate: Candidate) -> bool:
        """Whether the criteria hold for a credential."""
        return (
            self.achievement in (None, candidate.achievement)
            and self.partner in (None, candidate.partner)
            and (self.issued_from is None or self.issued_from <= candidate.issued_at)
            and (self.issued_to is None or candidate.issued_at < self.issued_to)
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """What has to be known of a credential to decide what a bulk change would do to it."""

    id: str
    token: str
    issuer: str
    achievement: str | None
    partner: str | None
    issued_at: datetime
    state: State
    version: int
    last_request: str
    """The id of the request that made its status what it is."""


class Fate(StrEnum):
    """What a bulk change would do to a selected credential."""

    CHANGES = "changes"
    ALREADY = "already"
    CANNOT = "cannot"
    CHANGED_SINCE = "changedSince"
    NOT_YOURS = "notYours"
    UNKNOWN = "unknown"


InScope = Callable[[Candidate], bool]
"""Whether the caller may change this credential's status."""


def everything(_: Candidate) -> bool:
    """The scope of who may change any credential."""
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """A credential that is to be changed, and the version that it had when that was decided."""

    id: str
    token: str
    version: int


def request_id(bulk: str, token: str) -> str:
    """The id of a bulk change's request for one credential. No single request can have it, for the colon."""
    return f"{bulk}:{token}"


def fate(candidate: Candidate, action: Action, *, of: str | None, in_scope: InScope) -> Fate:
    """What would become of a credential; `of` is the earlier bulk change that selected it."""
    if not in_scope(candidate):
        return Fate.NOT_YOURS
    if of is not None and candidate.last_request != request_id(of, candidate.token):
        return Fate.CHANGED_SINCE
    if (candidate.state, action) in TRANSITIONS:
        return Fate.CHANGES
    return Fate.ALREADY if candidate.state is _AIMS[action] else Fate.CANNOT


_AIMS = {Action.SUSPEND: State.SUSPENDED, Action.REINSTATE: State.ACTIVE, Action.REVOKE: State.REVOKED}


class Shown(Contract):
    """A credential of the sample. `fate` tells what would become of it."""

    credential: CredentialId
    fate: Fate
    state: State | None = None
    version: int | None = None
    achievement: Slug | None = None
    partner: Slug | None = None
    issued_at: Moment | None = None


class Preview(Contract):
    """What a bulk change would do. `digest` stands for exactly the credentials that it would change, at the versions
    that they have, and for the action."""

    action: Action
    selected: int
    counts: dict[Fate, int]
    states: dict[State, int]
    achievements: dict[str, int]
    """How many of those that would change have each achievement; at most 20, the most frequent."""
    partners: dict[str, int]
    """The same by partner."""
    sample: tuple[Shown, ...]
    """Some that would change."""
    left_out: tuple[Shown, ...]
    """Some that would not."""
    digest: Digest


@dataclass(frozen=True, slots=True)
class Judged:
    """A selection, each of its credentials with its fate."""

    action: Action
    fates: Mapping[str, Fate]
    candidates: Mapping[str, Candidate]

    @property
    def targets(self) -> list[Target]:
        """What would be changed, in the order of the ids."""
        return [
            Target(each.id, each.token, each.version)
            for each in (self.candidates[id_] for id_ in sorted(self._with(Fate.CHANGES)))
        ]

    @property
    def counts(self) -> dict[Fate, int]:
        """How many have each fate."""
        found = Counter(self.fates.values())
        return {each: found[each] for each in Fate}

    def _with(self, *fates: Fate) -> list[str]:
        return [id_ for id_, found in self.fates.items() if found in fates]

    def preview(self) -> Preview:
        """It as it is answered."""
        changing = self._with(Fate.CHANGES)
        # Of those that are not the caller's, nothing is told but how many there are.
        others = self._with(*(each for each in Fate if each not in (Fate.CHANGES, Fate.NOT_YOURS)))
        chosen = [self.candidates[id_] for id_ in changing]
        states = Counter(each.state for each in self.candidates.values() if self.fates[each.id] is not Fate.NOT_YOURS)
        return Preview(
            action=self.action, selected=len(self.fates), counts=self.counts,
            states={each: states[each] for each in State},
            achievements=_most(each.achievement for each in chosen), partners=_most(each.partner for each in chosen),
            sample=tuple(map(self._shown, sorted(changing)[:SHOWN_LIMIT])),
            left_out=tuple(map(self._shown, sorted(others)[:SHOWN_LIMIT])), digest=digest(self.action, self.targets),
        )  # fmt: skip

    def _shown(self, id_: str) -> Shown:
        found = self.candidates.get(id_)
        if found is None:
            return Shown(credential=id_, fate=self.fates[id_])
        return Shown(credential=id_, fate=self.fates[id_], state=found.state, version=found.version,
                     achievement=found.achievement, partner=found.partner, issued_at=found.issued_at)  # fmt: skip


def judged(
    selection: Selection, action: Action, candidates: Iterable[Candidate], *, in_scope: InScope = everything
) -> Judged:
    """The selection with the fate of each credential; `candidates` are those found, at least all that it means."""
    found = {each.id: each for each in candidates if selection.holds(each)}
    fates = {each.id: fate(each, action, of=selection.bulk, in_scope=in_scope) for each in found.values()}
    unknown = dict.fromkeys(selection.credentials or (), Fate.UNKNOWN)
    return Judged(action, unknown | fates, found)


def digest(action: Action, targets: Sequence[Target]) -> str:
    """The same for the same action on the same credentials at the same versions, in whatever order they came."""
    lines = sorted(f"{each.version} {each.id}" for each in targets)
    return sha256("\n".join([action.value, *lines]).encode()).hexdigest()


def _most(values: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(each for each in values if each is not None).most_common(GROUPS_LIMIT))


def text_bounds(selection: Selection) -> dict[str, str]:
    """Bounds on the stored text of `issuedAt` that no credential of the selection lies outside of.

    The text is to the second or the microsecond, so that its order within one second is not time's: `Z` follows `.`.
    """
    bounds: dict[str, str] = {}
    if selection.issued_from is not None:
        bounds["$gte"] = _second(selection.issued_from)
    if selection.issued_to is not None:
        bounds["$lt"] = _second(selection.issued_to + timedelta(seconds=1))
    return bounds


def _second(moment: datetime) -> str:
    return utc_text(moment.replace(microsecond=0)).removesuffix("Z")
