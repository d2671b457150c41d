"""Bulk status changes on real parts: previewed, carried out, reviewed, and finished whatever ends in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from integration.registry.running import Registry, running
from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.envelope import encode
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller, OperatorPublished, Right
from laurel.contracts.status import Action, State, StatusChanged
from laurel.contracts.topics import STATUS_CHANGES, STATUS_REQUESTS, Message
from laurel.runtime.faults import Transient
from laurel.runtime.mongo import Mongo
from laurel.runtime.record import Record
from registry import bulk_rows
from registry.announcer import Announcer
from registry.bulk import LEASE, BulkChanges, BulkRunner
from registry.bulk_rows import BulkBody
from registry.bulk_store import BulkStore
from registry.catalog import plan
from registry.config import RegistrySettings
from registry.handlers import Handlers
from registry.outcomes import Outcomes
from registry.requests import Requests
from registry.rows import StoredRequest
from registry.selection import Fate, Selection
from registry.store import Store
from support.waiting import eventually
from support.world import EPOCH, World
from unit.registry.issuing import ISSUED_AT, Issuer
from unit.registry.states import filed

CALLER = Caller()
TOKENS = [f"token-000{number}" for number in range(5)]


async def file(registry: Registry, issuer: Issuer) -> None:
    """Five credentials for welding, and one for another achievement."""
    await registry.send(
        *(issuer.issued(token, index=number) for number, token in enumerate(TOKENS)),
        issuer.issued("other-0001", slug="first-aid", index=9),
    )
    await registry.filed("other-0001")
    for token in TOKENS:
        await registry.filed(token)


async def previewed(registry: Registry, selection: dict[str, Any], action: str) -> dict[str, Any]:
    answer = await registry.admin("POST", "/status-changes/preview", {"selection": selection, "action": action})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def body(selection: dict[str, Any], action: str, id_: str, digest: str, **more: Any) -> dict[str, Any]:
    return {"selection": selection, "action": action, "requestId": id_, "digest": digest, "reason": "wrong cohort",
            "requestedBy": "registrar", **more}  # fmt: skip


async def finished(registry: Registry, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        answer = await registry.admin("GET", f"/status-changes/{id_}")
        return answer.json() if answer.status_code == 200 else None

    return await eventually(look, what=f"the end of {id_}")


async def test_a_mass_mis_award_is_found_suspended_reviewed_and_each_step_is_in_the_history(
    registry: Registry, issuer: Issuer
) -> None:
    await file(registry, issuer)
    wrong = {"achievement": "welding", "partner": "campus", "issuedFrom": "2026-06-01T12:00:00Z",
             "issuedTo": "2026-06-01T12:00:01Z"}  # fmt: skip
    await registry.change(TOKENS[0], Action.REVOKE)
    seen = await previewed(registry, wrong, "suspend")
    assert (seen["selected"], seen["counts"]["changes"], seen["counts"]["cannot"]) == (5, 4, 1)
    assert {each["credential"] for each in seen["sample"]} == {issuer.world.addresses.credential(t) for t in TOKENS[1:]}

    # What was previewed is what is done, or nothing.
    await registry.change(TOKENS[1], Action.SUSPEND)
    stale = await registry.admin("POST", "/status-changes", body(wrong, "suspend", "mistake", seen["digest"]))
    assert (stale.status_code, stale.json()["code"], stale.json()["pointer"]) == (409, Code.CHANGED_SINCE, "/digest")
    assert "3 credentials would change now" in stale.json()["detail"]
    assert (await registry.admin("GET", "/status-changes/mistake")).status_code == 404
    seen = await previewed(registry, wrong, "suspend")
    assert seen["counts"]["already"] == 1
    asked = body(wrong, "suspend", "mistake", seen["digest"])
    first = await registry.admin("POST", "/status-changes", asked)
    assert first.status_code in (200, 202), first.text
    done = await finished(registry, "mistake")
    assert (done["total"], done["changed"], done["refused"], done["refusals"]) == (3, 3, 0, [])
    shown = await registry.filed(TOKENS[2])
    last = shown["history"][-1]
    assert (last["state"], last["by"], last["reason"]) == ("suspended", "registrar", "wrong cohort")
    assert last["request"] == f"mistake:{TOKENS[2]}"
    assert (await registry.filed("other-0001"))["state"] == "active"

    # The same request does nothing more, and its id stands for nothing else.
    requests = len(await registry.records(STATUS_REQUESTS))
    assert (await registry.admin("POST", "/status-changes", asked)).json() == done
    other = await registry.admin("POST", "/status-changes", {**asked, "reason": "another"})
    assert (other.status_code, other.json()["code"]) == (409, Code.REQUEST_ID_REUSED)
    assert len(await registry.records(STATUS_REQUESTS)) == requests

    # After review: one is revoked by itself, the rest is reinstated by what the first bulk change did.
    await registry.change(TOKENS[3], Action.REVOKE)
    seen = await previewed(registry, {"bulk": "mistake"}, "reinstate")
    assert (seen["counts"]["changes"], seen["counts"]["changedSince"]) == (2, 1)
    assert [each["credential"] for each in seen["leftOut"]] == [issuer.world.addresses.credential(TOKENS[3])]
    answer = await registry.admin("POST", "/status-changes", body({"bulk": "mistake"}, "reinstate", "reviewed",
                                                                  seen["digest"]))  # fmt: skip
    assert answer.status_code in (200, 202), answer.text
    assert (await finished(registry, "reviewed"))["changed"] == 2
    states = [(await registry.filed(token))["state"] for token in TOKENS]
    assert states == ["revoked", "suspended", "active", "revoked", "active"]
    told = (await registry.admin("GET", "/status-changes")).json()["bulkChanges"]
    assert [each["id"] for each in told] == ["reviewed", "mistake"]
    assert await registry.dead_letters() == []


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_what_is_wrong_with_a_bulk_change_is_named(registry: Registry, issuer: Issuer) -> None:
    ids = [issuer.world.addresses.credential("nothing-0001")]
    seen = await previewed(registry, {"credentials": ids}, "revoke")
    assert (seen["counts"]["unknown"], seen["counts"]["changes"]) == (1, 0)
    for path, asked, status, code, pointer in (
        ("/preview", {"selection": {}, "action": "revoke"}, 400, Code.INVALID_BODY, "/selection"),
        ("/preview", {"selection": {"achievment": "x"}, "action": "revoke"}, 400, Code.INVALID_BODY, None),
        ("/preview", {"selection": {"bulk": "none"}, "action": "revoke"}, 404, Code.NOT_FOUND, "/selection/bulk"),
        ("", body({"achievement": "welding"}, "burn", "x", "0" * 64), 400, Code.INVALID_BODY, "/action"),
        ("", body({"achievement": "welding"}, "revoke", "a:b", "0" * 64), 400, Code.INVALID_BODY, "/requestId"),
        ("", body({"achievement": "welding"}, "revoke", "x", ""), 400, Code.INVALID_BODY, "/digest"),
        ("", body({"achievement": "welding"}, "revoke", "x", "0" * 64), 409, Code.CHANGED_SINCE, "/digest"),
    ):  # fmt: skip
        answer = await registry.admin("POST", f"/status-changes{path}", asked)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (status, code), told
        assert pointer in (None, told["pointer"])
    for method, path in (("POST", ""), ("POST", "/preview"), ("GET", ""), ("GET", "/x")):
        answer = await registry.admin(method, f"/status-changes{path}", {}, "wrong" * 10)
        assert answer.status_code == 401


# --- without a broker ---


@dataclass
class Parts:
    """A registry's handler of status requests, fed with what a runner publishes, without a broker between them."""

    mongo: Mongo
    store: Store
    world: World
    requests: list[Message] = field(default_factory=list)
    changes: list[Message] = field(default_factory=list)
    audit: list[Message] = field(default_factory=list)
    now: Any = EPOCH

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(self.store.requests)

    def clock(self) -> Any:
        return self.now

    def runner(self, changes: BulkChanges) -> BulkRunner:
        """A runner in the process of the handler, which is told what becomes of its requests."""
        return BulkRunner(changes, self.publish, self.outcomes, self.clock)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Hand requests to the handler, and keep what it publishes."""
        self.requests += messages
        announcer = Announcer(self.store, self._told, self.clock)
        handlers = Handlers(self.store, announcer, self._audited, self.outcomes, self.world.addresses, self.clock)
        await handlers.change_status([_record(each) for each in messages])

    async def _audited(self, messages: Sequence[Message]) -> None:
        self.audit += messages

    async def _told(self, messages: Sequence[Message]) -> None:
        self.changes += [replace(each, trace={}) for each in messages]


def _record(outgoing: Message) -> Record:
    headers, value = encode(outgoing.event)
    return Record(outgoing.topic.name, 0, 0, outgoing.key.encode(), tuple(headers), value)


@pytest.fixture
async def parts(store: Store, mongo: Mongo, world: World) -> Parts:
    await BulkStore(mongo).ensure_indexes()
    await store.put_entries([each.entry for each in plan(world.catalog, {}, world.addresses, EPOCH)])
    issuer = Issuer(world)
    await store.register([filed(issuer, token, index=number) for number, token in enumerate(TOKENS)])
    return Parts(mongo, store, world)


async def asked_for(parts: Parts, id_: str, action: Action, selection: Selection) -> BulkBody:
    found = await BulkChanges(BulkStore(parts.mongo), parts.clock).judge(selection, action, CALLER)
    assert len(found.targets) == len(TOKENS)
    return BulkBody(selection=selection, action=action, digest=found.preview().digest, reason="wrong cohort",
                    requested_by="registrar", request_id=id_)  # fmt: skip


async def test_a_runner_leaves_alone_what_another_has_in_hand(parts: Parts) -> None:
    changes = BulkChanges(BulkStore(parts.mongo), parts.clock)
    bulk = await changes.accept(await asked_for(parts, "one", Action.REVOKE, Selection(partner="campus")), CALLER)
    assert await changes.store.lease(bulk, "another", parts.now, parts.now + LEASE)
    await parts.runner(changes).run_once()
    assert parts.requests == []
    assert (await changes.progress("one", CALLER)).changed == 0
    with pytest.raises(Exception, match="not finished"):
        await changes.judge(Selection(bulk="one"), Action.REINSTATE, CALLER)

    await changes.store.release(bulk, "another")
    await parts.runner(changes).run_once()
    assert (await changes.progress("one", CALLER)).finished
    assert not await changes.store.lease(bulk, "another", parts.now, parts.now + LEASE)
    assert await changes.store.unfinished() == []


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
async def test_outcomes_are_told_where_this_process_decides_and_looked_for_where_another_does(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    monkeypatch.setattr(bulk_rows, "BATCH", 2)
    looked: list[str] = []

    class Looked(Requests):
        async def with_outcomes(self, ids: Iterable[str]) -> dict[str, StoredRequest]:
            looked.extend(asked := list(ids))
            return await super().with_outcomes(asked)

    outcomes = Outcomes(Looked(parts.mongo))
    if here:
        parts.outcomes = outcomes
    changes = BulkChanges(BulkStore(parts.mongo), parts.clock)
    await changes.accept(await asked_for(parts, "one", Action.SUSPEND, Selection(achievement="welding")), CALLER)
    await BulkRunner(changes, parts.publish, outcomes, parts.clock).run_once()
    assert len(looked) == (0 if here else 5)
    told = await changes.progress("one", CALLER)
    assert (told.changed, told.finished) == (5, True)
    assert not outcomes._expected, "nothing is kept of what was waited for"


async def test_a_limited_operators_bulk_change_touches_its_members_credentials_only(parts: Parts) -> None:
    issuer = Issuer(parts.world)
    await parts.store.register([filed(issuer, "south-0001", member="south", slug="python", index=1)])
    south = Caller(OperatorPublished(id="registrar-south", name="Registrar", token_hashes=(), rights=(Right.STATUS,),
                                     members=("south",), version=1))  # fmt: skip
    changes = BulkChanges(BulkStore(parts.mongo), parts.clock)
    everything = Selection(partner="campus")
    whole = (await changes.judge(everything, Action.SUSPEND, CALLER)).preview()
    seen = (await changes.judge(everything, Action.SUSPEND, south)).preview()
    assert (whole.counts[Fate.CHANGES], seen.counts[Fate.CHANGES], seen.counts[Fate.NOT_YOURS]) == (6, 1, 5)
    asked = BulkBody(selection=everything, action=Action.SUSPEND, digest=whole.digest, reason="wrong cohort",
                     requested_by="registrar", request_id="theirs")  # fmt: skip
    with pytest.raises(Rejected, match="1 credentials would change"):
        await changes.accept(asked, south)  # what somebody with more rights saw is not what this one may do
    await changes.accept(asked.model_copy(update={"digest": seen.digest}), south)
    await parts.runner(changes).run_once()
    assert (await changes.progress("theirs", south)).changed == 1
    assert [each.event.subject for each in parts.requests] == [parts.world.addresses.credential("south-0001")]
    told = [AdminActionRecorded.model_validate_json(each.event.data) for each in parts.audit]
    assert [(each.operator, each.target) for each in told] == [("registrar-south", parts.requests[0].event.subject)]

    # Nor does it see what others did in bulk, which may name other members' credentials.
    await changes.accept(await asked_for(parts, "ours", Action.REVOKE, Selection(achievement="welding")), CALLER)
    for call in (changes.progress("ours", south), changes.judge(Selection(bulk="ours"), Action.REINSTATE, south)):
        with pytest.raises(Rejected, match="no such bulk change"):
            await call
    assert [each.id for each in await changes.newest(south, 9)] == ["theirs"]
    assert {each.id for each in await changes.newest(CALLER, 9)} == {"ours", "theirs"}
    with pytest.raises(Rejected, match="from somebody else"):
        await changes.accept(asked.model_copy(update={"digest": seen.digest}), CALLER)


async def test_what_was_changed_between_acceptance_and_handling_stays_as_it_is_and_is_told(parts: Parts) -> None:
    changes = BulkChanges(BulkStore(parts.mongo), parts.clock)
    await changes.accept(await asked_for(parts, "late", Action.SUSPEND, Selection(
        credentials=tuple(parts.world.addresses.credential(token) for token in TOKENS))), CALLER)  # fmt: skip
    single = await asked_for_one(parts, TOKENS[0])
    assert single == State.REVOKED
    await parts.runner(changes).run_once()
    told = await changes.progress("late", CALLER)
    assert (told.changed, told.refused, told.finished) == (4, 1, True)
    (refusal,) = told.refusals
    assert (refusal.credential, refusal.code) == (parts.world.addresses.credential(TOKENS[0]), Code.CHANGED_SINCE)
    found = await changes.judge(Selection(bulk="late"), Action.REINSTATE, CALLER)
    assert (found.counts[Fate.CHANGES], found.counts[Fate.CHANGED_SINCE]) == (4, 1)


async def asked_for_one(parts: Parts, token: str) -> State:
    from registry.accepting import Acceptor
    from registry.status_requests import StatusRequestBody, StatusRequests

    wish = StatusRequestBody(credential=parts.world.addresses.credential(token), action=Action.REVOKE, reason="r",
                             requested_by="x")  # fmt: skip
    stored = parts.store.requests
    requests = StatusRequests(Acceptor(stored), parts.outcomes, parts.publish, parts.clock)
    done = await requests.decided(wish, CALLER)
    assert done.applied is not None
    return done.applied.state


async def test_a_broker_that_is_away_holds_a_bulk_change_up_and_loses_nothing(parts: Parts) -> None:
    changes = BulkChanges(BulkStore(parts.mongo), parts.clock)
    await changes.accept(await asked_for(parts, "held", Action.SUSPEND, Selection(issued_from=ISSUED_AT)), CALLER)

    async def away(_: Sequence[Message]) -> None:
        raise Transient("the broker is away")

    runner = BulkRunner(changes, away, parts.outcomes, parts.clock)
    with pytest.raises(Transient):
        await runner.run_once()
    assert (await changes.progress("held", CALLER)).changed == 0
    runner._publish = parts.publish
    await runner.run_once()
    assert (await changes.progress("held", CALLER)).changed == 5


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_what_was_accepted_before_a_crash_is_carried_out_at_start(
    settings: RegistrySettings, world: World, issuer: Issuer
) -> None:
    mongo = Mongo(settings)
    store, bulk_store = Store(mongo), BulkStore(mongo)
    await store.ensure_indexes()
    await bulk_store.ensure_indexes()
    await store.put_entries([each.entry for each in plan(world.catalog, {}, world.addresses, EPOCH)])
    await store.register([filed(issuer, token, index=number) for number, token in enumerate(TOKENS)])
    parts = Parts(mongo, store, world)
    changes = BulkChanges(bulk_store, parts.clock)
    await changes.accept(await asked_for(parts, "mistake", Action.REVOKE, Selection(achievement="welding")), CALLER)
    await mongo.close()
    async with running(settings, world) as registry:
        assert (await finished(registry, "mistake"))["changed"] == 5
        bodies = await registry.bodies(STATUS_CHANGES, StatusChanged)
        assert sorted((each.version, each.state) for each in bodies) == [(2, State.REVOKED)] * 5
