"""Sending the completions of a plan, as partners do: over Kafka and by HTTP, again and again until confirmed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import httpx
import orjson

from chaos.plan import Kind, Route, Submission
from laurel.contracts.access import partner_user
from laurel.contracts.completions import CompletionRecorded, Learner
from laurel.contracts.topics import Message
from laurel.partner import NotConfirmed, PartnerClient
from laurel_local.broker import Broker, KafkaCluster
from laurel_local.consortium import Consortium
from laurel_local.secured_kafka import SecuredCluster

COURSES = {
    "campus": ("python-foundations", "sql-for-analysts", "spreadsheets-at-work", "project-basics"),
    "lernhub": ("machine-learning-intro", "reading-a-balance-sheet"),
}
_COMPLETED = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
_PIECE = 10
_PACE_SECONDS = 0.15
_CONFIRM_SECONDS = 30.0
_HTTP_SECONDS = 30.0
_AGAIN_SECONDS = 0.5


@dataclass
class Sent:
    """What came of the sending. What was sent again may be on the topic twice, or more often.

    `accepted` has for each completion when the brokers had confirmed it, or the intake had taken it.
    """

    accepted: list[datetime] = field(default_factory=list)
    refused_at_the_door: int = 0
    sent_again: int = 0


class Load:
    """Both partners' clients, as an async context manager. `intakes` tells where the intake may be reached now."""

    def __init__(
        self, broker: Broker | KafkaCluster, consortium: Consortium, intakes: Callable[[], Sequence[str]]
    ) -> None:
        self.sent = Sent()
        self._consortium = consortium
        self._intakes = intakes
        self._turn = itertools.count()
        self._clients = {
            name: PartnerClient(
                broker.bootstrap, consortium.source(name), consortium.kid(name), consortium.partner_keys[name],
                idempotence=broker.idempotence, timeout=_CONFIRM_SECONDS, **_credentials(broker, name),
            )
            for name in COURSES
        }  # fmt: skip
        self._http = httpx.AsyncClient(timeout=_HTTP_SECONDS, trust_env=False)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Load:
        for client in self._clients.values():
            await self._stack.enter_async_context(client)
        await self._stack.enter_async_context(self._http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def burst(self, submissions: Sequence[Submission], seconds: float, over: asyncio.Event) -> None:
        """Send a burst for as long as what it meets lasts, about so many `seconds`, and what is left at once when it is
        `over`. Returns when all of it is confirmed."""
        clock = asyncio.get_running_loop().time
        begin, sent = clock(), 0
        async with asyncio.TaskGroup() as pieces:  # one that has to wait, for a new leader say, holds up no other
            while sent < len(submissions):
                passed = clock() - begin
                upto = sent + _PIECE if over.is_set() else due(len(submissions), passed, seconds)
                if upto > sent:
                    pieces.create_task(self._piece(submissions[sent:upto]))
                    sent = upto
                await asyncio.sleep(_PACE_SECONDS)

    async def _piece(self, piece: Sequence[Submission]) -> None:
        for (partner, route), group in _grouped(piece).items():
            await (self._by_http(partner, group) if route is Route.HTTP else self._by_kafka(partner, group))

    async def _by_kafka(self, partner: str, group: Sequence[Submission]) -> None:
        messages = [event_of(each, self._clients[partner]) for each in group]
        await self.publish(partner, messages)
        self._accepted(len(messages))

    async def publish(self, partner: str, messages: Sequence[Message]) -> None:
        """Publish as a partner, again and again until the brokers confirm."""
        while True:
            try:
                await self._clients[partner].publish(messages)
            except NotConfirmed:
                self.sent.sent_again += len(messages)
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _by_http(self, partner: str, group: Sequence[Submission]) -> None:
        body = orjson.dumps([{"id": event_id(each), "data": orjson.loads(body_of(each).to_bytes())} for each in group])
        key = {"Authorization": f"Bearer {self._consortium.api_keys[partner]}", "Content-Type": "application/json"}
        while True:
            intakes = self._intakes()
            try:
                answer = await self._http.post(
                    f"{intakes[next(self._turn) % len(intakes)]}/completions", content=body, headers=key
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code in (202, 207):
                taken = [each["accepted"] for each in answer.json()["completions"]]
                assert taken == [each.kind is not Kind.UNKNOWN for each in group], answer.text
                self._accepted(sum(taken))
                self.sent.refused_at_the_door += len(taken) - sum(taken)
                return
            assert answer is None or answer.status_code in (429, 503), f"{answer.status_code}: {answer.text}"
            self.sent.sent_again += len(group)
            await asyncio.sleep(_AGAIN_SECONDS)

    def _accepted(self, number: int) -> None:
        self.sent.accepted += [datetime.now(UTC)] * number


def _credentials(broker: Broker | KafkaCluster, partner: str) -> dict[str, Any]:
    """How a partner connects where it is asked who it is."""
    if not isinstance(broker, SecuredCluster):
        return {}
    settings = broker.settings(partner_user(partner))
    return {"username": settings.kafka_username, "password": settings.kafka_secret(), "ca_file": settings.kafka_ca_file}


def due(number: int, passed: float, seconds: float) -> int:
    """How many of so many completions are to be sent when so many seconds have passed: the first at once, half in the
    `seconds` expected, and then ever more slowly, so that some are left for long after."""
    return 1 + int(number * passed / (passed + seconds))


def event_id(submission: Submission) -> str:
    """The id that the partner gives its event."""
    return f"chaos-{submission.event:05}"


def body_of(submission: Submission) -> CompletionRecorded:
    """The completion: the same for what repeats an event, with another score for what changes one."""
    number, kind = submission.event, submission.kind
    courses = COURSES[submission.partner]
    achievement = {Kind.UNKNOWN: "underwater-basket-weaving", Kind.FOREIGN: COURSES["lernhub"][0]}.get(
        kind, courses[number % len(courses)]
    )
    completed_at = _COMPLETED.replace(year=2100) if kind is Kind.FUTURE else _COMPLETED + timedelta(minutes=number)
    learner = Learner(
        reference=f"s-{number}", name=f"Learner {number}", email=f"s-{number}@learner.example.org",
        language="de" if number % 3 == 0 else "en",
    )  # fmt: skip
    score = "100 %" if kind is Kind.CHANGED else None
    return CompletionRecorded(achievement=achievement, learner=learner, completed_at=completed_at, score=score)


def event_of(submission: Submission, client: PartnerClient) -> Message:
    """The signed event, with what is wrong with it."""
    made = client.build(body_of(submission), event_id=event_id(submission))
    if submission.kind is Kind.MALFORMED:
        return replace(made, event=replace(made.event, datacontenttype="text/plain", data=b"completed: yes"))
    if submission.kind is Kind.FORGED:
        return replace(made, event=replace(made.event, data=made.event.data.replace(b"Learner", b"Mallory")))
    return made


def _grouped(piece: Sequence[Submission]) -> dict[tuple[str, Route], list[Submission]]:
    groups: dict[tuple[str, Route], list[Submission]] = {}
    for each in piece:
        groups.setdefault((each.partner, each.route), []).append(each)
    return groups
