"""The statuses after a run: what was asked for, in the log, in the signed lists and with every verifier."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from chaos.balance import Balance, read
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.status import Action, Purpose, State, StatusChanged, StatusListSigned
from laurel.contracts.topics import CREDENTIALS, STATUS_CHANGES, STATUS_LISTS
from laurel.credentials.status_list import Bitstring, decode
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings

_UNCHANGED_ASKED = 100
"""How many credentials whose status nobody changed the verifiers are asked about; the others are asked about all."""
_AT_ONCE = 8
_AIMS = {Action.SUSPEND: State.SUSPENDED, Action.REINSTATE: State.ACTIVE, Action.REVOKE: State.REVOKED}
_BITS = {Purpose.REVOCATION: State.REVOKED, Purpose.SUSPENSION: State.SUSPENDED}
_CODES = {State.REVOKED: {"REVOKED"}, State.SUSPENDED: {"SUSPENDED"}, State.ACTIVE: set[str]()}


@dataclass
class Statuses:
    """What the log says: each credential's document and newest status, and each status list."""

    documents: dict[str, dict[str, Any]]
    newest: dict[str, StatusChanged]
    lists: dict[str, StatusListSigned]


async def read_statuses(settings: KafkaSettings) -> Statuses:
    """Read it."""
    found = Statuses({}, {}, {})
    for topic in (CREDENTIALS, STATUS_CHANGES, STATUS_LISTS):
        for record in await read(settings, topic):
            match read_event(record):
                case (_, CredentialIssued() as issued):
                    found.documents[issued.id] = issued.credential
                case (_, StatusChanged() as change) if _newer(change, found.newest.get(change.credential)):
                    found.newest[change.credential] = change
                case (_, StatusListSigned() as signed):
                    found.lists[signed.list_id] = signed  # what comes last is what compaction keeps
    return found


def _newer(change: StatusChanged, than: StatusChanged | None) -> bool:
    return than is None or change.version >= than.version


def compare_statuses(found: Statuses, asked: Mapping[str, Sequence[Action]], balance: Balance) -> None:
    """Hold the log to what was `asked` for, by credential, and the signed lists to the log."""
    states = Counter(change.state for change in found.newest.values())
    balance.figures |= {"status changes": sum(map(len, asked.values()))}
    balance.figures |= {state.value: states[state] for state in State}
    done = {name: tuple(each.action for each in change.history or ()) for name, change in found.newest.items()}
    wanted = {name: (None, *asked[name]) if name in asked else () for name in found.documents}
    balance.must_not_be(
        "credentials whose history in the log is not what was asked for",
        (f"{name}: {done.get(name)} and not {wanted.get(name)}" for name in sorted(done.keys() | wanted.keys())
         if done.get(name) != wanted.get(name)),
    )  # fmt: skip
    balance.must_not_be(
        "credentials whose status in the log is not that of its history",
        (name for name, change in found.newest.items() if not _is_consistent(change, asked.get(name, ()))),
    )
    for purpose, state in _BITS.items():
        due = {(change.status.family, change.status.index) for change in found.newest.values() if change.state is state}
        set_bits = {
            (each.family, index)
            for each in found.lists.values()
            if each.purpose is purpose
            for index in _indexes(decode(each.credential["credentialSubject"]["encodedList"]))
        }
        balance.must_not_be(f"bits that lack in the signed lists for {purpose.value}", sorted(due - set_bits))
        balance.must_not_be(f"bits in the signed lists for {purpose.value} that are nobody's", sorted(set_bits - due))


def agrees(state: State, answer: Mapping[str, Any]) -> bool:
    """Whether a verifier's answer says that the credential is in this state, and names nothing else against it."""
    codes = {step["code"] for step in answer.get("steps", ())} - {None}
    return (answer.get("verified"), codes) == (state is State.ACTIVE, _CODES[state])


def _is_consistent(change: StatusChanged, actions: Sequence[Action]) -> bool:
    state = _AIMS[actions[-1]] if actions else State.ACTIVE
    return (change.state, change.version) == (state, 1 + len(actions))


def _indexes(bits: Bitstring) -> Iterable[int]:
    return (index for index in range(bits.length) if bits.get(index))


async def ask_verifiers(
    found: Statuses, asked: Mapping[str, Sequence[Action]], verifiers: Sequence[str], balance: Balance
) -> None:
    """Whether each verifier, by its URL, says of every credential that was changed, and of some others, what the log
    says."""
    unchanged = sorted(found.documents.keys() - asked.keys())[:_UNCHANGED_ASKED]
    names = [*sorted(found.documents.keys() & asked.keys()), *unchanged]
    left = iter([(verifier, name) for verifier in verifiers for name in names])
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:

        async def lane() -> None:
            for verifier, name in left:
                body = {"verifiableCredential": found.documents[name]}
                answer = (await client.post(f"{verifier}/credentials/verify", json=body)).json()
                state = found.newest[name].state
                if not agrees(state, answer):
                    balance.wrong.append(f"the verifier {verifier} says of {name}, which is {state.value}: {answer}")

        await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))
    balance.figures["answers of verifiers"] = len(names) * len(verifiers)
