"""Views that are fed with records by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from integration.verifier.samples import Samples, Watch
from laurel.contracts.envelope import encode
from laurel.contracts.topics import Message
from laurel.credentials.resolving import WebSources
from laurel.runtime.health import Health
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings
from support.web import Web
from verifier.view import View

SAMPLES = Samples()


def abroad(now: datetime) -> WebSources:
    """Other issuers, of whom nothing is known."""
    return Web(now).sources()


def record_of(each: Message) -> Record:
    headers, value = encode(each.event)
    return Record(each.topic.name, each.partition or 0, 0, each.key.encode(), tuple(headers), value)


def view_of(messages: Iterable[Message], watch: Watch | None = None) -> View:
    watch = watch or Watch()
    settings = KafkaSettings(kafka_bootstrap="nowhere:1")
    view = View(settings, SAMPLES.world.addresses, Health(), watch, watch.steady)
    feed(view, messages)
    view.lists.settle()
    view.caught_up = True
    return view


def feed(view: View, messages: Iterable[Message]) -> None:
    for each in messages:
        view.apply(record_of(each))
