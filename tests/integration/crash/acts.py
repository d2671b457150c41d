"""What happens in the story: everything that comes by an await of something that lasts, and much that may go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaConnectionError

from integration.crash.doing import (
    ALL,
    OTHER_URN,
    applying,
    ask,
    catalog,
    day,
    earned,
    nothing,
    token_of,
)
from integration.crash.status_acts import interruptions, many_statuses, refusals, statuses
from integration.crash.story import Story, calls, loops, one_after_the_other, refused
from laurel.contracts.catalog import IssuerKey
from laurel.contracts.status import Action
from laurel.contracts.topics import COMPLETIONS, CREDENTIALS, RECIPIENTS, STATUS_CHANGES, STATUS_REQUESTS, Message
from laurel.credentials.keys import SigningKey
from laurel.runtime.record import Record
from support.crash import Life
from support.system import VC_API_TOKEN
from support.wishes import wish
from support.world import API_KEY, EPOCH, World, key
from unit.registry.issuing import Issuer

PutKeys = Callable[[Mapping[str, SigningKey]], Path]
"""Writes a file of signing keys by member."""
_RETRIES = {"retry_seconds": (864_000.0,) * 5}
"""Ten days between attempts: no life of a step has a second one, and deaths do not use them up."""
_ONE_RETRY = {"retry_seconds": (864_000.0,)}

REFUSALS = {
    "learner5@example.org": "451 not now",
    "learner6@example.org": "550 nobody of that name",
    "learner7@example.org": "451 not now",
    "learner8@example.org": "451 not now",
}
"""What the mail server answers for some learners."""


async def play(story: Story, put_keys: PutKeys) -> None:
    """From an empty catalog to a lost signing key; `put_keys` gives the issuer other signing keys then."""
    await a_catalog(story)
    await credentials(story)
    await mails(story)
    await statuses(story)
    await late_mails(story)
    await many_statuses(story)
    await refusals(story)
    await interruptions(story)
    await a_lost_key(story, put_keys)


# The catalog


async def a_catalog(story: Story) -> None:
    away = refused(lambda _: KafkaConnectionError(), applying(story.world.catalog, statuses={200, 503}))
    again = one_after_the_other(away, applying(catalog(story.world)))
    await story.do("registry", "asked to apply a catalog while the brokers are away, and to apply another", again)
    await story.kill(
        "registry", "asked to apply a catalog", applying(catalog(story.world, "A clerk")), after="catalog.bulk_write"
    )
    await story.do("registry", "starts", nothing)


# Credentials


async def credentials(story: Story) -> None:
    world = story.world
    asked = calls("POST", "/credentials/issue", {"credential": wish(world)}, VC_API_TOKEN)
    await story.do("issuer", "asked to issue", asked)
    other = calls("POST", "/credentials/issue", {"credential": wish(world, id=OTHER_URN)}, VC_API_TOKEN)
    await story.kill("issuer", "asked to issue", other, after="intents.insert_one")
    await story.do("issuer", "starts", nothing)
    reported = [_reported("http-0", "welding"), _reported("http-1", "juggling")]
    await story.do("issuer", "asked to take completions", calls("POST", "/completions", reported, API_KEY))
    story.send(*_completions(world))
    await story.flow(EPOCH, *ALL)
    story.send(*_forged(story))
    await story.flow(EPOCH, *ALL)


def _reported(name: str, achievement: str) -> dict[str, Any]:
    learner = {"reference": "learner-4", "name": "Learner 4", "email": "learner4@example.org"}
    return {"id": name, "data": {"achievement": achievement, "completedAt": EPOCH.isoformat(), "learner": learner}}


def _completions(world: World) -> list[Message | Record]:
    """Good ones and every kind of bad one, the good ones twice."""
    good = [world.completion("e1"), world.completion("e2", learner=2, language="de"),
            world.completion("e3", "python", learner=3),
            *(world.completion(f"e{number}", learner=number) for number in (5, 6, 7, 8))]  # fmt: skip
    forged = world.completion("forged", kid="campus-1", signer=world.members["east"])
    unreadable = Record(COMPLETIONS.name, 0, 0, b"k", (), b"\x00no JSON")
    return [*good, good[0], world.completion("e2", "first-aid"), world.completion("unknown", "juggling"), forged,
            unreadable]  # fmt: skip


def _forged(story: Story) -> list[Message | Record]:
    """What the registry gives up on: a credential whose proof does not hold, one under another's id, no request."""
    records = story.topics[CREDENTIALS.name]
    broken = replace(records[-1], value=(records[-1].value or b"").replace(b"Course ", b"Curse "))
    return [broken, Issuer(story.world).issued(token_of(earned(story, "e1")), event_id="other"),
            Record(STATUS_REQUESTS.name, 0, 0, b"k", (("ce_type", b"status.change.requested"),), b"{")]  # fmt: skip


# Mails


async def mails(story: Story) -> None:
    """The notifier hears of credentials, of whom they are for, and of what they are called, one after the other."""
    await story.handle("notifier", CREDENTIALS, at=day(0), has_catalog=False)
    await story.loop("notifier", "delivery", day(1), has_catalog=False)
    await story.handle("notifier", RECIPIENTS, at=day(1), has_catalog=False)
    await story.loop("notifier", "delivery", day(1), has_catalog=False)
    # It dies with the second mail in the server's hands, and with the first one's end recorded and not told.
    await story.kill("notifier", "runs delivery", loops("delivery"), day(2), after="mail", times=2, settings=_RETRIES)
    await story.do("notifier", "runs delivery and is stopped", _stopped, day(3), settings=_RETRIES)


async def _stopped(life: Life) -> None:
    """As much of the worker's work as takes one handful of mails, after which the service is asked to stop."""
    worker = life.loops["delivery"]
    while await worker.run_once() == 0.0 and worker._done is None:
        pass
    running = asyncio.create_task(worker.run())
    await worker.drain()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def late_mails(story: Story) -> None:
    """What was revoked, and what the mail server does not take."""
    story.send(story.world.completion("e9", learner=9))
    await story.flow(day(4), *ALL)
    await ask(story, earned(story, "e9"), Action.REVOKE)
    await story.flow(day(4), *ALL)
    # e5's mail was put off, e1's went out; of e9's credential nobody has told the notifier.
    await story.handle("notifier", STATUS_CHANGES, at=day(4))
    await story.loop("notifier", "delivery", day(5), settings=_RETRIES)
    await story.handle("notifier", CREDENTIALS, RECIPIENTS, at=day(6))
    await story.loop("notifier", "delivery", day(6), settings=_RETRIES)
    # The last attempt, for it is tried less often now, and nobody learns how the first of them ends.
    await story.kill("notifier", "runs delivery", loops("delivery"), day(13), after="mail", settings=_ONE_RETRY)
    await story.loop("notifier", "delivery", day(14), settings=_ONE_RETRY)


# A lost key


async def a_lost_key(story: Story, put_keys: PutKeys) -> None:
    """A list is sealed, to be signed with a key that is not there when it is to be published."""
    await ask(story, earned(story, "e6"), Action.REINSTATE)
    await story.flow(day(4), "registry")
    await story.handle("issuer", STATUS_CHANGES, at=day(4))
    await story.kill(
        "issuer", "runs status lists", loops("status lists"), day(4), after="status_list_families.update_one"
    )
    (member,) = {row["issuer"] for row in story.states["issuer"]["status_list_families"]
                 if row["seal"] is not None and row.get("unpublished")}  # fmt: skip
    new = key(f"another of {member}")
    known = catalog(story.world, "A clerk")
    issuers = [each.model_copy(update={"keys": (*each.keys, IssuerKey(public_key_multibase=new.public.to_multibase()))})
               if each.id == member else each for each in known.issuers]  # fmt: skip
    await story.do(
        "registry", "asked to apply a catalog", applying(known.model_copy(update={"issuers": tuple(issuers)}))
    )
    await story.loop(
        "issuer", "status lists", day(4), settings={"signing_keys_file": put_keys(story.world.members | {member: new})}
    )
    await story.flow(day(4), "registry", "verifier")
