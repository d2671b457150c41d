"""Apache Kafka and MongoDB in containers, by testcontainers, where a Docker engine answers."""

from __future__ import annotations

import functools
from pathlib import Path

import docker
import yaml
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

from laurel_local.processes import free_port

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


def image_of(service: str) -> str:
    """The image that docker-compose.yml runs a service on."""
    return str(yaml.safe_load(COMPOSE.read_text())["services"][service]["image"])


@functools.cache
def docker_answers() -> bool:
    """Whether a Docker engine answers on this machine."""
    try:
        client = docker.from_env(timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


class KafkaContainer:
    """Apache Kafka's own image as a single KRaft node; `bootstrap` is where clients on this machine reach it."""

    def __init__(self) -> None:
        port = free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self._container = (
            DockerContainer(image_of("kafka"))
            .with_bind_ports(9092, port)
            .with_env("KAFKA_NODE_ID", "1")
            .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
            .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
            .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
            .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT")
            .with_env("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
            .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://{self.bootstrap}")
            .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        )

    def __enter__(self) -> KafkaContainer:
        self._container.start()
        wait_for_logs(self._container, "Kafka Server started", timeout=90)
        return self

    def __exit__(self, *_: object) -> None:
        self._container.stop()


class MongoContainer:
    """MongoDB's own image; `url` is its address."""

    def __init__(self) -> None:
        self._container = DockerContainer(image_of("mongo")).with_exposed_ports(27017)

    @property
    def url(self) -> str:
        """Where clients on this machine reach it."""
        host, port = self._container.get_container_host_ip(), self._container.get_exposed_port(27017)
        return f"mongodb://{host}:{port}"

    def __enter__(self) -> MongoContainer:
        self._container.start()
        wait_for_logs(self._container, "Waiting for connections", timeout=90)
        return self

    def __exit__(self, *_: object) -> None:
        self._container.stop()
