"""What the commands that speak to Kafka share: their options and their manners."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated

import typer

from laurel.cli.exits import WrongUse

if TYPE_CHECKING:
    from laurel.runtime.settings import KafkaSettings

_SERVERS = re.compile(r"[A-Za-z0-9.\[\]:_-]+:[0-9]{1,5}(,[A-Za-z0-9.\[\]:_-]+:[0-9]{1,5})*")

Bootstrap = Annotated[
    str,
    typer.Option(
        "--bootstrap",
        envvar="LAUREL_KAFKA_BOOTSTRAP",
        metavar="HOST:PORT",
        help="Kafka's first address. With TLS and a user: LAUREL_KAFKA_SECURITY_PROTOCOL=SASL_SSL, _CA_FILE, "
        "_USERNAME, _PASSWORD_FILE.",
    ),
]
Idempotence = Annotated[
    bool,
    typer.Option(
        "--idempotence/--no-idempotence", envvar="LAUREL_KAFKA_IDEMPOTENCE",
        help="Off only with the embedded broker, which lacks it.",
    ),
]  # fmt: skip


def kafka_settings(bootstrap: str, *, idempotence: bool = True) -> KafkaSettings:
    """The settings for a broker; TLS and the user come from the environment, as for services. Raises WrongUse."""
    if not _SERVERS.fullmatch(bootstrap):
        raise WrongUse(f"{bootstrap!r} is not a broker's address: give one such as kafka.example.org:9092.")
    from pydantic import ValidationError  # noqa: PLC0415 - takes long to load

    from laurel.runtime.settings import KafkaSettings, complaints  # noqa: PLC0415

    try:
        return KafkaSettings(kafka_bootstrap=bootstrap, kafka_idempotence=idempotence)
    except ValidationError as error:
        raise WrongUse("\n".join(complaints(error))) from None


def configure(name: str) -> None:
    """Traces go where LAUREL_OTLP_ENDPOINT says; libraries keep quiet, since the command says itself what happened."""
    from laurel.runtime import telemetry  # noqa: PLC0415

    telemetry.configure(name, log_level="critical", otlp_endpoint=os.environ.get("LAUREL_OTLP_ENDPOINT"))
