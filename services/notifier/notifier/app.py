"""Wiring."""

from __future__ import annotations

import random
from collections.abc import Callable

from fastapi import FastAPI

from laurel.contracts.topics import CREDENTIALS, RECIPIENTS, STATUS_CHANGES
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.guard import Guard, key_hashes
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka, until_answered
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.mongo import Mongo
from laurel.runtime.web import create_app
from notifier import api
from notifier.config import NotifierSettings
from notifier.delivery import Worker
from notifier.domain import SOURCE
from notifier.handlers import Handlers
from notifier.smtp import MailServer
from notifier.store import Store

SERVICE = "notifier"


def build(settings: NotifierSettings, *, clock: Clock = utc_now, draw: Callable[[], float] = random.random) -> FastAPI:
    """The service as an application; it starts and stops with it."""
    health = Health()
    mongo = Mongo(settings)
    store = Store(mongo)
    kafka = Kafka(settings, SERVICE, health, clock=clock)
    catalog = CatalogView(settings, SERVICE, health)
    worker = Worker(store, catalog, MailServer(settings), kafka.publish, settings, clock=clock, draw=draw)
    handlers = Handlers(store, catalog, recipient_days=settings.recipient_days, wake=worker.wake, clock=clock)
    kafka.subscribe(CREDENTIALS, handlers.credentials)
    kafka.subscribe(RECIPIENTS, handlers.recipients)
    kafka.subscribe(STATUS_CHANGES, handlers.status_changes)

    async def prepare() -> None:
        await until_answered("MongoDB", store.prepare, health)

    lifecycle = Lifecycle(SERVICE, health)
    lifecycle.add("database", prepare, mongo.close)
    lifecycle.add("catalog", catalog.start, catalog.stop)
    lifecycle.add("kafka", kafka.start, kafka.stop)
    lifecycle.add_loop("delivery", worker.run)
    lifecycle.add("subscriptions", kafka.consume, worker.drain)
    app = create_app("Laurel notifier", lifecycle)
    keys = key_hashes(settings.admin_token, settings.admin_token_hashes)
    # The delivery log is read above all when something is wrong.
    guard = Guard(SOURCE, keys, catalog.find_operator, kafka.publish, clock, health.not_ready, consortium_waits=False)
    app.include_router(api.router(store, guard))
    return app
