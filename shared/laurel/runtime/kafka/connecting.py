"""How every client of Kafka connects: where to, over what, and as whom."""

from __future__ import annotations

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from laurel.runtime.settings import KafkaSettings

_SCHEMES = {"SCRAM-SHA-512": SASLScram512, "SCRAM-SHA-256": SASLScram256, "PLAIN": SASLPlaintext}


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
