"""Fixtures for every test: real brokers and a real database, thrown away at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from laurel.contracts.topics import TOPICS
from laurel.runtime.settings import KafkaSettings
from laurel.runtime.telemetry import configure_logs
from laurel_local.broker import ApacheKafka, Broker, EmbeddedBroker, Unavailable
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from support.containers import docker_answers
from support.kafka_admin import delete_topics
from support.missing import not_here
from support.site import Site, serving
from support.world import World

# A session timeout that short is for tests: the embedded broker lets half of it pass before a group starts.
SESSION_TIMEOUT_MS = 1500
KAFKA_SESSION_TIMEOUT_MS = 6000  # Apache Kafka takes no less


def pytest_sessionstart() -> None:
    """A run logs as the services do.

    structlog's own default draws tracebacks with the values in every frame, a second of CPU each.
    """
    configure_logs("tests")


def pytest_report_header() -> str:
    """Say at the top whether the tests in containers are among those collected."""
    return f"containers: {'a Docker engine answers' if docker_answers() else 'no Docker engine answers'}"


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One Apache Kafka for the whole run; each test finds it without topics."""
    broker = ApacheKafka(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
    except Unavailable as reason:
        not_here(f"Apache Kafka could not be obtained: {reason}", tests="every test on Apache Kafka")
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker without topics: the embedded one, and then Apache Kafka."""
    if request.param == "kafka":
        kafka: ApacheKafka = request.getfixturevalue("apache_kafka")
        yield kafka
        delete_topics(kafka.bootstrap, [topic.name for topic in TOPICS])
    else:
        embedded = EmbeddedBroker(tmp_path / "broker")
        embedded.start()
        yield embedded
        embedded.stop()


@pytest.fixture
def kafka_settings(broker: Broker) -> KafkaSettings:
    """How a service reaches the broker."""
    apache = isinstance(broker, ApacheKafka)
    return KafkaSettings(
        kafka_bootstrap=broker.bootstrap, kafka_idempotence=broker.idempotence,
        kafka_fetch_wait_ms=broker.fetch_wait_ms,
        kafka_session_timeout_ms=KAFKA_SESSION_TIMEOUT_MS if apache else SESSION_TIMEOUT_MS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDatabase]:
    """One database server for the whole run."""
    server = EmbeddedDatabase(tmp_path_factory.mktemp("database"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_name() -> str:
    """A database that no other test uses."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A mail catcher of the test's own."""
    box = Mailbox(tmp_path / "mailbox")
    box.start()
    yield box
    box.stop()


@pytest.fixture
def world() -> World:
    """The members and partners whose keys the test holds."""
    return World()


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on this machine; what it does not know is 404."""
    with serving() as state:
        yield state
