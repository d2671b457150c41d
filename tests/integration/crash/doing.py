"""What the acts of the story share."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from integration.crash.story import Run, Story, calls
from laurel.contracts.catalog import Catalog
from laurel.contracts.operators import Operator, Right, TokenHash
from laurel.contracts.status import Action
from support.crash import Life
from support.system import ADMIN_TOKEN
from support.world import EPOCH, World

OTHER_URN = "urn:uuid:5d2c7a1e-0f4b-4a53-9a43-1f0c7be22222"
CLERK_TOKEN = "a-clerks-token-for-tests-0123456789abcdef"
ALL = ("issuer", "registry", "verifier")
"""The services that say everything at once; what the notifier does follows in time."""


def day(number: int) -> datetime:
    """A moment. The hour is that at which every first life is lived."""
    return EPOCH + timedelta(days=number)


def catalog(world: World, name: str = "Clerk") -> Catalog:
    """The world's, with an operator that may do everything for one member."""
    clerk = Operator(
        id="clerk", name=name, token_hashes=(TokenHash(sha256=sha256(CLERK_TOKEN.encode()).hexdigest()),),
        rights=(Right.CATALOG, Right.STATUS, Right.ISSUE), members=("south",),
    )  # fmt: skip
    return world.catalog.model_copy(update={"operators": (clerk,)})


def applying(catalog: Catalog, token: str = ADMIN_TOKEN, **more: Any) -> Run:
    """Somebody applies a catalog."""
    body = catalog.model_dump(mode="json", by_alias=True, exclude_none=True)
    return calls("PUT", "/admin/catalog", body, token, **more)


async def nothing(_: Life) -> None:
    """A process that starts has enough to do."""


def earned(story: Story, event_id: str) -> str:
    """The id of the credential that a completion earned."""
    rows = story.states["issuer"]["intents"]
    return next(str(row["_id"]) for row in rows if row["event"]["id"] == event_id)


def token_of(credential: str) -> str:
    return credential.rpartition("/")[2]


async def ask(story: Story, credential: str, action: Action) -> None:
    asked = calls("POST", "/admin/status-requests", request(credential, action))
    await story.do("registry", f"asked to {action.value}", asked)


def request(credential: str, action: Action) -> dict[str, Any]:
    return {"credential": credential, "action": action.value, "reason": "A test says so.", "requestedBy": "tester",
            "requestId": f"{action.value}-{token_of(credential)[-8:]}"}  # fmt: skip
