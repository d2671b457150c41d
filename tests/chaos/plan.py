"""What a run does, drawn from its seed alone: which completions are sent, and which faults meet them when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import accumulate, pairwise
from random import Random
from types import MappingProxyType

from chaos.wishes import BulkWish, Wishes, draw_wishes
from laurel.contracts.errors import Code
from laurel.contracts.status import Action

SCALED = ("issuer", "registry", "notifier")
"""The services that share work among instances. A verifier shares none: each has all of it."""
INSTANCES = 3
BROKERS = 3


class Kind(Enum):
    """What is right or wrong with a completion; the value is the code it is refused with."""

    GOOD = None
    REPEATED = Code.DUPLICATE_EVENT
    CHANGED = Code.EVENT_ID_REUSED
    MALFORMED = Code.MALFORMED_EVENT
    FORGED = Code.SIGNATURE_WRONG
    UNKNOWN = Code.UNKNOWN_ACHIEVEMENT
    FOREIGN = Code.ACHIEVEMENT_NOT_ALLOWED
    FUTURE = Code.DATE_IN_FUTURE


class Route(Enum):
    """How a completion is sent."""

    KAFKA = "the partner client"
    HTTP = "the intake"


class Fault(Enum):
    """What is done to the running system: what is killed (SIGKILL) is started again, what is frozen (SIGSTOP) wakes up
    after its session has run out, and there are three instances of a service or one."""

    KILL_SERVICE = "service killed"
    FREEZE_SERVICE = "service frozen"
    KILL_BROKER = "broker killed"
    KILL_DATABASE = "database killed"
    SCALE_OUT = "scaled out"
    SCALE_IN = "scaled in"
    ROLL = "rolling restart"


_SECONDS = {
    Fault.KILL_SERVICE: 2.5, Fault.FREEZE_SERVICE: 7.0, Fault.KILL_BROKER: 6.0, Fault.KILL_DATABASE: 4.0,
    Fault.SCALE_OUT: 20.0, Fault.SCALE_IN: 12.0, Fault.ROLL: 30.0,
}  # fmt: skip
_APART = 3  # steps between two at the same target, where that can be had
KILLS = frozenset({Fault.KILL_SERVICE, Fault.KILL_BROKER, Fault.KILL_DATABASE})


@dataclass(frozen=True, slots=True)
class Submission:
    """One completion that is sent. A repeated or changed one has the event id of an earlier good one, `of`."""

    number: int
    kind: Kind
    route: Route
    partner: str
    of: int | None = None

    @property
    def event(self) -> int:
        """What its event id, learner and achievement are made from."""
        return self.number if self.of is None else self.of


@dataclass(frozen=True, slots=True)
class Step:
    """A burst of completions and, `wait` seconds after it began, a fault whose target is away for `hold` seconds.

    `wishes` are changes of status to be asked for meanwhile, of what earlier completions earned. `target` is a process
    by its name. A service is waited for until it is ready, to be killed at work, unless `impatient`: then it may be hit
    while it starts.
    """

    burst: int
    wait: float
    fault: Fault
    target: str = ""
    hold: float = 0.0
    impatient: bool = False
    wishes: tuple[Wishes | BulkWish, ...] = ()

    @property
    def seconds(self) -> float:
        """About how long it takes on two cores. The burst is made and paced by it."""
        return _SECONDS[self.fault]


@dataclass(frozen=True)
class Size:
    """How much of everything there is in a run. `kills` is by service, or `broker` or `database`; `bulks` has for each
    bulk suspension how many credentials it selects."""

    completions: int
    kills: Mapping[str, int]
    freezes: int
    scalings: int
    rolls: int
    bulks: tuple[int, ...]


FAST = Size(
    800, MappingProxyType({"issuer": 2, "registry": 2, "notifier": 2, "verifier": 1, "broker": 1, "database": 1}),
    freezes=1, scalings=1, rolls=1, bulks=(40,),
)  # fmt: skip
LONG = Size(
    10_000,
    MappingProxyType({"issuer": 56, "registry": 56, "notifier": 56, "verifier": 16, "broker": 12, "database": 12}),
    freezes=12, scalings=3, rolls=2, bulks=(300, 300, 300),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A run: the steps in their order, and what the bursts consist of."""

    seed: int
    submissions: tuple[Submission, ...]
    steps: tuple[Step, ...]

    @property
    def asked(self) -> dict[int, tuple[Action, ...]]:
        """By completion, what is asked for of its credential; nothing, of those that are not in it."""
        return {of: actions for step in self.steps for each in step.wishes for of, actions in each.actions.items()}

    @property
    def bursts(self) -> list[Sequence[Submission]]:
        """The submissions of each step."""
        ends = list(accumulate((step.burst for step in self.steps), initial=0))
        return [self.submissions[start:end] for start, end in pairwise(ends)]


def make_plan(seed: int, size: Size) -> Plan:
    """The run of a seed; the same again for the same arguments."""
    draw = Random(seed)
    steps = _steps(draw, size)
    plan = Plan(seed, tuple(_submissions(draw, steps)), tuple(steps))
    good = [[each.number for each in burst if each.kind is Kind.GOOD] for burst in plan.bursts]
    wishes = draw_wishes(draw, good, size.bulks)
    return replace(plan, steps=tuple(replace(step, wishes=each) for step, each in zip(steps, wishes, strict=True)))


def _steps(draw: Random, size: Size) -> list[Step]:
    """Kills all the time; by turns with one instance of each service and with three; freezes while there are three,
    so that another instance takes over from the zombie; rolling restarts while there is one."""
    single: list[list[Step]] = [[] for _ in range(size.scalings + 1)]
    scaled: list[list[Step]] = [[] for _ in range(size.scalings)]
    for target, count in size.kills.items():
        for number in range(count):
            # By turns, so that every kind of target is hit in both settings.
            if number % 3 == 0 or target not in SCALED:
                draw.choice(single).append(_kill(draw, target, 1))
            else:
                draw.choice(scaled).append(_kill(draw, target, INSTANCES))
    for number in range(size.freezes):
        target = _instance(draw, SCALED[number % len(SCALED)], INSTANCES)
        scaled[number % size.scalings].append(_step(draw, Fault.FREEZE_SERVICE, target, hold=draw.uniform(0.5, 3.0)))
    for number in range(size.rolls):
        single[number % len(single)].append(_step(draw, Fault.ROLL))
    steps: list[Step] = []
    for number, quiet in enumerate(single):
        steps += _spread(draw, quiet)
        if number < size.scalings:
            steps += [_step(draw, Fault.SCALE_OUT), *_spread(draw, scaled[number]), _step(draw, Fault.SCALE_IN)]
    return _with_bursts(draw, steps, size.completions)


def _spread(draw: Random, steps: Sequence[Step]) -> list[Step]:
    """The steps in an order in which what was just killed has time to start, as long as there is anything else."""
    left = draw.sample(steps, len(steps))
    spread: list[Step] = []
    while left:
        recent = {step.target for step in spread[-_APART:]}
        often = Counter(step.target for step in left)
        chosen = max(left, key=lambda step: (step.target not in recent, often[step.target]))
        left.remove(chosen)
        spread.append(chosen)
    return spread


def _step(draw: Random, fault: Fault, target: str = "", *, hold: float = 0.0) -> Step:
    return Step(0, round(draw.uniform(0.05, 1.2), 3), fault, target, round(hold, 3), draw.random() < 0.15)


def _kill(draw: Random, target: str, instances: int) -> Step:
    if target == "broker":
        return _step(draw, Fault.KILL_BROKER, f"broker-{draw.randint(1, BROKERS)}", hold=draw.uniform(0, 4))
    if target == "database":
        return _step(draw, Fault.KILL_DATABASE, "database", hold=draw.uniform(0, 3))
    return _step(draw, Fault.KILL_SERVICE, _instance(draw, target, instances), hold=draw.uniform(0, 0.5))


def _instance(draw: Random, service: str, instances: int) -> str:
    number = draw.randint(1, instances)
    return service if number == 1 else f"{service}-{number}"


def _with_bursts(draw: Random, steps: Sequence[Step], completions: int) -> list[Step]:
    """The steps with all completions shared out among them, so that they come for as long as each lasts."""
    weights = [draw.uniform(0.7, 1.3) * step.seconds for step in steps]
    ends = [round(completions * part / sum(weights)) for part in accumulate(weights, initial=0.0)]
    bursts = [end - start for start, end in pairwise(ends)]
    return [replace(step, burst=burst) for burst, step in zip(bursts, steps, strict=True)]


_BAD = (Kind.MALFORMED, Kind.FORGED, Kind.UNKNOWN, Kind.FOREIGN, Kind.FUTURE)


def _submissions(draw: Random, steps: Sequence[Step]) -> list[Submission]:
    """Of twenty, about three repeat an earlier event, one or two are bad, and one in five comes by HTTP."""
    made: list[Submission] = []
    originals: list[Submission] = []  # of earlier bursts alone: those are on the topic, so what repeats them is behind
    for step in steps:
        burst = [_submission(draw, len(made) + number, originals) for number in range(step.burst)]
        made += burst
        originals += [each for each in burst if each.kind is Kind.GOOD]
    return made


def _submission(draw: Random, number: int, originals: Sequence[Submission]) -> Submission:
    chance = draw.random()
    route = Route.HTTP if draw.random() < 0.2 else Route.KAFKA
    if chance < 0.16 and originals:
        first = draw.choice(originals)
        kind = Kind.REPEATED if chance < 0.13 else Kind.CHANGED
        return Submission(number, kind, route, first.partner, first.number)
    if 0.16 <= chance < 0.24:
        kind = draw.choice(_BAD)
        # What is wrong with the others is wrong with an event, and the intake makes the event itself.
        return Submission(number, kind, route if kind is Kind.UNKNOWN else Route.KAFKA, "campus")
    return Submission(number, Kind.GOOD, route, draw.choice(("campus", "campus", "lernhub")))
