"""Which entries of the catalog an operator may change. Pure, like `domain.py`.

An operator that acts for some members may change those and their achievements. Partners may act for several members,
so their entries take an operator for all. Operators are made with the consortium's own key alone: whoever could make
one could give it more than he has himself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from laurel.contracts.catalog import AchievementPublished, Catalog, Consortium, IssuerPublished, PartnerPublished
from laurel.contracts.catalog_index import Entry
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller
from registry.catalog import Planned, StoredEntry


class OutOfReach(Exception):  # noqa: N818 - a decision, not a fault
    """Somebody wants to change what is not his to change: `target`, as the audit names it."""

    def __init__(self, target: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.target = target
        self.refusal = Rejected(Code.FORBIDDEN, pointer, detail)


def check_reach(
    caller: Caller, catalog: Catalog, consortium: Consortium | None, planned: Iterable[Planned],
    stored: Mapping[str, StoredEntry],
) -> None:  # fmt: skip
    """Raises OutOfReach unless the caller may make every change that was planned for `catalog`.

    `consortium` and `stored` are what stands before.
    """
    if caller.limited and catalog.consortium != consortium:
        raise OutOfReach("consortium", "/consortium", f"The operator {caller.id!r} acts for some members or "
                         "achievements only, and may not change who the consortium is: leave that.")  # fmt: skip
    for entry in (each.entry for each in planned if each.changed):
        before = stored.get(entry.key)
        bodies = [entry.published()] if before is None else [entry.published(), before.published()]
        if not all(_reaches(caller, body) for body in bodies):
            raise OutOfReach(entry.key, "", f"The operator {caller.id!r} may not change the entry {entry.key}: leave "
                             "it as it was, or have the consortium apply it.")  # fmt: skip


def within_reach(caller: Caller, stored: Iterable[StoredEntry]) -> list[StoredEntry]:
    """The entries to be shown: of all, those that the caller may change, if that is not all."""
    return [each for each in stored if not caller.limited or _reaches(caller, each.published())]


def _reaches(caller: Caller, entry: Entry) -> bool:
    match entry:
        case IssuerPublished():
            return caller.reaches(entry.id, None)
        case AchievementPublished():
            return caller.reaches(entry.issuer, entry.id)
        case PartnerPublished():
            return not caller.limited
    return caller.operator is None
