"""A secured Apache Kafka with Laurel's users, and asking a broker what it lets a user do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import TopicAuthorizationFailedError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest

from laurel.contracts.access import ADMIN
from laurel.contracts.topics import TOPICS
from laurel.runtime.kafka.connecting import client_options
from laurel.runtime.settings import KafkaSettings
from laurel_local.secured_kafka import SecuredKafka

Allowed = set[tuple[str, str]]
"""What somebody may do: verb and topic."""


@dataclass(frozen=True)
class Secured:
    """The broker, and a file with each user's password."""

    broker: SecuredKafka
    directory: Path

    def password_file(self, user: str) -> Path:
        """The user's password, made when it is first asked for. The super user has that of the broker."""
        if user == ADMIN:
            return self.broker.admin_password_file
        file = self.directory / f"{user}.password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32) + "\n")
        return file

    def environment(self, user: str) -> dict[str, str]:
        """What a process that connects as this user is told."""
        return self.broker.environment(user, self.password_file(user))

    def settings(self, user: str, **other: Any) -> KafkaSettings:
        """The same as settings."""
        told: dict[str, Any] = {
            "kafka_bootstrap": self.broker.bootstrap, "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": self.broker.ca_file, "kafka_username": user,
            "kafka_password_file": self.password_file(user),
        }  # fmt: skip
        return KafkaSettings(**(told | other))

    def passwords(self) -> list[str]:
        """Every password that was given out."""
        files = [self.broker.admin_password_file, *self.directory.glob("*.password")]
        return [file.read_text().strip() for file in files]


@asynccontextmanager
async def admin_client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """aiokafka's admin client as this user."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def raw_client(settings: KafkaSettings) -> AsyncIterator[Callable[[Any], Awaitable[Any]]]:
    """Sends one request as this user and returns the answer."""
    client = AIOKafkaClient(**client_options(settings))
    await client.bootstrap()
    try:
        yield lambda request: client.send(client.get_random_node(), request)
    finally:
        await client.close()


async def allowed_topics(settings: KafkaSettings) -> Allowed:
    """What of reading, writing, describing and creating the broker lets this user do, by trying each on each topic."""
    return {
        *[("describe", name) for name in await _described(settings)],
        *[("create", name) for name in await _created(settings)],
        *[("read", name) for name in await _read(settings)],
        *[("write", name) for name in await _written(settings)],
    }


async def _described(settings: KafkaSettings) -> list[str]:
    async with admin_client(settings) as admin:
        answers = await admin.describe_topics([topic.name for topic in TOPICS])
    return [each["topic"] for each in answers if _lets(each["error_code"])]


async def _created(settings: KafkaSettings) -> list[str]:
    """A topic that is there is refused to those who may not create it, and only to the others as being there."""
    async with admin_client(settings) as admin:
        answer = await admin.create_topics([NewTopic(topic.name, 1, 1) for topic in TOPICS])
    return [name for name, code, *_ in answer.topic_errors if _lets(code, 36)]


async def _read(settings: KafkaSettings) -> list[str]:
    parts = [(topic.name, [(0, 0, 1024)]) for topic in TOPICS]
    async with raw_client(settings) as ask:
        answer = await ask(FetchRequest(0, 0, 1024 * 1024, 0, parts))
    return [name for name, partitions in answer.topics if all(_lets(part[1], 1) for part in partitions)]


async def _written(settings: KafkaSettings) -> list[str]:
    written = []
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for topic in TOPICS:
            try:
                await producer.send_and_wait(topic.name, b"{}", key=b"a trial", partition=0)
            except TopicAuthorizationFailedError:
                continue
            written.append(topic.name)
    return written


async def joins(settings: KafkaSettings, group: str) -> bool:
    """Whether this user may be a member of the group: only those who may are told that they are none yet."""
    async with raw_client(settings) as ask:
        answer = await ask(HeartbeatRequest(group, 1, "nobody"))
    # Not this broker's, still loading, wrong generation, unknown member.
    return _lets(answer.error_code, 14, 15, 16, 22, 25, refusal=30)


def _lets(code: int, *others: int, refusal: int = 29) -> bool:
    """True for success and for `others`, false for the refusal; anything else is an error of the test."""
    if code not in (0, refusal, *others):
        raise for_code(code)
    return code != refusal
