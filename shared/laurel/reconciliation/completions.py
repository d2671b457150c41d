"""Completions against what became of them, and the issuer's decisions against the topics it writes. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict

from laurel.contracts.envelope import derived_id
from laurel.contracts.errors import Code
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS
from laurel.credentials.status_list import MINIMUM_LENGTH
from laurel.reconciliation.facts import Facts, Place
from laurel.reconciliation.report import Balance, Findings, Kind, Why

ISSUER = "issuer"
_EVENT_TYPE = next(iter(CREDENTIALS.events))
_DUPLICATES = frozenset({Code.DUPLICATE_EVENT.value, Code.EVENT_ID_REUSED.value})


def place_of(record: str) -> Place:
    """Where a record lies, from the name that the issuer gives it: topic/partition/offset/digest."""
    _, partition, offset, *_ = record.split("/")
    return Place(int(partition), int(offset))


def compare_completions(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each completion has exactly one outcome, and each outcome a completion."""
    issued = _issued_by_record(facts, findings)
    balance.requested = sum(intent.record is None for intent in facts.intents.values())
    balance.published = len(facts.completions)
    for record, passed_over in facts.completions.items():
        _account_for(record, issued.get(record), passed_over, facts, balance, findings)
    for record in (*issued, *facts.rejections):
        if record not in facts.completions:
            _explain_outcome(record, facts, balance, findings)
    events = Counter(intent.event for intent in facts.intents.values())
    for id_, intent in facts.intents.items():
        if events[intent.event] > 1:
            findings.wrong(Kind.EVENT_ISSUED_TWICE, id_, "Another credential was issued for the same event "
                           f"{intent.event[2]!r} of {intent.event[1]!r}.")  # fmt: skip


def _issued_by_record(facts: Facts, findings: Findings) -> dict[str, str]:
    issued: dict[str, str] = {}
    for id_, intent in facts.intents.items():
        if intent.record is not None and issued.setdefault(intent.record, id_) != id_:
            findings.wrong(
                Kind.COMPLETION_DECIDED_TWICE, intent.record, f"It earned {issued[intent.record]} and {id_}."
            )
    return issued


def _account_for(
    record: str, credential: str | None, passed_over: bool, facts: Facts, balance: Balance, findings: Findings
) -> None:
    """Put one completion under the one heading that it belongs to."""
    place, rejection = place_of(record), facts.rejections.get(record)
    if credential is not None and rejection is not None:
        findings.wrong(Kind.COMPLETION_DECIDED_TWICE, record,
                       f"It earned {credential} and was refused with {rejection.code}.")  # fmt: skip
    given_up = facts.given_up(ISSUER, COMPLETIONS.name, place)
    if credential is not None and (credential in facts.issued or not given_up):
        balance.issued += 1
    elif rejection is not None:
        _count_rejection(balance, rejection.code)
    elif given_up:
        balance.dead_lettered += 1
        findings.unfinished("issuing", Why.DEAD_LETTERED, record)
    elif facts.waits(ISSUER, COMPLETIONS.name, place):
        balance.waiting += 1
        findings.unfinished("issuing", Why.WAITING, record)
    elif passed_over:
        balance.passed_over += 1
    else:
        balance.lost += 1
        findings.wrong(Kind.COMPLETION_LOST, record, "The issuer has passed it, and nothing came of it.")


def _count_rejection(balance: Balance, code: str) -> None:
    if code in _DUPLICATES:
        balance.duplicates += 1
    else:
        balance.rejected += 1
    balance.rejection_codes[code] = balance.rejection_codes.get(code, 0) + 1


def _explain_outcome(record: str, facts: Facts, balance: Balance, findings: Findings) -> None:
    place = place_of(record)
    if place.offset < facts.begins.get(COMPLETIONS.name, {}).get(place.partition, 0):
        balance.deleted_by_retention += 1
    else:
        findings.wrong(Kind.OUTCOME_UNEXPLAINED, record, "The issuer has decided on a record that the topic lacks.")


def compare_rejections(facts: Facts, balance: Balance, findings: Findings) -> None:
    """The rejections that are stored are those on the topic."""
    stored: dict[str, tuple[str, bytes]] = {}
    for record, rejection in facts.rejections.items():
        stored[rejection.event_id] = (record, rejection.digest)
        if rejection.event_id in facts.rejected:
            continue
        place = place_of(record)
        if facts.rejected_since is not None and rejection.at < facts.rejected_since:
            balance.rejections_deleted_by_retention += 1
        elif facts.given_up(ISSUER, COMPLETIONS.name, place):
            findings.unfinished("telling of a rejection", Why.DEAD_LETTERED, record)
        elif facts.waits(ISSUER, COMPLETIONS.name, place):
            findings.unfinished("telling of a rejection", Why.WAITING, record)
        else:
            findings.wrong(Kind.REJECTION_MISSING, record, f"Its rejection {rejection.event_id} "
                           f"({rejection.code}) was never published.")  # fmt: skip
    for event_id, digests in facts.rejected.items():
        if event_id not in stored:
            findings.wrong(Kind.REJECTION_UNEXPLAINED, event_id, "It is on the topic, and the issuer knows of none.")
        elif digests != {stored[event_id][1]}:
            findings.wrong(Kind.REJECTION_DIFFERS, event_id, "The topic says something else than the issuer stored of "
                           f"{stored[event_id][0]}.")  # fmt: skip


def compare_credentials(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each decision to issue led to one credential on the topic, as it was decided."""
    balance.credentials = len(facts.issued)
    for id_, intent in facts.intents.items():
        issued = facts.issued.get(id_)
        if issued is not None:
            if issued.filing != intent.filing:
                findings.wrong(Kind.CREDENTIAL_DIFFERS, id_, "The topic files it otherwise than the issuer decided.")
            if issued.event_id != derived_id(*intent.event[1:], _EVENT_TYPE):
                findings.wrong(Kind.CREDENTIAL_DIFFERS, id_, "The topic tells of it for another event than the issuer.")
            continue
        place = None if intent.record is None else place_of(intent.record)
        if place is not None and facts.given_up(ISSUER, COMPLETIONS.name, place):
            findings.unfinished("publishing a credential", Why.DEAD_LETTERED, id_)
        elif intent.unpublished or (place is not None and facts.waits(ISSUER, COMPLETIONS.name, place)):
            findings.unfinished("publishing a credential", Why.WAITING, id_)
        else:
            findings.wrong(Kind.CREDENTIAL_MISSING, id_, "The issuer decided to issue it, and it is not on the topic.")
    for id_, issued in facts.issued.items():
        if id_ not in facts.intents:
            findings.wrong(Kind.CREDENTIAL_UNEXPLAINED, id_, "It is on the topic, and the issuer knows of no such one.")
        if issued.differing:
            findings.wrong(Kind.CREDENTIAL_DIFFERS, id_, f"Its records on {CREDENTIALS.name} do not say the same.")


def compare_positions(facts: Facts, balance: Balance, findings: Findings) -> None:
    """No status position is used twice, and each lies in its list."""
    users: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for id_, intent in facts.intents.items():
        users[intent.filing.position].add(id_)
    for id_, issued in facts.issued.items():
        users[issued.filing.position].add(id_)
    balance.indexes = len(users)
    lengths: dict[str, int] = {}
    for each in facts.signed_lists.values():
        lengths[each.family] = min(len(each.bits) * 8, lengths.get(each.family, len(each.bits) * 8))
    for (family, index), ids in users.items():
        if len(ids) > 1:
            findings.wrong(Kind.INDEX_USED_TWICE, f"{family}/{index}", f"It is used by {', '.join(sorted(ids))}.")
        if not 0 <= index < lengths.get(family, MINIMUM_LENGTH):
            findings.wrong(Kind.INDEX_OUTSIDE, f"{family}/{index}", f"It lies outside the list ({min(ids)}).")
