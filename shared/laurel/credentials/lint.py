"""What a document must be before Laurel signs it: an Open Badge with both status entries, or a status list.

It runs on the finished document, not on the model it came from, because what is signed is the document.
"""

from typing import Any

from pydantic import ValidationError

from laurel.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from laurel.credentials.errors import CredentialError, LintError, StatusListError
from laurel.credentials.form import check_form, types_of
from laurel.credentials.model import OpenBadgeCredential
from laurel.credentials.open_badges import check_profile
from laurel.credentials.status_list import MINIMUM_LENGTH, decode
from laurel.credentials.terms import context_urls
from laurel.credentials.values import pointer

_BADGE_CONTEXTS = ((CREDENTIALS_V2, OPEN_BADGES), (CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS))
_PURPOSES = ("revocation", "suspension")


def lint(document: dict[str, Any]) -> None:
    """Raise LintError, with a pointer, unless `document` is a credential that Laurel signs.

    Accepts an Open Badge or a status list, with or without its proof (which is not verified here).
    """
    try:
        check_form(document)
        _lint_profile(document)
        unsigned = {name: value for name, value in document.items() if name != "proof"}
        if "BitstringStatusListCredential" in document["type"]:
            _lint_status_list(unsigned)
        else:
            _lint_badge(unsigned)
    except LintError:
        raise
    except CredentialError as error:
        raise LintError(error.detail, pointer=error.pointer, code=error.code) from error


def lint_generic(document: dict[str, Any]) -> None:
    """Raise LintError, with a pointer, unless `document` is a credential that Laurel signs on request.

    That is any credential of VC 2.0 but a status list. Another's status entries may be there beside Laurel's. It may
    have its proof, which is not verified here.
    """
    try:
        check_form(document)
        _lint_profile(document)
    except CredentialError as error:
        raise LintError(error.detail, pointer=error.pointer, code=error.code) from error
    if context_urls(document)[0] != CREDENTIALS_V2:
        raise LintError(f"Only VC 2.0 is signed: @context must begin with {CREDENTIALS_V2}.", pointer="/@context")
    if "BitstringStatusListCredential" in types_of(document):
        raise LintError("Status lists are made by Laurel itself and not on request.", pointer="/type")


def _lint_profile(document: dict[str, Any]) -> None:
    """What Laurel signs as an Open Badge, every verifier of Open Badges is to take for one."""
    for finding in check_profile(document).errors:
        raise LintError(finding.detail, pointer=finding.pointer, code=finding.code)


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
        if name not in document:
            raise LintError(f"The required member {name} is missing.", pointer=f"/{name}")
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
