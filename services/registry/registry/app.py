"""The registry's wiring."""

from __future__ import annotations

from fastapi import FastAPI

from laurel.contracts.addresses import Addresses
from laurel.contracts.topics import AUDIT, CREDENTIALS, STATUS_LISTS, STATUS_REQUESTS
from laurel.runtime import web
from laurel.runtime.backoff import Backoff
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.guard import Guard, key_hashes
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka, until_answered
from laurel.runtime.lifecycle import Lifecycle, Step
from laurel.runtime.mongo import Mongo
from registry import audit, bulk_api, vc_api
from registry.accepting import Acceptor
from registry.announcer import Announcer, Heartbeat
from registry.api import admin_router
from registry.bulk import BulkChanges, BulkRunner
from registry.bulk_store import BulkStore
from registry.config import RegistrySettings
from registry.domain import SOURCE
from registry.handlers import Handlers
from registry.outcomes import Outcomes
from registry.pages.routes import PublicRecord
from registry.publisher import CatalogPublisher
from registry.status_requests import StatusRequests
from registry.store import Store

SERVICE = "registry"
_BODY_LIMIT = 16 * 1024 * 1024  # a whole catalog comes in one body


def build(settings: RegistrySettings, *, clock: Clock = utc_now, backoff: Backoff | None = None) -> FastAPI:
    """The registry as an application; its parts start with the application."""
    health = Health()
    addresses = Addresses(settings.public_url)
    mongo = Mongo(settings)
    store, bulk_store = Store(mongo), BulkStore(mongo)
    kafka = Kafka(settings, SERVICE, health, clock=clock, backoff=backoff)
    announcer = Announcer(store, kafka.publish, clock)
    outcomes = Outcomes(store.requests)
    handlers = Handlers(store, announcer, kafka.publish, outcomes, addresses, clock)
    catalog = CatalogPublisher(store, kafka.publish, addresses, clock)
    bulk_changes = BulkChanges(bulk_store, clock)
    heartbeat = Heartbeat(announcer, kafka.publish, clock, settings.heartbeat_seconds, health.not_live)
    kafka.subscribe(CREDENTIALS, handlers.register)
    kafka.subscribe(STATUS_REQUESTS, handlers.change_status)
    kafka.subscribe(STATUS_LISTS, handlers.keep_list, max_records=50)
    kafka.subscribe(AUDIT, handlers.keep_action)

    def patiently(what: str, attempt: Step) -> Step:
        return lambda: until_answered(what, attempt, health)

    async def ensure_indexes() -> None:
        await store.ensure_indexes()
        await bulk_store.ensure_indexes()

    async def unpublished() -> None:
        await catalog.publish_pending()
        await announcer.announce_unfinished()
        await announcer.announce_histories()

    lifecycle = Lifecycle(SERVICE, health)
    lifecycle.add("database", patiently("MongoDB", ensure_indexes), mongo.close)
    lifecycle.add("broker", kafka.start, kafka.stop)
    lifecycle.add("unpublished", patiently("MongoDB or Kafka", unpublished))
    lifecycle.add("subscriptions", kafka.consume)
    lifecycle.add_loop("heartbeat", heartbeat.run)
    lifecycle.add_loop("bulk changes", BulkRunner(bulk_changes, kafka.publish, outcomes, clock).run)

    app = web.create_app("Laurel registry", lifecycle, body_limit=_BODY_LIMIT)
    changes = StatusRequests(Acceptor(store.requests), outcomes, kafka.publish, clock)
    keys = key_hashes(settings.admin_token, settings.admin_token_hashes)
    guard = Guard(SOURCE, keys, store.operator_of_token, kafka.publish, clock, health.not_ready)
    app.include_router(admin_router(store, catalog, changes, guard))
    app.include_router(bulk_api.routes(bulk_changes, guard))
    app.include_router(audit.routes(store, guard))
    app.include_router(vc_api.routes(store, changes, guard))
    app.include_router(PublicRecord(store, addresses, clock).router())
    return app
