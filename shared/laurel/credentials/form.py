"""The form of a credential, whoever made it: what verification relies on before it looks at any signature.

VC Data Model 2.0 §4 and, for credentials whose first context is that of 1.1, VC Data Model 1.1 §4. What makes a
credential an Open Badge is a question of its own (`open_badges`), so that a credential of another kind does not fail
for not being one.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from laurel.credentials.canonical import check_size
from laurel.credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2
from laurel.credentials.errors import CredentialError, MalformedCredential
from laurel.credentials.status_list import entry_index, is_bitstring_entry
from laurel.credentials.terms import check_terms
from laurel.credentials.values import is_absolute_iri, parse_datetime, pointer

# Each may cost its verifier a request.
_MAX_STATUS_ENTRIES = 8
# VC Data Model 2.0 §4.4 "types": the members whose objects say which specification they follow.
_TYPED = ("credentialStatus", "termsOfUse", "evidence", "refreshService", "credentialSchema", "confidenceMethod")
_BASES = (CREDENTIALS_V1, CREDENTIALS_V2)
# VC Data Model 2.0 §4.9 and 1.1 §4.5, §4.6.
_BEGINS = ("validFrom", "issuanceDate")
_ENDS = ("validUntil", "expirationDate")


def check_form(document: Any) -> None:
    """Raise MalformedCredential, with a pointer, unless `document` has the form of a credential.

    That is: JSON of bounded size, the base context of VC 2.0 or 1.1 first and all contexts known, every term and type
    defined, the required members present, dates in order, status entries well-formed. A proof may be there; it is
    not verified.
    """
    base = check_base(document, "VerifiableCredential")
    for name in ("issuer", "credentialSubject", *(("issuanceDate",) if base == CREDENTIALS_V1 else ())):
        require(document, name)
    issuer_id(document)
    _check_subjects(document)
    validity(document)
    for name in _TYPED:
        _check_typed(document, name)
    _check_schemas(document)
    _check_status_entries(document)


def check_presentation_form(document: Any) -> None:
    """Raise MalformedCredential, with a pointer, unless `document` has the form of a presentation (VC 2.0 §4.13).

    The credentials in it are credentials of their own, each to be read and verified by itself.
    """
    check_base(document, "VerifiablePresentation")
    holder_id(document)


def check_base(document: Any, kind: str) -> str:
    """The base context of `document`, which must be JSON-LD with every term defined and of the type `kind`.

    Raises MalformedCredential.
    """
    if not isinstance(document, dict):
        raise MalformedCredential("The credential must be a JSON object.", code="PARSING_ERROR")
    check_size(document)
    # VC Data Model 2.0 §4.3: an ordered list whose first item is the base context.
    declared = document.get("@context")
    if not isinstance(declared, list) or not declared or declared[0] not in _BASES:
        raise MalformedCredential(f"@context must be a list that begins with {CREDENTIALS_V2}.", pointer="/@context")
    # Before the terms, which are defined by the types: a missing type would make each of them look misspelt.
    if kind not in types_of(document):
        raise MalformedCredential(f"The types must include {kind}.", pointer="/type")
    # What only RDF cannot hold is for the proofs to refuse, since a JWT or a JCS suite can.
    check_terms(document, rdf=False)
    identifier = document.get("id")
    if "id" in document and (not isinstance(identifier, str) or not is_absolute_iri(identifier)):
        raise MalformedCredential("The id must be one URL or URN.", pointer="/id")
    return str(declared[0])


def issuer_id(document: Mapping[str, Any]) -> str:
    """The id of the issuer, which is a URL or an object with an id. Raises MalformedCredential."""
    return _party(document, "issuer")


def holder_id(document: Mapping[str, Any]) -> str | None:
    """The id of a presentation's holder, if it names one. Raises MalformedCredential."""
    return _party(document, "holder") if "holder" in document else None


def _party(document: Mapping[str, Any], role: str) -> str:
    party = document.get(role)
    identifier = party.get("id") if isinstance(party, dict) else party
    if not isinstance(identifier, str) or not is_absolute_iri(identifier):
        raise MalformedCredential(f"The {role} must be a URL, or an object with an id.", pointer=f"/{role}")
    return identifier


def validity(document: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From when and until when the credential is valid, as far as it says so. Raises MalformedCredential.

    The dates of both data models count, whichever the contexts begin with: signatures over RDF do not cover contexts,
    so under another base context a date would stand there, signed and overlooked.
    """
    begins = max(_moments(document, _BEGINS), default=None)
    ends = min(_moments(document, _ENDS), default=None)
    # VC Data Model 2.0 §4.9: they may be the same moment.
    if begins is not None and ends is not None and ends[0] < begins[0]:
        raise MalformedCredential(f"{ends[1]} must not be earlier than {begins[1]}.", pointer=f"/{ends[1]}")
    return begins and begins[0], ends and ends[0]


def _moments(document: Mapping[str, Any], names: Iterable[str]) -> list[tuple[datetime, str]]:
    return [(_moment(document[name], name), name) for name in names if name in document]


def _moment(value: Any, name: str) -> datetime:
    try:
        return parse_datetime(value)
    except ValueError as error:
        raise MalformedCredential(f"{name} is {error}.", pointer=f"/{name}") from error


def types_of(node: Mapping[str, Any], here: str = "") -> list[str]:
    """The types of an object, of which it must have one at least. Raises MalformedCredential."""
    declared = node.get("type")
    if isinstance(declared, str):
        return [declared]
    if not isinstance(declared, list) or not declared or not all(isinstance(each, str) for each in declared):
        raise MalformedCredential("A type is required.", pointer=f"{here}/type")
    return declared


def require(node: Mapping[str, Any], name: str, here: str = "") -> None:
    """Raise MalformedCredential unless `node` has the member `name`."""
    if name not in node:
        raise MalformedCredential(f"The required member {name} is missing.", pointer=f"{here}/{name}")


def members(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """What stands under `name`, one value or a list of them, each with its pointer."""
    declared = document.get(name, [])
    if isinstance(declared, list):
        yield from ((pointer(name, index), each) for index, each in enumerate(declared))
    else:
        yield f"/{name}", declared


def status_entries(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The credential's status entries, of which there may be none. Raises MalformedCredential."""
    entries = []
    for here, entry in members(document, "credentialStatus"):
        if not isinstance(entry, dict):
            raise MalformedCredential("A status entry must be an object.", pointer=here)
        entries.append(entry)
    if len(entries) > _MAX_STATUS_ENTRIES:
        raise MalformedCredential(
            f"At most {_MAX_STATUS_ENTRIES} status entries are accepted.", pointer="/credentialStatus"
        )
    return entries


def _check_subjects(document: Mapping[str, Any]) -> None:
    subjects = list(members(document, "credentialSubject"))
    if not subjects:
        raise MalformedCredential("The credential must be about a subject.", pointer="/credentialSubject")
    for here, subject in subjects:
        if not isinstance(subject, dict) or not subject:
            raise MalformedCredential("A subject must be an object that says something.", pointer=here)


def _check_typed(document: Mapping[str, Any], name: str) -> None:
    for here, each in members(document, name):
        if isinstance(each, dict) and "type" not in each:
            raise MalformedCredential(f"Each {name} needs a type.", pointer=f"{here}/type")


def _check_schemas(document: Mapping[str, Any]) -> None:
    for here, schema in members(document, "credentialSchema"):
        if not isinstance(schema, dict):
            raise MalformedCredential("A credentialSchema must be an object with an id and a type.", pointer=here)
        require(schema, "id", here)


def _check_status_entries(document: Mapping[str, Any]) -> None:
    status_entries(document)
    for here, entry in members(document, "credentialStatus"):
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
