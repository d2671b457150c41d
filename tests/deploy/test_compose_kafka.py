"""The Kafka of the compose file, brought up here step by step: its scripts, its settings, and who then gets in.

Of the image only the shell around its launcher is left out: what writes the broker's settings and formats its data is
the same program. Host names, ports and folders are this machine's; nothing else is changed.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from deploy.files import ROOT, SERVICES, compose, env_values, interpolated
from laurel.contracts.access import OPERATOR, service_user, topics_of
from laurel.contracts.topics import TOPICS
from laurel.runtime.kafka import provision
from laurel.runtime.settings import KafkaSettings
from laurel_local import compose_env
from laurel_local.broker import ApacheKafka, Unavailable
from laurel_local.probes import kafka_answers
from laurel_local.processes import free_port
from support.missing import not_here
from support.secured import allowed_topics

pytestmark = [pytest.mark.kafka]

PARTS = compose()["services"]
WRAPPER = "kafka.docker.KafkaDockerWrapper"  # the image's own, which turns mounted files and variables into settings


@dataclass(frozen=True)
class Here:
    """What stands here for the containers' folders, names and ports."""

    directory: Path
    ports: dict[int, int]
    names: dict[str, str]
    values: dict[str, str]
    """What is in `.env`."""

    def text(self, value: object) -> str:
        """A value of the compose file as it is to be here."""
        pattern = "|".join(map(re.escape, self.names))
        return re.sub(pattern, lambda found: self.names[found[0]], interpolated(str(value), self.values))

    def environment(self, part: str) -> dict[str, str]:
        """A part's environment."""
        return {name: self.text(value) for name, value in PARTS[part]["environment"].items()}

    def settings(self, service: str, **other: Any) -> KafkaSettings:
        """How a service reaches Kafka."""
        told = self.environment(service)
        names = ("bootstrap", "security_protocol", "ca_file", "username", "password")
        return KafkaSettings(**({f"kafka_{name}": told[f"LAUREL_KAFKA_{name.upper()}"] for name in names} | other))

    def run_once(self, part: str) -> subprocess.CompletedProcess[str]:
        """Carry out a step that ends by itself, as its container would."""
        definition = PARTS[part]
        mounted = dict(each.split(":")[1::-1] for each in definition["volumes"] if each.startswith("./"))
        program, script = definition["entrypoint"]
        variables = self.environment(part) if "environment" in definition else {}
        return subprocess.run(
            [program, str(ROOT / mounted[script]), *[self.text(word) for word in definition["command"]]],
            env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}"} | variables,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


class ComposeKafka(ApacheKafka):
    """Apache Kafka as its container would run it."""

    def __init__(self, here: Here) -> None:
        super().__init__(here.directory / "kafka", port=here.ports[9094])
        self.here = here

    def _write_properties(self) -> None:
        mounted, defaults = self.directory / "mounted", self.directory / "defaults"
        for folder in (mounted, defaults):
            folder.mkdir(parents=True, exist_ok=True)
        file = next(each.split(":")[0] for each in PARTS["kafka"]["volumes"] if "server.properties" in each)
        (mounted / "server.properties").write_text(self.here.text((ROOT / file).read_text()))
        *java, _ = self._java(WRAPPER, "setup")
        subprocess.run(
            [*java, "-D", str(defaults), "-M", str(mounted), "-F", str(self.directory)],
            env={"PATH": os.environ["PATH"]} | self.here.environment("kafka"), check=True, timeout=60,
        )  # fmt: skip

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=self.here.directory / "certificates/ca.pem")
        context.load_cert_chain(self.here.directory / "certificates/kafka.pem")
        context.check_hostname = False  # the probe calls it by its address
        return kafka_answers(self.here.ports[9095], context)

    def _format(self) -> None:
        raise AssertionError("the image's program formats the data folder")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """A folder after `make compose-env`, with a folder for each volume."""
    directory = tmp_path_factory.mktemp("compose")
    compose_env.make(directory, uid=os.getuid() or 1000, gid=os.getgid() or 1000)
    for volume in ("certificates", "authority", "kafka/data"):
        (directory / volume).mkdir(parents=True)
    names = {
        "/etc/kafka/secrets": str(directory / "certificates"), "/certificates": str(directory / "certificates"),
        "/authority": str(directory / "authority"), "/run/kafka/": f"{directory / 'authority'}/",
        "/run/catalog.yaml": str(directory / ".compose/consortium/catalog.yaml"),
        "/var/lib/kafka/data": str(directory / "kafka/data"), "1000:1000": f"{os.getuid()}:{os.getgid()}",
    }  # fmt: skip
    ports = {port: free_port() for port in (9093, 9094, 9095)}
    for there, port in ports.items():
        names |= {f"{name}:{there}": f"localhost:{port}" for name in ("localhost", "kafka")}
        names[f"//:{there}"] = f"//localhost:{port}"
    return Here(directory, ports, names, env_values(directory / ".env"))


@pytest.fixture(scope="module")
def certificates(here: Here) -> Path:
    """The broker's folder after the first step."""
    done = here.run_once("kafka-certificates")
    assert done.returncode == 0, done.stderr
    return here.directory / "certificates"


@pytest.fixture(scope="module")
def broker(here: Here, certificates: Path) -> Iterator[ComposeKafka]:
    """The broker after the second."""
    kafka = ComposeKafka(here)
    try:
        kafka.start()
    except Unavailable as reason:
        not_here(f"Apache Kafka could not be obtained: {reason}")
    yield kafka
    kafka.stop()


@pytest.fixture(scope="module")
def ready(here: Here, broker: ComposeKafka) -> Here:
    """After the third: from here on the services start."""
    done = here.run_once("kafka-users")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(TOPICS)} topics made" in done.stdout
    return here


def test_the_broker_s_key_is_for_its_user_alone_and_the_authority_for_all(here: Here, certificates: Path) -> None:
    assert {file.name for file in certificates.iterdir()} == {"kafka.pem", "ca.pem"}
    assert (certificates / "kafka.pem").stat().st_mode & 0o777 == 0o600
    given = list((here.directory / "authority").iterdir())
    assert [file.name for file in given] == ["ca.pem"]
    assert given[0].stat().st_mode & 0o777 == 0o644
    assert "PRIVATE" not in given[0].read_text()


def test_certificates_that_are_there_are_kept_and_half_a_set_is_made_anew(here: Here, certificates: Path) -> None:
    before = (certificates / "kafka.pem").read_bytes()
    assert here.run_once("kafka-certificates").returncode == 0
    assert (certificates / "kafka.pem").read_bytes() == before

    half = replace(here, names=here.names | {"/certificates": str(here.directory / "half")})
    (here.directory / "half").mkdir()
    (here.directory / "half" / "kafka.pem").write_text("of a run that was interrupted")
    kept = (here.directory / "authority" / "ca.pem").read_bytes()
    assert half.run_once("kafka-certificates").returncode == 0
    assert "PRIVATE KEY" in (here.directory / "half" / "kafka.pem").read_text()
    (here.directory / "authority" / "ca.pem").write_bytes(kept)


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_gets_in_with_what_it_is_told_and_may_do_its_part(ready: Here, service: str) -> None:
    settings = ready.settings(service)
    assert await provision(settings, topics_of(service)) == (), "its topics are there, and it need not make them"
    verbs = {("read", topic.name) for topic in TOPICS if service in topic.readers}
    verbs |= {("write", topic.name) for topic in TOPICS if service in topic.writers}
    assert {each for each in await allowed_topics(settings) if each[0] in ("read", "write")} == verbs


async def test_the_tool_gets_in_as_an_operator(ready: Here) -> None:
    settings = ready.settings("laurel")
    assert settings.kafka_username == OPERATOR
    assert ("read", "dead-letters.v1") in await allowed_topics(settings)


@pytest.mark.parametrize(
    "other",
    [
        {"kafka_security_protocol": "PLAINTEXT", "kafka_ca_file": None, "kafka_username": None, "kafka_password": None},
        {"kafka_security_protocol": "SSL", "kafka_username": None, "kafka_password": None},
        {"kafka_username": service_user("issuer")},
        {"kafka_username": "laurel-admin"},
    ],
)
async def test_nobody_gets_in_without_a_name_or_under_another_s(ready: Here, other: dict[str, str | None]) -> None:
    with pytest.raises(KafkaError):
        await provision(ready.settings("verifier", **other), topics_of("verifier"))


async def test_the_way_in_for_brokers_is_closed_without_a_certificate(ready: Here) -> None:
    with pytest.raises(KafkaError):
        await provision(
            ready.settings("verifier", kafka_bootstrap=f"localhost:{ready.ports[9095]}", kafka_security_protocol="SSL",
                           kafka_username=None, kafka_password=None), topics_of("verifier"),
        )  # fmt: skip


async def test_doing_it_again_changes_nothing_and_no_password_is_printed_or_logged(
    ready: Here, broker: ComposeKafka
) -> None:
    done = ready.run_once("kafka-users")
    assert done.returncode == 0, done.stderr
    assert "0 topics made, 0 rules added, 0 withdrawn" in done.stdout
    assert await provision(ready.settings("issuer"), topics_of("issuer")) == ()
    logs = "".join(file.read_text(errors="replace") for file in broker.directory.glob("*.log"))
    passwords = [value for name, value in ready.values.items() if name.startswith("KAFKA_")]
    assert len(passwords) == 5
    assert not any(each in done.stdout + done.stderr + logs for each in passwords)


def test_without_a_password_the_step_fails_and_says_which(here: Here, broker: ComposeKafka) -> None:
    lacking = replace(here, values=here.values | {"KAFKA_VERIFIER_PASSWORD": ""})
    done = lacking.run_once("kafka-users")
    assert done.returncode != 0
    assert "KAFKA_VERIFIER_PASSWORD is not set" in done.stderr


def test_the_health_check_speaks_as_a_broker_from_the_files_that_are_mounted() -> None:
    command = PARTS["kafka"]["healthcheck"]["test"]
    mounted = {target: source for source, target, *_ in (each.split(":") for each in PARTS["kafka"]["volumes"])}
    text = (ROOT / mounted[command[command.index("--command-config") + 1]]).read_text()
    told = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert told["ssl.keystore.location"] == PARTS["kafka"]["environment"]["KAFKA_SSL_KEYSTORE_LOCATION"]
    assert Path(told["ssl.truststore.location"]).parent == Path(mounted_at("kafka-certificates"))
    server = command[command.index("--bootstrap-server") + 1]
    assert f"BROKERS://{server}" in PARTS["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")


def mounted_at(volume: str) -> str:
    """Where the broker has a volume."""
    return next(str(each.split(":")[1]) for each in PARTS["kafka"]["volumes"] if each.startswith(f"{volume}:"))
