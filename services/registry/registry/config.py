"""What the registry is told, and what it refuses to run with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from laurel.runtime.settings import AdminSettings, MongoSettings, Secret, ServiceSettings


class RegistrySettings(ServiceSettings, MongoSettings, AdminSettings):
    """`admin_token` opens everything that changes the record, so it must be long and random. It is the only key before
    the first catalog, and the only one that makes operators; so there must be one.

    `heartbeat_seconds` decides how soon a verifier notices that it no longer hears of status changes.
    """

    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "laurel_registry"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8010
    admin_token: Annotated[Secret | None, Field(validate_default=True)] = None
    heartbeat_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0

    @field_validator("admin_token")
    @classmethod
    def _administered(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if token is None and info.data.get("admin_token_hashes") == ():
            raise PydanticCustomError("missing", "Field required")
        return token
