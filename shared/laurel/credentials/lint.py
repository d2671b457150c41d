"""What a document must be before it is verified (`check_form`) and, more strictly, before it is signed (`lint`).

`check_form` holds for any VC 2.0 credential that uses bundled contexts. `lint` holds for what Laurel itself
issues: Open Badges and status lists. It runs on the finished document, not on the model it came from, because
what is signed is the document.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from laurel.credentials.canonical import check_size
from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.errors import CredentialError, LintError, MalformedCredential, StatusListError
from laurel.credentials.model import OpenBadgeCredential
from laurel.credentials.status_list import MINIMUM_LENGTH, decode, entry_index, is_bitstring_entry
from laurel.credentials.terms import check_terms, context_urls
from laurel.credentials.values import is_absolute_iri, parse_datetime, pointer

_BADGE_TYPES = {"OpenBadgeCredential", "AchievementCredential"}
_BADGE_CONTEXTS = ((CREDENTIALS_V2, OPEN_BADGES), (CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS))
_PURPOSES = ("revocation", "suspension")
# Each may cost its verifier a request.
_MAX_STATUS_ENTRIES = 8


def lint(document: dict[str, Any]) -> None:
    """Raise LintError, with a pointer, unless `document` is a credential that Laurel signs.

    Accepts an Open Badge or a status list, with or without its proof (which is not verified here).
    """
    try:
        check_form(document)
        unsigned = {name: value for name, value in document.items() if name != "proof"}
        if "BitstringStatusListCredential" in document["type"]:
            _lint_status_list(unsigned)
        else:
            _lint_badge(unsigned)
    except LintError:
        raise
    except CredentialError as error:
        raise LintError(error.detail, pointer=error.pointer, code=error.code) from error


def _lint_badge(document: dict[str, Any]) -> None:
    if context_urls(document) not in _BADGE_CONTEXTS:
        raise LintError(f"The contexts must be {CREDENTIALS_V2} and {OPEN_BADGES}, in this order.", pointer="/@context")
    try:
        OpenBadgeCredential.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise LintError(f"{first['msg']}.", pointer=pointer(*first["loc"])) from error
    entries = document.get("credentialStatus", [])
    found = [entry["statusPurpose"] for entry in entries]
    # Bitstring Status List keeps one list a purpose, and revocation must stay final while suspension is not.
    if sorted(found) != sorted(_PURPOSES):
        raise LintError(
            "The credential needs exactly two status entries, one for revocation and one for suspension.",
            pointer="/credentialStatus",
        )
    if entries[0]["id"] == entries[1]["id"]:
        raise LintError("The two status entries need different ids.", pointer="/credentialStatus/1/id")


def _lint_status_list(document: dict[str, Any]) -> None:
    if context_urls(document) != (CREDENTIALS_V2,):
        raise LintError(f"A status list needs the one context {CREDENTIALS_V2}.", pointer="/@context")
    for name in ("id", "validFrom", "validUntil"):
        _require(document, name)
    if not isinstance(document["issuer"], str):
        raise LintError("The issuer of a status list must be a URL, not an object.", pointer="/issuer")
    subject = document["credentialSubject"]
    if not isinstance(subject, dict) or subject.get("type") != "BitstringStatusList":
        raise LintError("The subject must be one BitstringStatusList.", pointer="/credentialSubject")
    if subject.get("statusPurpose") not in _PURPOSES:
        raise LintError("The purpose must be revocation or suspension.", pointer="/credentialSubject/statusPurpose")
    ttl = subject.get("ttl")
    if not isinstance(ttl, int) or isinstance(ttl, bool) or ttl <= 0:
        raise LintError("The ttl must be milliseconds, more than none.", pointer="/credentialSubject/ttl")
    try:
        length = decode(subject.get("encodedList")).length
    except StatusListError as error:
        raise LintError(error.detail, pointer="/credentialSubject/encodedList", code=error.code) from error
    if length < MINIMUM_LENGTH:
        raise LintError(f"The list needs at least {MINIMUM_LENGTH} entries.", pointer="/credentialSubject/encodedList")


def check_form(document: Any) -> None:
    """Raise MalformedCredential, with a pointer, unless `document` has the form of a VC 2.0 credential.

    That is: JSON of bounded size, VC 2.0's context first and all contexts known, every term and type defined,
    the required members present, dates in order, status entries well-formed; for an Open Badge also what OB 3.0
    requires. A proof may be there; it is not verified.
    """
    if not isinstance(document, dict):
        raise MalformedCredential("The credential must be a JSON object.", code="PARSING_ERROR")
    check_size(document)
    # VC Data Model 2.0, "Contexts": an ordered list whose first item is the base context.
    if not isinstance(document.get("@context"), list) or context_urls(document)[0] != CREDENTIALS_V2:
        raise MalformedCredential(f"@context must be a list that begins with {CREDENTIALS_V2}.", pointer="/@context")
    # Before the terms, which are defined by the types: a missing type would make each of them look misspelt.
    types = _types(document, "")
    if "VerifiableCredential" not in types:
        raise MalformedCredential("The types must include VerifiableCredential.", pointer="/type")
    for name in ("issuer", "credentialSubject"):
        _require(document, name)
    check_terms(document)
    issuer_id(document)
    _check_dates(document)
    _check_schemas(document)
    _check_status_entries(document)
    if _BADGE_TYPES.intersection(types):
        _check_badge(document)


def issuer_id(document: Mapping[str, Any]) -> str:
    """The id of the issuer, which is a URL or an object with an id. Raises MalformedCredential."""
    issuer = document.get("issuer")
    identifier = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not isinstance(identifier, str) or not is_absolute_iri(identifier):
        raise MalformedCredential("The issuer must be a URL, or an object with an id.", pointer="/issuer")
    return identifier


def status_entries(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The credential's status entries, of which there may be none. Raises MalformedCredential."""
    declared = document.get("credentialStatus", [])
    entries = declared if isinstance(declared, list) else [declared]
    if len(entries) > _MAX_STATUS_ENTRIES:
        raise MalformedCredential(
            f"At most {_MAX_STATUS_ENTRIES} status entries are accepted.", pointer="/credentialStatus"
        )
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise MalformedCredential("A status entry must be an object.", pointer=_entry_pointer(document, index))
    return entries


def _entry_pointer(document: Mapping[str, Any], index: int) -> str:
    several = isinstance(document["credentialStatus"], list)
    return pointer("credentialStatus", index) if several else "/credentialStatus"


def _check_dates(document: Mapping[str, Any]) -> None:
    moments = {}
    for name in ("validFrom", "validUntil"):
        if name in document:
            try:
                moments[name] = parse_datetime(document[name])
            except ValueError as error:
                raise MalformedCredential(f"{name} is {error}.", pointer=f"/{name}") from error
    if len(moments) == 2 and moments["validUntil"] <= moments["validFrom"]:
        raise MalformedCredential("validUntil must be later than validFrom.", pointer="/validUntil")


def _check_schemas(document: Mapping[str, Any]) -> None:
    declared = document.get("credentialSchema", [])
    for schema in declared if isinstance(declared, list) else [declared]:
        if not isinstance(schema, dict) or "id" not in schema or "type" not in schema:
            raise MalformedCredential("A credentialSchema needs an id and a type.", pointer="/credentialSchema")


def _check_status_entries(document: Mapping[str, Any]) -> None:
    for index, entry in enumerate(status_entries(document)):
        here = _entry_pointer(document, index)
        if "type" not in entry:
            raise MalformedCredential("A status entry needs a type.", pointer=f"{here}/type")
        if not is_bitstring_entry(entry):
            continue
        for name in ("statusPurpose", "statusListIndex", "statusListCredential"):
            if not isinstance(entry.get(name), str):
                raise MalformedCredential(f"The status entry needs a {name}, a string.", pointer=f"{here}/{name}")
        try:
            entry_index(entry)
        except CredentialError as error:
            raise MalformedCredential(error.detail, pointer=here + error.pointer) from error
        if entry.get("id") == entry["statusListCredential"]:
            raise MalformedCredential("The entry's id must not be the status list's URL.", pointer=f"{here}/id")


def _check_badge(document: Mapping[str, Any]) -> None:
    for name in ("id", "validFrom"):
        _require(document, name)
    subject = document["credentialSubject"]
    if not isinstance(subject, dict) or "AchievementSubject" not in _types(subject, "/credentialSubject"):
        raise MalformedCredential(
            "The subject of an Open Badge must be one AchievementSubject.", pointer="/credentialSubject"
        )
    if "id" not in subject and "identifier" not in subject:
        raise MalformedCredential("The subject needs an id or an identifier.", pointer="/credentialSubject")
    achievement = subject.get("achievement")
    if not isinstance(achievement, dict):
        raise MalformedCredential("The achievement must be an object.", pointer="/credentialSubject/achievement")
    for name in ("id", "type", "name", "description", "criteria"):
        _require(achievement, name, "/credentialSubject/achievement")


def _types(node: Mapping[str, Any], here: str) -> list[str]:
    declared = node.get("type")
    if isinstance(declared, str):
        return [declared]
    if not isinstance(declared, list):
        raise MalformedCredential("A type is required.", pointer=f"{here}/type")
    return declared


def _require(node: Mapping[str, Any], name: str, here: str = "") -> None:
    if name not in node:
        raise MalformedCredential(f"The required member {name} is missing.", pointer=f"{here}/{name}")
