"""Changing a cluster's topics, rules and users, each change with its entry in the audit.

It is entered first: changed and not entered would be worse than the other way round. What fails after that stands in
the audit too, and again when it is done again. A topic that is made gives nobody a right and may be the audit's own, so
it is entered after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import uuid4

from laurel.cli.entries import done, enter, kafka_user
from laurel.cli.exits import Refused
from laurel.contracts.access import Grant
from laurel.contracts.topics import AUDIT
from laurel.runtime.clock import utc_now
from laurel.runtime.kafka import (
    apply_rules,
    compare_rules,
    has_password,
    is_there,
    provision,
    remove_user,
    set_password,
)
from laurel.runtime.kafka.access import Changes
from laurel.runtime.settings import KafkaSettings

_TARGET_LIMIT = 600


async def apply_rights(
    settings: KafkaSettings, wanted: Iterable[Grant], *, dry_run: bool
) -> tuple[tuple[str, ...], Changes]:
    """Make the missing topics, and the rules as wanted; the topics' names and the rules that were changed, or would be.

    Raises:
        KafkaError: the broker is away, or does not let this user do that.
        WrongUse: the audit cannot name this user.
    """
    operator = kafka_user(settings)
    made = () if dry_run else await provision(settings)
    changes = await compare_rules(settings, wanted)
    if not dry_run:
        told = [
            *(("topic.make", name) for name in made), *(("rule.add", str(rule)) for rule in changes.missing),
            *(("rule.withdraw", str(rule)) for rule in changes.surplus),
        ]  # fmt: skip
        await _enter(settings, operator, told)
        await apply_rules(settings, changes)
    return made, changes


async def change_user(settings: KafkaSettings, user: str, password: str | None) -> None:
    """Give the user, who is made if need be, this password; without one, take away what it has.

    Raises:
        KafkaError: the broker is away, or does not let this user do that.
        Refused: there is no such user to be removed, or no audit to enter it in.
        WrongUse: the audit cannot name this user.
    """
    operator = kafka_user(settings)
    there = await has_password(settings, user)
    if not (there or password):
        raise Refused(f"There is no user {user}.")
    if not await is_there(settings, AUDIT):
        raise Refused(f"There is no audit to enter this in yet: `laurel kafka apply` makes {AUDIT.name}; run it first.")
    if password is None:
        await _enter(settings, operator, [("user.remove", user)])
        await remove_user(settings, user)
    else:
        await _enter(settings, operator, [("user.password" if there else "user.make", user)])
        await set_password(settings, user, password)


async def _enter(settings: KafkaSettings, operator: str, told: Sequence[tuple[str, str]]) -> None:
    """Enter actions, each with what it was done to. Doing it again is another doing, with entries of its own."""
    if told:
        run, now = uuid4().hex, utc_now()
        await enter(
            settings,
            [
                done(operator, action, target[:_TARGET_LIMIT], now, cause=f"{run}/{action}/{target}")
                for action, target in told
            ],
        )
