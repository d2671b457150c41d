"""Checking a credential against the JSON Schemas it names (VC JSON Schema; 1EdTech Credential Schema 1.0).

Only bundled schemas are known; any other is `unknown`, and none is ever fetched. The whole credential is checked as
it stands, the proof included where it is embedded; a credential secured by a JWT has none, and no schema asks for it.

A schema decides fast even over a mebibyte, since the validator takes linear time. Telling *where* a large document
goes wrong does not, so beyond 2,000 values only that it does is told.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonschema_rs import ValidationError

from laurel.credentials.schemas import SCHEMAS, Schema
from laurel.credentials.values import pointer

_TYPES = ("JsonSchema", "1EdTechJsonSchemaValidator2019")
_MAX_SCHEMAS = 8
_MAX_VALUES = 2_000
_SHOWN = 8
_DIGESTS = ("sha256", "sha384", "sha512")
_FORMATS = {
    "date-time": "a date and time with a time zone, such as 2026-01-31T12:00:00Z",
    "date": "a date, such as 2026-01-31",
}


@dataclass(frozen=True)
class SchemaFinding:
    """What one declared schema says of the credential.

    `code` is stable and set unless the credential conforms; `pointer` is the JSON pointer (RFC 6901) of the culprit
    where the credential does not conform, of the declaration where the schema is unknown.
    """

    schema: str
    outcome: Literal["valid", "invalid", "unknown"]
    code: str | None
    pointer: str
    detail: str


def check_schemas(document: Mapping[str, Any]) -> list[SchemaFinding]:
    """What each schema that the credential declares says of it; an empty list if it declares none.

    `document` is parsed JSON of bounded size (`form.check_form`). Raises nothing for what is wrong with it.
    """
    declared = document.get("credentialSchema", [])
    several = isinstance(declared, list)
    entries = declared if several else [declared]
    # Each is judged once, however often it is named.
    judged: dict[Schema, tuple[str, str] | None] = {}
    findings = []
    for index, entry in enumerate(entries[:_MAX_SCHEMAS]):
        here = pointer("credentialSchema", index) if several else "/credentialSchema"
        findings.append(_check(document, entry, here, judged))
    if len(entries) > _MAX_SCHEMAS:
        detail = f"Only the first {_MAX_SCHEMAS} schemas of the credential were checked."
        findings.append(
            SchemaFinding("", "unknown", "SCHEMA_NOT_CHECKED", pointer("credentialSchema", _MAX_SCHEMAS), detail)
        )
    return findings


def _check(
    document: Mapping[str, Any], entry: Any, here: str, judged: dict[Schema, tuple[str, str] | None]
) -> SchemaFinding:
    entry = entry if isinstance(entry, dict) else {}
    name, kind = entry.get("id"), entry.get("type")
    known = SCHEMAS.get(name) if isinstance(name, str) else None
    url = name if isinstance(name, str) else ""
    if kind not in _TYPES:
        detail = f"The schema {url[:200]!r} is of a kind that cannot be checked here; that says nothing against it."
        return SchemaFinding(url, "unknown", "SCHEMA_TYPE_UNSUPPORTED", f"{here}/type", detail)
    if known is None:
        detail = f"The schema {url[:200]!r} is not known here, and schemas are never fetched."
        return SchemaFinding(url, "unknown", "SCHEMA_UNKNOWN", f"{here}/id", detail)
    if "digestSRI" in entry and not _is_pinned(entry["digestSRI"], known):
        detail = "The credential asks for a version of its schema that is not the one known here."
        return SchemaFinding(url, "unknown", "SCHEMA_VERSION_UNKNOWN", f"{here}/digestSRI", detail)
    if known not in judged:
        judged[known] = _violation(document, known)
    violation = judged[known]
    if violation is None:
        return SchemaFinding(url, "valid", None, "", "The credential has the form that its schema asks for.")
    return SchemaFinding(url, "invalid", "SCHEMA_VIOLATION", *violation)


def _is_pinned(value: Any, schema: Schema) -> bool:
    """Whether one of the digests (Subresource Integrity, as VC Data Model 2.0 §5.3 uses it) is the bundled file's."""
    if not isinstance(value, str) or schema.raw is None:
        return False
    digests = {f"{name}-{base64.b64encode(hashlib.new(name, schema.raw).digest()).decode()}" for name in _DIGESTS}
    return not digests.isdisjoint(value.split())


def _violation(document: Mapping[str, Any], schema: Schema) -> tuple[str, str] | None:
    validator = schema.validator
    try:
        if validator.is_valid(document):
            return None
        if _is_large(document):
            return "", "The credential has not the form that its schema asks for; it is too large to tell where."
        error = _culprit(next(iter(validator.iter_errors(document))))
    except ValueError:
        return "", "The credential is nested too deeply, or not JSON."
    return _described(error, schema)


def _is_large(document: Mapping[str, Any]) -> bool:
    count, stack = 0, [document]
    while stack and count <= _MAX_VALUES:
        value: Any = stack.pop()
        count += 1
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return count > _MAX_VALUES


def _culprit(error: ValidationError) -> ValidationError:
    """Where several forms are allowed and none fits: what is wrong by the form that comes nearest.

    A form nearly fits if it goes wrong deep down, and hardly if a value is of the wrong kind altogether.
    """
    branches: list[list[ValidationError]] = getattr(error.kind, "context", None) or []
    nearest = [_culprit(branch[0]) for branch in branches if branch]
    if not nearest:
        return error
    return max(nearest, key=lambda each: (each.kind.name != "type", len(each.instance_path)))


def _described(error: ValidationError, schema: Schema) -> tuple[str, str]:
    path, kind = list(error.instance_path), error.kind
    if kind.name == "required":
        name = getattr(kind, "property", "")
        return pointer(*path, name), f"The required member {name} is missing."
    if kind.name == "additionalProperties":
        name = getattr(kind, "unexpected", [""])[0]
        return pointer(*path, name), f"The member {name[:100]!r} has no place here; leave it out."
    if kind.name == "contains":
        wanted: Any = schema.document
        for step in error.schema_path:
            wanted = wanted[step]
        return pointer(*path), f"The list must have {_options(wanted.get('enum', []))}."
    return pointer(*path), _sentence(kind.name, getattr(kind, "value", None))


def _sentence(keyword: str, value: Any) -> str:
    if keyword == "type":
        return f"The value must be {_named(value)}."
    if keyword == "enum":
        return f"The value must be {_options(value)}."
    if keyword == "format":
        return f"The value must be {_FORMATS.get(value, f'a {value}')}."
    if keyword == "minItems":
        return f"The list must have at least {value} items." if value != 1 else "The list must not be empty."
    if keyword == "pattern":
        return "The text has not the form that the schema asks for."
    if keyword == "oneOf":
        return "The value fits more than one of the forms of which it must fit one."
    return "The value has not the form that the schema asks for."


def _options(values: list[Any]) -> str:
    others = " or another that the schema names" if len(values) > _SHOWN else ""
    return " or ".join(str(value) for value in values[:_SHOWN]) + others


def _named(value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    words = {"object": "an object", "array": "a list", "string": "a text", "boolean": "true or false"}
    return " or ".join(words.get(str(name), f"a {name}") for name in names)
