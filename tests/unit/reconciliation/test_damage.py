"""Whatever is damaged is found and named: any one of all the facts there are, deleted, doubled or altered in any field.

What is damaged is generated from the facts' own types, so that a collection or a field that is read and never compared
fails here. What deliberately is not compared stands below, each with its reason, and must really go unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any

import pytest

from laurel.contracts.errors import Code
from laurel.contracts.status import State
from laurel.contracts.topics import COMPLETIONS
from laurel.reconciliation import Facts, Kind, Report, compare
from support.facts import AT, End, Plan, fitting

PLAN = Plan(
    states=(State.REVOKED, State.SUSPENDED, State.ACTIVE, State.REVOKED, State.REVOKED, State.REVOKED),
    rejected=(Code.INVALID_FIELD, Code.DUPLICATE_EVENT), families=1,
    ends=(End.SENT, End.SENT, End.SENT, End.FAILED, End.SUPERSEDED, End.NO_RECIPIENT),
)  # fmt: skip

NO_RECORDS = {
    "committed": "how far groups are: what they have not reached is on its way",
    "begins": "what topics have deleted",
    "whole_since": "what topics have deleted",
    "dead_letters": "what was given up openly, and is told as such",
    "unreadable": "a count, which is told",
}
"""The mappings of the facts that are no rows and no records."""

OLD_NEW = Callable[[Any, Any], bool]
ALWAYS: OLD_NEW = lambda _, __: True  # noqa: E731
WAYS_TO_FAIL = ("deferred", "refused", "unknown")

NOT_COMPARED: dict[str, tuple[str, OLD_NEW]] = {
    "completions": (
        "what was decided counts, whatever its type: a newer issuer may know types that are unknown here",
        lambda _, new: bool(new),
    ),
    "intents.event[0]": ("the filing's partner once more: the row has one field for both", ALWAYS),
    "intents.unpublished": ("a note of work in hand; where nothing is missing, it is done twice", ALWAYS),
    "families.unpublished": ("a note of work in hand; where nothing is missing, it is done twice", ALWAYS),
    "deliveries.state": (
        "a notifier that is set to fewer attempts gives up on what was put off",
        lambda old, new: (old, new) == ("superseded", "failed"),
    ),
    "stored_catalog.published": (
        "a note of work in hand; where nothing is missing, it is done twice", lambda old, new: new < old,
    ),
    "issued.places": ("where it lies tells only who may have yet to handle it", ALWAYS),
    "statuses.place": ("where it lies tells only who may have yet to handle it", ALWAYS),
    "signed_lists.place": ("where it lies tells only who may have yet to handle it", ALWAYS),
    "asked.places": ("where it lies tells only who may have yet to handle it", ALWAYS),
    "recorded.places": ("where it lies tells only who may have yet to handle it", ALWAYS),
    "rejections.code": ("a part of the body, whose digest is compared", ALWAYS),
    "rejections.at": ("a part of the body, whose digest is compared", ALWAYS),
    "catalog.consortium": ("a part of the body, whose digest is compared", ALWAYS),
    "recorded.at": ("for how long recipients are kept is the notifier's setting, which is not in the log", ALWAYS),
    "recipients": ("for how long recipients are kept is the notifier's setting, which is not in the log", ALWAYS),
    "asked.at": ("partners date their requests as they like", ALWAYS),
    "asked.kid": ("keys may leave the catalog", lambda _, new: new is not None),
    "requests.accepted_at": ("when a request was accepted that changed nothing, only the registry knows", ALWAYS),
    "requests.refused": (
        "an instance that was frozen may have noted it after another had carried the request out",
        lambda _, new: bool(new),
    ),
    "deliveries.attempts.outcome": (
        "deliveries.v1 tells that an attempt failed, and in words only how",
        lambda old, new: old in WAYS_TO_FAIL and new in WAYS_TO_FAIL,
    ),
    "deliveries.attempts.ended_at": ("tells only what deliveries.v1 may have forgotten", ALWAYS),
}  # fmt: skip
"""What may be altered unseen: the reason, and which of the alterations."""

VALUES: dict[str, tuple[Any, ...]] = {
    "deliveries.state": ("open", "sent", "failed", "superseded", "no-recipient"),
    "deliveries.attempts.outcome": (None, "sent", *WAYS_TO_FAIL),
    "intents.record": (None, f"{COMPLETIONS.name}/0/999/abc"),
    "stored_catalog.published": (0, 3),
}
"""Where any other value would be found too easily, or could not be."""


def is_within(where: str, whole: str) -> bool:
    return where == whole or where.startswith(f"{whole}.")


@dataclass(frozen=True)
class Damage:
    """One thing that was damaged: the mapping and the field, what was and what is there, and what may name it."""

    where: str
    old: Any
    new: Any
    names: tuple[str, ...]
    facts: Facts

    @property
    def is_excepted(self) -> bool:
        """Whether it deliberately goes unseen."""
        return any(
            is_within(self.where, each) and which(self.old, self.new) for each, (_, which) in NOT_COMPARED.items()
        )

    def is_named_in(self, report: Report) -> bool:
        """Whether a discrepancy names it."""
        told = [f"{each.subject} {each.detail}" for each in report.discrepancies]
        return any(name in text for name in self.names for text in told)


MAPPINGS = [each.name for each in fields(Facts)
            if isinstance(getattr(Facts(AT), each.name), dict) and each.name not in NO_RECORDS]  # fmt: skip


def names_of(key: Any, *values: Any) -> tuple[str, ...]:
    """A record is named by its key, or by the credential that it is about, or by what was altered in it."""
    texts = [key[0] if isinstance(key, tuple) else key, *values]
    texts += [getattr(each, name, None) for each in values for name in ("credential", "event_id")]
    return tuple(each for each in texts if isinstance(each, str) and len(each) > 1)


def damaged(mapping: str, key: Any, value: Any, *, where: str = "", old: Any = None, new: Any = None) -> Damage:
    facts = deepcopy(fitting_facts())
    found = getattr(facts, mapping)
    names = names_of(key, found.get(key), value, old, new)
    if value is None:
        del found[key]
    else:
        found[key] = value
    return Damage(where or mapping, old, new, names, facts)


@cache
def fitting_facts() -> Facts:
    return fitting(PLAN)


def records(mapping: str) -> dict[Any, Any]:
    found: dict[Any, Any] = getattr(fitting_facts(), mapping)
    assert found, f"nothing to damage in {mapping}"
    return found


def alterations(where: str, value: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Where something was altered, what was and is there, and the whole with it."""
    if where in VALUES:
        yield from ((where, value, each, each) for each in VALUES[where] if each != value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            for at, old, new, part in alterations(f"{where}.{name}", getattr(value, name)):
                yield at, old, new, type(value)(**{each: getattr(value, each) for each in value._fields} | {name: part})
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            inner = where if hasattr(each, "_fields") else f"{where}[{number}]"
            for at, old, new, part in alterations(inner, each):
                yield at, old, new, (*value[:number], part, *value[number + 1 :])
        if value and where.endswith("attempts"):
            yield where, value, value[:-1], value[:-1]
    elif isinstance(value, set | dict):
        for each in value:
            held = value[each] if isinstance(value, dict) else each
            for at, old, new, part in alterations(where, held):
                yield at, old, new, value | {each: part} if isinstance(value, dict) else value - {each} | {part}
    else:
        yield from ((where, value, each, each) for each in others(value))


def others(value: Any) -> list[Any]:
    """Other values of the same kind."""
    match value:
        case bool():
            return [not value]
        case Enum():
            return [each for each in type(value) if each is not value]
        case int():
            return [value + 1, value - 1]
        case str() if value.endswith(":00Z"):
            return [value.replace("2026", "2025")]
        case str():
            return [value + "x", None]
        case bytes():
            return [bytes([value[0] ^ 1]) + value[1:], None]
        case datetime():
            return [value + timedelta(days=1), value - timedelta(days=1), None]
    assert value is None, f"no other value is known for {value!r}"
    return ["x", AT, b"x"]


def alterations_of(mapping: str) -> Iterator[Damage]:
    for key, value in records(mapping).items():
        for where, old, new, whole in alterations(mapping, value):
            if fits_the_type(where, old, new):
                yield damaged(mapping, key, whole, where=where.replace(".attempts[0]", ".attempts"), old=old, new=new)


NONE_OR = {
    "intents.filing.achievement": str, "intents.filing.partner": str, "issued.filing.achievement": str,
    "issued.filing.partner": str, "registered.filing.achievement": str, "registered.filing.partner": str,
    "statuses.achievement": str, "statuses.history": bytes, "asked.kid": str, "requests.partner": str,
    "deliveries.due_at": datetime, "deliveries.attempts.ended_at": datetime, "catalog.consortium": str,
    "intents.event[0]": str,
}  # fmt: skip
"""The fields that may be None, and what they are otherwise."""


def fits_the_type(where: str, old: Any, new: Any) -> bool:
    """What is of another type would be no fact: the reader could not have made it."""
    if where in VALUES:
        return True
    if new is None:
        return where in NONE_OR
    return old is not None or isinstance(new, NONE_OR[where])


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_record_or_row_that_is_deleted_is_missed(mapping: str) -> None:
    for key, value in records(mapping).items():
        if mapping == "completions" and value:
            continue  # of a type that is unknown here: nobody decided anything about it
        damage = damaged(mapping, key, None)
        report = compare(damage.facts)
        assert damage.is_named_in(report), f"{mapping} without {key}: {report.discrepancies}"


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_record_or_row_that_is_doubled_under_another_name_is_found(mapping: str) -> None:
    for key, value in records(mapping).items():
        if mapping == "completions" and value:
            continue
        damage = damaged(mapping, doubled(key), value)
        report = compare(damage.facts)
        assert damage.is_named_in(report), f"{mapping} with {key} twice: {report.discrepancies}"


def doubled(key: Any) -> Any:
    return (f"{key[0]}2", key[1]) if isinstance(key, tuple) else f"{key}2"


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_record_or_row_that_is_altered_in_any_field_is_found(mapping: str) -> None:
    for damage in alterations_of(mapping):
        if not damage.is_excepted:
            report = compare(damage.facts)
            what = f"{damage.where} of {damage.names[0]}: {damage.old!r} became {damage.new!r}"
            assert damage.is_named_in(report), f"{what}: {report.discrepancies}"


@pytest.mark.parametrize("where", NOT_COMPARED)
def test_what_is_said_not_to_be_compared_really_is_not(where: str) -> None:
    """So that no exception outlives its reason."""
    altered = [each for each in alterations_of(where.partition(".")[0]) if is_within(each.where, where)]
    excepted = [each for each in altered if each.is_excepted]
    assert any(not compare(each.facts).discrepancies for each in excepted)


def test_repeats_of_a_record_are_no_damage() -> None:
    facts = deepcopy(fitting_facts())
    for mapping in (facts.issued, facts.asked, facts.recorded):
        held: dict[Any, Any] = mapping
        for key, value in held.items():
            held[key] = value._replace(places=value.places * 2)
    assert compare(facts).discrepancies == ()


def test_damage_to_rows_and_records_leads_to_every_kind_of_discrepancy_about_them() -> None:
    found = {each.kind for mapping in MAPPINGS for damage in all_damage(mapping)
             for each in compare(damage.facts).discrepancies}  # fmt: skip
    beside = {
        Kind.ROW_UNREADABLE, Kind.DELIVERY_STUCK,  # no damage to a record: see test_comparing
        Kind.MAIL_MISSING,  # only who looks into a mailbox can say so
    }  # fmt: skip
    assert found | beside == set(Kind)


def all_damage(mapping: str) -> Iterator[Damage]:
    yield from (damaged(mapping, key, None) for key in records(mapping))
    yield from (damaged(mapping, doubled(key), value) for key, value in records(mapping).items())
    yield from alterations_of(mapping)
