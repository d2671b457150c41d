"""Facts of a consortium in which everything fits, as large and as mixed as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from laurel.contracts.errors import Code
from laurel.contracts.operations import Occasion
from laurel.contracts.status import Purpose, State
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, STATUS_CHANGES, STATUS_LISTS
from laurel.credentials.status_list import MINIMUM_LENGTH, Bitstring
from laurel.reconciliation import Facts
from laurel.reconciliation.facts import (
    Delivery,
    Family,
    Filing,
    Intent,
    Issued,
    Place,
    Position,
    Registered,
    Rejection,
    SignedList,
    Status,
    StoredList,
    Told,
)

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
END = 1_000_000
"""The offset that every group has reached, unless a test says otherwise."""


@dataclass(frozen=True)
class Plan:
    """What becomes of the completions, in this order: `states` are of those that are issued."""

    states: tuple[State, ...] = (State.REVOKED, State.SUSPENDED, State.ACTIVE)
    rejected: tuple[Code, ...] = (Code.INVALID_FIELD, Code.DUPLICATE_EVENT, Code.EVENT_ID_REUSED)
    passed_over: int = 1
    requested: int = 1
    families: int = 2


def record(number: int) -> str:
    """The name of completion number `number`."""
    return f"{COMPLETIONS.name}/{number % 6}/{number // 6}/{_digest(number)[:16]}"


def credential(number: int) -> str:
    """The id of the credential that completion number `number` earned."""
    return f"https://badges.example.org/credentials/{_digest(number)[:20]}"


def delivery(id_: str, occasion: Occasion) -> str:
    """The id of a delivery."""
    return sha256(f"{id_}{occasion}".encode()).hexdigest()[:32]


def fitting(plan: Plan) -> Facts:
    """Facts in which everything fits and nothing waits."""
    facts = Facts(at=AT)
    for service, topic in (
        ("issuer", COMPLETIONS), ("issuer", STATUS_CHANGES), ("registry", CREDENTIALS), ("registry", STATUS_LISTS),
        ("notifier", CREDENTIALS), ("notifier", STATUS_CHANGES),
    ):  # fmt: skip
        facts.committed[service, topic.name] = dict.fromkeys(range(topic.partitions), END)
    for number, state in enumerate(plan.states):
        facts.completions[record(number)] = False
        _issue(facts, number, state, plan, record=record(number))
    number = len(plan.states)
    for code in plan.rejected:
        facts.completions[record(number)] = False
        digest = sha256(record(number).encode()).digest()
        facts.rejections[record(number)] = Rejection(code.value, f"event-{number}", digest, AT)
        facts.rejected[f"event-{number}"] = {digest}
        number += 1
    for _ in range(plan.passed_over):
        facts.completions[record(number)] = True
        number += 1
    for _ in range(plan.requested):
        _issue(facts, number, State.ACTIVE, plan, record=None)
        number += 1
    _sign_lists(facts, plan)
    return facts


def _issue(facts: Facts, number: int, state: State, plan: Plan, *, record: str | None) -> None:
    id_, digest = credential(number), _digest(number)
    family = f"north-{number % plan.families}"
    # Seven times the number, so that neighbours do not lie beside each other.
    filing = Filing("north", "welding" if record else None, "campus" if record else None,
                    Position(family, number * 7 % MINIMUM_LENGTH), "2026-06-01T12:00:00Z")  # fmt: skip
    place = Place(number % 6, number)
    version, history = (1, None) if state is State.ACTIVE else (2, b"history")
    facts.intents[id_] = Intent(
        record, ("campus" if record else None, "https://campus.example.org", f"e{number}"), filing
    )
    facts.issued[id_] = Issued((place,), digest, filing)
    facts.registered[id_] = Registered(digest, digest, filing, state, version, history or b"first")
    facts.statuses[id_] = Status(place, filing.position, record is not None, state, version, history)
    occasions = [Occasion.ISSUED] if record else []
    if record and state is State.REVOKED:
        occasions.append(Occasion.REVOKED)
    for occasion in occasions:
        row = delivery(id_, occasion)
        facts.deliveries[row] = Delivery(id_, occasion, "sent", None, False, ("deferred", "sent"), AT)
        facts.told[row] = {Told(1, succeeded=False), Told(2, succeeded=True)}


def _sign_lists(facts: Facts, plan: Plan) -> None:
    for number in range(plan.families):
        name, bits = f"north-{number}", {}
        for purpose, state in ((Purpose.REVOCATION, State.REVOKED), (Purpose.SUSPENSION, State.SUSPENDED)):
            row = Bitstring()
            for status in facts.statuses.values():
                if status.position.family == name and status.state is state:
                    row.set(status.position.bit, True)
            bits[purpose.value] = row.to_bytes()
            list_name, digest = f"{name}-{purpose.value}", _digest(number) + purpose.value
            facts.signed_lists[list_name] = SignedList(Place(0, number), "north", name, purpose, 3, digest,
                                                       row.to_bytes())  # fmt: skip
            facts.stored_lists[list_name] = StoredList("north", 3, digest, digest)
        facts.families[name] = Family(3, False, bits)


def _digest(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def overdue() -> datetime:
    """A moment so long ago that a delivery due then is stuck."""
    return AT - timedelta(hours=1)
