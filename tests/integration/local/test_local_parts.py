"""The brokers, the database and the mail catcher, each as the real process it is."""

import shutil
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import MongoClient

from laurel_local.broker import ApacheKafka, Broker, EmbeddedBroker, Unavailable, obtain_kafka
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.processes import StartError, free_port
from support.missing import not_here


async def create_topic(broker: Broker, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()


async def produce(broker: Broker, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, acks="all", enable_idempotence=broker.idempotence
    ) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=value)


async def consume(broker: Broker, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id="readers",
        auto_offset_reset="earliest",
        session_timeout_ms=6_000,  # the embedded broker lets half of it pass before a group starts
    ) as consumer:
        return sorted([(await consumer.getone()).value for _ in range(count)])


async def test_the_embedded_broker_carries_messages(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    try:
        await create_topic(broker, "letters")
        await produce(broker, "letters", [b"a", b"b", b"c"])
        assert await consume(broker, "letters", 3) == [b"a", b"b", b"c"]
    finally:
        broker.stop()
    assert broker.process.returncode == 0


def test_a_broker_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path / "first")
    first.start()
    try:
        with pytest.raises(StartError, match=rf"embedded broker: port {first.port} .* in use"):
            EmbeddedBroker(tmp_path / "second", port=first.port).start()
    finally:
        first.stop()


@pytest.mark.kafka
async def test_apache_kafka_keeps_its_data(tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path)
    try:
        broker.start()
        await create_topic(broker, "letters")
        await produce(broker, "letters", [b"a", b"b", b"c"])
        assert await consume(broker, "letters", 3) == [b"a", b"b", b"c"]
        broker.stop()
        assert broker.process.returncode == 128 + 15  # in order: Java's exit code for SIGTERM
        broker.start()
        await produce(broker, "letters", [b"d"])
        assert await consume(broker, "letters", 1) == [b"d"], "the group's offsets were kept too"
        broker.process.kill()
        moved = ApacheKafka(tmp_path)
        moved.start()
        try:
            async with AIOKafkaConsumer(
                "letters", bootstrap_servers=moved.bootstrap, auto_offset_reset="earliest"
            ) as everything:
                found = sorted([(await everything.getone()).value for _ in range(4)])
        finally:
            moved.stop()
        assert found == [b"a", b"b", b"c", b"d"]
    except Unavailable as reason:
        not_here(str(reason))
    finally:
        broker.stop()


def test_apache_kafka_needs_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"^Apache Kafka [\d.]+ needs Java 17, and none runs here\.$"):
        ApacheKafka(tmp_path / "data", tmp_path / "cache").start()


def test_apache_kafka_needs_maven_only_to_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"needs Maven"):
        ApacheKafka(tmp_path / "data", tmp_path / "cache").start()


@pytest.mark.kafka
def test_an_unreachable_maven_central_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("mvn") is None:
        not_here("Maven is not installed")
    mirror = "<mirror><id>closed</id><mirrorOf>*</mirrorOf><url>http://127.0.0.1:1/</url></mirror>"
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(f"<settings><mirrors>{mirror}</mirrors></settings>")
    monkeypatch.setenv("MAVEN_OPTS", f"-Duser.home={tmp_path}")
    with pytest.raises(Unavailable, match=r"could not be downloaded from Maven Central: \w.*refused"):
        obtain_kafka(tmp_path / "cache")
    assert list((tmp_path / "cache").glob("kafka-*")) == []


def test_the_database_survives_a_stop(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path)
    try:
        database.start()
        with MongoClient[dict[str, object]](database.url) as client:
            client.shop.things.insert_one({"_id": 1, "name": "loom"})
        database.stop()
        assert database.process.returncode == 0
        database.start()
        with MongoClient[dict[str, object]](database.url) as client:
            assert client.shop.things.find_one({"_id": 1}) == {"_id": 1, "name": "loom"}
    finally:
        database.stop()


def test_the_database_keeps_through_a_kill_what_it_acknowledged(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path, keep=False)
    try:
        database.start()
        with MongoClient[dict[str, object]](database.url) as client:
            for number in range(200):
                client.shop.things.insert_one({"_id": number})
            database.process.kill()
        database.start()
        with MongoClient[dict[str, object]](database.url) as client:
            assert client.shop.things.count_documents({}) == 200
    finally:
        database.stop()


def test_a_throwaway_database_leaves_no_data(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path, keep=False)
    database.start()
    with MongoClient[dict[str, object]](database.url) as client:
        client.shop.things.insert_one({"_id": 1})
    database.stop()
    assert not (tmp_path / "data").exists()


@pytest.fixture(scope="module")
def running_mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    mailbox = Mailbox(tmp_path_factory.mktemp("mailbox"))
    mailbox.start()
    yield mailbox
    mailbox.stop()
    assert mailbox.process.returncode == 0


@pytest.fixture
def mailbox(running_mailbox: Mailbox) -> Mailbox:
    running_mailbox.clear()
    running_mailbox.fail(451, 0)
    return running_mailbox


def letter(subject: str = "Grüße") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "school@school.example"
    message["To"] = "Ana <ana@learner.example>"
    message["Subject"] = subject
    message["Message-ID"] = "<1@school.example>"
    message.set_content("See https://school.example/c?a=1&b=2\n<script>alert(1)</script>\n")
    return message


def send(mailbox: Mailbox, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as smtp:
        smtp.send_message(message)


def get(mailbox: Mailbox, path: str) -> str:
    with urllib.request.urlopen(mailbox.http_url + path) as answer:
        return str(answer.read().decode())


def test_the_mailbox_keeps_what_it_gets(mailbox: Mailbox) -> None:
    send(mailbox, letter())
    (message,) = mailbox.messages()
    assert message["Subject"] == "Grüße"
    assert "school.example/c" in message.get_content()
    (listed,) = orjson.loads(get(mailbox, "/messages"))
    assert listed.pop("receivedAt").endswith("Z")
    mail_id = listed.pop("id")
    assert listed == {"to": ["ana@learner.example"], "subject": "Grüße", "messageId": "<1@school.example>"}
    assert "Message-ID: <1@school.example>" in get(mailbox, f"/messages/{mail_id}")


def test_the_mailbox_fails_as_often_as_it_is_told(mailbox: Mailbox) -> None:
    mailbox.fail(451, 2)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError) as failure:
            send(mailbox, letter())
        assert failure.value.smtp_code == 451
    assert mailbox.messages() == []
    send(mailbox, letter())
    assert len(mailbox.messages()) == 1


def test_the_mailbox_refuses_to_fail_with_a_success(mailbox: Mailbox) -> None:
    with pytest.raises(ValueError, match="400 to 599"):
        mailbox.fail(250, 1)


def test_the_page_shows_a_mail_as_text(mailbox: Mailbox) -> None:
    send(mailbox, letter("<b>Bold</b>"))
    page = get(mailbox, "/")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<h2>&lt;b&gt;Bold&lt;/b&gt;</h2>" in page
    assert '<a href="https://school.example/c?a=1&amp;b=2">' in page


def test_a_broken_mail_does_not_take_the_listing_away(mailbox: Mailbox) -> None:
    broken = b"Message-ID: <<\r\nSubject: =?x?q?\r\nContent-Type: multipart/mixed\r\n\r\nwhat"
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as smtp:
        smtp.sendmail("a@x.example", ["b@x.example"], broken)
    send(mailbox, letter())
    assert [mail["messageId"] for mail in orjson.loads(get(mailbox, "/messages"))] == [
        "<<",
        "<1@school.example>",
    ]
    assert "Mail (2)" in get(mailbox, "/")


@pytest.mark.parametrize("mail_id", ["nothing", "..%2Fmailbox.log", "20260101T000000.000000Z-0"])
def test_no_other_file_is_served(mailbox: Mailbox, mail_id: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(mailbox, f"/messages/{mail_id}")


def test_a_page_of_another_host_name_gets_nothing(mailbox: Mailbox) -> None:
    request = urllib.request.Request(mailbox.http_url, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_a_port_can_be_given(tmp_path: Path) -> None:
    port = free_port()
    assert EmbeddedBroker(tmp_path, port=port).bootstrap == f"127.0.0.1:{port}"
