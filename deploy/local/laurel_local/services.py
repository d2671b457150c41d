"""The four services' environment variables on one machine. docker-compose.yml has the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from laurel.contracts.access import service_user
from laurel_local.broker import EmbeddedBroker
from laurel_local.consortium import Consortium
from laurel_local.processes import free_port
from laurel_local.stack import Service, Stack

SERVICES = ("issuer", "registry", "verifier", "notifier")
_EMBEDDED_SESSION_MS = 3000  # the embedded broker lets half of it pass before a group starts


@dataclass(frozen=True)
class Ports:
    """Where each service listens."""

    issuer: int
    registry: int
    verifier: int
    notifier: int

    @classmethod
    def fixed(cls, first: int = 8000) -> Ports:
        """8000, 8010, 8020 and 8030, or the same from another start."""
        return cls(first, first + 10, first + 20, first + 30)

    @classmethod
    def free(cls) -> Ports:
        """Four that nobody uses now."""
        return cls(free_port(), free_port(), free_port(), free_port())

    def url(self, service: str) -> str:
        """A service's address on this machine."""
        return f"http://127.0.0.1:{getattr(self, service)}"


def service_environment(name: str, stack: Stack, consortium: Consortium, ports: Ports) -> dict[str, str]:
    """What one service is told."""
    session = _EMBEDDED_SESSION_MS if isinstance(stack.broker, EmbeddedBroker) else 10_000
    common = {
        **stack.broker.connection(service_user(name)),
        "LAUREL_KAFKA_IDEMPOTENCE": str(stack.broker.idempotence).lower(),
        "LAUREL_KAFKA_FETCH_WAIT_MS": str(stack.broker.fetch_wait_ms),
        "LAUREL_KAFKA_REPLICATION": str(stack.broker.copies),
        "LAUREL_KAFKA_SESSION_TIMEOUT_MS": str(session),
        "LAUREL_PUBLIC_URL": ports.url("registry"),
        "LAUREL_HTTP_PORT": str(getattr(ports, name)),
    }
    database = {"LAUREL_MONGO_URL": stack.database.url}
    admin = {"LAUREL_ADMIN_TOKEN": consortium.admin_token}
    own: dict[str, dict[str, str]] = {
        "issuer": database
        | {
            "LAUREL_MASTER_KEY": consortium.master_key,
            "LAUREL_SIGNING_KEYS_FILE": str(consortium.signing_keys_file.resolve()),
        },
        "registry": database | admin,
        "verifier": {},
        "notifier": database
        | admin
        | {
            "LAUREL_SMTP_HOST": "127.0.0.1",
            "LAUREL_SMTP_PORT": str(stack.mailbox.smtp_port),
            "LAUREL_SMTP_SECURITY": "none",
            "LAUREL_MAIL_FROM": f"{consortium.catalog.consortium.name} <badges@alpine-skills.example.org>",
        },
    }
    return common | own[name]


def add_services(stack: Stack, consortium: Consortium, ports: Ports) -> None:
    """Add all four to a stack."""
    for name in SERVICES:
        add_instance(stack, consortium, ports, name, 1)


def add_instance(
    stack: Stack, consortium: Consortium, ports: Ports, service: str, number: int, more: Mapping[str, str] | None = None
) -> Service:
    """Add one more instance of a service, such as `issuer-2`, at a port of its own; the caller starts it.

    The first instance, at the service's own port, has the service's name. `more` is laid over its environment.
    """
    port = getattr(ports, service) if number == 1 else free_port()
    environment = service_environment(service, stack, consortium, ports) | {"LAUREL_HTTP_PORT": str(port)}
    name = service if number == 1 else f"{service}-{number}"
    return stack.add_service(name, service, environment | dict(more or {}), f"http://127.0.0.1:{port}/readyz")
