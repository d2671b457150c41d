"""The JSON Schemas that credentials name, shipped as data and never fetched.

Whoever serves a schema could change what it allows, and a verifier that fetches what a credential names can be sent
anywhere. `SOURCES.md` names where each file comes from and its digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import orjson
from jsonschema_rs import RegexOptions, Validator, validator_for

_ACHIEVEMENT_CREDENTIAL = "open-badges-3.0-achievement-credential.json"
_OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0/schema"


@dataclass(frozen=True)
class Schema:
    """A bundled schema: a file, or one definition in it (`definition`, a name under `$defs`)."""

    file: str
    definition: str | None = None

    @property
    def raw(self) -> bytes | None:
        """The bytes its URL serves, as far as they are known here."""
        return None if self.definition else _read(self.file)

    @property
    def document(self) -> dict[str, Any]:
        """The schema as JSON."""
        return _document(self)

    @property
    def validator(self) -> Validator:
        """The compiled schema. Dates are checked, which JSON Schema leaves to the implementation."""
        return _compile(self)


SCHEMAS: Mapping[str, Schema] = {
    f"{_OPEN_BADGES}/{folder}/ob_v3p0_{name}_schema.json": schema
    for folder in ("json", "json-ld")
    for name, schema in {
        "achievementcredential": Schema(_ACHIEVEMENT_CREDENTIAL),
        "endorsementcredential": Schema(_ACHIEVEMENT_CREDENTIAL, "EndorsementCredential"),
    }.items()
}


@cache
def _read(file: str) -> bytes:
    return resources.files(__package__).joinpath(file).read_bytes()


@cache
def _document(schema: Schema) -> dict[str, Any]:
    whole: dict[str, Any] = orjson.loads(_read(schema.file))
    if schema.definition is None:
        return whole
    return {"$schema": whole["$schema"], "$defs": whole["$defs"], "$ref": f"#/$defs/{schema.definition}"}


@cache
def _compile(schema: Schema) -> Validator:
    # The regular expressions of the linear-time engine: a backtracking one is a way to stop a verifier.
    return validator_for(_document(schema), validate_formats=True, pattern_options=RegexOptions(), offline=True)
