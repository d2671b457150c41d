"""Settings from `LAUREL_*` environment variables, frozen, and refused with a sentence when unsafe."""

from __future__ import annotations

import os
import re
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from laurel.contracts.base import Digest

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


def _sasl_password(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not (0 < len(text) <= 1024 and text.isascii() and text.isprintable()):
        # SCRAM would prepare other characters (RFC 4013), which the client library does not.
        raise ValueError("must be printable ASCII characters, at most 1024 of them")
    return secret


def _readable(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__})") from None
    return path


def _authorities(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=_readable(path))
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificate in PEM form") from None
    return path


def _own_certificate(path: Path) -> Path:
    try:
        ssl.create_default_context().load_cert_chain(_private(path))
    except ssl.SSLError:
        raise ValueError(f"{path} must hold a certificate and its key, both in PEM form") from None
    return path


def _private(path: Path) -> Path:
    found = _readable(path).stat()
    # One that root owns must be readable by the service's group, which is how a container is given a secret.
    if found.st_mode & (0o037 if found.st_uid == 0 else 0o077):
        raise ValueError(f"{path} can be read by others than its owner; chmod 600 it")
    return path


def _password_file(path: Path) -> Path:
    try:
        _sasl_password(SecretStr(_private(path).read_text(encoding="ascii").strip()))
    except UnicodeDecodeError:
        raise ValueError(f"{path} must hold printable ASCII characters") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return path


PublicUrl = Annotated[str, AfterValidator(_public_url)]
Secret = Annotated[SecretStr, AfterValidator(_strong)]
KeyHashes = Annotated[tuple[Digest, ...], Field(max_length=2)]


class KafkaSettings(BaseSettings):
    """How to reach the broker, and as whom.

    `kafka_idempotence` may be off only with the embedded broker, which lacks it. `kafka_security_protocol` is in
    Kafka's own words. `kafka_ca_file` holds the authorities that may vouch for a broker; without it they are the
    system's, and `kafka_certificate_file` a certificate with its key, for a broker that asks who is calling by TLS.
    Of `kafka_password` and `kafka_password_file` exactly one goes with `kafka_username`.

    `kafka_fetch_wait_ms` is how long a broker may hold a fetch that finds nothing. Apache Kafka answers as soon as
    something arrives, whatever this says, and each fetch that finds nothing is work for both sides. The embedded broker
    lets the time pass, so that with it this is most of an event's way through Laurel, and should be short.
    """

    # Not even the library's own text of an error may show what was given: it may be the password.
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: Annotated[str, Field(min_length=3)]
    kafka_idempotence: bool = True
    kafka_replication: Annotated[int, Field(ge=1, le=9)] = 1
    kafka_session_timeout_ms: Annotated[int, Field(ge=1000, le=300_000)] = 10_000
    kafka_fetch_wait_ms: Annotated[int, Field(ge=1, le=5000)] = 200
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: Annotated[Path, AfterValidator(_authorities)] | None = None
    kafka_certificate_file: Annotated[Path, AfterValidator(_own_certificate)] | None = None
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_username: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")] | None = None
    kafka_password: Annotated[SecretStr, AfterValidator(_sasl_password)] | None = None
    kafka_password_file: Annotated[Path, AfterValidator(_password_file)] | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        protocol = self.kafka_security_protocol
        passwords = [each for each in (self.kafka_password, self.kafka_password_file) if each is not None]
        if not protocol.startswith("SASL_"):
            if self.kafka_username is not None or passwords:
                # Connecting as nobody, when somebody was named, would look like missing rights.
                raise ValueError(
                    f"LAUREL_KAFKA_SECURITY_PROTOCOL is {protocol}, which uses no LAUREL_KAFKA_USERNAME or "
                    "LAUREL_KAFKA_PASSWORD: set it to SASL_SSL"
                )
        elif self.kafka_username is None:
            raise ValueError(f"LAUREL_KAFKA_USERNAME must be set where LAUREL_KAFKA_SECURITY_PROTOCOL is {protocol}")
        elif len(passwords) != 1:
            raise ValueError(
                "exactly one of LAUREL_KAFKA_PASSWORD and LAUREL_KAFKA_PASSWORD_FILE must be set with "
                "LAUREL_KAFKA_USERNAME"
            )
        if protocol == "SASL_PLAINTEXT" and not all(is_loopback(f"//{each}") for each in self._servers()):
            # A listener could take the password's proof and everything that follows.
            raise ValueError(
                "LAUREL_KAFKA_SECURITY_PROTOCOL may be SASL_PLAINTEXT only when LAUREL_KAFKA_BOOTSTRAP is this "
                "machine: set it to SASL_SSL"
            )
        if protocol == "SASL_PLAINTEXT" and self.kafka_sasl_mechanism == "PLAIN":
            raise ValueError("LAUREL_KAFKA_SASL_MECHANISM may be PLAIN only over TLS: it sends the password itself")
        for name, file in (("CA_FILE", self.kafka_ca_file), ("CERTIFICATE_FILE", self.kafka_certificate_file)):
            if file is not None and protocol not in ("SSL", "SASL_SSL"):
                raise ValueError(
                    f"LAUREL_KAFKA_{name} is set, but LAUREL_KAFKA_SECURITY_PROTOCOL is {protocol}, without TLS: "
                    "set it to SASL_SSL"
                )
        return self

    def _servers(self) -> list[str]:
        return self.kafka_bootstrap.split(",")

    def kafka_secret(self) -> str | None:
        """The password, or None without SASL. A file is read each time, so that a new client has the new one.

        Raises:
            OSError: the file cannot be read any more.
        """
        if self.kafka_password_file is not None:
            return self.kafka_password_file.read_text(encoding="ascii").strip()
        return None if self.kafka_password is None else self.kafka_password.get_secret_value()


class MongoSettings(BaseSettings):
    """How to reach the database. `mongo_driver` selects Motor or PyMongo's own asynchronous client."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    mongo_url: Annotated[SecretStr, AfterValidator(_mongo_url)]
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")]


class AdminSettings(BaseSettings):
    """The consortium's own key, which may do everything: as it is, or as its SHA-256.

    Two hashes may be given, or a key and a hash, so that a key can be changed while several instances run.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    admin_token_hashes: KeyHashes = ()
    admin_token: Secret | None = None


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
