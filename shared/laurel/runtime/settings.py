"""Settings from `LAUREL_*` environment variables, frozen, and refused with a sentence when unsafe."""

from __future__ import annotations

import os
import re
import sys
from ipaddress import ip_address
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

EXIT_BAD_SETTINGS = 2
PREFIX = "LAUREL_"
Loaded = TypeVar("Loaded", bound=BaseSettings)


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, whatever a name server says."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _public_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an absolute URL without query or fragment, such as https://badges.example.org")
    if parts.scheme == "http" and not is_loopback(url):
        # A registry that verifiers reach over plain http could be impersonated by anyone on the way.
        raise ValueError("must be https, except on this machine")
    return url.rstrip("/")


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < 32 or len(set(text)) < 10:
        raise ValueError("must be at least 32 random characters; `laurel keys new --secret` makes one")
    return secret


def _mongo_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must begin with mongodb:// or mongodb+srv://")
    return url


PublicUrl = Annotated[str, AfterValidator(_public_url)]
Secret = Annotated[SecretStr, AfterValidator(_strong)]


class KafkaSettings(BaseSettings):
    """How to reach the broker. `kafka_idempotence` may be off only with the embedded broker, which lacks it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    kafka_bootstrap: Annotated[str, Field(min_length=3)]
    kafka_idempotence: bool = True
    kafka_replication: Annotated[int, Field(ge=1, le=9)] = 1
    kafka_session_timeout_ms: Annotated[int, Field(ge=1000, le=300_000)] = 10_000


class MongoSettings(BaseSettings):
    """How to reach the database. `mongo_driver` selects Motor or PyMongo's own asynchronous client."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    mongo_url: Annotated[SecretStr, AfterValidator(_mongo_url)]
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")]


class ServiceSettings(KafkaSettings):
    """What every service is told. The public URL is the registry's: every public id begins with it."""

    public_url: PublicUrl
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)]
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 15.0


def load(settings: type[Loaded]) -> Loaded:
    """The settings, or one sentence for each that is missing or unsafe on stderr and exit code 2."""
    try:
        return settings()
    except ValidationError as error:
        sys.stderr.write("".join(f"{line}\n" for line in complaints(error)))
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))  # the library tells the field only in words
        name = PREFIX + field[1].upper() if field else "a setting"
        sys.stderr.write(f"{name} cannot be used: it must be a JSON list, such as [5, 60, 600].\n")
    sys.exit(EXIT_BAD_SETTINGS)


def refuse(name: str, reason: str) -> NoReturn:
    """One sentence about a setting on stderr, and exit code 2."""
    sys.stderr.write(f"{name} cannot be used: {reason}.\n")
    sys.exit(EXIT_BAD_SETTINGS)


def complaints(error: ValidationError) -> list[str]:
    """One sentence a finding; values are not repeated, since some are secrets."""
    lines = []
    for finding in error.errors(include_url=False, include_input=False, include_context=False):
        name = PREFIX + "_".join(str(part) for part in finding["loc"]).upper() if finding["loc"] else "the settings"
        if finding["type"] == "missing" and name not in os.environ:
            lines.append(f"{name} is not set: set this environment variable.")
        else:
            lines.append(f"{name} cannot be used: {finding['msg'].removeprefix('Value error, ')}.")
    return lines
