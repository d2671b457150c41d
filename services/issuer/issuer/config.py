"""The issuer's settings. It holds the signing keys, so it is the one service that nothing public may reach."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from laurel.runtime.settings import KeyHashes, MongoSettings, Secret, ServiceSettings, is_loopback


class IssuerSettings(ServiceSettings, MongoSettings):
    """`master_key` is what credential ids, salts and status indexes are derived from: it must never change, or
    replayed events would become new credentials. `signing_keys_file` holds the members' secret keys.

    Whoever has `vc_api_token` may issue anything in every member's name; it may be given as its SHA-256, too, and two
    at a time. Without one, only operators with the right may issue.
    `vc_api_open` lets everybody, for conformance runs on a machine of one's own.

    With `intake_requests_at_once` in hand, the HTTP intake answers more with 429."""

    mongo_database: str = "laurel_issuer"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    master_key: Secret
    signing_keys_file: Path
    clock_skew_seconds: Annotated[float, Field(ge=0, le=3600)] = 120.0
    oldest_completion_days: Annotated[int, Field(ge=1, le=36525)] = 3650
    status_list_interval_seconds: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    status_list_valid_days: Annotated[int, Field(ge=1, le=90)] = 7
    status_list_ttl_seconds: Annotated[int, Field(ge=1, le=86400)] = 60
    intake_requests_at_once: Annotated[int, Field(ge=1, le=1000)] = 32
    vc_api_token: Secret | None = None
    vc_api_token_hashes: KeyHashes = ()
    vc_api_open: bool = False

    @field_validator("signing_keys_file")
    @classmethod
    def _private(cls, path: Path) -> Path:
        if not path.is_file():
            raise ValueError(f"{path} does not exist; `laurel keys new --member ID --out FILE` makes one")
        found = path.stat()
        # Anyone who can read this file can issue in every member's name. One that root owns must be readable by the
        # service's group, which is how a container is given a secret.
        if found.st_mode & (0o037 if found.st_uid == 0 else 0o077):
            raise ValueError(f"{path} can be read by others than its owner; chmod 600 it")
        return path

    @field_validator("vc_api_open")
    @classmethod
    def _local_only(cls, is_open: bool, info: ValidationInfo) -> bool:
        host, public = info.data.get("http_host", ""), info.data.get("public_url", "")
        if is_open and not (is_loopback(f"//[{host}]" if ":" in host else f"//{host}") and is_loopback(public)):
            raise ValueError(
                "would let everybody issue in every member's name: it may be on only where LAUREL_HTTP_HOST and "
                "LAUREL_PUBLIC_URL are of this machine alone, such as 127.0.0.1"
            )
        return is_open

    @property
    def clock_skew(self) -> timedelta:
        """How far ahead of ours a partner's clock may be."""
        return timedelta(seconds=self.clock_skew_seconds)

    @property
    def oldest_completion(self) -> timedelta:
        """How far back a completion may lie."""
        return timedelta(days=self.oldest_completion_days)
