"""What the registry is told, and what it refuses to run with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from laurel.runtime.settings import AdminSettings, MongoSettings, ServiceSettings


class RegistrySettings(ServiceSettings, MongoSettings, AdminSettings):
    """`admin_token` opens everything that changes the record, so it must be long and random. It is the only key before
    the first catalog, and the only one that makes operators; so there must be one.

    `heartbeat_seconds` decides how soon a verifier notices that it no longer hears of status changes.
    """

    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "laurel_registry"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8010
    heartbeat_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0

    @model_validator(mode="after")
    def _administered(self) -> RegistrySettings:
        if self.admin_token is None and not self.admin_token_hashes:
            raise ValueError("LAUREL_ADMIN_TOKEN or LAUREL_ADMIN_TOKEN_HASHES must be set: set one of them")
        return self
