"""Status requests against what became of them: in the registry's rows and in the credentials' histories. Pure.

Whether a request was carried out, no row of its own says: the change stands in the credential's history, under the
request's id. That the histories are those of the log is compared with the statuses.
"""

from __future__ import annotations

from collections import Counter

from laurel.contracts.base import utc_text
from laurel.contracts.topics import STATUS_REQUESTS
from laurel.reconciliation.facts import Asked, Facts, StoredRequest
from laurel.reconciliation.report import Balance, Findings, Kind, Why

REGISTRY = "registry"


def compare_requests(facts: Facts, balance: Balance, findings: Findings) -> None:
    """Each request on the topic is in the registry and was carried out or refused, and each change was asked for."""
    for (id_, digest), asked in facts.asked.items():
        row = facts.requests.get(id_)
        if row is not None and row.digest == digest:
            continue
        if why := facts.excuse(REGISTRY, STATUS_REQUESTS.name, *asked.places):
            findings.unfinished("accepting a status request", why, id_)
        elif row is None:
            findings.wrong(Kind.REQUEST_LOST, id_, f"The registry has passed it and does not have it: it is of "
                           f"{asked.credential}.")  # fmt: skip
        else:
            findings.wrong(Kind.REQUEST_DIFFERS, id_, "The registry has another one under its id, and did not say so.")
    partners = {kid: key.partition("/")[2] for key, entry in facts.catalog.items()
                if key.startswith("partner/") for kid in entry.found_by}  # fmt: skip
    outcomes: Counter[str] = Counter()
    for id_, row in facts.requests.items():
        on_topic = facts.asked.get((id_, row.digest))
        outcomes[_outcome(id_, row, facts)] += 1
        if said := _difference(id_, row, on_topic, partners, facts):
            findings.wrong(Kind.REQUEST_DIFFERS, id_, said)
        if on_topic is None:
            _explain_row(id_, row, facts, balance, findings)
        elif not _is_decided(id_, row, facts):
            _explain_undecided(id_, on_topic, facts, findings)
    balance.requests = dict(outcomes)
    for id_, change in facts.changes.items():
        if change.again:
            findings.wrong(Kind.REQUEST_DIFFERS, id_, f"It stands twice in histories, such as {change.credential}'s.")
        # A registry that was made anew from the log has only the requests that the log still has.
        if id_ not in facts.requests and not facts.forgotten(STATUS_REQUESTS.name, change.at):
            findings.wrong(Kind.CHANGE_UNEXPLAINED, id_, f"The status of {change.credential} was changed by a request "
                           "that the registry does not have.")  # fmt: skip


def _is_decided(id_: str, row: StoredRequest, facts: Facts) -> bool:
    return row.refused or id_ in facts.changes


def _outcome(id_: str, row: StoredRequest, facts: Facts) -> str:
    """What counts where there are two: an instance that was frozen may have noted a refusal after another had carried
    the request out, and the registry, too, goes by the history then."""
    if id_ in facts.changes:
        return "carried out"
    return "refused" if row.refused else "undecided"


def _difference(
    id_: str, row: StoredRequest, asked: Asked | None, partners: dict[str, str], facts: Facts
) -> str | None:  # fmt: skip
    change = facts.changes.get(id_)
    if change is not None and (change.credential, change.at) != (row.credential, row.accepted_at):
        return f"It changed {change.credential} at another time than it was accepted, or another one than it names."
    if asked is None:
        return None
    if asked.credential != row.credential:
        return f"The topic has it for {asked.credential}."
    if asked.kid is None:
        own = row.partner is None and row.accepted_at == asked.at
        return None if own else "The registry has it from somebody else, or of another time, than its own API."
    if row.partner is None or partners.get(asked.kid, row.partner) != row.partner:
        return "The registry has it from somebody else than the one whose key it names."
    return None


def _explain_row(id_: str, row: StoredRequest, facts: Facts, balance: Balance, findings: Findings) -> None:
    """A request that the topic does not have. One of the API's is stored first and published then."""
    if facts.forgotten(STATUS_REQUESTS.name, row.accepted_at):
        balance.requests_deleted_by_retention += 1
    elif _is_decided(id_, row, facts) or row.partner is not None:
        findings.wrong(Kind.REQUEST_UNEXPLAINED, id_, f"The registry has it for {row.credential}, and the topic does "
                       "not have it.")  # fmt: skip
    elif row.accepted_at + facts.stuck_after < facts.at:
        findings.wrong(Kind.REQUEST_LOST, id_, f"It was accepted at {utc_text(row.accepted_at)} for "
                       f"{row.credential}, and never came on the topic: whoever asked has to ask again.")  # fmt: skip
    else:
        findings.unfinished("publishing a status request", Why.WAITING, id_)


def _explain_undecided(id_: str, asked: Asked, facts: Facts, findings: Findings) -> None:
    if why := facts.excuse(REGISTRY, STATUS_REQUESTS.name, *asked.places):
        findings.unfinished("deciding a status request", why, id_)
    else:
        findings.wrong(Kind.REQUEST_LOST, id_, f"The registry has passed it, and neither changed {asked.credential} "
                       "nor refused to.")  # fmt: skip
