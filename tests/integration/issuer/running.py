"""A running issuer, and what it publishes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI

from issuer.app import build
from issuer.config import IssuerSettings
from issuer.handlers import CompletionHandler
from laurel.contracts.catalog import IssuerPublished, PartnerPublished
from laurel.contracts.topics import (
    CATALOG,
    COMPLETIONS,
    CREDENTIALS,
    RECIPIENTS,
    REJECTED_COMPLETIONS,
    Message,
    Topic,
    message,
)
from laurel.runtime.clock import Clock
from laurel.runtime.lifecycle import Lifecycle
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings
from support.log import read_topic
from support.waiting import eventually
from support.world import EPOCH

Published = tuple[bytes | None, bytes, bytes | None]


def at_epoch() -> Any:
    """The clock that stands still."""
    return EPOCH


@asynccontextmanager
async def running(settings: IssuerSettings, clock: Clock = at_epoch) -> AsyncIterator[FastAPI]:
    """An issuer that has joined its groups."""
    app = build(settings, clock=clock)
    lifecycle: Lifecycle = app.state.lifecycle
    async with lifecycle:
        yield app


def completions_of(app: FastAPI) -> CompletionHandler:
    """The application's handler of completions."""
    handler = app.state.handlers[0]
    assert isinstance(handler, CompletionHandler)
    return handler


async def handle(settings: IssuerSettings, records: Sequence[Record], clock: Clock = at_epoch) -> None:
    """Have an issuer that consumes nothing by itself handle these records."""
    handler = completions_of(build(settings, clock=clock))
    await handler.catalog.start()
    await handler.kafka.start()
    try:
        await handler(records)
    finally:
        await handler.kafka.stop()
        await handler.catalog.stop()


async def bodies(settings: KafkaSettings, topic: Topic, count: int, timeout: float = 30.0) -> list[dict[str, Any]]:  # noqa: ASYNC109 - handed on
    """The events of a topic once there are `count`."""

    async def enough() -> list[dict[str, Any]]:
        found = [orjson.loads(record.value or b"{}") for record in await read_topic(settings, topic)]
        return found if len(found) >= count else []

    return await eventually(enough, timeout=timeout, what=f"{count} events on {topic.name}")


async def everything(settings: KafkaSettings) -> dict[str, list[Published]]:
    """All that the issuer published for completions, as key, id and value."""
    found = {}
    for topic in (CREDENTIALS, RECIPIENTS, REJECTED_COMPLETIONS):
        records = await read_topic(settings, topic)
        found[topic.name] = [(each.key, dict(each.headers)["ce_id"], each.value) for each in records]
    return found


async def completion_records(settings: KafkaSettings) -> list[Record]:
    """What partners sent, as it lies on the topic."""
    return await read_topic(settings, COMPLETIONS)


def update(entry: IssuerPublished | PartnerPublished, **changes: object) -> Message:
    """A newer version of a catalog entry, as the registry would publish it."""
    newer = entry.model_copy(update={"version": entry.version + 1, **changes})
    return message(CATALOG, newer, key=f"{type(entry).__name__}/{entry.id}", event_id=f"{entry.id}-{newer.version}",
                   source="urn:laurel:registry", time=EPOCH)  # fmt: skip
