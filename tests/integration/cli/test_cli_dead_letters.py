"""`laurel dead-letters` on real brokers: what is listed, what is shown, and what a replay does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from laurel.contracts.audit import AdminActionRecorded
from laurel.contracts.errors import Code
from laurel.contracts.operators import ANYBODY
from laurel.contracts.topics import AUDIT, CATALOG, COMPLETIONS, CREDENTIALS, DEAD_LETTERS, Topic
from laurel.runtime.kafka import dead_letter, provision, resend
from laurel.runtime.record import Record, read_event
from laurel.runtime.settings import KafkaSettings
from support.command import Ran, Run
from support.log import publish, read_topic
from support.world import EPOCH

BROKEN = Record(
    COMPLETIONS.name, 3, 17, b"learner-1", (("ce_id", b"e-1"), ("odd", b"\xff\xfe"), ("odd", b"twice")), b"\x00not json"
)


def bury(
    settings: KafkaSettings, record: Record, *, service: str = "issuer", code: Code = Code.UNEXPECTED_FAILURE,
    at: datetime = EPOCH, reason: str = "ValueError: it broke",
) -> str:  # fmt: skip
    """Dead-letter a record; the letter's id."""
    letter = dead_letter(service, record, code, reason, trace="Traceback\n  here", attempts=5, clock=lambda: at)
    asyncio.run(publish(settings, [letter]))
    return letter.event.id


def read(settings: KafkaSettings, topic: Topic) -> list[Record]:
    return asyncio.run(read_topic(settings, topic))


@pytest.fixture
def letters(run: Run, kafka_settings: KafkaSettings) -> Any:
    """Run `laurel dead-letters` against the broker, with its topics made."""
    asyncio.run(provision(kafka_settings))

    def runner(command: str, *arguments: object) -> Ran:
        extra = () if command != "replay" or kafka_settings.kafka_idempotence else ("--no-idempotence",)
        return run("dead-letters", command, *arguments, "--bootstrap", kafka_settings.kafka_bootstrap, *extra)

    return runner


def test_letters_are_listed_and_filtered(letters: Any, kafka_settings: KafkaSettings) -> None:
    assert letters("list", "--json").document == {"deadLetters": []}
    late = bury(kafka_settings, replace(BROKEN, offset=18), service="registry", code=Code.PROOF_REFUSED,
                at=EPOCH + timedelta(hours=3))  # fmt: skip
    early = bury(kafka_settings, BROKEN)

    def ids(*arguments: str) -> list[str]:
        return [each["id"] for each in letters("list", "--json", *arguments).document["deadLetters"]]

    assert ids() == [early, late]
    assert ids("--service", "registry") == [late]
    assert ids("--code", "LRL-4001") == [early]
    assert ids("--since", "2026-06-01T14:00:00Z") == [late]
    assert ids("--since", "1m") == []
    assert ids("--limit", "1") == [late]
    shown = letters("list")
    assert early[:10] in shown.out
    assert "completions.v1/3/17" in shown.out
    assert letters("list", "--since", "tomorrow").code == 2


def test_a_letter_is_shown_without_its_body_unless_asked(letters: Any, kafka_settings: KafkaSettings) -> None:
    letter = bury(kafka_settings, BROKEN)

    short, whole = letters("show", letter[:8]), letters("show", letter, "--with-body")

    assert "ValueError: it broke" in short.out
    assert "ce_id = e-1" in short.out
    assert "Traceback" in short.out
    assert "learner-1" not in short.out
    assert "not json" not in short.out
    assert "learner-1" in whole.out
    assert "not json" in whole.out
    assert "body" not in letters("show", letter, "--json").document
    assert letters("show", letter, "--json", "--with-body").document["key"] == "learner-1"
    assert letters("show", "ffff0000").code == 2


def test_a_replay_sends_the_record_as_it_was(letters: Any, kafka_settings: KafkaSettings) -> None:
    letter = bury(kafka_settings, BROKEN)

    ran = letters("replay", letter, "--yes")

    assert ran.code == 0, ran.err
    assert "sent again" in ran.out
    (record,) = read(kafka_settings, COMPLETIONS)
    assert replace(record, offset=BROKEN.offset) == BROKEN


def test_a_replay_asks_first(letters: Any, kafka_settings: KafkaSettings) -> None:
    letter = bury(kafka_settings, BROKEN)

    assert letters("replay", letter).code == 2
    assert letters("replay", letter, "--json").code == 2
    assert read(kafka_settings, COMPLETIONS) == []


def test_an_old_state_is_not_put_in_a_newer_ones_place(letters: Any, kafka_settings: KafkaSettings) -> None:
    state = Record(CREDENTIALS.name, 2, 0, b"urn:uuid:1", (("ce_id", b"v1"),), b"its first state")
    asyncio.run(resend(kafka_settings, [state]))
    letter = bury(kafka_settings, state)

    for _ in range(2):  # nothing newer has come but the same again
        assert letters("replay", letter, "--yes").code == 0
    assert len(read(kafka_settings, CREDENTIALS)) == 2
    asyncio.run(resend(kafka_settings, [replace(state, value=b"its second")]))
    ran = letters("replay", letter, "--yes", "--json")

    assert ran.code == 1
    (kept,) = ran.document["error"]["notReplayed"]
    assert kept["id"] == letter
    assert "newer record" in kept["why"]
    assert len(read(kafka_settings, CREDENTIALS)) == 3


def lying(settings: KafkaSettings, *bodies: bytes) -> list[Record]:
    """Records as they came, where they lie."""
    asyncio.run(resend(settings, [replace(BROKEN, value=body) for body in bodies]))
    return read(settings, COMPLETIONS)


def test_a_letter_replayed_twice_does_nothing_the_second_time(letters: Any, kafka_settings: KafkaSettings) -> None:
    letter = bury(kafka_settings, *lying(kafka_settings, b"bad"))
    first, second = (letters("replay", letter, "--yes", "--json") for _ in range(2))

    assert [each["id"] for each in first.document["replayed"]] == [letter]
    assert second.code == 0
    assert second.document["replayed"] == []
    assert "has come again since" in second.document["notReplayed"][0]["why"]
    assert len(read(kafka_settings, COMPLETIONS)) == 2


def test_who_sent_what_again_is_in_the_audit(letters: Any, kafka_settings: KafkaSettings) -> None:
    buried = lying(kafka_settings, b"one", b"two")
    names = [bury(kafka_settings, record) for record in buried]
    letters("replay", *names, "--preview")
    assert read(kafka_settings, AUDIT) == []

    for _ in range(2):
        letters("replay", *names, "--yes")

    entries = [read_event(record) for record in read(kafka_settings, AUDIT)]
    bodies = [each[1] for each in entries if each is not None]
    assert all(isinstance(each, AdminActionRecorded) for each in bodies)
    told = [(each.operator, each.action, each.target, each.detail) for each in bodies]  # type: ignore[attr-defined]
    assert told == [
        (ANYBODY, action, f"completions.v1/{record.partition}/{record.offset}", f"dead letter {name}")
        for action in ("letter.claim", "letter.replay")
        for record, name in zip(buried, names, strict=True)
    ], "and nothing the second time"


def test_a_user_whom_the_audit_cannot_name_is_told_so_before_anything_is_sent(
    letters: Any, kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = bury(kafka_settings, *lying(kafka_settings, b"bad"))
    named = kafka_settings.model_copy(update={"kafka_username": "Ana.Lima"})  # a broker that knows her is not at hand
    monkeypatch.setattr("laurel.cli.dead_letters.kafka_settings", lambda *_, **__: named)

    ran = letters("replay", letter, "--yes")

    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "Ana.Lima" in ran.err
    assert "LAUREL_KAFKA_USERNAME" in ran.err
    assert len(read(kafka_settings, COMPLETIONS)) == 1


def test_a_filter_is_previewed_and_then_replayed(letters: Any, kafka_settings: KafkaSettings) -> None:
    wanted = [
        bury(kafka_settings, record, service="registry", at=EPOCH + timedelta(minutes=record.offset))
        for record in lying(kafka_settings, b"0", b"1", b"2", b"3")
    ]
    bury(kafka_settings, replace(BROKEN, value=b"another service's"), service="notifier", code=Code.PROOF_REFUSED)

    def previewed(*arguments: str) -> list[str]:
        document = letters("replay", *arguments, "--preview", "--json").document
        assert document["preview"] is True
        return [each["id"] for each in document["replayed"]]

    assert previewed("--service", "registry") == wanted
    assert previewed("--service", "registry", "--since", "2026-06-01T12:02:00Z") == wanted[2:]
    assert previewed("--code", "LRL-4001", "--topic", COMPLETIONS.name) == wanted
    assert previewed("--topic", CATALOG.name) == []
    shown = letters("replay", "--service", "registry", "--preview").out
    assert shown.count("to be sent again") == 4
    assert len(read(kafka_settings, COMPLETIONS)) == 4
    assert letters("replay", "--service", "registry").code == 2, "nobody is there to be asked"

    ran = letters("replay", "--service", "registry", "--yes", "--json")
    assert [each["id"] for each in ran.document["replayed"]] == wanted
    assert [each.value for each in read(kafka_settings, COMPLETIONS)][4:] == [b"0", b"1", b"2", b"3"]
    assert previewed("--service", "registry") == []


@pytest.mark.parametrize("arguments", [(), ("3f9c", "--service", "registry")], ids=["neither", "both"])
def test_either_ids_or_a_filter_are_given(letters: Any, arguments: tuple[str, ...]) -> None:
    ran = letters("replay", *arguments, "--yes")

    assert ran.code == 2
    assert "and not both" in ran.err


@pytest.mark.parametrize("topic", ["elsewhere.v1", "catalog.v1", "dead-letters.v1"])
def test_a_topic_of_which_nothing_is_given_up_on_gets_nothing(
    letters: Any, kafka_settings: KafkaSettings, topic: str
) -> None:
    """Such as the catalog: a letter that somebody made up would make operators."""
    letter = bury(kafka_settings, replace(BROKEN, topic=topic, partition=0))

    ran = letters("replay", letter, "--yes")

    assert ran.code == 1
    assert "nothing is sent again to its topic" in ran.out
    assert read(kafka_settings, CATALOG) == []


def test_a_record_that_no_library_can_read_is_not_replaced_by_an_empty_one(
    letters: Any, kafka_settings: KafkaSettings
) -> None:
    """Its letter names the place alone; sent as it stands there, it would be a tombstone."""
    nothing = Record(COMPLETIONS.name, 3, 17, None, (), None)
    letter = bury(kafka_settings, nothing, code=Code.UNREADABLE_RECORD, reason="A header's name is not UTF-8.")

    ran = letters("replay", letter, "--yes")

    assert ran.code == 1
    assert "its letter has nothing of it" in ran.out
    assert read(kafka_settings, COMPLETIONS) == []


def test_letters_that_cannot_be_read_hide_no_others(letters: Any, kafka_settings: KafkaSettings) -> None:
    letter = bury(kafka_settings, BROKEN)
    garbage = Record(DEAD_LETTERS.name, 0, 0, b"k", (("ce_type", b"dead-letter.recorded"),), b"{")
    asyncio.run(resend(kafka_settings, [garbage]))

    ran = letters("list", "--json")

    assert [each["id"] for each in ran.document["deadLetters"]] == [letter]
    assert ran.err == "Dead letters that cannot be read and are left out: 1.\n"


def test_a_broker_that_is_away_is_exit_3(run: Run) -> None:
    ran = run("dead-letters", "list", "--bootstrap", "127.0.0.1:9")

    assert ran.code == 3
    assert ran.err.count("\n") == 1
    assert run("dead-letters", "list", "--bootstrap", "nonsense").code == 2
