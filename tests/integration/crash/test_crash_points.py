"""Every handler and every loop of every service, killed before and after each write and each publish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from integration.crash.acts import REFUSALS, play
from integration.crash.reaching import NOT_TRIED, not_reached
from integration.crash.sameness import differences
from integration.crash.story import Step, Story
from issuer.status_lists import StatusListPublisher
from issuer.store import Intent
from issuer.store import Store as IssuerStore
from laurel.contracts.topics import COMPLETIONS, RECIPIENTS
from laurel.runtime.settings import KafkaSettings
from laurel_local.database import EmbeddedDatabase
from notifier.domain import Recipient
from notifier.store import Store as NotifierStore
from registry.rows import StoredCredential
from registry.store import Store as RegistryStore
from support.awaits import in_source
from support.crash import Life, Point, Published, dump, points, restore
from support.mail_host import answering
from support.places import noting_tasks
from support.system import builders, put_keys
from support.turns import Begin, side_by_side
from support.wiring import install
from support.world import World

NOWHERE = KafkaSettings(kafka_bootstrap="127.0.0.1:1")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story, played undisturbed, on a database of its own and with a mail server."""
    # It is never killed itself, so it need not keep what it acknowledged.
    database = EmbeddedDatabase(tmp_path_factory.mktemp("database"), keep=False, durable=False)
    directory, world = tmp_path_factory.mktemp("services"), World()

    def build(service: str, name: str, settings: Mapping[str, Any]) -> Callable[..., FastAPI]:
        made = made_once[service]
        assert isinstance(made, partial)
        own = {"mongo_database": f"{name}-{service}", **settings}
        return partial(made.func, made.args[0].model_copy(update=own))

    async def played() -> Story:
        async with AsyncMongoClient[dict[str, Any]](database.url, tz_aware=True) as client:
            install(patch, client)
            story = Story(world, build, client)
            with noting_tasks():
                await play(story, partial(put_keys, directory / "other-keys.json"))
            return story

    # Before anybody dies: 3.11 takes an error for one of its own if it tells of a task's end while it reads source.
    in_source()
    database.start()
    with answering(REFUSALS) as mail:
        made_once = builders(NOWHERE, database.url, "crash", mail, world, directory)
        with pytest.MonkeyPatch.context() as patch:
            story = asyncio.run(played())
        yield replace(story, url=database.url)
    database.stop()


@pytest.fixture
async def story(played: Story, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """The story, to be tried out on."""
    async with AsyncMongoClient[dict[str, Any]](played.url, tz_aware=True) as client:
        install(monkeypatch, client)
        yield replace(played, client=client)


@asynccontextmanager
async def fresh(story: Story, step: Step) -> AsyncIterator[str]:
    """A database as the step begins with."""
    name = f"crash-{uuid4().hex[:12]}"
    await restore(story.database(step.service, name), step.before)
    yield name
    await story.client.drop_database(story.database(step.service, name))


async def outcome(story: Story, step: Step, *crashes: Point) -> list[str]:
    """What is not as it should be after processes that die at these points, one after the other, and one that ends."""
    async with fresh(story, step) as name:
        lives: list[Life] = []
        for number, crash in enumerate([*crashes, None]):
            lives.append(await story.live(step, name, number=number, crash=crash, earlier=published_by(lives)))
        after = await dump(story.database(step.service, name))
        again = await story.live(step, name, number=len(lives), earlier=published_by(lives))
        return differences(step, lives, after, again, await dump(story.database(step.service, name)))


def published_by(lives: Sequence[Life]) -> list[Published]:
    return [each for life in lives for each in life.published]


async def differences_at_every_point(story: Story, steps: Sequence[Step]) -> list[str]:
    """What is not as it should be after a crash at any point of these steps."""
    found = []
    for step in steps:
        for point in points(step.undisturbed.effects):
            where = f"{step.service} {step.name}, killed at {point.described(step.undisturbed.effects)}"
            found += [f"{where}: {each}"[:1000] for each in await outcome(story, step, point)]
    return found


async def test_a_process_killed_at_any_point_changes_nothing_in_the_end(story: Story) -> None:
    tried = {(step.service, step.name) for step in story.steps}
    assert {(service, f"handles {topic}") for service, topic in story.subscribed} <= tried, "a handler without points"
    assert {(service, f"runs {loop}") for service, loop in story.looping} <= tried, "a loop without points"
    found = await differences_at_every_point(story, story.steps)
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:20])


async def test_every_await_that_lasts_is_among_the_points(story: Story) -> None:
    left_out = not_reached(story.steps)
    missing = [each for each in left_out if each.where not in NOT_TRIED]
    assert not missing, "no step comes by:\n" + "\n".join(map(str, missing))
    stale = NOT_TRIED.keys() - {each.where for each in left_out}
    assert not stale, f"left out without need: {stale}"
    nearest = {effect.at[0] for step in story.steps for effect in step.undisturbed.effects}
    assert not [str(place) for place in nearest if place.end not in in_source()], "seen, and not read"


async def test_an_await_that_no_step_comes_by_is_named(story: Story) -> None:
    (at_the_start,) = [each for each in in_source().values() if each.function == "CatalogPublisher.publish_pending"]
    assert at_the_start not in not_reached(story.steps)
    assert at_the_start in not_reached([each for each in story.steps if each.name != "starts"])


A_FEW = settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@A_FEW
@given(st.data())
async def test_processes_killed_one_after_the_other_change_nothing_in_the_end(
    story: Story, data: st.DataObject
) -> None:
    step = data.draw(st.sampled_from(story.steps))
    some = data.draw(st.lists(st.sampled_from(points(step.undisturbed.effects)), min_size=2, max_size=3))
    found = await outcome(story, step, *some)
    assert not found, f"{step.service} {step.name}, killed at {some}:\n" + "\n".join(found)


@A_FEW
@given(st.data())
async def test_an_instance_that_does_the_same_beside_it_changes_nothing_in_the_end(
    story: Story, data: st.DataObject
) -> None:
    step = data.draw(st.sampled_from([each for each in story.steps if not each.over_http and not each.meanwhile]))
    # A worker whose lease is over is taken for dead, so two that share their work share its time.
    later = 0 if step.name.startswith("runs") else 1
    async with fresh(story, step) as name:

        def begin(number: int) -> Begin:
            return lambda turn: story.live(step, name, number=number, turn=turn)

        lives = await side_by_side([begin(0), begin(later)], lambda among: data.draw(st.integers(0, among - 1)))
        after = await dump(story.database(step.service, name))
        again = await story.live(step, name, number=2)
        found = differences(step, lives, after, again, await dump(story.database(step.service, name)))
    assert not found, f"{step.service} {step.name}, twice at once:\n" + "\n".join(found)


def steps_named(story: Story, name: str) -> list[Step]:
    return [step for step in story.steps if name in step.name]


async def test_a_handler_that_draws_anew_is_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_what_stands(self: IssuerStore, intents: Sequence[Intent]) -> dict[str, Intent]:
        await add(self, intents)
        return {each.credential_id: each for each in intents}

    async def nothing_known(self: IssuerStore, ids: Sequence[str]) -> dict[str, Intent]:
        return {}

    add = IssuerStore.add_intents
    monkeypatch.setattr(IssuerStore, "add_intents", not_what_stands)
    monkeypatch.setattr(IssuerStore, "intents", nothing_known)
    found = await differences_at_every_point(story, steps_named(story, COMPLETIONS.name)[:1])
    assert any("published by one more run" in each for each in found)
    assert any("published twice, and not the same" in each for each in found)


async def test_a_loop_that_notes_before_it_publishes_is_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_early(self: StatusListPublisher, name: str) -> None:
        family = await self._store.family(name)
        assert family is not None
        family = await self._sealed(family)
        await self._store.mark_published(name, family.version)
        await self._kafka.publish(await self._messages(family))

    monkeypatch.setattr(StatusListPublisher, "_publish", too_early)
    found = await differences_at_every_point(story, steps_named(story, "status lists")[:1])
    assert any("published: lacks" in each for each in found)


async def test_a_handler_that_counts_what_comes_again_is_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    async def once_more(self: NotifierStore, recipients: Sequence[Recipient]) -> None:
        await add(self, recipients)
        for each in recipients:
            await self._recipients.update_one({"_id": each.credential}, {"$inc": {"seen": 1}})

    add = NotifierStore.add_recipients
    monkeypatch.setattr(NotifierStore, "add_recipients", once_more)
    found = await differences_at_every_point(story, steps_named(story, RECIPIENTS.name)[:1])
    assert any("state after one more run" in each for each in found)


async def test_a_status_that_rises_unnoticed_is_found(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(self: RegistryStore, versions: Mapping[str, int]) -> list[StoredCredential]:
        return []

    monkeypatch.setattr(RegistryStore, "risen", none)
    found = await differences_at_every_point(story, steps_named(story, "beside a change"))
    assert any("published: lacks" in each for each in found)
