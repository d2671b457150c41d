"""Apache Kafka with TLS, SCRAM and rules: each service and each partner has its own rights, and no others.

What is expected is in `support.rights`, written by hand, and not derived from the catalogue as the rules are.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from laurel.cli.main import main
from laurel.contracts.access import ADMIN, OPERATOR, Grant, grants, topics_of
from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.completions import CompletionRecorded, Learner
from laurel.contracts.topics import AUDIT, COMPLETIONS, CREDENTIALS, DEAD_LETTERS, STATUS_REQUESTS, TOPICS
from laurel.partner import NotAllowed, NotConfirmed, PartnerClient
from laurel.runtime.health import Health
from laurel.runtime.kafka import Kafka, apply_rules, compare_rules, provision, remove_user, scan, set_password
from laurel.runtime.kafka.access import Changes, Rule
from laurel.runtime.kafka.connecting import client_options
from laurel.runtime.kafka.provisioning import NotProvisioned
from laurel.runtime.record import read_event
from laurel_local.broker import Unavailable
from laurel_local.consortium import Consortium, load_or_make
from laurel_local.database import EmbeddedDatabase
from laurel_local.mailbox import Mailbox
from laurel_local.secured_kafka import SecuredKafka
from laurel_local.services import SERVICES, Ports, service_environment
from laurel_local.stack import Stack
from support.missing import not_here
from support.rights import READS, WRITES
from support.secured import Allowed, Secured, admin_client, allowed_topics, joins
from support.waiting import eventually

pytestmark = [pytest.mark.kafka]

USERS = [*(f"laurel-{service}" for service in SERVICES), OPERATOR, "partner-campus", "partner-lernhub", "partner-gone"]
"""All who can connect besides the super user; the last is a partner that is not in the catalog."""


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """The demo's: partners campus and lernhub."""
    return load_or_make(tmp_path_factory.mktemp("consortium"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A secured broker with users, without topics and rules."""
    made = Secured(SecuredKafka(tmp_path_factory.mktemp("secured")), tmp_path_factory.mktemp("passwords"))
    try:
        made.broker.start()
    except Unavailable as reason:
        not_here(f"Apache Kafka could not be obtained: {reason}", tests="every test of Kafka's rules")
    try:
        for user in USERS:
            text = made.password_file(user).read_text().strip()
            asyncio.run(set_password(made.settings(ADMIN), user, text))
        yield made
    finally:
        made.broker.stop()


@pytest.fixture(scope="module")
def refused_before(secured: Secured) -> str:
    """What a service is told while there are no topics."""
    with pytest.raises(NotProvisioned) as refusal:
        asyncio.run(provision(secured.settings("laurel-issuer"), topics_of("issuer")))
    return str(refusal.value)


def laurel(ruled: Secured, user: str, *arguments: object) -> int:
    """Run the command as this user; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laurel.runtime.telemetry.configure", lambda *_, **__: None)
        for name, value in ruled.environment(user).items():
            patch.setenv(name, value)
        return main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def without_audit(secured: Secured, refused_before: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """What becomes of a new user while there is no audit to enter it in: the exit code, and what is said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = laurel(secured, ADMIN, "kafka", "user", "partner-early", "--password-file",
                      secured.password_file("partner-early"))  # fmt: skip
    return code, said.getvalue()


@pytest.fixture(scope="module")
def ruled(secured: Secured, without_audit: tuple[int, str], consortium: Consortium) -> Secured:
    """The broker after `laurel kafka apply`."""
    assert laurel(secured, ADMIN, "kafka", "apply", consortium.catalog_file) == 0
    return secured


async def entered(ruled: Secured) -> list[tuple[str, str, str]]:
    """What the command entered in the audit: who, what, on what."""
    found = []
    async for record in scan(ruled.settings(OPERATOR), AUDIT, 0):
        if ("ce_source", b"urn:laurel:operator") in record.headers:
            read = read_event(record)
            assert read is not None
            assert isinstance(read[1], AdminActionRecorded)
            assert not any(password.encode() in (record.value or b"") for password in ruled.passwords())
            found.append((read[1].operator, read[1].action, read[1].target))
    return found


def expected(user: str) -> Allowed:
    """What this user may do, by the tables that were written by hand."""
    if user == "partner-gone":
        return set()
    name = "partner" if user.startswith("partner-") else user
    return {
        *(("read", topic) for topic in READS[name]), *(("write", topic) for topic in WRITES[name]),
        *(("describe", topic) for topic in READS[name] | WRITES[name]),
    }  # fmt: skip


def test_a_service_that_may_not_make_topics_says_who_can(refused_before: str) -> None:
    assert "laurel kafka apply" in refused_before
    assert all(topic.name in refused_before for topic in topics_of("issuer"))


async def test_with_its_own_rights_alone_each_service_does_its_part(
    ruled: Secured, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A completion becomes a credential, a mail, and a verification. Everything logs all it has to say."""
    ports = Ports.free()
    stack = Stack(tmp_path, ruled.broker, EmbeddedDatabase(tmp_path / "database"), Mailbox(tmp_path / "mailbox"))
    monkeypatch.setattr(ruled.broker, "launch", lambda: None)  # it runs
    monkeypatch.setattr(ruled.broker, "stop", lambda: None)
    for name in SERVICES:
        told = service_environment(name, stack, consortium, ports) | ruled.environment(f"laurel-{name}")
        stack.add_service(name, name, told | {"LAUREL_LOG_LEVEL": "debug"}, f"{ports.url(name)}/readyz")
    with stack:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            bearer = {"Authorization": f"Bearer {consortium.admin_token}"}
            catalog = consortium.catalog.model_dump(mode="json", by_alias=True, exclude_none=True)
            applied = await http.put(f"{ports.url('registry')}/admin/catalog", json=catalog, headers=bearer)
            assert applied.status_code == 200, applied.text

            await publish_one(ruled, consortium)

            mail = await eventually(stack.mailbox.messages, what="the mail", timeout=90)
            address = next(
                word
                for word in mail[0].get_body(("plain",)).get_content().split()  # type: ignore[union-attr]
                if word.startswith(f"{ports.url('registry')}/credentials/")
            ).rstrip(".)")
            held = await http.get(address, headers={"Accept": "application/json"})
            assert held.status_code == 200, held.text

            async def verified() -> bool:
                body = {"verifiableCredential": held.json()}
                answer = await http.post(f"{ports.url('verifier')}/credentials/verify", json=body)
                return bool(answer.json()["verified"])

            await eventually(verified, what="a verifier that knows the status", timeout=60)
    folders = [*(tmp_path / name for name in SERVICES), ruled.broker.directory]
    logs = [file.read_text(errors="replace") for folder in folders for file in folder.glob("*.log")]
    assert len(logs) >= len(SERVICES) + 1
    for password in ruled.passwords():
        shapes = (password, base64.b64encode(password.encode()).decode())
        assert not any(shape in text for shape in shapes for text in logs)


def partner(ruled: Secured, consortium: Consortium, username: str = "partner-campus") -> PartnerClient:
    password = ruled.password_file(username).read_text().strip()
    return PartnerClient(
        ruled.broker.bootstrap, consortium.source("campus"), consortium.kid("campus"),
        consortium.partner_keys["campus"], timeout=30, username=username, password=password,
        ca_file=ruled.broker.ca_file,
    )  # fmt: skip


async def publish_one(ruled: Secured, consortium: Consortium) -> None:
    achievement = next(each for each in consortium.catalog.partners if each.id == "campus").achievements[0]
    body = CompletionRecorded(
        achievement=achievement, completed_at=datetime.now(UTC).replace(microsecond=0),
        learner=Learner(reference="s-1", name="Ana Lima", email="ana@learner.example.org"),
    )  # fmt: skip
    async with partner(ruled, consortium) as campus:
        event = campus.build(body, event_id="rights-1")
        await campus.publish([event])
        for topic in TOPICS:
            if topic not in (COMPLETIONS, STATUS_REQUESTS):
                with pytest.raises(NotAllowed, match="does not let this user write"):
                    await campus.publish([replace(event, topic=topic)])


def test_without_an_audit_no_user_is_made(without_audit: tuple[int, str]) -> None:
    code, said = without_audit
    assert code == 1
    assert "`laurel kafka apply` makes audit.v1" in said


async def test_the_audit_has_the_topics_and_rules_that_were_made_on_an_empty_cluster(
    ruled: Secured, consortium: Consortium
) -> None:
    found = await entered(ruled)
    rules = {str(Rule.of(each)) for each in grants(each.id for each in consortium.catalog.partners)}
    assert {(ADMIN, "topic.make", topic.name) for topic in TOPICS} <= set(found)
    assert {(ADMIN, "rule.add", rule) for rule in rules} <= set(found)
    assert "partner-early" not in {target for _, _, target in found}


async def test_the_audit_has_who_changed_which_users_and_rules_and_no_password(
    ruled: Secured, consortium: Consortium
) -> None:
    password, surplus = ruled.password_file("partner-passing"), Rule.of(Grant("partner-gone", "topic", "x.v1", "Read"))
    before = await entered(ruled)
    await apply_rules(ruled.settings(ADMIN), Changes((surplus,), ()))
    commands: list[tuple[str, int, list[object]]] = [
        (ADMIN, 0, ["user", "partner-passing", "--password-file", password]),
        (ADMIN, 0, ["user", "partner-passing", "--password-file", password]),
        (ADMIN, 0, ["user", "partner-passing", "--remove"]),
        (ADMIN, 1, ["user", "partner-passing", "--remove"]),
        (OPERATOR, 1, ["user", "laurel-issuer", "--password-file", password]),
        (OPERATOR, 1, ["apply", consortium.catalog_file]),
        (ADMIN, 0, ["apply", consortium.catalog_file, "--dry-run"]),
        (ADMIN, 0, ["apply", consortium.catalog_file]),
        (ADMIN, 0, ["apply", consortium.catalog_file]),
    ]
    for user, code, arguments in commands:
        assert await asyncio.to_thread(laurel, ruled, user, "kafka", *arguments) == code, arguments
    assert (await entered(ruled))[len(before) :] == [
        (ADMIN, "user.make", "partner-passing"), (ADMIN, "user.password", "partner-passing"),
        (ADMIN, "user.remove", "partner-passing"), (ADMIN, "rule.withdraw", str(surplus)),
    ]  # fmt: skip


@pytest.mark.parametrize("user", USERS)
async def test_what_a_user_may_do_is_what_is_written_down_for_it(ruled: Secured, user: str) -> None:
    """Every verb on every topic, tried on the broker."""
    assert await allowed_topics(ruled.settings(user)) == expected(user)


@pytest.mark.parametrize("user", USERS)
async def test_a_user_is_at_home_in_its_own_consumer_groups_alone(ruled: Secured, user: str) -> None:
    groups = {service: f"laurel-{service}-completions.v1" for service in SERVICES}
    groups |= {"partners": "partner-campus-reading", "operators": "laurel-operator-reading", "any": "mine"}
    found = {name for name, group in groups.items() if await joins(ruled.settings(user), group)}
    assert found == {user.removeprefix("laurel-")} & set(SERVICES)


@pytest.mark.parametrize("user", USERS)
async def test_nobody_but_the_super_user_changes_topics_rules_or_users(ruled: Secured, user: str) -> None:
    settings = ruled.settings(user)
    async with admin_client(settings) as admin:
        deleted = await admin.delete_topics([topic.name for topic in TOPICS])
        assert {code for _, code in deleted.topic_error_codes} == {29}
    with pytest.raises(ClusterAuthorizationFailedError):
        await compare_rules(settings, grants([]))
    stolen = Rule.of(Grant(user, "topic", "*", "Read"))
    with pytest.raises(ClusterAuthorizationFailedError):
        await apply_rules(settings, Changes((stolen,), ()))
    with pytest.raises(ClusterAuthorizationFailedError):
        await apply_rules(settings, Changes((), (stolen,)))
    with pytest.raises(ClusterAuthorizationFailedError):
        await set_password(settings, "laurel-issuer", "mine now, and for good")
    with pytest.raises(ClusterAuthorizationFailedError):
        await remove_user(settings, "laurel-issuer")


async def test_a_partner_that_reads_completions_as_an_issuer_would_is_refused(ruled: Secured) -> None:
    consumer = AIOKafkaConsumer(
        COMPLETIONS.name, **client_options(ruled.settings("partner-campus")), group_id="laurel-issuer-completions.v1"
    )
    try:
        with pytest.raises((GroupAuthorizationFailedError, TopicAuthorizationFailedError)):
            await _first(consumer)
    finally:
        await consumer.stop()


async def _first(consumer: AIOKafkaConsumer) -> object:
    await consumer.start()
    return await consumer.getone()


@pytest.mark.parametrize("name", ["partner-gone", "partner-nobody"])
async def test_a_partner_without_a_place_in_the_catalog_gets_nothing_across(
    ruled: Secured, consortium: Consortium, name: str
) -> None:
    with pytest.raises(NotConfirmed):
        async with partner(ruled, consortium, name) as stranger:
            await stranger.publish([stranger.build(_body(), event_id="x")])


def _body() -> CompletionRecorded:
    learner = Learner(reference="s-1", name="Ana Lima", email="ana@learner.example.org")
    return CompletionRecorded(achievement="any", learner=learner, completed_at=datetime(2026, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "other",
    [
        {"kafka_security_protocol": "PLAINTEXT", "kafka_ca_file": None, "kafka_username": None,
         "kafka_password_file": None},
        {"kafka_security_protocol": "SSL", "kafka_username": None, "kafka_password_file": None},
        {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca_file": None},
        {"kafka_ca_file": None},
        {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
        {"kafka_sasl_mechanism": "PLAIN"},
        {"kafka_password_file": None, "kafka_password": "not-the-password-of-anybody"},
    ],
)  # fmt: skip
async def test_there_is_no_other_way_in(ruled: Secured, other: dict[str, str | None]) -> None:
    """Without TLS, without a name, with a broker that nobody vouches for, or with a wrong password."""
    settings = ruled.settings("laurel-issuer", **other)
    with pytest.raises(KafkaError):
        async with asyncio.timeout(60):
            await provision(settings, topics_of("issuer"))


async def test_a_password_that_is_not_taken_is_told_from_a_broker_that_is_away(
    ruled: Secured, consortium: Consortium, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    """By a service that waits for it to be mended, by the command, and by a partner's client."""
    wrong = ruled.settings("laurel-verifier", kafka_password_file=None, kafka_password="not-the-password-of-anybody")
    says = "Kafka does not take the password of 'laurel-verifier', or knows no such user: check LAUREL_KAFKA_USERNAME"
    health = Health()
    starting = asyncio.create_task(Kafka(wrong, "verifier", health).start())
    try:
        told = await eventually(lambda: health.not_ready().get("Kafka"), what="the reason for waiting")
    finally:
        starting.cancel()
    assert told.startswith(says)

    with pytest.raises(NotAllowed, match="does not take the password of 'partner-nobody'"):
        async with partner(ruled, consortium, "partner-nobody"):
            pass

    for name, value in ruled.environment("laurel-verifier").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("laurel.runtime.telemetry.configure", lambda *_, **__: None)
    file = tmp_path / "wrong"
    file.touch(mode=0o600)
    file.write_text("not-the-password-of-anybody")
    monkeypatch.setenv("LAUREL_KAFKA_PASSWORD_FILE", str(file))
    assert await asyncio.to_thread(main, ["dead-letters", "list"]) == 1
    assert says in capsys.readouterr().err
    monkeypatch.setenv("LAUREL_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert await asyncio.to_thread(main, ["dead-letters", "list"]) == 3, "nobody is there to take a password"


async def test_a_password_is_changed_while_its_user_works(ruled: Secured) -> None:
    settings, old = ruled.settings("laurel-notifier"), ruled.password_file("laurel-notifier").read_text()
    deliveries = next(topic.name for topic in TOPICS if "notifier" in topic.writers and topic is not DEAD_LETTERS)
    async with AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True) as working:
        await working.send_and_wait(deliveries, b"{}")
        await set_password(ruled.settings(ADMIN), "laurel-notifier", "a new password of the notifier's")
        await working.send_and_wait(deliveries, b"{}")

        async def refused() -> bool:
            try:
                await provision(settings, topics_of("notifier"))
            except KafkaError:
                return True
            return False

        await eventually(refused, what="the old password's end")
        # The same settings: the file is read again by whoever connects anew.
        ruled.password_file("laurel-notifier").write_text("a new password of the notifier's")
        assert await provision(settings, topics_of("notifier")) == ()
        await working.send_and_wait(deliveries, b"{}")
    await set_password(ruled.settings(ADMIN), "laurel-notifier", old.strip())
    ruled.password_file("laurel-notifier").write_text(old)


async def test_a_service_publishes_with_an_idempotent_producer_and_no_more_than_write(ruled: Secured) -> None:
    kafka = Kafka(ruled.settings("laurel-verifier"), "verifier", Health())
    await kafka.start()
    await kafka.stop()
    producer = AIOKafkaProducer(**client_options(ruled.settings("laurel-verifier")), enable_idempotence=True)
    async with producer:
        await producer.send_and_wait("verifications.v1", b"{}")


async def test_rules_that_should_not_be_there_are_withdrawn_and_others_left_alone(
    ruled: Secured, consortium: Consortium
) -> None:
    admin = ruled.settings(ADMIN)
    wanted = grants(each.id for each in consortium.catalog.partners)
    everything = Rule.of(Grant("partner-campus", "topic", "*", "Read"))._replace(operation=2)  # all of them
    foreign = Rule.of(Grant("payroll", "topic", "payroll", "Read"))
    before = await compare_rules(admin, wanted)
    assert before.missing == before.surplus == ()
    await apply_rules(admin, replace(before, missing=(everything, foreign)))

    async def seen() -> bool:
        return (await compare_rules(admin, wanted)).surplus == (everything,)

    await eventually(seen, what="the rule that somebody added")
    assert ("read", CREDENTIALS.name) in await allowed_topics(ruled.settings("partner-campus"))
    await apply_rules(admin, await compare_rules(admin, wanted))

    async def gone() -> bool:
        return (await compare_rules(admin, wanted)).surplus == ()

    await eventually(gone, what="its withdrawal")
    assert await allowed_topics(ruled.settings("partner-campus")) == expected("partner-campus")
    await apply_rules(admin, replace(before, surplus=(foreign,)))


@pytest.mark.parametrize(
    ("user", "arguments", "code", "told"),
    [
        (OPERATOR, ["dead-letters", "list"], 0, ""),
        (OPERATOR, ["kafka", "user", "laurel-issuer", "--remove"], 1, "Kafka does not let this user do that"),
        ("partner-campus", ["kafka", "user", "laurel-issuer", "--remove"], 1, "Kafka does not let this user do that"),
        (ADMIN, ["kafka", "user", "partner-nobody", "--remove"], 1, "There is no user partner-nobody"),
        (ADMIN, ["kafka", "user", "alice", "--remove"], 2, "'alice' is nobody in Laurel"),
    ],
)
def test_a_command_does_what_its_user_may(
    ruled: Secured, user: str, arguments: list[str], code: int, told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("laurel.runtime.telemetry.configure", lambda *_, **__: None)
    for name, value in ruled.environment(user).items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == code
    assert told in capsys.readouterr().err
