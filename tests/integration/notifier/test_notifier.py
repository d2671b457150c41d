"""From events to mails: broker, database and mail catcher are real, and so is the service."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

import structlog
from pymongo import MongoClient

from integration.notifier.conftest import TRACE, Events, Start
from laurel.contracts.operations import DeliveryFailed, DeliverySucceeded
from laurel.contracts.status import State
from laurel.contracts.topics import DELIVERIES
from laurel_local.database import EmbeddedDatabase
from support.log import read_topic
from support.waiting import eventually


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_every_event_three_times_is_one_mail(start: Start, events: Events) -> None:
    notifier = await start()
    later = replace(events, credential=events.credential + "2")
    for _ in range(3):
        await notifier.publish(events.issued(), events.recipient())
    await notifier.closed(events.credential, "sent")
    await notifier.publish(events.issued(), events.recipient(), later.issued(), later.recipient())
    await notifier.closed(later.credential, "sent")
    assert len(notifier.mailbox.messages()) == 2
    mail = notifier.mailbox.messages()[0]
    assert mail["Subject"] == "Your credential: Course welding"
    assert mail["To"] == "Ana Ångström <ana@learner.example>"
    assert mail["From"] == "Laurel <badges@laurel.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert events.credential in text_of(mail)
    assert "Member north has awarded you" in text_of(mail)


async def test_a_recipient_may_come_first_or_last(start: Start, events: Events) -> None:
    notifier = await start()
    last = replace(events, credential=events.credential + "2")
    await notifier.publish(events.recipient(language="de-AT"))
    await notifier.publish(last.issued())
    waiting = await notifier.row_when(last.credential, lambda row: True)
    assert waiting["attempts"] == []
    await notifier.publish(last.recipient(), events.issued())
    await notifier.closed(events.credential, "sent")
    sent = await notifier.closed(last.credential, "sent")
    assert len(sent["attempts"]) == 1
    subjects = {mail["Subject"] for mail in notifier.mailbox.messages()}
    assert subjects == {"Ihr Nachweis: Course welding", "Your credential: Course welding"}


async def test_the_catalog_may_come_last(start: Start, events: Events) -> None:
    notifier = await start(catalog=False)
    await notifier.publish(events.issued(), events.recipient())
    await notifier.row_when(events.credential, lambda row: row.get("waitingFor") == "catalog")
    await notifier.publish(*events.world.catalog_messages())
    assert len((await notifier.closed(events.credential, "sent"))["attempts"]) == 1


async def test_a_revocation_is_told_and_nothing_else_is(start: Start, events: Events) -> None:
    notifier = await start()
    await notifier.publish(events.issued(), events.recipient(), events.status(State.ACTIVE, 1))
    await notifier.closed(events.credential, "sent")
    await notifier.publish(events.heartbeat(), events.status(State.SUSPENDED, 2), events.status(State.ACTIVE, 3))
    await notifier.publish(events.status(State.REVOKED, 4), events.status(State.REVOKED, 4))
    await notifier.closed(events.credential, "sent", "revoked")
    _, mail = notifier.mailbox.messages()
    assert mail["Subject"] == "Revoked: Course welding"
    assert "Reason given: Issued in error" in text_of(mail)
    assert "hello@north.example.org" in text_of(mail)
    assert len(await notifier.rows(events.credential)) == 2


async def test_a_revocation_before_the_learner_heard_leads_to_no_mail(start: Start, events: Events) -> None:
    notifier = await start(retry_seconds=(3600,))
    notifier.mailbox.fail(451, 1)
    await notifier.publish(events.issued(), events.recipient())
    await notifier.row_when(events.credential, lambda row: any("nextAt" in attempt for attempt in row["attempts"]))
    await notifier.publish(events.status())
    await notifier.closed(events.credential, "superseded")
    await notifier.closed(events.credential, "superseded", "revoked")
    assert notifier.mailbox.messages() == []


async def test_a_mail_server_that_is_down_is_waited_for(start: Start, events: Events) -> None:
    notifier = await start(retry_seconds=(0.2,) * 200)
    notifier.mailbox.stop()
    await notifier.publish(events.issued(), events.recipient())
    await notifier.row_when(events.credential, lambda row: len(row["attempts"]) > 1)
    notifier.mailbox.start()
    row = await notifier.closed(events.credential, "sent")
    assert row["attempts"][0]["outcome"] == "deferred"
    assert len(notifier.mailbox.messages()) == 1


async def test_attempts_are_recorded_and_reported_in_the_senders_trace(start: Start, events: Events) -> None:
    notifier = await start()
    notifier.mailbox.fail(451, 2)
    await notifier.publish(events.issued(), events.recipient())
    row = await notifier.closed(events.credential, "sent")
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["deferred", "deferred", "sent"]
    assert row["attempts"][0]["detail"] == "451 refused as asked"
    assert len(notifier.mailbox.messages()) == 1

    async def told() -> list[DeliverySucceeded | DeliveryFailed]:
        reports = await notifier.reports()
        return reports if len(reports) == 3 else []

    reports = await eventually(told)
    assert [type(report) for report in reports] == [DeliveryFailed, DeliveryFailed, DeliverySucceeded]
    assert [report.attempt for report in reports] == [1, 2, 3]
    trace_id = TRACE["traceparent"].split("-")[1]
    for record in await read_topic(notifier.settings, DELIVERIES):
        assert record.key == b"mail"
        assert trace_id in dict(record.headers)["traceparent"].decode()


async def test_personal_data_stays_with_the_recipient(
    start: Start, events: Events, database: EmbeddedDatabase, database_name: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        notifier = await start()
        notifier.mailbox.fail(550, 1)
        await notifier.publish(events.issued(), events.recipient())
        await notifier.closed(events.credential, "failed")
        later = replace(events, credential=events.credential + "2")
        await notifier.publish(later.issued(), later.recipient())
        row = await notifier.closed(later.credential, "sent")
    assert row["address"] == "a***@learner.example"
    with MongoClient[dict[str, object]](database.url) as client:
        stored = list(client[database_name].deliveries.find())
        assert client[database_name].recipients.count_documents({}) == 2
    await eventually(notifier.reports)
    published = [record.value for record in await read_topic(notifier.settings, DELIVERIES)]
    metrics = (await notifier.get("/metrics")).text
    assert 'laurel_mails_sent_total{language="en",occasion="issued"}' in metrics
    for place in (logs, stored, published, metrics, (await notifier.get("/deliveries")).json()):
        for personal in ("ana@", "Ana", "Ångström"):
            assert personal not in str(place)


async def test_two_notifiers_send_each_mail_once(start: Start, events: Events) -> None:
    notifier = await start()
    await start()
    many = [replace(events, credential=f"{events.credential}{number}") for number in range(40)]
    await notifier.publish(*(message for each in many for message in (each.issued(), each.recipient())))
    for each in many:
        await notifier.closed(each.credential, "sent")
    assert len({mail["Message-ID"] for mail in notifier.mailbox.messages()}) == 40
    assert len(notifier.mailbox.messages()) == 40
