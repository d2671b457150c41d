"""The registry's catalog against `catalog.v1`, from which everybody else knows it. Pure."""

from __future__ import annotations

from laurel.contracts.base import utc_text
from laurel.reconciliation.facts import CatalogEntry, Facts, StoredEntry
from laurel.reconciliation.report import Balance, Findings, Kind, Why

_CONSORTIUM = "consortium"
_STAGE = "publishing a catalog entry"


def compare_catalog(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each entry in the registry is the newest on the topic, and the other way round."""
    balance.catalog = len(facts.catalog)
    for key, entry in facts.catalog.items():
        if entry.differing:
            findings.wrong(Kind.CATALOG_DIFFERS, key, f"Two records of version {entry.version} do not say the same.")
        row = facts.stored_catalog.get(key)
        if row is None or row.version < entry.version:
            held = "none" if row is None else f"version {row.version}"
            findings.wrong(Kind.CATALOG_MISSING, key, f"The topic has version {entry.version}, the registry {held}.")
        elif row.version == entry.version and (said := _difference(row, entry)):
            findings.wrong(Kind.CATALOG_DIFFERS, key, said)
    for key, row in facts.stored_catalog.items():
        on_topic = facts.catalog.get(key)
        if on_topic is not None and on_topic.version >= row.version:
            continue
        if row.published < row.version and row.at + facts.stuck_after > facts.at:
            findings.unfinished(_STAGE, Why.WAITING, key)
        elif row.published < row.version:
            findings.wrong(Kind.CATALOG_UNEXPLAINED, key, f"The registry has had version {row.version} since "
                           f"{utc_text(row.at)}, and never published it.")  # fmt: skip
        else:
            findings.wrong(Kind.CATALOG_UNEXPLAINED, key, f"The registry has version {row.version}, which it notes as "
                           "published, and the topic does not.")  # fmt: skip
    _compare_consortium(facts, findings)


def _difference(row: StoredEntry, entry: CatalogEntry) -> str | None:
    if row.digest != entry.digest:
        return "The registry's entry does not say what the topic's does."
    if row.noted != entry.content:
        return "The registry's row notes a digest that is not its entry's."
    if row.at != entry.at:
        return "The registry and the topic tell of another time at which it was changed."
    if row.found_by != entry.found_by:
        return "The registry does not find it by its keys, tokens or member."
    if row.published > row.version:
        return f"The registry notes version {row.published} as published, and has version {row.version}."
    return None


def _compare_consortium(facts: Facts, findings: Findings) -> None:
    """The consortium has no event of its own: its name stands with each member that was changed under it."""
    names = {entry.consortium for entry in facts.catalog.values()} - {None}
    if not names or facts.consortium in names:
        return
    if any(row.published < row.version for row in facts.stored_catalog.values()):
        findings.unfinished(_STAGE, Why.WAITING, _CONSORTIUM)
    elif facts.consortium is None:
        findings.wrong(Kind.CATALOG_MISSING, _CONSORTIUM, "The registry does not have it.")
    else:
        findings.wrong(Kind.CATALOG_DIFFERS, _CONSORTIUM, "No member on the topic carries the registry's name for it.")
