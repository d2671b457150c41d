"""Which representation a caller gets, and what a page may lead to."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from laurel.contracts.status import Action
from registry.domain import Standing
from registry.pages.answers import CREDENTIAL_JSON, HTML, choose
from registry.pages.views import badge_view, render
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
    badge, state = badge_view(stored, EPOCH)
    page = render(
        "credential.html", consortium=None, base="", badge=badge, state=state, url=stored.id, issuer_page="/x"
    ).decode()
    assert "<script" not in page
    assert "javascript:" not in page
    assert '<a href="https://example.org/skill?a=1&amp;b=2"' in page
    assert "a trap" in page


def test_criteria_on_a_page_of_their_own_are_led_to(world: World) -> None:
    issuer = Issuer(world)
    document = issuer.document("token-0001")
    document["credentialSubject"]["achievement"]["criteria"] = {"id": "https://academy.example/criteria"}
    stored = filed(issuer, "token-0001").model_copy(update={"document": orjson.dumps(document).decode()})
    view = credential_view(stored, "https://example.org/issuers/north", EPOCH)
    page = render("credential.html", consortium=None, base="", view=view).decode()
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
