"""What happens to statuses."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from aiokafka.errors import MessageSizeTooLargeError

from integration.crash.doing import (
    ALL,
    CLERK_TOKEN,
    OTHER_URN,
    applying,
    ask,
    catalog,
    day,
    earned,
    nothing,
    request,
    token_of,
)
from integration.crash.story import Story, calls, handles, hears, loops, one_after_the_other, refused
from laurel.contracts.status import Action
from laurel.contracts.topics import CREDENTIALS, STATUS_CHANGES, STATUS_REQUESTS
from registry.selection import Target, digest
from support.crash import Life
from support.wishes import URN, wish
from support.world import EPOCH
from unit.registry.issuing import Issuer


async def statuses(story: Story) -> None:
    """One by one: through the admin API, the VC-API and by partners."""
    await ask(story, earned(story, "e1"), Action.REVOKE)
    await ask(story, earned(story, "e1"), Action.SUSPEND)  # too late: it is revoked
    await ask(story, earned(story, "e5"), Action.REVOKE)
    await ask(story, URN, Action.SUSPEND)
    setting = calls("POST", "/credentials/status", _bit(OTHER_URN))
    await story.do("registry", "asked to set a bit", hears(STATUS_REQUESTS, setting))
    token, partner = token_of(earned(story, "e2")), Issuer(story.world)
    story.send(partner.wish(token, Action.SUSPEND), partner.wish(token, Action.REVOKE, event_id="wish-2"),
               partner.wish(token, Action.REVOKE, event_id="wish-3", signed=False))  # fmt: skip
    await story.flow(EPOCH, *ALL)


def _bit(credential: str) -> dict[str, Any]:
    entry = {"type": "BitstringStatusListEntry", "statusPurpose": "suspension"}
    return {"credentialId": credential, "credentialStatus": entry, "status": True}


async def many_statuses(story: Story) -> None:
    """Many at once: carried out by a process that decides on the requests itself, and by others."""
    some = [earned(story, each) for each in ("e3", "e6", "e7")]
    await _ask_for_many(story, some, Action.SUSPEND)
    heard = hears(STATUS_REQUESTS, loops("bulk changes"))
    await story.do("registry", "runs bulk changes and decides on them", heard, day(4))
    await story.flow(day(4), *ALL)
    await _ask_for_many(story, [some[0], URN], Action.REVOKE)
    await story.flow(day(4), *ALL)


async def _ask_for_many(story: Story, credentials: Collection[str], action: Action) -> None:
    """As a preview would have it."""
    registry = story.states["registry"]
    newer = {row["_id"]: row for row in registry["statuses"]}
    rows = [row | newer.get(row["_id"], {}) for row in registry["credentials"] if row["_id"] in credentials]
    targets = [Target(row["_id"], row["token"], row["version"]) for row in rows]
    assert len(targets) == len(credentials)
    body = {"selection": {"credentials": list(credentials)}, "action": action.value,
            "reason": "A test says so.", "requestedBy": "tester",
            "requestId": f"many-{action.value}", "digest": digest(action, targets)}  # fmt: skip
    await story.do("registry", f"asked to {action.value} many", calls("POST", "/admin/status-changes", body), day(4))


# What is not allowed


async def refusals(story: Story) -> None:
    """What the clerk may not do, which is entered in the audit. Within an hour, so that it is one attempt."""
    world, theirs = story.world, earned(story, "e6")
    north = catalog(world, "Clerk of the north")
    held = f"revoke-{token_of(earned(story, 'e1'))[-8:]}"
    refused_calls = one_after_the_other(
        applying(north, CLERK_TOKEN, statuses={403}),
        calls("POST", "/admin/status-requests", request(theirs, Action.REVOKE), CLERK_TOKEN, statuses={403}),
        calls("GET", f"/admin/status-requests/{held}", token=CLERK_TOKEN, statuses={403}),
        calls("GET", f"/admin/credentials/{token_of(theirs)}", token=CLERK_TOKEN, statuses={403}),
        calls("POST", "/credentials/status", _bit(theirs), CLERK_TOKEN, statuses={403}),
        calls("GET", "/admin/audit", token=CLERK_TOKEN, statuses={403}),
    )
    await story.do("registry", "asked for what is not allowed", refused_calls, day(4), between_lives=timedelta(0))
    asked = calls("POST", "/credentials/issue", {"credential": wish(world)}, CLERK_TOKEN, statuses={403})
    await story.do("issuer", "asked to issue for another member", asked, day(4), between_lives=timedelta(0))
    await story.flow(day(4), *ALL)


# What comes at a bad moment


async def interruptions(story: Story) -> None:
    await _a_change_meanwhile(story)
    await _a_change_that_nobody_published(story)
    await _a_failure_that_nobody_expected(story)
    # As a release left it that published no histories yet.
    story.states["registry"] = {name: rows for name, rows in story.states["registry"].items() if name != "notes"}
    await story.do("registry", "starts after an upgrade", nothing, day(4))
    await story.flow(day(4), *ALL)


async def _a_change_meanwhile(story: Story) -> None:
    """A credential comes again while another process changes its status."""
    credential = earned(story, "http-0")
    await ask(story, credential, Action.SUSPEND)
    registered = [each for each in story.topics[CREDENTIALS.name] if each.key == credential.encode()]
    changing = handles(STATUS_REQUESTS, story.unread("registry", STATUS_REQUESTS))
    await story.do("registry", f"handles {CREDENTIALS.name} beside a change", handles(CREDENTIALS, registered), day(4),
                   meanwhile=changing)  # fmt: skip
    await story.flow(day(4), *ALL)


async def _a_change_that_nobody_published(story: Story) -> None:
    await ask(story, earned(story, "http-0"), Action.REINSTATE)
    asked = handles(STATUS_REQUESTS, story.unread("registry", STATUS_REQUESTS))
    await story.kill("registry", "handles a request", asked, day(4), after="statuses.bulk_write")
    await story.do("registry", "starts", nothing, day(4))
    await story.flow(day(4), *ALL)


async def _a_failure_that_nobody_expected(story: Story) -> None:
    """The change is stored, and a broker finds the message too large; then what is stored is published after all."""
    await ask(story, earned(story, "http-0"), Action.REVOKE)
    asked = handles(STATUS_REQUESTS, story.unread("registry", STATUS_REQUESTS))

    async def run(life: Life) -> None:
        await refused(lambda each: MessageSizeTooLargeError() if each.topic == STATUS_CHANGES.name else None, asked)(
            life
        )
        await loops("heartbeat")(life)

    await story.do("registry", "handles what a broker refuses", run, day(4))
    await story.flow(day(4), *ALL)
