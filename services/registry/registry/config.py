"""What the registry is told, and what it refuses to run with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from laurel.runtime.settings import MongoSettings, Secret, ServiceSettings


class RegistrySettings(ServiceSettings, MongoSettings):
    """`admin_token` opens everything that changes the record, so it must be long and random.

    `heartbeat_seconds` decides how soon a verifier notices that it no longer hears of status changes.
    """

    mongo_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "laurel_registry"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8010
    admin_token: Secret
    heartbeat_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0
