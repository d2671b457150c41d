"""What a partner installs: it signs completion events and publishes them.

The same completion under the same id may be published any number of times; Laurel makes one credential of it. So
after any doubt, publish again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import orjson
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from pydantic import Field, ValidationError

from laurel.contracts.base import Contract, Moment
from laurel.contracts.completions import CompletionRecorded
from laurel.contracts.envelope import EVENT_SIZE_LIMIT
from laurel.contracts.errors import Code, Rejected, rejections_of
from laurel.contracts.signature import sign
from laurel.contracts.topics import COMPLETIONS, Message, message
from laurel.credentials.keys import SigningKey

if TYPE_CHECKING:
    from laurel.runtime.kafka import Kafka

ARRAY_SIZE_LIMIT = 64 * 1024 * 1024
_tracer = trace.get_tracer("laurel.partner")


class NotConfirmed(Exception):  # noqa: N818 - says what is the case
    """The brokers did not confirm everything in time. Some of it may have arrived: publish all of it again."""


class NotAllowed(NotConfirmed):
    """The brokers know the user and do not let it write there. Trying again does not help; a right has to be given."""


class Completion(Contract):
    """A completion with the id that the partner gives its event. `time` is when it was recorded, if that matters."""

    id: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
    time: Moment | None = None
    data: CompletionRecorded


class PartnerClient:
    """A partner's connection to Laurel, as an async context manager.

    `source` is a URI registered for the partner and `kid` the name of its registered key. `timeout` is how many
    seconds the brokers may take to confirm. `idempotence` may be off only with a broker that lacks it.

    With `username`, `password` and `ca_file` it connects by TLS and SCRAM-SHA-512; what is not given comes from the
    environment (`LAUREL_KAFKA_SECURITY_PROTOCOL` and its neighbours), as for services.
    """

    def __init__(
        self, bootstrap: str, source: str, kid: str, key: SigningKey, *, idempotence: bool = True,
        timeout: float = 60.0, username: str | None = None, password: str | None = None, ca_file: Path | None = None,
    ) -> None:  # fmt: skip
        self._bootstrap = bootstrap
        self._idempotence = idempotence
        self._timeout = timeout
        self._security: dict[str, Any] = {"kafka_username": username, "kafka_password": password,
                                          "kafka_ca_file": ca_file}  # fmt: skip
        self._kafka: Kafka | None = None
        self.source = source
        self.kid = kid
        self._key = key

    def build(self, body: CompletionRecorded, *, event_id: str, time: datetime | None = None) -> Message:
        """The signed event for a completion, under the learner's reference as its key. Pure: the same arguments
        give the same bytes. `time` is the completion's own unless given."""
        unsigned = message(
            COMPLETIONS, body, key=body.learner.reference, event_id=event_id, source=self.source,
            time=time or body.completed_at,
        )  # fmt: skip
        return replace(unsigned, event=sign(unsigned.event, self._key, self.kid))

    async def publish(self, messages: Sequence[Message]) -> None:
        """Send all and wait until the brokers have confirmed all; each is a span that its record carries on.

        Raises:
            NotConfirmed: not all was confirmed in time; NotAllowed, since this user may not write there.
        """
        assert self._kafka is not None, "use the client as an async context manager"
        spans = [_span(each) for each in messages]
        outgoing = [replace(each, trace=_carrier(span)) for each, span in zip(messages, spans, strict=True)]
        try:
            await self._guarded(self._kafka.publish(outgoing))
        except NotConfirmed as error:
            for span in spans:
                span.set_status(StatusCode.ERROR, str(error))
            raise
        finally:
            for span in spans:
                span.end()

    async def __aenter__(self) -> PartnerClient:
        """Connect.

        Raises:
            NotConfirmed: no broker answers, or none takes the user name and password.
            ValueError: the security settings do not go together.
        """
        # Who only reads and signs completions should not wait for a Kafka client to be loaded.
        from laurel.runtime.health import Health  # noqa: PLC0415
        from laurel.runtime.kafka import Kafka  # noqa: PLC0415
        from laurel.runtime.settings import KafkaSettings  # noqa: PLC0415

        given = {name: value for name, value in self._security.items() if value is not None}
        if "kafka_username" in given:
            given["kafka_security_protocol"] = "SASL_SSL"
        settings = KafkaSettings(
            kafka_bootstrap=self._bootstrap, kafka_idempotence=self._idempotence, **given
        )  # fmt: skip
        self._kafka = Kafka(settings, "partner", Health())
        try:
            await self._guarded(self._kafka.connect())
        except BaseException:
            await self._kafka.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._kafka is not None:
            await self._kafka.stop()

    async def _guarded(self, call: Awaitable[None]) -> None:
        from laurel.runtime.faults import is_refusal, is_transient  # noqa: PLC0415
        from laurel.runtime.kafka import LoginRefused  # noqa: PLC0415

        try:
            async with asyncio.timeout(self._timeout):
                await call
        except Exception as error:
            if isinstance(error, LoginRefused):
                raise NotAllowed(error.sentence) from error
            if is_refusal(error):
                raise NotAllowed(f"Kafka does not let this user write there ({type(error).__name__}).") from error
            if not is_transient(error):
                raise
            raise NotConfirmed(
                f"The broker at {self._bootstrap} did not confirm ({type(error).__name__}): "
                "publish the same again when it answers."
            ) from error


def _span(outgoing: Message) -> Span:
    return _tracer.start_span(
        f"publish {outgoing.event.type}", kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "kafka", "messaging.destination.name": outgoing.topic.name,
            "messaging.message.id": outgoing.event.id,
        },
    )  # fmt: skip


def _carrier(span: Span) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=trace.set_span_in_context(span))
    return carrier


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one entry of a file. `number` counts lines, or the items of an array, from 1."""

    number: int
    pointer: str
    detail: str


def read_events(path: Path) -> Iterator[Completion | Finding]:
    """The completions of a file, and a finding for all that is wrong in it; a bad entry does not stop the others.

    The file is JSON Lines, or a JSON array of at most 64 MB; each entry is
    `{"id": "...", "time": "...", "data": {...}}`, with `time` optional.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        seen: dict[str, int] = {}
        for number, entry in _entries(file):
            yield from _read_entry(number, entry, seen)


def _entries(file: BinaryIO) -> Iterator[tuple[int, bytes | Rejected]]:
    number, started = 0, False
    while line := file.readline(EVENT_SIZE_LIMIT + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not started and line.lstrip().startswith(b"["):
            yield from _array(line + file.read(ARRAY_SIZE_LIMIT))
            return
        started = started or bool(line.strip())
        if len(line) > EVENT_SIZE_LIMIT:
            yield number, _too_large("line", EVENT_SIZE_LIMIT)
            while line and not line.endswith(b"\n"):
                line = file.readline(EVENT_SIZE_LIMIT)
        elif line.strip():
            yield number, line


def _array(text: bytes) -> Iterator[tuple[int, bytes | Rejected]]:
    if len(text) > ARRAY_SIZE_LIMIT:
        yield 1, _too_large("array", ARRAY_SIZE_LIMIT)
        return
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        yield error.lineno, Rejected(Code.MALFORMED_EVENT, "", f"The file is not a JSON array: {error.msg}.")
        return
    for number, item in enumerate(items, 1):
        try:
            entry = orjson.dumps(item)
        except orjson.JSONEncodeError:  # it reads deeper than it writes
            yield number, Rejected(Code.MALFORMED_EVENT, "", "The item is nested too deeply: send flat JSON.")
            continue
        yield number, entry if len(entry) <= EVENT_SIZE_LIMIT else _too_large("item", EVENT_SIZE_LIMIT)


def _read_entry(number: int, entry: bytes | Rejected, seen: dict[str, int]) -> Iterator[Completion | Finding]:
    if isinstance(entry, Rejected):
        yield Finding(number, entry.pointer, entry.detail)
        return
    try:
        # Readers of an event pass over fields they do not know; in a file, such a field is a misspelling.
        completion = Completion.model_validate_json(entry, extra="forbid")
    except ValidationError as error:
        yield from (Finding(number, each.pointer, each.detail) for each in rejections_of(error))
        return
    first = seen.setdefault(completion.id, number)
    if first != number:
        yield Finding(number, "/id", f"The id is that of entry {first} already: give each completion its own.")
    else:
        yield completion


def _too_large(what: str, limit: int) -> Rejected:
    return Rejected(Code.EVENT_TOO_LARGE, "", f"The {what} is over {limit} bytes: make it smaller or divide it.")
