"""The statuses after a run: what was asked for, in the registry, in the signed lists and with the verifier."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import httpx
from pymongo import MongoClient

from chaos.balance import Balance, read
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.status import Purpose, StatusListSigned
from laurel.contracts.topics import CREDENTIALS, STATUS_LISTS
from laurel.credentials.status_list import Bitstring, decode
from laurel.runtime.record import read_event
from laurel.runtime.settings import KafkaSettings

_ASKED = 10
"""How many credentials of either status the verifier is asked about."""


async def compare_statuses(
    settings: KafkaSettings, database_url: str, suspended: Set[str], verifier: str, balance: Balance
) -> None:
    """Hold the registry, the newest signed lists and the verifier to what was asked for."""
    client: MongoClient[dict[str, Any]] = MongoClient(database_url)
    with client:
        registry = client["laurel_registry"]
        rows = {row["_id"]: row for row in registry["credentials"].find({}, {"document": 0})}
        for status in registry["statuses"].find({}):
            rows[status["_id"]] |= status
    found = {name for name, row in rows.items() if row["state"] == "suspended"}
    balance.figures["suspended"] = len(found)
    balance.must_not_be("suspensions that did not come about", sorted(suspended - found))
    balance.must_not_be("suspensions that nobody asked for", sorted(found - suspended))
    balance.must_not_be(
        "status histories with other than one entry a change",
        (n for n, row in rows.items() if len(row["history"]) != row["version"] or row["version"] != 1 + (n in found)),
    )
    wanted = {(row["position"]["family"], row["position"]["index"]) for name, row in rows.items() if name in found}
    lists = await _newest_lists(settings)
    set_bits = {
        (each.family, index)
        for each in lists.values()
        if each.purpose is Purpose.SUSPENSION
        for index in _indexes(decode(each.credential["credentialSubject"]["encodedList"]))
    }
    balance.must_not_be("suspensions that are not in the signed lists", sorted(wanted - set_bits))
    balance.must_not_be("bits in the signed lists that are nobody's", sorted(set_bits - wanted))
    await _ask(settings, verifier, suspended, balance)


async def _newest_lists(settings: KafkaSettings) -> dict[str, StatusListSigned]:
    newest: dict[str, StatusListSigned] = {}
    for record in await read(settings, STATUS_LISTS):
        event = read_event(record)
        if event is not None and isinstance(event[1], StatusListSigned):
            newest[event[1].list_id] = event[1]  # what comes last is what compaction keeps
    return newest


def _indexes(bits: Bitstring) -> list[int]:
    return [index for index in range(bits.length) if bits.get(index)]


async def _ask(settings: KafkaSettings, verifier: str, suspended: Set[str], balance: Balance) -> None:
    """Whether the verifier calls the active ones valid, and the suspended ones not."""
    events = [event[1] for record in await read(settings, CREDENTIALS) if (event := read_event(record))]
    credentials = {each.id: each.credential for each in events if isinstance(each, CredentialIssued)}
    asked = [*sorted(credentials.keys() & suspended)[:_ASKED], *sorted(credentials.keys() - suspended)[:_ASKED]]
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        for name in asked:
            body = {"verifiableCredential": credentials[name]}
            answer = (await client.post(f"{verifier}/credentials/verify", json=body)).json()
            if answer["verified"] is (name in suspended):
                balance.wrong.append(f"the verifier says of {name}: {answer}")
