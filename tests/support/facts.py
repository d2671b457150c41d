"""Facts of a consortium in which everything fits, as large and as mixed as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from hashlib import sha256

from laurel.contracts.base import utc_text
from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.operations import Occasion
from laurel.contracts.status import Purpose, State
from laurel.contracts.topics import (
    COMPLETIONS,
    CREDENTIALS,
    RECIPIENTS,
    STATUS_CHANGES,
    STATUS_LISTS,
    STATUS_REQUESTS,
)
from laurel.credentials.status_list import MINIMUM_LENGTH, Bitstring
from laurel.reconciliation import Facts
from laurel.reconciliation.documents import first_history_digest
from laurel.reconciliation.facts import (
    Asked,
    Attempt,
    CatalogEntry,
    Change,
    Delivery,
    Family,
    Filing,
    Intent,
    Issued,
    Place,
    Position,
    Recorded,
    Registered,
    Rejection,
    SignedList,
    Status,
    StoredEntry,
    StoredList,
    StoredRequest,
    Told,
)

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
END = 1_000_000
"""The offset that every group has reached, unless a test says otherwise."""


CHANGED = AT - timedelta(hours=1)
"""When statuses were changed."""
LONG_AGO = AT - timedelta(days=9)
"""So long ago that topics have forgotten what they forget, and nobody waits for a recipient any more."""


class End(Enum):
    """What becomes of the mail about a credential. Where it is not sent, the one about its revocation is not either."""

    SENT = auto()
    FAILED = auto()
    SUPERSEDED = auto()
    """If it is revoked; otherwise it is sent."""
    NO_RECIPIENT = auto()


@dataclass(frozen=True)
class Plan:
    """What becomes of the completions, in this order: `states` are of those that are issued, and `ends`, over and over
    again, of their mails. `refused` status requests changed nothing."""

    states: tuple[State, ...] = (State.REVOKED, State.SUSPENDED, State.ACTIVE)
    rejected: tuple[Code, ...] = (Code.INVALID_FIELD, Code.DUPLICATE_EVENT, Code.EVENT_ID_REUSED)
    passed_over: int = 1
    requested: int = 1
    families: int = 2
    ends: tuple[End, ...] = (End.SENT,)
    refused: int = 1


def record(number: int) -> str:
    """The name of completion number `number`."""
    return f"{COMPLETIONS.name}/{number % 6}/{number // 6}/{_digest(number)[:16]}"


def credential(number: int) -> str:
    """The id of the credential that completion number `number` earned."""
    return f"https://badges.example.org/credentials/{_digest(number)[:20]}"


def request(number: int) -> str:
    """The id of the request that changed the status of completion number `number`'s credential."""
    return f"request-{number}"


def delivery(id_: str, occasion: Occasion) -> str:
    """The id of a delivery."""
    return sha256(f"{id_}{occasion}".encode()).hexdigest()[:32]


def fitting(plan: Plan) -> Facts:
    """Facts in which everything fits and nothing waits."""
    facts = Facts(at=AT)
    for service, topic in (
        ("issuer", COMPLETIONS), ("issuer", STATUS_CHANGES), ("registry", CREDENTIALS), ("registry", STATUS_LISTS),
        ("registry", STATUS_REQUESTS), ("notifier", CREDENTIALS), ("notifier", STATUS_CHANGES),
        ("notifier", RECIPIENTS),
    ):  # fmt: skip
        facts.committed[service, topic.name] = dict.fromkeys(range(topic.partitions), END)
    facts.whole_since[RECIPIENTS.name] = AT - timedelta(days=7)
    _publish_catalog(facts)
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
    for number in range(plan.refused):
        _ask(facts, f"refused-{number}", credential(0), kid="campus-1", refused=True)
    _sign_lists(facts, plan)
    return facts


def _publish_catalog(facts: Facts) -> None:
    facts.consortium = "Consortium"
    for key, found_by in (
        ("issuer/north", ()), ("achievement/welding", ("north",)), ("partner/campus", ("campus-1",)),
        ("operator/desk", (_digest(0),)),
    ):  # fmt: skip
        digest, content = f"digest of {key}", f"content of {key}"
        consortium = facts.consortium if key.startswith("issuer/") else None
        facts.catalog[key] = CatalogEntry(2, digest, content, LONG_AGO, found_by, consortium)
        facts.stored_catalog[key] = StoredEntry(2, digest, content, LONG_AGO, found_by, 2)


def _ask(facts: Facts, id_: str, credential: str, *, kid: str | None, refused: bool) -> None:
    digest, place = sha256(id_.encode()).digest(), Place(0, len(facts.asked))
    facts.asked[id_, digest] = Asked((place,), credential, CHANGED, kid)
    facts.requests[id_] = StoredRequest(digest, credential, None if kid is None else "campus", CHANGED, refused)
    if not refused:
        facts.changes[id_] = Change(credential, CHANGED)


def _issue(facts: Facts, number: int, state: State, plan: Plan, *, record: str | None) -> None:
    id_, digest, end = credential(number), _digest(number), plan.ends[number % len(plan.ends)]
    family, issued_at = f"north-{number % plan.families}", LONG_AGO if end is End.NO_RECIPIENT else AT
    # Seven times the number, so that neighbours do not lie beside each other.
    filing = Filing("north", "welding" if record else None, "campus" if record else None,
                    Position(family, number * 7 % MINIMUM_LENGTH), utc_text(issued_at))  # fmt: skip
    place, event = Place(number % 6, number), ("https://campus.example.org", f"e{number}")
    event_id = derived_id(*event, "credential.issued")
    first = first_history_digest(filing.issued_at, event_id)
    version, history, since = (1, None, issued_at) if state is State.ACTIVE else (2, b"history", CHANGED)
    facts.intents[id_] = Intent(record, ("campus" if record else None, *event), filing)
    facts.issued[id_] = Issued((place,), digest, filing, event_id, id_)
    facts.registered[id_] = Registered(
        digest, digest, filing, id_.rpartition("/")[2], state, version, since, history or first
    )
    facts.statuses[id_] = Status(
        place, filing.issuer, filing.achievement, filing.position, state, version, since, history
    )
    if state is not State.ACTIVE:
        _ask(facts, request(number), id_, kid=None if number % 2 else "campus-1", refused=False)
    if record:
        if end is not End.NO_RECIPIENT:
            facts.recorded[id_] = Recorded((place,), issued_at)
            facts.recipients[id_] = issued_at + timedelta(days=400)
        _write_to(facts, id_, end, since=issued_at, revoked=state is State.REVOKED)


_MAILS: dict[End, tuple[tuple[str, tuple[str, ...]], str]] = {
    End.SENT: (("sent", ("deferred", "sent")), "sent"),
    End.FAILED: (("failed", ("deferred", "refused")), "superseded"),
    End.SUPERSEDED: (("superseded", ("deferred",)), "superseded"),
    End.NO_RECIPIENT: (("no-recipient", ()), "no-recipient"),
}
"""The state and the attempts of the mail about a credential, and the state of the one about its revocation."""


def _write_to(facts: Facts, id_: str, end: End, *, since: datetime, revoked: bool) -> None:
    (state, outcomes), then = _MAILS[End.SENT if end is End.SUPERSEDED and not revoked else end]
    _mail(facts, id_, Occasion.ISSUED, since, state, outcomes)
    if revoked:
        _mail(facts, id_, Occasion.REVOKED, CHANGED, then, ("sent",) if then == "sent" else ())


def attempted(*outcomes: str | None) -> tuple[Attempt, ...]:
    """Attempts that came to this."""
    return tuple(Attempt(outcome, None if outcome is None else AT) for outcome in outcomes)


def _mail(
    facts: Facts, id_: str, occasion: Occasion, since: datetime, state: str, outcomes: tuple[str, ...]
) -> None:  # fmt: skip
    row = delivery(id_, occasion)
    facts.deliveries[row] = Delivery(id_, occasion, "north", "welding", since, state, None, False,
                                     attempted(*outcomes))  # fmt: skip
    if outcomes:
        facts.told[row] = {Told(number, outcome == "sent") for number, outcome in enumerate(outcomes, 1)}


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
