"""`laurel verify` against a site that publishes keys, status lists and a credential."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from laurel.contracts.addresses import Addresses
from laurel.contracts.status import Purpose
from laurel.credentials.baking import bake
from laurel.credentials.controller_documents import did_document
from laurel.credentials.dids import did_key
from laurel.credentials.keys import SigningKey, VerificationMethod
from laurel.credentials.proofs import sign
from support.badges import badge, method_of, status_list
from support.command import Run
from support.site import Site
from support.world import key

NOW = datetime.now(UTC)
INDEX = 4711


class Member:
    """A member whose keys, lists and one credential are served by the site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.addresses = Addresses(site.url)
        self.did = self.addresses.did("north")
        self.key = key("member north")
        self.publish_keys(self.key)
        for purpose in Purpose:
            self.publish_list(purpose)
        self.credential = badge(self.addresses, self.key, at=NOW, index=INDEX)
        self.url = self.addresses.credential("abc")
        site.serve("/credentials/abc", self.credential)

    def publish_keys(self, *keys: SigningKey) -> None:
        methods = [VerificationMethod(method_of(self.addresses, "north", each), self.did, each.public) for each in keys]
        self.site.serve("/issuers/north/did.json", did_document(self.did, methods))

    def publish_list(
        self, purpose: Purpose, *, revoked: bool = False, signer: SigningKey | None = None,
        until: datetime | None = None,
    ) -> None:  # fmt: skip
        document = status_list(
            self.addresses, self.key, purpose, at=NOW, set_bits=(INDEX,) if revoked else (), until=until, signer=signer
        )
        self.site.serve(f"/status-lists/north-1-{purpose.value}", document)


@pytest.fixture
def member(site: Site) -> Member:
    return Member(site)


def test_a_credential_that_holds(run: Run, member: Member) -> None:
    ran = run("verify", member.url, "--allow-local")

    assert ran.code == 0, ran.out + ran.err
    assert "The credential holds." in ran.out
    assert ran.out.count("✓") == 8


def test_json_says_the_same(run: Run, member: Member, tmp_path: Path) -> None:
    file = tmp_path / "badge.json"
    file.write_text(json.dumps(member.credential))

    ran = run("verify", file, "--allow-local", "--json")

    assert ran.code == 0
    assert ran.document["verified"] is True
    assert [step["outcome"] for step in ran.document["steps"]] == ["valid"] * 8


def test_a_badge_in_a_picture_and_a_presentation_are_verified_too(run: Run, member: Member, tmp_path: Path) -> None:
    picture = tmp_path / "badge.svg"
    picture.write_bytes(bake(b'<svg xmlns="http://www.w3.org/2000/svg"/>', json.dumps(member.credential)))
    assert run("verify", picture, "--allow-local").code == 0

    holder = key("the holder")
    did = did_key(holder.public)
    file = tmp_path / "presentation.json"
    presentation = {
        "@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiablePresentation"], "holder": did,
        "verifiableCredential": [member.credential],
    }  # fmt: skip
    method = f"{did}#{holder.public.to_multibase()}"
    signed = sign(
        presentation,
        key=holder,
        verification_method=method,
        created=NOW,
        proof_purpose="authentication",
        challenge="c1",
    )
    file.write_text(json.dumps(signed))
    ran = run("verify", file, "--allow-local", "--challenge", "c1")
    assert ran.code == 0, ran.out
    assert "The presentation holds." in ran.out
    ran = run("verify", file, "--allow-local", "--challenge", "c2")
    assert ran.code == 1
    assert "meant for somebody else" in ran.out


def test_stdin_is_read(run: Run, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = SimpleNamespace(buffer=io.BytesIO(json.dumps(member.credential).encode()))
    monkeypatch.setattr("laurel.cli.verify.sys.stdin", stdin)

    assert run("verify", "-", "--allow-local").code == 0


@pytest.mark.parametrize(
    ("purpose", "code"), [(Purpose.REVOCATION, "REVOKED"), (Purpose.SUSPENSION, "SUSPENDED")]
)  # fmt: skip
def test_a_revoked_or_suspended_credential_does_not_hold(run: Run, member: Member, purpose: Purpose, code: str) -> None:
    member.publish_list(purpose, revoked=True)

    ran = run("verify", member.url, "--allow-local", "--json")

    assert ran.code == 1
    assert [step["code"] for step in ran.document["steps"] if step["outcome"] == "invalid"] == [code]


def test_a_changed_credential_does_not_hold(run: Run, member: Member, site: Site) -> None:
    site.serve("/credentials/abc", member.credential | {"name": "Brain surgery"})

    ran = run("verify", member.url, "--allow-local")

    assert ran.code == 1
    assert "The signature does not match" in ran.out


def unpublished_list(member: Member) -> None:
    del member.site.answers["GET", "/status-lists/north-1-revocation"]


def failing_list(member: Member) -> None:
    member.site.serve("/status-lists/north-1-revocation", {}, status=503)


def stale_list(member: Member) -> None:
    member.publish_list(Purpose.REVOCATION, until=NOW - timedelta(hours=1))


def no_did_document(member: Member) -> None:
    del member.site.answers["GET", "/issuers/north/did.json"]


@pytest.mark.parametrize("harm", [unpublished_list, failing_list, stale_list, no_did_document])
def test_what_could_not_be_checked_is_unknown(run: Run, member: Member, harm: Callable[[Member], None]) -> None:
    harm(member)

    ran = run("verify", member.url, "--allow-local")

    assert ran.code == 3, ran.out
    assert "could not be found out" in ran.out


def forged_list(member: Member) -> None:
    member.publish_list(Purpose.REVOCATION, signer=key("somebody else"))


def list_of_another_purpose(member: Member) -> None:
    answers = member.site.answers
    answers["GET", "/status-lists/north-1-revocation"] = answers["GET", "/status-lists/north-1-suspension"]


def key_withdrawn(member: Member) -> None:
    member.publish_keys(key("another"))


def foreign_did_document(member: Member) -> None:
    member.site.serve("/issuers/north/did.json", did_document("did:web:example.org", []))


@pytest.mark.parametrize("harm", [forged_list, list_of_another_purpose, key_withdrawn, foreign_did_document])
def test_what_is_published_is_checked_before_it_is_believed(
    run: Run, member: Member, harm: Callable[[Member], None]
) -> None:
    harm(member)

    assert run("verify", member.url, "--allow-local").code == 1


def test_this_machine_is_asked_only_when_allowed(run: Run, member: Member, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "badge.json"
    file.write_text(json.dumps(member.credential))

    assert run("verify", file).code == 3
    ran = run("verify", member.url)
    assert (ran.code, ran.out) == (3, "")
    assert "--allow-local" in ran.err
    assert site.requests == []


def test_what_is_no_credential_does_not_hold(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "badge.json"
    file.write_text("{}")

    assert run("verify", file).code == 1
    assert run("verify", tmp_path / "absent").code == 2
    file.write_bytes(b"x" * (1024 * 1024 + 1))
    assert run("verify", file).code == 1
    file.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    assert run("verify", file).code == 2


def test_text_from_outside_does_not_reach_the_terminal_raw(run: Run, member: Member, site: Site) -> None:
    site.serve("/credentials/abc", member.credential | {"\u001b]0;owned\u0007": "\u202eevil"})

    ran = run("verify", member.url, "--allow-local")

    assert ran.code == 1
    assert not any(char in ran.out for char in "\u001b\u0007\u202e")


@pytest.mark.parametrize(("outcome", "status", "code"), [("valid", 200, 0), ("invalid", 400, 1), ("unknown", 400, 3)])
def test_a_verifier_can_be_asked(run: Run, member: Member, site: Site, tmp_path: Path, outcome: str, status: int,
                                 code: int) -> None:  # fmt: skip
    file = tmp_path / "badge.json"
    file.write_text(json.dumps(member.credential))
    steps = [{"name": "proof", "outcome": outcome, "code": None, "detail": "As it is."}]
    report = {"verified": outcome == "valid", "outcome": outcome, "asOf": "2026-06-01T12:00:00Z", "steps": steps}
    site.serve("/credentials/verify", report, method="POST", status=status)

    ran = run("verify", file, "--verifier", site.url)

    assert ran.code == code
    assert site.bodies == [{"verifiableCredential": member.credential}]


STEP = {"name": "proof", "outcome": "valid", "code": None, "detail": "As it is."}


@pytest.mark.parametrize(
    "report",
    [
        {"verified": True},
        {"outcome": "valid", "verified": False, "steps": []},
        {"outcome": "fine", "steps": []},
        {"outcome": ["valid"], "verified": True, "steps": [STEP]},
        {"outcome": "valid", "verified": True, "steps": []},
        {"outcome": "valid", "verified": True, "steps": [STEP | {"outcome": "invalid"}]},
        {"outcome": "valid", "verified": True, "steps": [STEP | {"name": {}}]},
        {"outcome": "valid", "verified": True, "steps": [STEP], "credentials": 1},
        {"outcome": "valid", "verified": True, "steps": [STEP], "credentials": [{}]},
        {"outcome": "valid", "verified": True, "steps": [STEP], "credentials": [{"outcome": "invalid", "steps": []}]},
        b"<p>",
    ],
)
def test_a_verifier_that_makes_no_sense_is_not_believed(
    run: Run, member: Member, site: Site, tmp_path: Path, report: Any
) -> None:
    file = tmp_path / "badge.json"
    file.write_text(json.dumps(member.credential))
    site.serve("/credentials/verify", report, method="POST")

    assert run("verify", file, "--verifier", site.url).code == 3
    assert run("verify", file, "--verifier", "http://127.0.0.1:9").code == 3
    assert run("verify", file, "--verifier", "http://[x").code == 2


def test_no_verifier_is_asked_about_what_cannot_be_sent_to_it(run: Run, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "badge.json"
    for text in ("{", '{"a":' * 300 + "1" + "}" * 300):
        file.write_text(text)
        ran = run("verify", file, "--verifier", site.url)
        assert ran.code == 2
        assert "No verifier can be asked" in ran.err
    assert site.requests == []
