"""What may stand in the public record, and how a credential's status may change. Pure: no clock, no database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from laurel.contracts import audit_entries
from laurel.contracts.addresses import Addresses, verification_method
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome
from laurel.contracts.catalog import IssuerPublished, PartnerKey, PartnerPublished
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.envelope import Envelope, derived_id
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.operators import CONSORTIUM
from laurel.contracts.signature import SignatureHeader, check
from laurel.contracts.status import (
    Action,
    Purpose,
    State,
    StatusChanged,
    StatusChangeRequested,
    StatusListSigned,
    StatusRecorded,
    kept_history,
)
from laurel.contracts.status import list_id as list_id_of
from laurel.contracts.topics import STATUS_CHANGES, Message, message
from laurel.credentials.errors import CredentialError
from laurel.credentials.form import issuer_id, members
from laurel.credentials.keys import PublicKey, VerificationMethod
from laurel.credentials.lint import lint, lint_generic
from laurel.credentials.proofs import ProvenDocument
from laurel.credentials.status_list import is_bitstring_entry
from registry.rows import Applied, StoredCredential, StoredList, StoredRequest

SOURCE = "urn:laurel:registry"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,100}")

# --- Registering -----------------------------------------------------------------------------------------------


def registration(
    body: CredentialIssued, cause: str, issuer: IssuerPublished | None, addresses: Addresses
) -> StoredCredential:
    """The credential as it is stored when it is new. `cause` is the id of the event that brought it.

    Raises:
        Rejected: PROOF_REFUSED, since the registry trusts nobody upstream.
    """
    address = body.address or body.id
    token = address.removeprefix(addresses.credential(""))
    if not _TOKEN.fullmatch(token) or address != addresses.credential(token):
        where = "/id" if body.address is None else "/address"
        raise _unproven(where, f"The credential's address must be {addresses.credential('')} and a token.")
    if body.address is not None and body.id.startswith(_ours(addresses)):
        raise _unproven("/id", "An id under this registry's address is an address itself and needs no other.")
    if body.credential.get("id") != body.id:
        raise _unproven("/credential/id", "The document's id must be the event's.")
    check_proof(body.credential, body.issuer, issuer, lint if _is_earned(body) else lint_generic)
    _check_position(body, addresses)
    document = orjson.dumps(body.credential).decode()
    first = StatusRecorded(version=1, state=State.ACTIVE, at=body.issued_at, by="issuer", request=cause)
    return StoredCredential(
        id=body.id, token=token, document=document, digest=content_digest(body.credential), issuer=body.issuer,
        achievement=body.achievement, partner=body.partner, position=body.status, state=State.ACTIVE, version=1,
        history=(first,), issued_at=body.issued_at,
    )  # fmt: skip


def _is_earned(body: CredentialIssued) -> bool:
    """Whether a completion earned it; the others were asked for through the VC-API and may be of any kind."""
    return body.achievement is not None


def _ours(addresses: Addresses) -> str:
    return f"{addresses.public_url}/"


def check_proof(
    document: dict[str, Any], slug: str, issuer: IssuerPublished | None,
    check: Callable[[dict[str, Any]], None] = lint,
) -> None:  # fmt: skip
    """Raise Rejected(PROOF_REFUSED) unless the document is one Laurel signs and `issuer` (found for `slug`) signed it.

    A retired key counts for what it signed before it was retired.
    """
    if issuer is None:
        raise _unproven("/issuer", f"The catalog has no issuer {slug!r}.")
    try:
        check(document)
        if issuer_id(document) != issuer.did:
            raise _unproven("/credential/issuer", f"The document's issuer must be {issuer.did}.")
        proven = ProvenDocument(document)
        for proof in proven.proofs:
            proven.verify(proof, method=_method(issuer, proof["verificationMethod"]))
    except CredentialError as error:
        raise _unproven(f"/credential{error.pointer}", error.detail) from None


def methods(issuer: IssuerPublished) -> list[VerificationMethod]:
    """The member's keys, retired ones included, as its DID document lists them."""
    return [
        VerificationMethod(
            verification_method(issuer.did, key.public_key_multibase), issuer.did,
            PublicKey.from_multibase(key.public_key_multibase), key.retired,
        )
        for key in issuer.keys
    ]  # fmt: skip


def _method(issuer: IssuerPublished, named: str) -> VerificationMethod:
    found = next((method for method in methods(issuer) if method.id == named), None)
    if found is None:
        raise _unproven("/credential/proof/verificationMethod", f"The catalog lists no such key for {issuer.id!r}.")
    return found


def _check_position(body: CredentialIssued, addresses: Addresses) -> None:
    """A change of status sets the bit at the event's position, so that must be where the document points."""
    entries = list(members(body.credential, "credentialStatus"))
    if _is_earned(body):
        if "OpenBadgeCredential" not in body.credential["type"]:
            raise _unproven("/credential/type", "The document must be an OpenBadgeCredential.")
    else:
        entries = [each for each in entries if is_bitstring_entry(each[1])]
    due = {purpose.value: addresses.status_list(body.status.family, purpose) for purpose in Purpose}
    for here, entry in entries:
        wanted = due.get(entry.get("statusPurpose"))
        if (entry.get("statusListCredential"), entry.get("statusListIndex")) != (wanted, str(body.status.index)):
            raise _unproven(
                f"/credential{here}", f"The status entry must point to index {body.status.index} of "
                f"{wanted or 'a list for revocation or suspension'}.",
            )  # fmt: skip
    if sorted(entry["statusPurpose"] for _, entry in entries) != sorted(due):
        raise _unproven("/credential/credentialStatus", "The document needs one status entry for each purpose.")


def content_digest(document: dict[str, Any]) -> str:
    """The SHA-256 of what a document says, whatever the order of its members."""
    return sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _unproven(pointer: str, detail: str) -> Rejected:
    return Rejected(Code.PROOF_REFUSED, pointer, detail)


def signed_list(body: StatusListSigned, issuer: IssuerPublished | None, addresses: Addresses) -> StoredList:
    """The list as it is stored, if its parts agree with each other and its issuer signed it.

    Raises:
        Rejected: PROOF_REFUSED.
    """
    document, url = body.credential, addresses.status_list(body.family, body.purpose)
    if body.list_id != list_id_of(body.family, body.purpose) or document.get("id") != url:
        raise _unproven("/listId", f"The list's id must be its family and purpose, and the document's {url}.")
    check_proof(document, body.issuer, issuer)
    subject = document["credentialSubject"]
    if "BitstringStatusListCredential" not in document["type"] or subject.get("statusPurpose") != body.purpose:
        raise _unproven("/purpose", f"The document must be a status list for {body.purpose.value}.")
    return StoredList(
        list_id=body.list_id, issuer=body.issuer, version=body.version, document=orjson.dumps(document).decode(),
        digest=content_digest(document), ttl_ms=subject["ttl"],
    )  # fmt: skip


# --- Changing a status -----------------------------------------------------------------------------------------

TRANSITIONS = {
    (State.ACTIVE, Action.SUSPEND): State.SUSPENDED,
    (State.SUSPENDED, Action.REINSTATE): State.ACTIVE,
    (State.ACTIVE, Action.REVOKE): State.REVOKED,
    (State.SUSPENDED, Action.REVOKE): State.REVOKED,
}


def authorised_partner(
    event: Envelope, claimed: SignatureHeader, partner: PartnerPublished | None, now: datetime
) -> tuple[PartnerPublished, PartnerKey]:
    """The partner that signed a request, and the key; `partner` is whose key the signature names.

    Raises:
        Rejected: UNKNOWN_KEY, SIGNATURE_WRONG or SOURCE_NOT_REGISTERED.
    """
    key = next((key for key in partner.keys if key.kid == claimed.kid), None) if partner is not None else None
    if partner is None or key is None or (key.retired is not None and key.retired <= now):
        raise Rejected(
            Code.UNKNOWN_KEY, "", f"No partner has registered the key {claimed.kid[:200]!r}, or it was retired."
        )
    check(event, claimed, PublicKey.from_multibase(key.public_key_multibase))
    if event.source not in partner.sources or claimed.partner not in (None, partner.id):
        raise Rejected(
            Code.SOURCE_NOT_REGISTERED, "", f"The event's source is none that partner {partner.id!r} has registered."
        )
    return partner, key


def changed(
    credential: StoredCredential | None, request: StoredRequest, body: StatusChangeRequested
) -> StoredCredential:
    """The credential after the request. One that was applied before changes nothing.

    Raises:
        Rejected: UNKNOWN_CREDENTIAL, STATUS_NOT_YOURS, CHANGED_SINCE or TRANSITION_NOT_ALLOWED.
    """
    if credential is None:
        raise Rejected(Code.UNKNOWN_CREDENTIAL, "/credential", "The registry has no such credential: check its id.")
    if request.partner not in (None, credential.partner):
        raise Rejected(
            Code.STATUS_NOT_YOURS, "/credential", "Only the partner that reported the completion may change this."
        )
    if request.achievements is not None and credential.achievement not in request.achievements:
        raise Rejected(
            Code.STATUS_NOT_YOURS, "/credential",
            f"The key that signed this is not good for {credential.achievement!r}: sign with another key.",
        )  # fmt: skip
    if application(credential.history, request.id) is not None:
        return credential
    if request.on_version not in (None, credential.version):
        raise Rejected(
            Code.CHANGED_SINCE, "/credential", f"The credential was changed after it was selected: its status has "
            f"version {credential.version} and had {request.on_version}.",
        )  # fmt: skip
    state = TRANSITIONS.get((credential.state, body.action))
    if state is None:
        final = "; a revocation is final" if credential.state is State.REVOKED else ""
        raise Rejected(
            Code.TRANSITION_NOT_ALLOWED, "/action",
            f"The credential is {credential.state.value}, so the action {body.action.value} cannot be taken{final}.",
        )  # fmt: skip
    entry = StatusRecorded(
        version=credential.version + 1, state=state, at=request.accepted_at, by=_named(request, body),
        reason=body.reason, action=body.action, request=request.id,
    )  # fmt: skip
    return credential.model_copy(
        update={"state": state, "version": entry.version, "history": (*credential.history, entry)}
    )


def _named(request: StoredRequest, body: StatusChangeRequested) -> str:
    if request.partner is not None:
        return f"{body.requested_by} (partner {request.partner})"
    if request.operator in (None, CONSORTIUM):
        return body.requested_by
    return f"{body.requested_by} (operator {request.operator})"


def audited(request: StoredRequest, body: StatusChangeRequested) -> Message | None:
    """The audit's entry on a decided request of the admin API's; None for a partner's, which is no operator."""
    if request.operator is None:
        return None
    refused, applied = request.refused, request.applied
    entry = AdminActionRecorded(
        operator=request.operator, action=f"status.{body.action.value}", target=request.credential,
        outcome=AuditOutcome.REFUSED if refused else AuditOutcome.DONE, code=refused.code if refused else None,
        detail=refused.detail if refused else f"version {applied.version}" if applied else None,
        trace=request.trace, at=request.accepted_at,
    )  # fmt: skip
    return audit_entries.entry(SOURCE, f"status-request/{request.id}", entry)


def application(history: Iterable[StatusRecorded], request_id: str) -> Applied | None:
    """What the request did to the credential with this history, if it was applied."""
    entry = next((entry for entry in history if entry.request == request_id), None)
    return None if entry is None else Applied(state=entry.state, version=entry.version, changed_at=entry.at)


def status_changed(credential: StoredCredential) -> Message:
    """A stored credential's current status as its event; one version always gives the same bytes.

    It carries the history from the first change on, so that the log alone makes a whole registry; that of a
    registration follows from the credential.
    """
    entry = credential.history[-1]
    kept = kept_history(credential.history) if entry.version > 1 else ()
    body = StatusChanged(
        credential=credential.id, issuer=credential.issuer, achievement=credential.achievement,
        status=credential.position, state=entry.state, version=entry.version, reason=entry.reason, changed_at=entry.at,
        history=kept or None,
    )  # fmt: skip
    return message(
        STATUS_CHANGES, body, key=credential.id, source=SOURCE, time=entry.at, subject=credential.id,
        event_id=derived_id(SOURCE, f"{credential.id}#{entry.version}", "status.changed"),
        partition=STATUS_CHANGES.partition_of(credential.position.family),
    )  # fmt: skip


class Standing(StrEnum):
    """What a reader is told: the state, and what follows from the dates."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"
    PENDING = "not yet valid"


def standing(state: State, valid_from: datetime | None, valid_until: datetime | None, now: datetime) -> Standing:
    """Where a credential stands at `now`; what is final comes first."""
    if state is State.REVOKED:
        return Standing.REVOKED
    if valid_until is not None and valid_until < now:
        return Standing.EXPIRED
    if state is State.SUSPENDED:
        return Standing.SUSPENDED
    return Standing.PENDING if valid_from is not None and valid_from > now else Standing.ACTIVE
