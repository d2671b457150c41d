"""The verifier's wiring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import Gauge
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from laurel.contracts.addresses import Addresses
from laurel.credentials.document_cache import DocumentCache
from laurel.credentials.errors import Unavailable
from laurel.credentials.resolving import WebSources, never
from laurel.runtime.clock import Clock, Steady, steady_now, utc_now
from laurel.runtime.egress import Egress
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.settings import is_loopback
from laurel.runtime.web import create_app
from verifier.announcer import Announcer
from verifier.api import BODY_LIMIT, CREDENTIALS, PRESENTATIONS, Verifying, routes
from verifier.config import VerifierSettings
from verifier.resolver import Foreign, Resolver
from verifier.trampoline import ask
from verifier.view import View

SERVICE = "verifier"
VIEW_AGE = Gauge("laurel_view_age_seconds", "Age of what the verifier knows; infinite until it is known.")
VIEW_CREDENTIALS = Gauge("laurel_view_credentials", "Credentials whose status the verifier knows.")


def build(
    settings: VerifierSettings, *, clock: Clock = utc_now, steady: Steady = steady_now, egress: Egress | None = None
) -> FastAPI:
    """The verifier as an application that starts and stops its parts itself. `egress` fetches from other issuers."""
    health = Health()
    addresses = Addresses(settings.public_url)
    view = View(settings, addresses, health, clock, steady)
    kafka = Kafka(settings, SERVICE, health, clock=clock)
    announcer = Announcer(kafka)
    egress = egress or Egress(allow_loopback=settings.fetch_loopback, deadline=settings.fetch_seconds)
    documents = DocumentCache(egress.fetch if settings.fetch_foreign else _nowhere, clock, steady)
    resolver = Resolver(view, addresses, timedelta(seconds=settings.view_max_age_seconds), _foreign(settings))
    verifying = Verifying(
        view, resolver, announcer, clock, settings.verify_workers, documents.get, settings.fetch_seconds
    )
    VIEW_AGE.set_function(view.age)
    VIEW_CREDENTIALS.set_function(lambda: len(view.standings))

    lifecycle = Lifecycle(SERVICE, health)
    lifecycle.add("the view", view.start, view.stop)
    lifecycle.add("Kafka", kafka.start, kafka.stop)
    lifecycle.add_loop("announcer", announcer.run)
    lifecycle.add("outgoing requests", _nothing, egress.close)
    lifecycle.add("fetched documents", _nothing, documents.close)
    lifecycle.add("the workers", _nothing, verifying.stop)

    app = create_app("Laurel verifier", lifecycle, body_limit=BODY_LIMIT)
    app.include_router(routes(verifying))
    app.add_middleware(OpenToAll, paths=(CREDENTIALS, PRESENTATIONS))
    return app


async def _nothing() -> None:
    return


async def _nowhere(url: str, accept: str) -> bytes:  # noqa: ARG001
    raise Unavailable("This verifier is set to fetch nothing from issuers that are not members.")


def _foreign(settings: VerifierSettings) -> Foreign:
    over_http = is_loopback if settings.fetch_loopback else never
    return lambda now: WebSources(ask, now, over_http=over_http)


class OpenToAll:
    """Lets pages of any origin call these paths, and only those: operators' addresses are nobody else's business."""

    def __init__(self, app: ASGIApp, paths: Sequence[str]) -> None:
        self._app = app
        self._paths = paths
        self._open = CORSMiddleware(
            app, allow_origins=["*"], allow_methods=["POST"], allow_headers=["content-type"], max_age=86400
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self._open if scope["type"] == "http" and scope["path"] in self._paths else self._app
        await chosen(scope, receive, send)
