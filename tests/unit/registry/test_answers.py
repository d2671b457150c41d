"""Which representation a caller gets, and what a page may lead to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from laurel.contracts.status import Action
from registry.domain import Standing
from registry.pages.answers import CREDENTIAL_JSON, HTML, choose
from registry.pages.views import badge_view, generic_view, render
from registry.rows import StoredCredential
from support.world import EPOCH, World
from unit.registry.issuing import Issuer
from unit.registry.states import accepted, changed_by, filed

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/ld+json"), ("", "application/ld+json"), ("*/*", "application/ld+json"),
        (BROWSER, HTML), ("text/*", HTML), ("TEXT/HTML", HTML),
        ("application/vc", "application/vc"), ("application/json, text/plain, */*", "application/json"),
        ("application/vc, application/json;q=0.5", "application/vc"),
        ("text/html;q=0.4, application/*;q=0.6", "application/ld+json"),
        ("text/html, application/json;q=0", HTML), ("*/*, application/ld+json;q=0", "application/json"),
        ("image/png", "application/ld+json"), ("text/html;q=nonsense", "application/ld+json"),
        ("application/vc+ld+json;q=0.9, text/html;q=0.8", "application/vc+ld+json"),
    ],
)  # fmt: skip
def test_negotiation(accept: str | None, media: str) -> None:
    assert choose(accept, (*CREDENTIAL_JSON, HTML)) == media


def test_a_page_leads_only_to_web_addresses_and_escapes_everything(world: World) -> None:
    issuer = Issuer(world)
    document = issuer.document("token-0001")
    achievement = document["credentialSubject"]["achievement"]
    achievement |= {
        "name": "<script>alert(1)</script>",
        "alignment": [
            {"type": ["Alignment"], "targetName": "a trap", "targetUrl": "javascript:alert(1)"},
            {"type": ["Alignment"], "targetName": "a skill", "targetUrl": "https://example.org/skill?a=1&b=2"},
        ],
    }
    stored = filed(issuer, "token-0001")
    stored = stored.model_copy(update={"document": orjson.dumps(document).decode()})
    page = badge_page(stored)
    assert "<script" not in page
    assert "javascript:" not in page
    assert '<a href="https://example.org/skill?a=1&amp;b=2"' in page
    assert "a trap" in page


def badge_page(stored: StoredCredential) -> str:
    badge, state = badge_view(stored, EPOCH)
    return render(
        "credential.html", consortium=None, base="", badge=badge, state=state, url=stored.id, issuer_page="/x"
    ).decode()


def generic_page(stored: StoredCredential, **changes: Any) -> str:
    document = orjson.loads(stored.document) | changes
    changed = stored.model_copy(update={"document": orjson.dumps(document).decode(), "id": "urn:x:1"})
    credential, state = generic_view(changed, EPOCH)
    return render(
        "generic.html", consortium=None, base="", credential=credential, state=state, url="/credentials/token-0001",
        issuer_page="/x", issuer="Member north",
    ).decode()  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("A title", "A title"), ({"@value": "Ein Titel", "@language": "de"}, "Ein Titel"),
        ([{"@value": "Ein Titel", "@language": "de"}, {"@value": "A title", "@language": "en"}], "Ein Titel"),
        (" ", "OpenBadgeCredential"), ([], "OpenBadgeCredential"), (None, "OpenBadgeCredential"),
    ],
)  # fmt: skip
def test_a_credential_of_any_kind_is_called_by_its_name_or_its_kind(world: World, name: Any, shown: str) -> None:
    assert f"<h1>{shown}</h1>" in generic_page(filed(Issuer(world), "token-0001"), name=name)


def test_the_page_of_any_credential_shows_all_claims_and_runs_none_of_them(world: World) -> None:
    claims = {
        "id": "javascript:alert(1)", "<b>": "<script>alert(1)</script>", "yes": True, "number": 7, "nothing": None,
        "deep": {"list": ["one", {"two": "https://example.org/?a=1&b=2"}]},
    }  # fmt: skip
    page = generic_page(filed(Issuer(world), "token-0001"), credentialSubject=[claims, {"second": "subject"}],
                        description="<i>x</i>", type=["VerifiableCredential", "<u>"])  # fmt: skip
    assert [bad for bad in ("<script", "<b>", "<i>", "<u>", 'href="javascript:') if bad in page] == []
    for text in ("javascript:alert(1)", "&lt;script&gt;", "yes", "7", "one", "second", "&lt;i&gt;x", "urn:x:1",
                 '<a href="https://example.org/?a=1&amp;b=2"'):  # fmt: skip
        assert text in page
    assert "names a learner" not in page


def test_a_credential_without_dates_is_in_force(world: World) -> None:
    stored = filed(Issuer(world), "token-0001")
    document = orjson.loads(stored.document)
    del document["validFrom"]
    _, state = generic_view(stored.model_copy(update={"document": orjson.dumps(document).decode()}), EPOCH)
    assert state.standing is Standing.ACTIVE


def test_criteria_on_a_page_of_their_own_are_led_to(world: World) -> None:
    issuer = Issuer(world)
    document = issuer.document("token-0001")
    document["credentialSubject"]["achievement"]["criteria"] = {"id": "https://academy.example/criteria"}
    stored = filed(issuer, "token-0001").model_copy(update={"document": orjson.dumps(document).decode()})
    page = badge_page(stored)
    assert '<a href="https://academy.example/criteria"' in page
    assert "None" not in page


def test_the_page_tells_the_state_as_of_now(world: World) -> None:
    issuer = Issuer(world)
    until = EPOCH + timedelta(days=30)
    active = filed(issuer, "token-0001", valid_until=until)
    at = EPOCH + timedelta(days=2)
    suspended = changed_by(active, accepted(issuer, "token-0001", at=at), Action.SUSPEND)
    revoked = changed_by(suspended, accepted(issuer, "token-0001", id_="request-2", at=at), Action.REVOKE)
    later = until + timedelta(seconds=1)
    for stored, now, standing, since, reason in (
        (active, EPOCH, Standing.ACTIVE, None, None),
        (active, later, Standing.EXPIRED, until, None),
        (suspended, EPOCH, Standing.SUSPENDED, at, "a mistake"),
        (suspended, later, Standing.EXPIRED, until, None),
        (revoked, later, Standing.REVOKED, at, "a mistake"),
    ):
        _, state = badge_view(stored, now)
        assert (state.standing, state.since, state.reason) == (standing, since, reason)
