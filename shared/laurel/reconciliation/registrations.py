"""The registry against the log, and status lists against statuses. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict

from laurel.contracts.base import utc_text
from laurel.contracts.status import Purpose, State
from laurel.contracts.topics import CREDENTIALS, STATUS_CHANGES, STATUS_LISTS
from laurel.reconciliation.documents import first_history_digest
from laurel.reconciliation.facts import Facts, Issued, Place, Registered, Status
from laurel.reconciliation.report import Balance, Findings, Kind, Why

REGISTRY = "registry"
ISSUER = "issuer"
_SET_BY = {Purpose.REVOCATION: State.REVOKED, Purpose.SUSPENSION: State.SUSPENDED}


def compare_registrations(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each credential on the topic is in the registry, as it is there, and no other."""
    balance.registered = len(facts.registered)
    balance.states = dict(Counter(row.state.value for row in facts.registered.values()))
    for id_, issued in facts.issued.items():
        row = facts.registered.get(id_)
        if row is not None:
            if said := _difference(issued, row):
                findings.wrong(Kind.REGISTRATION_DIFFERS, id_, said)
        elif facts.given_up(REGISTRY, CREDENTIALS.name, *issued.places):
            findings.unfinished("registering", Why.DEAD_LETTERED, id_)
        elif facts.waits(REGISTRY, CREDENTIALS.name, *issued.places):
            findings.unfinished("registering", Why.WAITING, id_)
        else:
            findings.wrong(Kind.REGISTRATION_MISSING, id_, "The registry has passed it and does not have it.")
    for id_ in facts.registered.keys() - facts.issued.keys():
        findings.wrong(Kind.REGISTRATION_UNEXPLAINED, id_, "The registry has it, and the topic does not.")


def _difference(issued: Issued, row: Registered) -> str | None:
    if row.digest != issued.digest:
        return "The registry's document is not the one on the topic."
    if row.noted != row.digest:
        return "The registry's row notes a digest that is not its document's."
    if row.filing != issued.filing:
        return "The registry files it otherwise than the topic."
    if row.token != issued.address.rpartition("/")[2]:
        return "The registry does not find it by its public address."
    return None


def compare_statuses(facts: Facts, findings: Findings) -> None:
    """Each registered credential's status is the newest on the topic, with its whole history."""
    for id_, row in facts.registered.items():
        if not row.consistent:
            findings.wrong(Kind.STATUS_DIFFERS, id_, "The registry's state and version are not those of its history.")
        status = facts.statuses.get(id_)
        if status is None:
            _explain_missing_status(id_, facts, findings)
        elif (row.version, row.state, row.at) != (status.version, status.state, status.at):
            findings.wrong(Kind.STATUS_DIFFERS, id_, f"The registry has {row.state.value} (version {row.version}, "
                           f"{utc_text(row.at)}), the topic {status.state.value} (version {status.version}, "
                           f"{utc_text(status.at)}).")  # fmt: skip
        elif not _filed_alike(row, status):
            findings.wrong(Kind.STATUS_DIFFERS, id_, "The topic files its status otherwise than the registry.")
        elif status.history is not None and status.history != row.history:
            findings.wrong(Kind.STATUS_DIFFERS, id_, "The registry's history is not the one on the topic.")
        elif status.history is None and status.version == 1:
            _compare_first_history(id_, row, facts, findings)
        elif status.history is None:
            findings.wrong(Kind.HISTORY_NOT_IN_LOG, id_, "The log does not have its history, and so a rebuilt registry "
                           "would not: restart the registry, which publishes it.")  # fmt: skip
    for id_ in facts.statuses.keys() - facts.registered.keys():
        findings.wrong(Kind.STATUS_UNEXPLAINED, id_, "Its status is on the topic, and the registry does not have it.")


def _filed_alike(row: Registered, status: Status) -> bool:
    filing = row.filing
    return (filing.issuer, filing.achievement, filing.position) == (status.issuer, status.achievement, status.position)


def _compare_first_history(id_: str, row: Registered, facts: Facts, findings: Findings) -> None:
    issued = facts.issued.get(id_)
    if issued is not None and row.history != first_history_digest(issued.filing.issued_at, issued.event_id):
        findings.wrong(Kind.STATUS_DIFFERS, id_, "The registry's history is not that of its registration.")


def _explain_missing_status(id_: str, facts: Facts, findings: Findings) -> None:
    issued = facts.issued.get(id_)
    if issued is not None and facts.given_up(REGISTRY, CREDENTIALS.name, *issued.places):
        findings.unfinished("publishing a status", Why.DEAD_LETTERED, id_)
    elif issued is not None and facts.waits(REGISTRY, CREDENTIALS.name, *issued.places):
        findings.unfinished("publishing a status", Why.WAITING, id_)
    else:
        findings.wrong(Kind.STATUS_MISSING, id_, "The registry has it, and its status was never published.")


def compare_lists(facts: Facts, balance: Balance, findings: Findings) -> None:
    """The registry serves the newest lists, and they are the issuer's bits."""
    balance.status_lists = len(facts.signed_lists)
    for name, signed in facts.signed_lists.items():
        if name != f"{signed.family}-{signed.purpose.value}":
            findings.wrong(
                Kind.LIST_DIFFERS, name, "The topic has it for another family or purpose than its name says."
            )
        held = facts.stored_lists.get(name)
        if held is None or held.version < signed.version:
            _explain_old_list(name, signed.place, facts, findings)
        elif (held.version, held.digest, held.issuer) != (signed.version, signed.digest, signed.issuer):
            findings.wrong(Kind.LIST_DIFFERS, name, f"The registry's version {held.version} is not the topic's.")
        elif held.noted != held.digest:
            findings.wrong(Kind.LIST_DIFFERS, name, "The registry's row notes a digest that is not its document's.")
        if signed.family not in facts.families:
            findings.wrong(Kind.LIST_UNEXPLAINED, name, "The topic has it, and the issuer does not have its family.")
    for name in facts.stored_lists.keys() - facts.signed_lists.keys():
        findings.wrong(Kind.LIST_UNEXPLAINED, name, "The registry has it, and the topic does not.")
    for name, family in facts.families.items():
        for purpose in Purpose:
            list_name = f"{name}-{purpose.value}"
            on_topic = facts.signed_lists.get(list_name)
            if family.unpublished:
                findings.unfinished("signing a status list", Why.WAITING, list_name)
            elif on_topic is None:
                findings.wrong(Kind.LIST_MISSING, list_name, "The issuer published it, and it is not on the topic.")
            elif on_topic.version != family.version or on_topic.bits != family.bits[purpose.value]:
                findings.wrong(Kind.LIST_DIFFERS, list_name, f"The topic's version {on_topic.version} is not the "
                               f"issuer's version {family.version}.")  # fmt: skip


def _explain_old_list(name: str, place: Place, facts: Facts, findings: Findings) -> None:
    if facts.given_up(REGISTRY, STATUS_LISTS.name, place):
        findings.unfinished("keeping a status list", Why.DEAD_LETTERED, name)
    elif facts.waits(REGISTRY, STATUS_LISTS.name, place):
        findings.unfinished("keeping a status list", Why.WAITING, name)
    else:
        findings.wrong(Kind.LIST_MISSING, name, "The registry does not have the newest version on the topic.")


def compare_bits(facts: Facts, findings: Findings) -> None:
    """A bit is set exactly where a credential's status says so."""
    members: defaultdict[str, list[tuple[str, Status]]] = defaultdict(list)
    for id_, status in facts.statuses.items():
        members[status.position.family].append((id_, status))
    for family, credentials in members.items():
        for purpose in Purpose:
            _compare_list(family, purpose, credentials, facts, findings)


def _compare_list(
    family: str, purpose: Purpose, credentials: list[tuple[str, Status]], facts: Facts, findings: Findings
) -> None:
    name = f"{family}-{purpose.value}"
    signed = facts.signed_lists.get(name)
    bits = bytearray(signed.bits if signed else b"")
    on_its_way = family in facts.families and facts.families[family].unpublished
    for id_, status in credentials:
        byte, mask = status.position.bit >> 3, 0x80 >> (status.position.bit & 7)
        is_set = byte < len(bits) and bool(bits[byte] & mask)
        if is_set:
            bits[byte] ^= mask
        if signed is not None and is_set == (status.state is _SET_BY[purpose]):
            continue
        if facts.given_up(ISSUER, STATUS_CHANGES.name, status.place):
            findings.unfinished("setting a status bit", Why.DEAD_LETTERED, f"{name} of {id_}")
        elif on_its_way or facts.waits(ISSUER, STATUS_CHANGES.name, status.place):
            findings.unfinished("setting a status bit", Why.WAITING, f"{name} of {id_}")
        elif signed is None:
            findings.wrong(Kind.LIST_MISSING, name, "Credentials point to it, and it is not on the topic.")
        else:
            findings.wrong(Kind.LIST_BIT_WRONG, f"{name}/{status.position.bit}", f"{id_} is {status.state.value}, "
                           f"and its bit is {'set' if is_set else 'clear'}.")  # fmt: skip
    for byte, left in enumerate(bits):
        if left:
            index = byte * 8 + 8 - left.bit_length()
            findings.wrong(Kind.LIST_BIT_WRONG, f"{name}/{index}", "The bit is set, and no credential has this index.")
