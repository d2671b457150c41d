"""A dead letter's record is sent again once: whoever asks, however often, and whatever its topic still holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from laurel.cli import entries, replaying
from laurel.cli.claims import VOID_AFTER
from laurel.cli.letters import Letter, read_letters
from laurel.cli.replaying import Outcome, foretell, replay_letters
from laurel.contracts.errors import Code
from laurel.contracts.topics import COMPLETIONS
from laurel.runtime.clock import utc_now
from laurel.runtime.kafka import dead_letter, provision, resend
from laurel.runtime.record import Record
from laurel.runtime.settings import KafkaSettings
from support.kafka_admin import delete_topics
from support.log import publish, read_topic
from support.waiting import eventually
from support.world import EPOCH

BODIES = (b"one", b"two", b"three")


async def bury(settings: KafkaSettings, *bodies: bytes, services: Sequence[str] = ("issuer",)) -> list[Letter]:
    """Records in one partition, and a letter on each by each of the services."""
    await provision(settings)
    await resend(settings, [Record(COMPLETIONS.name, 3, 0, b"k", (("odd", b"\xff"),), body) for body in bodies])
    records = await read_topic(settings, COMPLETIONS)
    made = [
        dead_letter(service, record, Code.UNEXPECTED_FAILURE, "it broke", trace="", attempts=5, clock=lambda: EPOCH)
        for record in records
        for service in services
    ]
    await publish(settings, made)
    return (await read_letters(settings))[0]


async def bodies(settings: KafkaSettings) -> list[bytes]:
    return [record.value or b"" for record in await read_topic(settings, COMPLETIONS)]


async def let_retention_pass(settings: KafkaSettings) -> None:
    """Have the broker forget all that the topic held, as its retention does. (The embedded one deletes no records.)"""
    await asyncio.to_thread(delete_topics, settings.kafka_bootstrap, [COMPLETIONS.name])

    async def made_anew() -> bool:
        return bool(await provision(settings))

    await eventually(made_anew, what="the topic without its records")
    assert await bodies(settings) == []


async def test_a_second_replay_does_nothing_when_the_topic_has_forgotten_the_first(
    kafka_settings: KafkaSettings,
) -> None:
    letters = await bury(kafka_settings, *BODIES)
    first = await replay_letters(kafka_settings, letters, "desk")
    await let_retention_pass(kafka_settings)

    second = await replay_letters(kafka_settings, letters, "desk")

    assert set(first.values()) == {Outcome.SENT}
    assert await bodies(kafka_settings) == []
    assert set(second.values()) == {Outcome.REPLAYED}
    foretold = await foretell(kafka_settings, letters)
    assert {outcome for outcome, _ in foretold.values()} == set(second.values())


async def test_of_several_who_replay_at_once_one_sends(kafka_settings: KafkaSettings) -> None:
    letters = await bury(kafka_settings, *BODIES)

    told = await asyncio.gather(*(replay_letters(kafka_settings, letters, f"desk-{number}") for number in range(4)))

    assert sorted((await bodies(kafka_settings))[len(BODIES) :]) == sorted(BODIES)  # each by one, not all by the same
    for letter in letters:
        assert [outcomes[letter.id] for outcomes in told].count(Outcome.SENT) == 1


@pytest.mark.parametrize("ending", [b"", b"." * 70_000], ids=["copied", "too large to be copied"])
async def test_a_record_that_two_services_gave_up_on_is_sent_once(kafka_settings: KafkaSettings, ending: bytes) -> None:
    whole = [body + ending for body in BODIES]
    letters = await bury(kafka_settings, *whole, services=("registry", "notifier"))
    assert len(letters) == 6

    outcomes = await replay_letters(kafka_settings, letters, "desk")

    assert await bodies(kafka_settings) == [*whole, *whole]
    assert set(outcomes.values()) == {Outcome.SENT}, "one sending serves both services"


class Killed(Exception):  # noqa: N818 - names what happens
    """The command's end, at any moment."""


@pytest.mark.parametrize("confirmed", range(10))
async def test_a_replay_that_broke_off_is_taken_up_again_and_sends_nothing_twice(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, confirmed: int
) -> None:
    """Killed after each of its writes: a claim for each of three records, then each record and its entry."""
    letters = await bury(kafka_settings, *BODIES)
    left = confirmed

    async def until_killed(settings: KafkaSettings, records: Sequence[Record]) -> None:
        nonlocal left
        for record in records:
            if left == 0:
                raise Killed
            await resend(settings, [record])
            left -= 1
        if left == 0:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(entries, "resend", until_killed)
        patch.setattr(replaying, "resend", until_killed)
        with pytest.raises(Killed):
            await replay_letters(kafka_settings, letters, "desk")
    sent = len(await bodies(kafka_settings)) - len(BODIES)

    at_once = await replay_letters(kafka_settings, letters, "desk")
    later = await replay_letters(kafka_settings, letters, "desk", clock=lambda: utc_now() + VOID_AFTER)

    claimed = min(confirmed, len(BODIES))
    expected = [Outcome.ALREADY] * sent + [Outcome.CLAIMED] * (claimed - sent) + [Outcome.SENT] * (3 - claimed)
    assert [at_once[letter.id] for letter in letters] == expected
    assert [later[letter.id] is Outcome.SENT for letter in letters] == [each is Outcome.CLAIMED for each in expected]
    assert sorted((await bodies(kafka_settings))[len(BODIES) :]) == sorted(BODIES)
