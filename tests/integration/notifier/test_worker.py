"""The worker on a real database and mail catcher, with a clock of the test's own and no broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.notifier.conftest import TOKEN, get
from laurel.contracts.operations import Occasion
from laurel.contracts.topics import Message
from laurel.runtime.catalog import CatalogView
from laurel.runtime.faults import Transient
from laurel.runtime.health import Health
from laurel.runtime.mongo import Mongo
from laurel_local.mailbox import Mailbox
from notifier import letter
from notifier.app import build
from notifier.claims import Claim, Claimed
from notifier.config import NotifierSettings
from notifier.delivery import Worker
from notifier.domain import Delivery, DeliveryState, Missing, Outcome, Recipient, delivery_id
from notifier.smtp import MailServer
from notifier.store import Store
from support.waiting import eventually
from support.world import World

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CREDENTIAL = "https://badges.example/credentials/one"


def row(credential: str = CREDENTIAL, occasion: Occasion = Occasion.ISSUED) -> Delivery:
    return Delivery(
        id=delivery_id(credential, occasion), credential=credential, occasion=occasion, issuer="north",
        achievement="welding", since=START, created_at=START, due_at=START,
    )  # fmt: skip


@dataclass
class Bench:
    """A worker, its database, and what it published."""

    settings: NotifierSettings
    store: Store
    catalog: CatalogView
    now: datetime = START
    published: list[Message] = field(default_factory=list)
    broker_away: bool = False

    def worker(self, server: MailServer | None = None, **changes: Any) -> Worker:
        settings = self.settings.model_copy(update=changes)
        return Worker(
            self.store, self.catalog, server or MailServer(settings), self.publish, settings,
            clock=lambda: self.now, draw=lambda: 0.5,
        )  # fmt: skip

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.broker_away:
            raise Transient("no broker")
        self.published.extend(messages)

    async def add(self, *rows: Delivery) -> None:
        # A worker that runs already would put off a row without a recipient, and this clock stands still.
        await self.store.add_recipients([
            Recipient(each.credential, "Ana", "ana@learner.example", "en", START + timedelta(days=400))
            for each in rows
        ])  # fmt: skip
        await self.store.add_deliveries(rows)

    async def get(self, row_id: str) -> Delivery:
        found = await self.store.delivery(row_id)
        assert found is not None
        return found

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def bench(local_settings: NotifierSettings, mailbox: Mailbox, world: World) -> AsyncIterator[Bench]:
    mongo = Mongo(local_settings)
    catalog = CatalogView(local_settings, "notifier", Health())
    published = {type(body).__name__ + body.id: body for body in world.published()}
    catalog.issuers["north"] = published["IssuerPublishednorth"]  # type: ignore[assignment]
    catalog.achievements["welding"] = published["AchievementPublishedwelding"]  # type: ignore[assignment]
    settings = local_settings.model_copy(
        update={"retry_seconds": (10, 100), "lease_seconds": 60, "smtp_port": mailbox.smtp_port}
    )
    bench = Bench(settings, Store(mongo), catalog)
    await bench.store.prepare()
    yield bench
    await mongo.close()


async def test_a_refusal_for_now_is_tried_again_with_the_same_mail(bench: Bench, mailbox: Mailbox) -> None:
    seen: list[bytes] = []

    class Seeing(MailServer):
        async def send(self, recipient: str, content: bytes) -> Any:
            seen.append(content)
            return await super().send(recipient, content)

    worker = bench.worker(Seeing(bench.settings))
    await bench.add(row())
    mailbox.fail(451, 1)
    assert await worker.run_once() == 0
    tried = await bench.get(row().id)
    assert tried.due_at == START + timedelta(seconds=10)
    bench.catalog.achievements["welding"] = bench.catalog.achievements["welding"].model_copy(update={"name": "Renamed"})
    bench.pass_by(9.5)
    assert await worker.run_once() == pytest.approx(0.5)
    bench.pass_by(0.5)
    await worker.run_once()
    assert seen[0] == seen[1]
    (mail,) = mailbox.messages()
    assert mail["Message-ID"] == f"<{row().id}@laurel.example>"
    assert mail["Date"] == "Mon, 01 Jun 2026 12:00:00 +0000"
    await until_idle(worker)
    assert (await bench.store.claims()).held == ()


async def test_a_refusal_for_good_ends_it(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    mailbox.fail(550, 1)
    await bench.worker().run_once()
    failed = await bench.get(row().id)
    assert (failed.state, failed.due_at, len(failed.attempts)) == (DeliveryState.FAILED, None, 1)
    assert failed.attempts[0].detail == "550 refused as asked"
    assert "nextAttemptAt" not in bench.published[0].event.data.decode()


async def test_after_the_last_attempt_it_is_given_up(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    mailbox.fail(451, 9)
    for _ in range(4):
        await until_idle(bench.worker())
        bench.pass_by(100)
    failed = await bench.get(row().id)
    assert (failed.state, failed.due_at, len(failed.attempts)) == (DeliveryState.FAILED, None, 3)
    assert [message.event.type for message in bench.published] == ["delivery.failed"] * 3


async def until_idle(worker: Worker) -> None:
    while await worker.run_once() == 0:
        pass


async def die(*_: Any) -> bool:
    """Stands in for what a process was about to do when it ended."""
    raise KeyError("the process ended here")


async def test_workers_side_by_side_send_a_mail_once(bench: Bench, mailbox: Mailbox) -> None:
    rows = [row(f"{CREDENTIAL}{number}") for number in range(30)]
    await bench.add(*rows)
    await asyncio.gather(*(until_idle(bench.worker()) for _ in range(3)))
    assert len(mailbox.messages()) == 30
    assert {(await bench.get(each.id)).state for each in rows} == {DeliveryState.SENT}


async def test_a_worker_that_dies_after_the_servers_yes_repeats_the_same_mail_once(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.add(row())

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "record", die)
        with pytest.raises(KeyError):
            await bench.worker().run_once()
    await bench.worker().run_once()
    assert len(mailbox.messages()) == 1, "the claim still stands"
    bench.pass_by(60)
    await until_idle(bench.worker())
    first, second = mailbox.messages()
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes() == second.as_bytes()
    sent = await bench.get(row().id)
    assert [attempt.outcome for attempt in sent.attempts] == [None, Outcome.SENT]


async def test_a_database_away_for_a_moment_costs_no_second_mail(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.add(row())
    record, calls = bench.store.record, 0

    async def sometimes(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Transient("no database")
        return await record(*arguments)

    monkeypatch.setattr(bench.store, "record", sometimes)
    await bench.worker().run_once()
    assert (await bench.get(row().id)).state is DeliveryState.SENT
    assert len(mailbox.messages()) == 1


async def test_attempts_that_nobody_lived_to_record_are_used_up_too(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.add(row())

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(Worker, "_hand_over", die)
            with pytest.raises(KeyError):
                await bench.worker().run_once()
        bench.pass_by(60)
        await bench.worker().run_once()
    await until_idle(bench.worker())
    failed = await bench.get(row().id)
    assert failed.state is DeliveryState.FAILED
    assert [attempt.outcome for attempt in failed.attempts] == [None, None, Outcome.UNKNOWN]
    assert failed.perhaps_heard
    assert [message.event.type for message in bench.published] == ["delivery.failed"]
    assert mailbox.messages() == []


async def test_only_the_mail_in_hand_may_have_gone_out_with_a_worker_that_died(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(f"{CREDENTIAL}{number}") for number in range(9)]
    await bench.add(*rows)
    record, calls = bench.store.record, 0

    async def some(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise KeyError("the process ended here")
        return await record(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "record", some)
        with pytest.raises(KeyError):
            await bench.worker().run_once()
    bench.pass_by(60)
    await until_idle(bench.worker())
    outcomes = [tuple(attempt.outcome for attempt in (await bench.get(each.id)).attempts) for each in rows]
    assert sorted(outcomes, key=len) == [(Outcome.SENT,)] * 8 + [(None, Outcome.SENT)]
    assert len(mailbox.messages()) == 10
    # Those whose ends were recorded, and not told, are told by who finds the claim.
    assert len({message.event.id for message in bench.published}) == len(bench.published) == 9


async def test_a_worker_that_slept_past_its_claim_begins_no_mail(bench: Bench, mailbox: Mailbox) -> None:
    class Sleepy(MailServer):
        async def send(self, recipient: str, content: bytes) -> Any:
            answer = await super().send(recipient, content)
            bench.pass_by(61)
            return answer

    rows = [row(f"{CREDENTIAL}{number}") for number in range(3)]
    await bench.add(*rows)
    await bench.worker(Sleepy(bench.settings)).run_once()
    assert len(mailbox.messages()) == 1
    await until_idle(bench.worker())
    assert len(mailbox.messages()) == 3


async def test_a_shorter_schedule_closes_what_is_past_it(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    mailbox.fail(451, 2)
    await until_idle(bench.worker())
    bench.pass_by(10)
    await until_idle(bench.worker())
    bench.pass_by(100)
    await bench.worker(retry_seconds=(10,)).run_once()
    assert (await bench.get(row().id)).state is DeliveryState.FAILED
    assert mailbox.messages() == []


async def test_a_report_that_could_not_be_published_is_published_later(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    bench.broker_away = True
    with pytest.raises(Transient):
        await bench.worker().run_once()
    sent = await bench.get(row().id)
    assert sent.state is DeliveryState.SENT
    assert (await bench.store.claims()).ids == {row().id}
    bench.broker_away = False
    bench.pass_by(60)
    await until_idle(bench.worker())
    bench.pass_by(60)
    await until_idle(bench.worker())
    (report,) = bench.published
    assert report.event.type == "delivery.succeeded"
    assert (await bench.get(row().id)).due_at is None
    assert len(mailbox.messages()) == 1


async def test_without_a_recipient_it_waits_then_closes(bench: Bench, mailbox: Mailbox) -> None:
    await bench.store.add_deliveries([row()])
    await bench.worker().run_once()
    waiting = await bench.get(row().id)
    assert (waiting.waiting_for, waiting.due_at) == (Missing.RECIPIENT, START + timedelta(seconds=1))
    bench.pass_by(8 * 86400)
    await bench.worker().run_once()
    closed = await bench.get(row().id)
    assert (closed.state, closed.attempts, closed.due_at) == (DeliveryState.NO_RECIPIENT, (), None)


async def test_nobody_is_written_to_after_their_data_expired(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    bench.pass_by(400 * 86400)  # the database deletes within a minute; until then we look ourselves
    await bench.worker().run_once()
    assert (await bench.get(row().id)).state is DeliveryState.NO_RECIPIENT
    assert mailbox.messages() == []


async def test_a_learner_who_may_have_heard_is_told_of_the_revocation(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    claim = Claim(1, bench.now, bench.now + timedelta(seconds=60), 1, (Claimed(row().id, 0),))
    await bench.store.change_claims(await bench.store.claims(), (claim,))
    await bench.store.add_deliveries([row(occasion=Occasion.REVOKED)])
    await bench.worker().run_once()
    assert (await bench.get(row(occasion=Occasion.REVOKED).id)).waiting_for is Missing.ISSUED_MAIL
    bench.pass_by(60)
    await until_idle(bench.worker())
    assert (await bench.get(row().id)).state is DeliveryState.SUPERSEDED
    (mail,) = mailbox.messages()
    assert mail["Subject"] == "Revoked: Course welding"


async def test_a_mail_that_cannot_be_written_stops_no_other(
    bench: Bench, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., bytes] = letter.write

    def broken(each: Delivery, *rest: Any) -> bytes:
        if each.credential == CREDENTIAL:
            raise ValueError("Ana's name is not right")
        return write(each, *rest)

    monkeypatch.setattr(letter, "write", broken)
    await bench.add(row(), row(CREDENTIAL + "2"))
    await bench.worker().run_once()
    assert len(mailbox.messages()) == 1
    tried = await bench.get(row().id)
    assert (tried.state, tried.attempts[0].detail) == (
        DeliveryState.OPEN, "the mail could not be written: ValueError",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({"smtp_security": "starttls"}, "STARTTLS"),
        ({"smtp_security": "tls", "lease_seconds": 4}, "could not be used"),
        ({"smtp_username": "ana", "smtp_password": "x"}, ""),
    ],
)
async def test_a_server_without_what_we_ask_for_gets_no_mail(
    bench: Bench, mailbox: Mailbox, settings: dict[str, Any], detail: str
) -> None:
    changed = NotifierSettings.model_validate(bench.settings.model_dump() | settings)
    await bench.add(row())
    await bench.worker(MailServer(changed)).run_once()
    tried = await bench.get(row().id)
    assert (tried.state, tried.attempts[0].outcome) == (DeliveryState.OPEN, Outcome.DEFERRED)
    assert detail in tried.attempts[0].detail
    assert mailbox.messages() == []


async def test_an_international_address_is_reached(bench: Bench, mailbox: Mailbox) -> None:
    await bench.store.add_deliveries([row()])
    await bench.store.add_recipients([
        Recipient(CREDENTIAL, "عمر 😀", "jösé@bücher.example", "de", START + timedelta(days=1))
    ])  # fmt: skip
    await bench.worker().run_once()
    (mail,) = mailbox.messages()
    assert mail["Delivered-To"] == "jösé@xn--bcher-kva.example"
    assert (await bench.get(row().id)).state is DeliveryState.SENT


async def test_told_to_stop_it_records_what_it_has_in_hand(bench: Bench, mailbox: Mailbox) -> None:
    handed_over, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MailServer):
        async def send(self, recipient: str, content: bytes) -> Any:
            handed_over.set()
            await go_on.wait()
            return await super().send(recipient, content)

    worker = bench.worker(Slow(bench.settings), send_concurrency=1)
    await bench.add(row(), row(CREDENTIAL + "2"))
    running = asyncio.create_task(worker.run())
    await handed_over.wait()
    draining = asyncio.create_task(worker.drain())
    await asyncio.sleep(0)
    go_on.set()
    await draining
    running.cancel()
    states = sorted([(await bench.get(each)).state for each in (row().id, row(CREDENTIAL + "2").id)])
    assert states == [DeliveryState.OPEN, DeliveryState.SENT]


async def test_it_works_on_when_the_broker_comes_back(bench: Bench, mailbox: Mailbox) -> None:
    worker = bench.worker()
    bench.broker_away = True
    running = asyncio.create_task(worker.run())
    await bench.add(row())
    worker.wake()
    await eventually(mailbox.messages)
    bench.broker_away = False
    bench.pass_by(60)
    await eventually(lambda: bench.published)
    await worker.drain()
    running.cancel()


async def test_the_delivery_log_is_for_operators(bench: Bench) -> None:
    app = build(bench.settings)
    documented = (await get(app, "/openapi.json")).json()["paths"]
    for path, token, status in (
        ("/deliveries", None, 401),
        # It has not begun to read the catalog, so it may be an operator's.
        ("/deliveries", "wrong-token-0123456789-abcdefghijklm", 503),
        ("/deliveries?limit=101", TOKEN, 400),
        ("/deliveries?state=lost", TOKEN, 400),
        ("/deliveries?credential=" + "x" * 501, TOKEN, 400),
        ("/deliveries?state=sent&limit=5", TOKEN, 200),
        ("/metrics", None, 200),
        ("/readyz", None, 503),
    ):
        answer = await get(app, path, token)
        assert answer.status_code == status, path
        assert str(status) in documented[path.partition("?")[0]]["get"]["responses"], path


async def test_the_delivery_log_shows_attempts_and_no_address(bench: Bench, mailbox: Mailbox) -> None:
    await bench.add(row())
    await bench.worker().run_once()
    await bench.store.add_deliveries([replace(row(CREDENTIAL + "2"), created_at=START + timedelta(seconds=1))])
    shown = (await get(build(bench.settings), "/deliveries")).json()["deliveries"]
    assert [each["state"] for each in shown] == ["open", "sent"]
    assert "address" not in shown[0]
    assert shown[1] == {
        "id": row().id, "credential": CREDENTIAL, "occasion": "issued", "state": "sent",
        "address": "a***@learner.example", "createdAt": "2026-06-01T12:00:00Z",
        "attempts": [{"at": "2026-06-01T12:00:00Z", "outcome": "sent", "detail": "kept",
                      "endedAt": "2026-06-01T12:00:00Z"}],
    }  # fmt: skip
