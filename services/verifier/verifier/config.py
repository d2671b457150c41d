"""The verifier's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from laurel.runtime.settings import ServiceSettings


class VerifierSettings(ServiceSettings):
    """What the verifier is told. It holds no secret and no database."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 8020
    # How long a revocation may stay unnoticed here. Beneath the interval of the registry's heartbeats nothing
    # could ever be called valid; beyond five minutes "valid" would be a claim about the past.
    view_max_age_seconds: Annotated[float, Field(ge=2.0, le=300.0)] = 15.0
    verify_workers: Annotated[int, Field(ge=1, le=64)] = 2
    # Whether keys and status lists of issuers that are not members are fetched; without them, their credentials are
    # unknown. What is fetched is from public addresses only, and over https.
    fetch_foreign: bool = True
    # How long one verification may wait for other people's servers; what is not there by then is unknown.
    fetch_seconds: Annotated[float, Field(ge=0.1, le=60.0)] = 8.0
    # For trials on one machine: other issuers may be on it too.
    fetch_loopback: bool = False
