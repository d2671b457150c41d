"""The door: whose token it is, what it opens, and that a refusal is entered before it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import Caller, OperatorPublished, Right, TokenHash
from laurel.contracts.topics import AUDIT, Message
from laurel.runtime.guard import Admission, Guard, key_hashes
from laurel.runtime.health import Health
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.web import create_app
from support.world import EPOCH

KEY = "Zk3vT9qLw8XrB2nMc5Hd7JfGs1PyAe4U"
OLD, NEW = "an-operators-old-token-0123456789", "an-operators-new-token-0123456789"


def hashed(token: str, until: datetime | None = None) -> TokenHash:
    return TokenHash(sha256=sha256(token.encode()).hexdigest(), until=until)


def operator(*rights: Right, **more: object) -> OperatorPublished:
    tokens = {"token_hashes": (hashed(OLD), hashed(NEW))}
    return OperatorPublished.model_validate(
        {"id": "desk", "name": "The desk", "rights": rights, "version": 1} | tokens | more
    )


@dataclass
class Door:
    """A guarded service: its operators, its clock, and what it published."""

    operators: list[OperatorPublished] = field(default_factory=list)
    published: list[Message] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    now: datetime = EPOCH
    broker_is_away: bool = False

    async def find(self, digest: str) -> OperatorPublished | None:
        self.looked_up.append(digest)
        return next((each for each in self.operators if digest in [t.sha256 for t in each.token_hashes]), None)

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.broker_is_away:
            raise TimeoutError
        self.published += messages

    def not_ready(self) -> Mapping[str, str]:
        return self.reasons

    @property
    def entries(self) -> list[AdminActionRecorded]:
        return [AdminActionRecorded.model_validate_json(each.event.data) for each in self.published]


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def app(door: Door) -> FastAPI:
    keys = key_hashes(SecretStr(KEY), [hashed("the consortium's next key").sha256])
    guard = Guard("urn:laurel:tester", keys, door.find, door.publish, lambda: door.now, door.not_ready)
    app = create_app("Tester", Lifecycle("tester", Health()))
    reading = Depends(guard.needing(Right.STATUS, "status.read"))

    async def things(admission: Admission, member: str) -> str:
        await admission.reach("a-credential", member, "welding")
        return admission.caller.id

    things.__annotations__["admission"] = Annotated[Admission, reading]
    things.__annotations__["member"] = str
    app.get("/things/{member}")(things)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tester") as client:
        yield client


async def ask(client: httpx.AsyncClient, token: str, member: str = "north") -> tuple[int, str]:
    """The status, and who was let in or the code with which nobody was."""
    answer = await client.get(f"/things/{member}", headers={"authorization": f"Bearer {token}"})
    body = answer.json()
    assert token not in answer.text
    return answer.status_code, body if answer.status_code == 200 else body["code"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_consortiums_keys_open_everything(client: httpx.AsyncClient, door: Door, scheme: str) -> None:
    answer = await client.get("/things/north", headers={"authorization": f"{scheme} {KEY}"})
    assert (answer.status_code, answer.json()) == (200, "consortium")
    assert await ask(client, "the consortium's next key") == (200, "consortium")
    assert door.looked_up == []


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "Send a key"), ("", "Send a key"), ("Bearer", "Send a key"), ("Bearer ", "Send a key"),
        (KEY, "Send a key"), (f"Basic {KEY}", "Send a key"), ("Bearer " + "x" * 513, "Send a key"),
        ("Bearer wrong", "The token is wrong"), (f"Bearer {KEY[:-1]}", "The token is wrong"),
        (f"Bearer {KEY}x", "The token is wrong"), (f"Bearer {KEY.lower()}", "The token is wrong"),
        ("Bearer é".encode(), "The token is wrong"),
        (f"Bearer {hashed(KEY).sha256}", "The token is wrong"),
    ],
)  # fmt: skip
async def test_what_is_no_token_opens_nothing(
    client: httpx.AsyncClient, door: Door, header: str | bytes | None, says: str
) -> None:
    headers = {} if header is None else {b"authorization": header.encode() if isinstance(header, str) else header}
    answer = await client.get("/things/north", headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"], answer.headers["www-authenticate"]) == (401, Code.UNAUTHORIZED, "Bearer")
    assert says in told["detail"]
    assert KEY not in answer.text
    assert door.published == [], "strangers do not fill the audit"


async def test_the_consortiums_keys_are_compared_as_digests_in_constant_time(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return False

    monkeypatch.setattr("laurel.runtime.guard.hmac.compare_digest", compare)
    assert (await ask(client, "short"))[0] == 401
    assert compared == [(64, 64), (64, 64)], "lengths tell nothing either"


async def test_an_operator_comes_in_by_its_right(client: httpx.AsyncClient, door: Door) -> None:
    door.operators = [operator(Right.STATUS)]
    assert await ask(client, OLD) == (200, "desk")
    assert door.looked_up == [hashed(OLD).sha256], "what is looked up is the hash"
    assert door.published == []


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"rights": tuple(right for right in Right if right is not Right.STATUS)}, "GET /things/north"),
        ({"rights": ()}, "GET /things/north"),
        ({"members": ("south",)}, "a-credential"),
        ({"members": ()}, "a-credential"),
        ({"achievements": ("python",)}, "a-credential"),
        ({"members": ("north",), "achievements": ()}, "a-credential"),
    ],
)
async def test_a_right_that_is_lacking_is_told_and_entered(
    client: httpx.AsyncClient, door: Door, changes: dict[str, object], target: str
) -> None:
    door.operators = [operator(Right.STATUS).model_copy(update=changes)]
    assert await ask(client, OLD) == (403, Code.FORBIDDEN)
    (entry,) = door.entries
    assert (entry.operator, entry.action, entry.target, entry.outcome, entry.code, entry.at) == (
        "desk", "status.read", target, "refused", Code.FORBIDDEN, EPOCH,
    )  # fmt: skip
    assert door.published[0].topic is AUDIT
    assert OLD not in str(door.published)
    assert hashed(OLD).sha256 not in str(door.published)

    # The same again is the same entry, and another one in the next hour.
    await ask(client, OLD)
    door.now += timedelta(hours=1)
    await ask(client, OLD)
    first, second, third = (each.event.id for each in door.published)
    assert first == second != third


async def test_tokens_take_each_others_place_while_the_service_runs(client: httpx.AsyncClient, door: Door) -> None:
    """Both work during the change; the old one stops at its end, or as soon as its hash is gone."""
    door.operators = [operator(Right.STATUS, token_hashes=(hashed(OLD),))]
    assert [(await ask(client, token))[0] for token in (OLD, NEW)] == [200, 401]
    end = EPOCH + timedelta(days=1)
    door.operators = [operator(Right.STATUS, token_hashes=(hashed(OLD, until=end), hashed(NEW)))]
    assert [(await ask(client, token))[0] for token in (OLD, NEW)] == [200, 200]
    door.now = end - timedelta(microseconds=1)
    assert [(await ask(client, token))[0] for token in (OLD, NEW)] == [200, 200]
    door.now = end
    assert [(await ask(client, token))[0] for token in (OLD, NEW)] == [401, 200]
    door.operators = [operator(Right.STATUS, token_hashes=())]
    assert [(await ask(client, token))[0] for token in (OLD, NEW)] == [401, 401]


async def test_nobody_is_let_in_before_rights_are_known(client: httpx.AsyncClient, door: Door) -> None:
    door.reasons = {"view of catalog.v1": "still reading from the beginning"}
    assert await ask(client, KEY) == await ask(client, OLD) == (503, Code.NOT_READY)
    assert door.looked_up == []


async def test_a_refusal_that_cannot_be_entered_is_none_the_less_one(client: httpx.AsyncClient, door: Door) -> None:
    door.operators, door.broker_is_away = [operator()], True
    assert await ask(client, OLD) == (503, Code.NOT_READY)


names = st.sampled_from(["north", "south", "east"])
lists = st.none() | st.lists(names, max_size=3).map(tuple)


@given(st.sets(st.sampled_from(Right)), lists, lists, st.sampled_from(Right), names, st.none() | names)
@settings(deadline=None, max_examples=200)
def test_an_operator_may_what_stands_there_and_nothing_else(
    rights: set[Right], members: tuple[str, ...] | None, achievements: tuple[str, ...] | None, right: Right,
    member: str, achievement: str | None,
) -> None:  # fmt: skip
    if Right.AUDIT in rights and (members is not None or achievements is not None):
        rights.remove(Right.AUDIT)
    caller = Caller(operator(*sorted(rights), members=members, achievements=achievements))
    allowed = (
        right in rights
        and (members is None or member in members)
        and (achievements is None or achievement in achievements)
    )

    with nullcontext() if allowed else pytest.raises(Rejected) as refusal:
        caller.check_right(right)
        caller.check_reach(member, achievement, "/here")
    assert refusal is None or refusal.value.code is Code.FORBIDDEN
    everything = Caller()
    everything.check_right(right)
    everything.check_reach(member, achievement)
