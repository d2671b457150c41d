"""Apache Kafka with TLS, SCRAM users and rules: what a consortium runs, on one machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
from base64 import b64encode
from collections.abc import Sequence
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Any

from laurel.contracts.access import ADMIN, BROKER, OPERATOR, SERVICES, grants, partner_user, service_user
from laurel.runtime.certificates import Authority
from laurel.runtime.kafka import apply_rules, compare_rules, provision, set_password
from laurel.runtime.settings import PREFIX, KafkaSettings
from laurel_local.broker import ApacheKafka, KafkaCluster, Quorum
from laurel_local.probes import kafka_answers
from laurel_local.processes import free_port

SECURITY = Path(__file__).parents[2] / "kafka" / "security.properties"
_ITERATIONS = 8192


class SecuredKafka(ApacheKafka):
    """Apache Kafka on deploy/kafka/security.properties, in `directory`, with certificates made at the first start.

    The super user's password is in `admin_password_file`. Everybody else is a stranger until `laurel kafka` has made
    users and rules.
    """

    name = "secured Apache Kafka"

    def __init__(
        self,
        directory: Path,
        cache: Path | None = None,
        *,
        port: int | None = None,
        heap: str = "512m",
        node: int = 1,
        quorum: Quorum | None = None,
        tls: Path | None = None,
    ) -> None:
        super().__init__(directory, cache, port=port, heap=heap, node=node, quorum=quorum)
        self.between_brokers = free_port()
        self.ports = (*self.ports, self.between_brokers)
        tls = tls or self.directory / "tls"
        self.ca_file = tls / "ca.pem"
        self._broker_file = tls / "broker.pem"
        self.admin_password_file = tls / "admin-password"

    def environment(self, user: str, password_file: Path) -> dict[str, str]:
        """What somebody who connects as `user` is told."""
        return _environment(self.bootstrap, self.ca_file, user, password_file)

    def launch(self) -> None:
        if not self._broker_file.exists():
            self._make_secrets()
        super().launch()

    def ready(self) -> bool:
        # As one of the brokers, for nobody else may ask anything yet.
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self._broker_file)
        return kafka_answers(self.between_brokers, context)

    def _make_secrets(self) -> None:
        authority = Authority("Laurel, Kafka")
        broker = authority.issue(BROKER, ["localhost"], addresses=["127.0.0.1"], client=True)
        self.ca_file.parent.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(authority.certificate)
        if not self.admin_password_file.exists():
            _write_secret(self.admin_password_file, secrets.token_urlsafe(32).encode())
        _write_secret(self._broker_file, broker.certificate + broker.key)

    def _write_properties(self) -> None:
        super()._write_properties()
        here = {
            "listeners": ",".join(
                f"{name}://127.0.0.1:{port}"
                for name, port in (
                    ("CLIENTS", self.port), ("BROKERS", self.between_brokers), ("CONTROLLER", self.controller_port),
                )
            ),
            "advertised.listeners": f"CLIENTS://{self.bootstrap},BROKERS://127.0.0.1:{self.between_brokers}",
            "ssl.keystore.location": str(self._broker_file),
            "ssl.truststore.location": str(self.ca_file),
        }  # fmt: skip
        with (self.directory / "server.properties").open("a") as file:  # of two lines with one key the last counts
            file.write(SECURITY.read_text() + "".join(f"{name}={value}\n" for name, value in here.items()))

    def _format_options(self) -> tuple[str, ...]:
        return ("--add-scram", scram_option(ADMIN, self.admin_password_file.read_text()))


class SecuredCluster(KafkaCluster):
    """Several nodes that keep their users apart, with topics, rules and users made as soon as they are up.

    The nodes are one machine's, so they have one certificate. `partners` are those of the catalog, by id.
    """

    def __init__(
        self, directory: Path, partners: Sequence[str], cache: Path | None = None, *, size: int = 3, heap: str = "256m"
    ) -> None:
        self._tls = directory.absolute() / "tls"
        self._partners = tuple(partners)
        super().__init__(directory, cache, size=size, heap=heap)

    def connection(self, user: str) -> dict[str, str]:
        return _environment(self.bootstrap, self._tls / "ca.pem", user, self.password_file(user))

    def settings(self, user: str) -> KafkaSettings:
        """The same as settings."""
        told: dict[str, Any] = {
            name.removeprefix(PREFIX).lower(): value for name, value in self.connection(user).items()
        }
        return KafkaSettings(kafka_replication=self.copies, **told)

    def password_file(self, user: str) -> Path:
        """A file with the user's password, made when it is first asked for."""
        file = self._tls / ("admin-password" if user == ADMIN else f"{user}.password")
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_secret(file, secrets.token_urlsafe(32).encode())
        return file

    def prepare(self) -> None:
        asyncio.run(self._make_topics_rules_and_users())

    async def _make_topics_rules_and_users(self) -> None:
        admin = self.settings(ADMIN)
        await provision(admin)
        await apply_rules(admin, await compare_rules(admin, grants(self._partners)))
        users = (OPERATOR, *map(service_user, SERVICES), *map(partner_user, self._partners))
        for user in users:
            await set_password(admin, user, self.password_file(user).read_text())

    def _node(self, directory: Path, cache: Path | None, *, heap: str, node: int, quorum: Quorum) -> ApacheKafka:
        return SecuredKafka(directory, cache, heap=heap, node=node, quorum=quorum, tls=self._tls)


def _environment(bootstrap: str, ca_file: Path, user: str, password_file: Path) -> dict[str, str]:
    return {
        "LAUREL_KAFKA_BOOTSTRAP": bootstrap,
        "LAUREL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "LAUREL_KAFKA_CA_FILE": str(ca_file),
        "LAUREL_KAFKA_USERNAME": user,
        "LAUREL_KAFKA_PASSWORD_FILE": str(password_file),
    }


def scram_option(user: str, password: str) -> str:
    """A first user as `kafka-storage format --add-scram` takes it: salted, since arguments are no place for secrets."""
    salt = secrets.token_bytes(32)
    salted = pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    told = {"name": user, "salt": b64encode(salt).decode(), "saltedpassword": b64encode(salted).decode()}
    fields = ",".join(f'{name}="{value}"' for name, value in told.items())
    return f"SCRAM-SHA-512=[{fields},iterations={_ITERATIONS}]"


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
