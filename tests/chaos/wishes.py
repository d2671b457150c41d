"""What is asked for of the credentials that a run's completions earn: which changes of status, in what order, by whom.

Drawn so that it can be said beforehand what each credential must be in the end: nothing is asked for of a credential
before what was asked for last has its outcome, and of what a bulk change selects, nobody else asks anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from laurel.contracts.status import Action


class Asker(Enum):
    """Who asks for a change, and how."""

    ADMIN = "an administrator, over HTTP"
    PARTNER = "the partner that reported the completion, over Kafka"


@dataclass(frozen=True, slots=True)
class Wish:
    """One change."""

    action: Action
    asker: Asker


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for of the credential of the completion `of`, each when the one before has its outcome."""

    of: int
    wishes: tuple[Wish, ...]

    @property
    def actions(self) -> dict[int, tuple[Action, ...]]:
        """By completion what is asked for of its credential."""
        return {self.of: tuple(each.action for each in self.wishes)}


@dataclass(frozen=True, slots=True)
class BulkWish:
    """Bulk changes of the credentials of the completions `of`: all are suspended; then some are reinstated, selected by
    their ids, and the others revoked, selected as what that suspension did and nobody has changed since."""

    of: tuple[int, ...]

    @property
    def reinstated(self) -> tuple[int, ...]:
        """Those that are active in the end."""
        return self.of[: len(self.of) // 2]

    @property
    def revoked(self) -> tuple[int, ...]:
        """The others."""
        return self.of[len(self.of) // 2 :]

    @property
    def actions(self) -> dict[int, tuple[Action, ...]]:
        """By completion what is asked for of its credential."""
        then = dict.fromkeys(self.reinstated, Action.REINSTATE) | dict.fromkeys(self.revoked, Action.REVOKE)
        return {of: (Action.SUSPEND, action) for of, action in then.items()}


_LIVES = (
    (Action.SUSPEND,), (Action.REVOKE,), (Action.SUSPEND, Action.REINSTATE), (Action.SUSPEND, Action.REVOKE),
    (Action.SUSPEND, Action.REINSTATE, Action.REVOKE),
)  # fmt: skip


def draw_wishes(
    draw: Random, bursts: Sequence[Sequence[int]], bulks: Sequence[int]
) -> Iterator[tuple[Wishes | BulkWish, ...]]:
    """What is asked for at the beginning of each burst, of what earlier ones earned: of about one credential in twenty,
    and in bulk of so many at once as each of `bulks` says. `bursts` are the completions that are good."""
    at = draw.sample(range(len(bursts) // 3, len(bursts) - len(bursts) // 3), len(bulks))
    bulk_at = dict(zip(at, bulks, strict=True))
    open_ones: list[int] = []
    for number, burst in enumerate(bursts):
        several = min(bulk_at.get(number, 0), len(open_ones))
        chosen = draw.sample(open_ones, min(len(open_ones), several + len(burst) // 20 + 1))
        single = tuple(Wishes(each, _life(draw)) for each in chosen[several:])
        yield (BulkWish(tuple(sorted(chosen[:several]))), *single) if several else single
        taken = set(chosen)
        open_ones = [*(each for each in open_ones if each not in taken), *burst]


def _life(draw: Random) -> tuple[Wish, ...]:
    return tuple(Wish(action, draw.choice(list(Asker))) for action in draw.choice(_LIVES))
