"""How every client of Kafka connects: where to, over what, and as whom."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from laurel.runtime.settings import KafkaSettings

_SCHEMES = {"SCRAM-SHA-512": SASLScram512, "SCRAM-SHA-256": SASLScram256, "PLAIN": SASLPlaintext}


class LoginRefused(SaslAuthenticationFailed):  # type: ignore[misc]
    """Brokers answer, and take neither this user name nor its password."""

    @property
    def sentence(self) -> str:
        """What is wrong and how to mend it."""
        return str(self.args[0])


@asynccontextmanager
async def telling_refusals(settings: KafkaSettings) -> AsyncIterator[None]:
    """To connect in: aiokafka says of a broker that refuses a password only that it could not be reached.

    Raises:
        LoginRefused: in place of that.
    """
    try:
        yield
    except KafkaConnectionError as error:
        if settings.kafka_username is not None and await _login_refused(settings):
            raise LoginRefused(
                f"Kafka does not take the password of {settings.kafka_username!r}, or knows no such user: check "
                "LAUREL_KAFKA_USERNAME and its password."
            ) from error
        raise


async def _login_refused(settings: KafkaSettings) -> bool:
    """Whether the first broker that answers says no."""
    options = client_options(settings)
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            connection = await create_conn(host, port, **options, request_timeout_ms=10_000)
        except SaslAuthenticationFailed:
            return True
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
        return False
    return False


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What aiokafka's producers, consumers and admin clients are told. Holds the password: never log it.

    Raises:
        OSError: a file that the settings name cannot be read.
    """
    return {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _tls(settings),
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_username,
        "sasl_plain_password": settings.kafka_secret(),
    }


def broker_security(settings: KafkaSettings) -> BaseSecurity:
    """The same, as FastStream takes it.

    Raises:
        OSError: a file that the settings name cannot be read.
    """
    password, context = settings.kafka_secret(), _tls(settings)
    if settings.kafka_username is None or password is None:
        return BaseSecurity(ssl_context=context)
    scheme = _SCHEMES[settings.kafka_sasl_mechanism]
    return scheme(username=settings.kafka_username, password=password, ssl_context=context)


def _tls(settings: KafkaSettings) -> ssl.SSLContext | None:
    if settings.kafka_security_protocol not in ("SSL", "SASL_SSL"):
        return None
    # It checks the broker's certificate, and that it is for the name that was called.
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.kafka_certificate_file is not None:
        context.load_cert_chain(settings.kafka_certificate_file)
    return context
