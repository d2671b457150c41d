"""Wiring of the issuer, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from fastapi import FastAPI

from issuer import api, vc_api
from issuer.config import IssuerSettings
from issuer.derivation import Derivation
from issuer.domain import SOURCE, Policy
from issuer.dry_run import DryRun
from issuer.handlers import CompletionHandler
from issuer.intake import Intake
from issuer.issuing import Issuing
from issuer.signer import Signer
from issuer.status_lists import StatusChangeHandler, StatusListPublisher
from issuer.store import Store
from laurel.contracts.addresses import Addresses
from laurel.contracts.topics import COMPLETIONS, STATUS_CHANGES
from laurel.runtime.catalog import CatalogView
from laurel.runtime.clock import Clock, utc_now
from laurel.runtime.guard import Guard, key_hashes
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka, until_answered
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.mongo import Mongo
from laurel.runtime.shedding import Shedding
from laurel.runtime.web import create_app

SERVICE = "issuer"


def build(settings: IssuerSettings, *, clock: Clock = utc_now) -> FastAPI:
    """The issuer as an application; its lifecycle is `app.state.lifecycle`."""
    health = Health()
    lifecycle = Lifecycle(SERVICE, health)
    mongo = Mongo(settings)
    kafka = Kafka(settings, SERVICE, health, clock=clock)
    catalog = CatalogView(settings, SERVICE, health)
    store = Store(mongo.database)
    signer = Signer.from_file(settings.signing_keys_file)
    derivation = Derivation(settings.master_key.get_secret_value())
    addresses = Addresses(settings.public_url)
    policy = Policy(settings.clock_skew, settings.oldest_completion)
    publisher = StatusListPublisher(
        store, catalog, kafka, signer, addresses, clock,
        interval=timedelta(seconds=settings.status_list_interval_seconds),
        valid=timedelta(days=settings.status_list_valid_days),
        ttl=timedelta(seconds=settings.status_list_ttl_seconds),
    )  # fmt: skip
    completions = CompletionHandler(store, catalog, kafka, signer, derivation, addresses, policy, clock)
    status_changes = StatusChangeHandler(store, clock, publisher.changed)
    kafka.subscribe(COMPLETIONS, completions)
    kafka.subscribe(STATUS_CHANGES, status_changes)

    issuing = Issuing(store, catalog, kafka, signer, derivation, addresses, clock, lambda: uuid4().urn)

    async def open_database() -> None:
        await until_answered("MongoDB", mongo.ping, health)
        await store.ensure_indexes()

    lifecycle.add("database", open_database, mongo.close)
    lifecycle.add("catalog", catalog.start, catalog.stop)
    lifecycle.add("broker", kafka.start, kafka.stop)
    lifecycle.add("unpublished", lambda: until_answered("MongoDB or Kafka", issuing.publish_unfinished, health))
    lifecycle.add("consuming", kafka.consume)
    lifecycle.add_loop("status lists", publisher.run)
    app = create_app("Laurel issuer", lifecycle)
    app.state.handlers = (completions, status_changes)
    keys = key_hashes(settings.vc_api_token, settings.vc_api_token_hashes)
    guard = Guard(SOURCE, keys, catalog.find_operator, kafka.publish, clock, health.not_ready)
    app.include_router(vc_api.routes(issuing, None if settings.vc_api_open else guard, health))
    intake = Intake(catalog, kafka, derivation, addresses, policy, clock, health)
    dry_run = DryRun(intake, store, catalog, signer, addresses, policy, clock)
    # Each may hold a whole body, and some seconds: what comes on top is better told so than left to wait.
    shedding = Shedding(api.PATH, settings.intake_requests_at_once)
    app.include_router(api.routes(intake, dry_run, shedding))
    return app
