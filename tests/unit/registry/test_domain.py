"""What may be filed, who may change a status, and to what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from laurel.contracts import signature
from laurel.contracts.catalog import IssuerPublished, PartnerPublished
from laurel.contracts.credentials import CredentialIssued
from laurel.contracts.errors import Code, Rejected
from laurel.contracts.status import Action, Purpose, State, StatusChanged, StatusListSigned
from laurel.contracts.topics import STATUS_CHANGES, Message
from registry.domain import (
    Standing,
    application,
    authorised_partner,
    changed,
    content_digest,
    methods,
    registration,
    signed_list,
    standing,
    status_changed,
)
from registry.rows import Refused, StoredCredential
from support.world import EPOCH, World, key
from unit.registry.issuing import ISSUED_AT, Issuer
from unit.registry.states import accepted, changed_by, filed, wish

TOKEN = "token-0001"


@pytest.fixture
def issuer(world: World) -> Issuer:
    return Issuer(world)


def member(world: World, slug: str = "north", retired: datetime | None = None) -> IssuerPublished:
    found = next(each for each in world.published() if isinstance(each, IssuerPublished) and each.id == slug)
    return found.model_copy(update={"keys": tuple(k.model_copy(update={"retired": retired}) for k in found.keys)})


def offer(outgoing: Message, world: World, issuer: IssuerPublished | None = None) -> StoredCredential:
    body = CredentialIssued.model_validate_json(outgoing.event.data)
    return registration(body, outgoing.event.id, issuer or member(world), world.addresses)


def test_a_credential_is_filed_as_active_from_the_time_it_was_issued(world: World, issuer: Issuer) -> None:
    stored = offer(issuer.issued(TOKEN), world)
    assert (stored.token, stored.state, stored.version, stored.partner) == (TOKEN, State.ACTIVE, 1, "campus")
    assert [(each.version, each.at, each.by, each.request) for each in stored.history] == [
        (1, ISSUED_AT, "issuer", f"issued-{TOKEN}")
    ]
    assert offer(issuer.issued(TOKEN), world) == stored


def other_id(issuer: Issuer) -> Message:
    outgoing = issuer.issued(TOKEN)
    body = CredentialIssued.model_validate_json(outgoing.event.data)
    body = body.model_copy(update={"id": "https://elsewhere.example.org/credentials/token-0001"})
    return replace(outgoing, event=replace(outgoing.event, data=body.to_bytes()))


def tampered(issuer: Issuer) -> Message:
    return issuer.issued(TOKEN, document=issuer.document(TOKEN) | {"name": "Something better"})


REFUSED: dict[str, tuple[Callable[[Issuer], Message], str]] = {
    "an id that is not ours": (other_id, "/id"),
    "a token of another form": (lambda issuer: issuer.issued("a/b"), "/id"),
    "a token too short": (lambda issuer: issuer.issued("abc"), "/id"),
    "another document": (lambda i: i.issued(TOKEN, document=i.document("token-0002")), "/credential/id"),
    "no credential": (lambda i: i.issued(TOKEN, document={"id": i.world.addresses.credential(TOKEN)}), "/credential"),
    "a changed document": (tampered, "/credential/proof/proofValue"),
    "a stranger's key": (lambda i: i.issued(TOKEN, signer=key("a stranger")), "/credential/proof/proofValue"),
    "another member's document": (
        lambda i: i.issued(TOKEN, document=i.document(TOKEN, member="south")), "/credential/issuer",
    ),
    "another family": (lambda i: i.issued(TOKEN, family="north-2"), "/credential/credentialStatus/0"),
    "another index": (lambda i: i.issued(TOKEN, document=i.document(TOKEN, index=8)), "/credential/credentialStatus/0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_hold_is_not_filed(name: str, world: World, issuer: Issuer) -> None:
    make, pointer = REFUSED[name]
    with pytest.raises(Rejected) as refusal:
        offer(make(issuer), world)
    assert refusal.value.code is Code.PROOF_REFUSED
    assert refusal.value.pointer.startswith(pointer)


def test_what_was_asked_for_is_filed_under_its_id_with_an_address(world: World, issuer: Issuer) -> None:
    address = world.addresses.credential(TOKEN)
    other = {"id": "https://status.example.org/1", "type": "1EdTechRevocationList"}
    for outgoing, id_ in (
        (issuer.requested("urn:x:1", address), "urn:x:1"),
        (issuer.requested(address), address),
        (issuer.requested("urn:x:1", address, entries=(other,)), "urn:x:1"),
    ):
        stored = offer(outgoing, world)
        assert (stored.id, stored.token, stored.achievement, stored.partner) == (id_, TOKEN, None, None)
        read = StatusChanged.model_validate_json(status_changed(stored).event.data)
        assert (read.credential, read.achievement) == (id_, None)


def test_what_was_asked_for_must_hold_as_well(world: World, issuer: Issuer) -> None:
    address = world.addresses.credential(TOKEN)
    foreign = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7",
               "statusListCredential": "https://lists.example.org/1"}  # fmt: skip
    for outgoing, pointer in (
        (issuer.requested("urn:x:1"), "/id"),
        (issuer.requested("urn:x:1", "https://elsewhere.example/credentials/token-0001"), "/address"),
        (issuer.requested("urn:x:1", world.addresses.credential("a/b")), "/address"),
        (issuer.requested(world.addresses.credential("token-0002"), address), "/id"),
        (issuer.requested("urn:x:1", address, index=8), "/credential/credentialStatus/0"),
        (issuer.requested("urn:x:1", address, entries=(foreign,)), "/credential/credentialStatus/0"),
        (issuer.requested("urn:x:1", address, purposes=(Purpose.REVOCATION,)), "/credential/credentialStatus"),
        (issuer.requested("urn:x:1", address, purposes=(Purpose.REVOCATION,) * 2), "/credential/credentialStatus"),
        (issuer.requested("urn:x:1", address, type=["VerifiableCredential", "BitstringStatusListCredential"],
                          credentialSubject={"type": "BitstringStatusList", "statusPurpose": "revocation"}),
         "/credential/type"),
        (issuer.requested("urn:x:1", address, issuer=world.did("south")), "/credential/issuer"),
    ):  # fmt: skip
        with pytest.raises(Rejected) as refusal:
            offer(outgoing, world)
        assert (refusal.value.code, refusal.value.pointer) == (Code.PROOF_REFUSED, pointer), refusal.value.detail


def test_no_partner_may_change_what_no_partner_reported(world: World, issuer: Issuer) -> None:
    stored = offer(issuer.requested("urn:x:1", world.addresses.credential(TOKEN)), world)
    with pytest.raises(Rejected) as refusal:
        changed_by(stored, accepted(issuer, TOKEN, partner="campus"), Action.REVOKE)
    assert refusal.value.code is Code.STATUS_NOT_YOURS
    assert changed_by(stored, accepted(issuer, TOKEN), Action.REVOKE).state is State.REVOKED


def test_the_issuer_must_be_in_the_catalog_with_the_key(world: World, issuer: Issuer) -> None:
    body = CredentialIssued.model_validate_json(issuer.issued(TOKEN).event.data)
    with pytest.raises(Rejected, match="no issuer 'north'"):
        registration(body, "cause", None, world.addresses)
    without = member(world).model_copy(update={"keys": member(world, "south").keys})
    with pytest.raises(Rejected, match="no such key"):
        registration(body, "cause", without, world.addresses)


@pytest.mark.parametrize(("retired", "holds"), [(EPOCH + timedelta(seconds=1), True), (EPOCH, False)])
def test_a_retired_key_counts_for_what_it_signed_before(
    retired: datetime, holds: bool, world: World, issuer: Issuer
) -> None:
    if holds:
        assert offer(issuer.issued(TOKEN), world, member(world, retired=retired))
    else:
        with pytest.raises(Rejected, match="retired"):
            offer(issuer.issued(TOKEN), world, member(world, retired=retired))
    assert methods(member(world, retired=retired))[0].revoked == retired


def test_a_status_list_is_no_badge_and_a_badge_no_status_list(world: World, issuer: Issuer) -> None:
    body = CredentialIssued.model_validate_json(issuer.issued(TOKEN).event.data)
    listed = StatusListSigned.model_validate_json(issuer.signed_list(1, url=body.id).event.data)
    with pytest.raises(Rejected, match="OpenBadgeCredential"):
        offer(issuer.issued(TOKEN, document=listed.credential), world)
    badge = issuer.document(TOKEN, id=world.addresses.status_list("north-1", Purpose.REVOCATION))
    with pytest.raises(Rejected, match="status list for revocation"):
        signed_list(listed.model_copy(update={"credential": badge}), member(world), world.addresses)


def test_the_digest_is_of_what_a_document_says() -> None:
    assert content_digest({"a": 1, "b": 2}) == content_digest({"b": 2, "a": 1}) != content_digest({"a": 1, "b": 3})


def test_a_list_is_kept_when_its_parts_agree(world: World, issuer: Issuer) -> None:
    body = StatusListSigned.model_validate_json(issuer.signed_list(3, 5).event.data)
    stored = signed_list(body, member(world), world.addresses)
    assert (stored.list_id, stored.version, stored.ttl_ms) == ("north-1-revocation", 3, 15_000)


@pytest.mark.parametrize(
    "change",
    [{"list_id": "north-2-revocation"}, {"family": "north-2"}, {"purpose": Purpose.SUSPENSION}, {"issuer": "south"}],
    ids=str,
)
def test_a_list_at_odds_with_itself_is_refused(change: dict[str, Any], world: World, issuer: Issuer) -> None:
    body = StatusListSigned.model_validate_json(issuer.signed_list(3, 5).event.data).model_copy(update=change)
    with pytest.raises(Rejected) as refusal:
        signed_list(body, member(world, body.issuer), world.addresses)
    assert refusal.value.code is Code.PROOF_REFUSED


def test_a_list_for_another_purpose_than_its_document_is_refused(world: World, issuer: Issuer) -> None:
    address = world.addresses.status_list("north-1", Purpose.SUSPENSION)
    body = StatusListSigned.model_validate_json(issuer.signed_list(1, url=address).event.data)
    body = body.model_copy(update={"purpose": Purpose.SUSPENSION, "list_id": "north-1-suspension"})
    with pytest.raises(Rejected, match="for suspension"):
        signed_list(body, member(world), world.addresses)


# --- status ---

PATHS: dict[State, list[Action]] = {
    State.ACTIVE: [], State.SUSPENDED: [Action.SUSPEND], State.REVOKED: [Action.REVOKE],
}  # fmt: skip
TRANSITIONS = [
    (State.ACTIVE, Action.SUSPEND, State.SUSPENDED), (State.ACTIVE, Action.REVOKE, State.REVOKED),
    (State.ACTIVE, Action.REINSTATE, None),
    (State.SUSPENDED, Action.SUSPEND, None), (State.SUSPENDED, Action.REVOKE, State.REVOKED),
    (State.SUSPENDED, Action.REINSTATE, State.ACTIVE),
    (State.REVOKED, Action.SUSPEND, None), (State.REVOKED, Action.REVOKE, None),
    (State.REVOKED, Action.REINSTATE, None),
]  # fmt: skip


def in_state(issuer: Issuer, state: State) -> StoredCredential:
    credential = filed(issuer, TOKEN)
    for number, action in enumerate(PATHS[state]):
        credential = changed_by(credential, accepted(issuer, TOKEN, id_=f"before-{number}"), action)
    return credential


@pytest.mark.parametrize(("before", "action", "after"), TRANSITIONS)
def test_transitions(before: State, action: Action, after: State | None, issuer: Issuer) -> None:
    credential, request = in_state(issuer, before), accepted(issuer, TOKEN, at=EPOCH + timedelta(days=1))
    if after is None:
        with pytest.raises(Rejected) as refusal:
            changed_by(credential, request, action)
        assert refusal.value.code is Code.TRANSITION_NOT_ALLOWED
        assert ("final" in refusal.value.detail) == (before is State.REVOKED)
        return
    result = changed_by(credential, request, action)
    newest = result.history[-1]
    assert (result.state, result.version, newest.version) == (after, credential.version + 1, credential.version + 1)
    assert (newest.at, newest.by, newest.action, newest.request) == (
        request.accepted_at, "registrar", action, request.id,
    )  # fmt: skip
    assert application(result.history, request.id) is not None
    assert changed_by(result, request, action) is result  # a replay


def test_who_may_change_a_status(issuer: Issuer) -> None:
    credential = filed(issuer, TOKEN)
    theirs = accepted(issuer, TOKEN, partner="campus")
    assert changed_by(credential, theirs, Action.REVOKE).history[-1].by == "registrar (partner campus)"
    with pytest.raises(Rejected) as refusal:
        changed_by(credential, accepted(issuer, TOKEN, partner="forge"), Action.REVOKE)
    assert refusal.value.code is Code.STATUS_NOT_YOURS
    limited = theirs.model_copy(update={"achievements": (credential.achievement,)})
    assert changed_by(credential, limited, Action.REVOKE).state is State.REVOKED
    with pytest.raises(Rejected, match="The key that signed this is not good for 'welding'") as refusal:
        changed_by(credential, theirs.model_copy(update={"achievements": ("python",)}), Action.REVOKE)
    assert refusal.value.code is Code.STATUS_NOT_YOURS
    with pytest.raises(Rejected) as refusal:
        changed(None, theirs, wish(theirs, Action.REVOKE))
    assert refusal.value.code is Code.UNKNOWN_CREDENTIAL
    assert application(credential.history, "request-1") is None
    kept = Refused(code=refusal.value.code, pointer=refusal.value.pointer, detail=refusal.value.detail).rejection()
    assert str(kept) == str(refusal.value)


def partner(world: World, name: str, retired: datetime | None = None) -> PartnerPublished:
    found = next(each for each in world.published() if isinstance(each, PartnerPublished) and each.id == name)
    return found.model_copy(update={"keys": tuple(k.model_copy(update={"retired": retired}) for k in found.keys)})


@pytest.mark.parametrize(
    ("more", "of", "retired", "code"),
    [
        ({}, "campus", None, None),
        ({}, "campus", EPOCH + timedelta(seconds=1), None),
        ({}, "campus", EPOCH, Code.UNKNOWN_KEY),
        ({}, None, None, Code.UNKNOWN_KEY),
        ({"kid": "campus-2"}, "campus", None, Code.UNKNOWN_KEY),
        ({"kid": "forge-1"}, "forge", None, Code.SIGNATURE_WRONG),
        ({"source": "https://forge.example.org/lms"}, "campus", None, Code.SOURCE_NOT_REGISTERED),
    ],
)
def test_a_partner_is_known_by_its_signature(
    more: dict[str, Any], of: str | None, retired: datetime | None, code: Code | None, world: World, issuer: Issuer
) -> None:
    event = issuer.wish(TOKEN, Action.REVOKE, **more).event
    signer = partner(world, of, retired) if of else None
    if code is None:
        assert authorised_partner(event, signature.read(event), signer, EPOCH)[0].id == of
        return
    with pytest.raises(Rejected) as refusal:
        authorised_partner(event, signature.read(event), signer, EPOCH)
    assert refusal.value.code is code


def test_a_partner_vouches_for_no_other(world: World, issuer: Issuer) -> None:
    event = issuer.wish(TOKEN, Action.REVOKE, signed=False).event
    event = signature.sign(event, world.partners["campus"], "campus-1", partner="forge")
    with pytest.raises(Rejected) as refusal:
        authorised_partner(event, signature.read(event), partner(world, "campus"), EPOCH)
    assert refusal.value.code is Code.SOURCE_NOT_REGISTERED


def test_the_event_of_a_version_is_always_the_same(issuer: Issuer) -> None:
    first = filed(issuer, TOKEN)
    second = changed_by(first, accepted(issuer, TOKEN), Action.SUSPEND)
    assert status_changed(first) == status_changed(filed(issuer, TOKEN, event_id="another-cause"))
    assert status_changed(first).event.id != status_changed(second).event.id
    outgoing = status_changed(second)
    assert (outgoing.key, outgoing.partition) == (first.id, STATUS_CHANGES.partition_of("north-1"))
    body = StatusChanged.model_validate_json(outgoing.event.data)
    assert (body.state, body.version, body.reason, body.changed_at) == (State.SUSPENDED, 2, "a mistake", EPOCH)


@pytest.mark.parametrize(
    ("state", "begins", "ends", "standing_"),
    [
        (State.ACTIVE, -1, None, Standing.ACTIVE), (State.ACTIVE, -1, 1, Standing.ACTIVE),
        (State.ACTIVE, -2, -1, Standing.EXPIRED), (State.ACTIVE, 1, None, Standing.PENDING),
        (State.SUSPENDED, -1, 1, Standing.SUSPENDED), (State.SUSPENDED, -2, -1, Standing.EXPIRED),
        (State.REVOKED, -2, -1, Standing.REVOKED), (State.REVOKED, -1, None, Standing.REVOKED),
    ],
)  # fmt: skip
def test_where_a_credential_stands(state: State, begins: int, ends: int | None, standing_: Standing) -> None:
    until = None if ends is None else EPOCH + timedelta(days=ends)
    assert standing(state, EPOCH + timedelta(days=begins), until, EPOCH) is standing_
