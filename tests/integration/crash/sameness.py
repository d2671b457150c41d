"""Whether a service that died and was started again ended where it would have ended undisturbed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from integration.crash.story import Step
from laurel.contracts.topics import AUDIT, DEAD_LETTERS, DELIVERIES
from support.crash import Life, Published, Rows

_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT)(14|16|18|20|22)(:)")
_DRAWN_ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
_TRACE = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")
_DRAWN = {
    # A number that was reserved by a process that died is never used, so the next one gets another, and so does the
    # list position that follows from it; and the proof is over that, and over the time.
    "issuer": frozenset({"next", "index", "statusListIndex", "proofValue"}),
    # The digest of a request is over the time at which it was first accepted, too.
    "registry": frozenset({"digest"}),
    # An attempt whose end nobody recorded stays one: the row, and the event that tells of the last, count it. And of
    # a claim that nobody let go, the next process takes its rows up by one of its own.
    "notifier": frozenset({"tries", "attempt", "attempts", "changes"}),
}
"""What may differ between two first times, by service: it is drawn anew where nothing was stored yet."""


def canonical(value: Any, drawn: frozenset[str] = frozenset(), *, times: bool = True) -> Any:
    """A value in which what may differ is left out; JSON inside texts is opened."""
    match value:
        case dict():
            kept = sorted((str(name), each) for name, each in value.items() if name not in drawn)
            return tuple((name, canonical(each, drawn, times=times)) for name, each in kept)
        case list() | tuple():
            return tuple(canonical(each, drawn, times=times) for each in value)
        case bytes():
            return canonical(value.decode(errors="replace"), drawn, times=times)
        case datetime():
            return canonical(value.isoformat(), drawn, times=times)
        case str() if value[:1] in ("{", "["):
            try:
                return canonical(orjson.loads(value), drawn, times=times)
            except orjson.JSONDecodeError:
                return value
        case str() if _TRACE.match(value):
            return "trace"
        case str() if drawn and _DRAWN_ID.match(value):
            return "a request that was given no id has another whenever it is made"
        case str() if times:
            return _TIME.sub(r"\g<1>12\3", value)
    return value


def state(rows: Rows, drawn: frozenset[str] = frozenset(), *, times: bool = True) -> dict[str, Any]:
    """A database's rows, by collection and id. What waits for something is looked at again whenever its time has come,
    so without `times` when that will be is left out."""
    looked_at_again = frozenset({"due_at"})
    return {
        f"{name}/{canonical(row['_id'], drawn)}": canonical(
            row, drawn if times or not row.get("waiting_for") else drawn | looked_at_again, times=times
        )
        for name, each in rows.items()
        for row in each
    }


def told(each: Published, drawn: frozenset[str] = frozenset()) -> tuple[Any, ...]:
    """A message but for what may differ."""
    # The ids of the last two name an attempt, or a request, that may have been made anew.
    numbered = each.type == "status.heartbeat" or (drawn and each.topic in (DELIVERIES.name, AUDIT.name))
    if drawn and _gave_up(each):
        drawn = drawn | {"reason"}
    identity = None if numbered else canonical(each.id, drawn)
    headers = tuple((name, canonical(raw)) for name, raw in each.headers if name != "ce_id")
    return each.topic, each.partition, each.key, identity, headers, canonical(each.value, drawn)


def _gave_up(each: Published) -> bool:
    """Whether no attempt follows. Nobody knows how one ended that a process made which died."""
    return each.type == "delivery.failed" and "nextAttemptAt" not in orjson.loads(each.value)


def _said_anew(each: Published) -> bool:
    """When a service gave up, and how far its heartbeat goes, is said anew by each process."""
    return each.topic == DEAD_LETTERS.name or each.type == "status.heartbeat"


def differences(step: Step, lives: Sequence[Life], after: Rows, again: Life, after_again: Rows) -> list[str]:
    """What is not as it should be, after `lives` of which some died, and one more process `again`."""
    drawn = _DRAWN.get(step.service, frozenset())
    published = [each for life in lives for each in life.published]
    return [
        *_odd("state", state(step.after, drawn).items(), state(after, drawn).items()),
        *_odd("published", (told(each, drawn) for each in step.undisturbed.published),
              (told(each, drawn) for each in published)),
        *_odd("state after one more run", state(after, times=False).items(), state(after_again, times=False).items()),
        *_contradictions([*published, *again.published]),
        *_news(published, again.published),
        *_mails(step, lives, again),
    ]  # fmt: skip


def _odd(what: str, wanted: Iterable[Any], found: Iterable[Any]) -> list[str]:
    wanted, found = set(wanted), set(found)
    return [f"{what}: lacks {each}" for each in wanted - found] + [f"{what}: has {each}" for each in found - wanted]


def _contradictions(published: Iterable[Published]) -> list[str]:
    """The same event with other bytes."""
    first: dict[tuple[str, str, str], Any] = {}
    found = []
    for each in published:
        bytes_of = told(each) if _said_anew(each) else each
        if first.setdefault((each.topic, each.key, each.id), bytes_of) != bytes_of:
            found.append(f"published twice, and not the same: {each}")
    return found


def _news(before: Iterable[Published], after: Iterable[Published]) -> list[str]:
    """What one more process published that none before it did."""
    known = {told(each) if _said_anew(each) else each for each in before}
    return [f"published by one more run: {each}" for each in after
            if (told(each) if _said_anew(each) else each) not in known]  # fmt: skip


def _mails(step: Step, lives: Sequence[Life], again: Life) -> list[str]:
    """Each mail once, and once more at most for each process that died before it could record it; byte for byte."""
    sent = [each for life in lives for each in life.mails]
    deaths = sum(life.dead for life in lives)
    wrong = _odd("mails", step.undisturbed.mails, sent)
    wrong += [f"mail sent by one more run: {each}" for each in again.mails]
    if len(sent) > len(step.undisturbed.mails) + deaths:
        wrong.append(f"{len(sent)} mails, and {deaths} deaths among {len(step.undisturbed.mails)}")
    return wrong
