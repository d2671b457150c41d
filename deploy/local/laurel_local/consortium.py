"""The demo's consortium on disk: its catalog, and the keys and tokens that go with it, made once a folder."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from laurel.contracts.catalog import Catalog
from laurel.credentials.keys import SigningKey

_TEMPLATE = Path(__file__).with_name("demo-catalog.yaml")


@dataclass(frozen=True)
class Consortium:
    """What an operator holds: files in one folder, readable by the owner alone."""

    directory: Path
    master_key: str
    admin_token: str
    catalog: Catalog
    partner_keys: dict[str, SigningKey]
    api_keys: dict[str, str]

    @property
    def catalog_file(self) -> Path:
        """The catalog as `laurel catalog apply` takes it."""
        return self.directory / "catalog.yaml"

    @property
    def signing_keys_file(self) -> Path:
        """The members' secret keys, for the issuer."""
        return self.directory / "signing-keys.json"

    @property
    def admin_token_file(self) -> Path:
        """The registry's admin token, for the command line."""
        return self.directory / "admin-token"

    def partner_key_file(self, partner: str) -> Path:
        """A partner's signing key, for `laurel partner publish`."""
        return self.directory / f"{partner}.key"

    def source(self, partner: str) -> str:
        """The source a partner's events carry."""
        return next(each.sources[0] for each in self.catalog.partners if each.id == partner)

    def kid(self, partner: str) -> str:
        """The id of a partner's key."""
        return f"{partner}-2026"


def load_or_make(directory: Path) -> Consortium:
    """The consortium in `directory`; made with fresh keys where there is none yet."""
    directory.mkdir(parents=True, exist_ok=True)
    secrets_file = directory / "secrets.json"
    if not secrets_file.exists():
        _make(directory, secrets_file)
    held = json.loads(secrets_file.read_text())
    return Consortium(
        directory=directory, master_key=held["masterKey"], admin_token=held["adminToken"],
        catalog=Catalog.model_validate(yaml.safe_load((directory / "catalog.yaml").read_text())),
        partner_keys={name: SigningKey.from_multibase(text) for name, text in held["partnerKeys"].items()},
        api_keys=held["apiKeys"],
    )  # fmt: skip


def _make(directory: Path, secrets_file: Path) -> None:
    template: dict[str, Any] = yaml.safe_load(_TEMPLATE.read_text())
    members = {issuer["id"]: _new_key() for issuer in template["issuers"]}
    partner_keys = {partner["id"]: _new_key() for partner in template["partners"]}
    api_keys = {partner["id"]: secrets.token_urlsafe(32) for partner in template["partners"]}
    for issuer in template["issuers"]:
        issuer["keys"] = [{"publicKeyMultibase": members[issuer["id"]].public.to_multibase()}]
    for partner in template["partners"]:
        name = partner["id"]
        public = partner_keys[name].public.to_multibase()
        partner["keys"] = [{"kid": f"{name}-2026", "publicKeyMultibase": public}]
        partner["apiKeyHashes"] = [sha256(api_keys[name].encode()).hexdigest()]
        _write(directory / f"{name}.key", partner_keys[name].to_multibase())
        _write(directory / f"{name}.api-key", api_keys[name])
    admin_token = secrets.token_urlsafe(32)
    _write(directory / "catalog.yaml", yaml.safe_dump(template, sort_keys=False, allow_unicode=True))
    _write(
        directory / "signing-keys.json",
        json.dumps([{"issuer": name, "secretKeyMultibase": key.to_multibase()} for name, key in members.items()]),
    )
    _write(directory / "admin-token", admin_token)
    held = {
        "masterKey": secrets.token_urlsafe(48), "adminToken": admin_token, "apiKeys": api_keys,
        "partnerKeys": {name: key.to_multibase() for name, key in partner_keys.items()},
    }  # fmt: skip
    # Last, because its presence says that the others are complete.
    _write(secrets_file, json.dumps(held))


def _new_key() -> SigningKey:
    return SigningKey.from_seed(secrets.token_bytes(32))


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
