"""What may be asked of the issuer through the VC-API, and the document that it then signs. Pure, like `domain.py`.

The VC-API lets a coordinator hand in any credential. Laurel signs it if it has the form of a VC 2.0 credential
without anything that JSON-LD would drop, if its issuer is a member, and if nothing in it pretends to be Laurel's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from issuer.domain import status_entry
from laurel.contracts.addresses import Addresses
from laurel.contracts.base import CredentialId
from laurel.contracts.credentials import StatusPosition
from laurel.contracts.envelope import EVENT_SIZE_LIMIT
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import Purpose
from laurel.credentials.canonical import canonicalize
from laurel.credentials.errors import CredentialError, LintError, ProofError
from laurel.credentials.form import issuer_id, members, types_of
from laurel.credentials.lint import lint_generic
from laurel.credentials.model import to_document

VC_API = "urn:laurel:vc-api"
"""Where such a credential comes from. No partner has this name, so no completion leads to the same token."""

# The event that carries it has its proof, its status entries and some fields besides.
SIZE_LIMIT = EVENT_SIZE_LIMIT - 16 * 1024
_ID: TypeAdapter[str] = TypeAdapter(CredentialId)


@dataclass(frozen=True, slots=True)
class Requested:
    """A credential as it was asked for: without proof, of VC 2.0 form, and nothing in it is Laurel's to give."""

    credential: dict[str, Any]
    issuer: str
    """The issuer's id: whether it is a member is for the catalog to say."""
    id: str | None
    """The id that its requester gave it."""
    digest: str
    """SHA-256 of what it says: tells a repeated request from another one under the same id."""


def read(body: bytes, addresses: Addresses) -> Requested:
    """The request in a body of `{credential, options}`.

    Raises:
        Rejected: INVALID_BODY or BODY_TOO_LARGE, with a pointer into the body.
        CredentialError: the credential is none that Laurel signs, with a pointer into the credential.
    """
    try:
        given: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected(Code.INVALID_BODY, "", "The body is not JSON: send an object with credential.") from None
    credential = given.get("credential") if isinstance(given, dict) else None
    if not isinstance(credential, dict):
        raise Rejected(Code.INVALID_BODY, "/credential", "The field credential must be the credential to sign, as a "
                       "JSON object.")  # fmt: skip
    _check_options(given.get("options", {}), credential)
    if "proof" in credential:
        raise ProofError("The credential has a proof already: send it without.", pointer="/proof",
                         code="PROOF_GENERATION_ERROR")  # fmt: skip
    lint_generic({"id": VC_API, **credential})  # where it has no id, it will have one
    content = orjson.dumps(credential, option=orjson.OPT_SORT_KEYS)
    if len(content) > SIZE_LIMIT:
        raise Rejected(Code.BODY_TOO_LARGE, "/credential", f"The credential is over {SIZE_LIMIT} bytes: refer to what "
                       "is large instead of including it.")  # fmt: skip
    digest = sha256(content).hexdigest()
    return Requested(credential, issuer_id(credential), _named(credential, addresses), digest)


def _check_options(options: Any, credential: dict[str, Any]) -> None:
    """The VC-API's options (IssueCredentialOptions): one that were ignored would promise what is not done."""
    if not isinstance(options, dict):
        raise Rejected(Code.INVALID_BODY, "/options", "The field options must be an object, or be left out.")
    for name, value in options.items():
        if name == "credentialId":
            if value != credential.get("id"):
                raise Rejected(Code.INVALID_BODY, "/options/credentialId", "A credential is known here by its own id "
                               "alone: give it this id, or leave credentialId out.")  # fmt: skip
        elif name == "mandatoryPointers":
            if value != []:
                raise Rejected(Code.INVALID_BODY, "/options/mandatoryPointers", "No cryptosuite here discloses "
                               "selectively: leave mandatoryPointers out.")  # fmt: skip
        else:
            raise Rejected(Code.INVALID_BODY, "/options", f"The option {name[:64]!r} is not known: leave it out.")


def _named(credential: dict[str, Any], addresses: Addresses) -> str | None:
    ours = f"{addresses.public_url}/"
    for here, entry in members(credential, "credentialStatus"):
        if "BitstringStatusListEntry" in types_of(entry):
            raise LintError("Laurel keeps the status lists of what it issues and adds the entries itself: leave this "
                            "one out.", pointer=here)  # fmt: skip
    if "id" not in credential:
        return None
    try:
        name = _ID.validate_python(credential["id"], strict=True)
    except ValidationError:
        name = None
    if name is None or name != credential["id"]:
        raise LintError("The id must be a URN, or another URI of at most 500 characters.", pointer="/id")
    if name.startswith(ours):
        raise LintError("Ids under this registry's address are given out here: leave the id out, or give a URN.",
                        pointer="/id")  # fmt: skip
    return name


def unsigned(requested: Requested, address: str, position: StatusPosition, addresses: Addresses) -> dict[str, Any]:
    """The document to be signed: as it was asked for, with an id where it had none, and with both status entries."""
    credential = dict(requested.credential)
    entries = [to_document(status_entry(address, addresses, position, purpose)) for purpose in Purpose]
    named = {"@context": credential.pop("@context"), "id": credential.pop("id", address)}
    return named | credential | {"credentialStatus": [*_entries(credential), *entries]}


def _entries(credential: dict[str, Any]) -> Sequence[Any]:
    return [entry for _, entry in members(credential, "credentialStatus")]


def check(document: dict[str, Any]) -> None:
    """Raise CredentialError unless the whole can be signed: what is stored to be signed must not fail afterwards."""
    lint_generic(document)
    try:
        canonicalize(document)
    except CredentialError as error:
        raise LintError(error.detail, pointer=error.pointer, code=error.code) from None
