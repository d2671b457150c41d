"""A plan is its seed's, and has in it what a run promises."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.plan import FAST, KILLS, LONG, Fault, Kind, Plan, Route, Size, make_plan
from chaos.wishes import Asker, BulkWish, Wish, Wishes
from laurel.contracts.status import Action, State
from registry.domain import TRANSITIONS

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.builds(
    Size, st.integers(50, 400),
    st.fixed_dictionaries({name: st.integers(1, 6) for name in FAST.kills}),
    freezes=st.integers(0, 5), scalings=st.integers(1, 4), rolls=st.integers(0, 3),
    bulks=st.lists(st.integers(1, 50), max_size=2).map(tuple),
)  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_a_seed_is_a_plan(seed: int, size: Size) -> None:
    assert make_plan(seed, size) == make_plan(seed, size)
    assert make_plan(seed, size) != make_plan(seed + 1, size)


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_a_plan_has_as_much_of_everything_as_was_asked_for(seed: int, size: Size) -> None:
    plan = make_plan(seed, size)
    faults = Counter(step.fault for step in plan.steps)
    assert sum(faults[each] for each in KILLS) == sum(size.kills.values())
    assert faults[Fault.FREEZE_SERVICE] == size.freezes
    assert faults[Fault.SCALE_OUT] == faults[Fault.SCALE_IN] == size.scalings
    assert faults[Fault.ROLL] == size.rolls
    assert len(plan.submissions) == size.completions == sum(len(burst) for burst in plan.bursts)
    assert [each.number for burst in plan.bursts for each in burst] == list(range(size.completions))


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_every_target_is_there_when_its_turn_comes(seed: int, size: Size) -> None:
    everywhere = {"issuer", "registry", "notifier", "verifier", "database", "broker-1", "broker-2", "broker-3", ""}
    more = {f"{name}-{number}" for name in ("issuer", "registry", "notifier") for number in (2, 3)}
    scaled = False
    for step in make_plan(seed, size).steps:
        assert step.target in (everywhere | more if scaled else everywhere)
        assert step.fault is not Fault.FREEZE_SERVICE or scaled, "only then does another instance take over"
        assert (step.fault is Fault.SCALE_OUT) <= (not scaled)
        assert (step.fault is Fault.SCALE_IN) <= scaled
        scaled = (scaled or step.fault is Fault.SCALE_OUT) and step.fault is not Fault.SCALE_IN
    assert not scaled


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_what_is_repeated_or_changed_was_sent_in_an_earlier_burst(seed: int, size: Size) -> None:
    plan = make_plan(seed, size)
    sent: set[int] = set()
    for step, burst in zip(plan.steps, plan.bursts, strict=True):
        repeated = {each.of for each in burst if each.kind in (Kind.REPEATED, Kind.CHANGED)}
        assert repeated <= sent
        assert {of for each in step.wishes for of in each.actions} <= sent
        sent |= {each.number for each in burst if each.kind is Kind.GOOD}


@settings(deadline=None, max_examples=25)
@given(SEEDS, SIZES)
def test_of_each_credential_is_asked_in_one_place_and_only_what_its_status_allows(seed: int, size: Size) -> None:
    plan = make_plan(seed, size)
    places = Counter(of for step in plan.steps for each in step.wishes for of in each.actions)
    assert set(places.values()) == {1}
    for actions in plan.asked.values():
        state = State.ACTIVE
        for action in actions:
            state = TRANSITIONS[state, action]


def test_the_sizes_keep_what_is_promised_of_them() -> None:
    for seed in range(20):
        fast, long = make_plan(seed, FAST), make_plan(seed, LONG)
        assert {step.fault for step in fast.steps} == set(Fault), "each kind of fault at least once"
        assert kinds(fast) == kinds(long) == set(Kind)
        assert {each.route for each in fast.submissions} == set(Route)
        assert sum(step.fault in KILLS for step in long.steps) >= 200
        assert len(long.submissions) == 10_000
        for plan, bulks in ((fast, 1), (long, 3)):
            wishes = [each for step in plan.steps for each in step.wishes]
            several = [each for each in wishes if isinstance(each, BulkWish)]
            assert len(several) == bulks
            assert all(each.reinstated and each.revoked for each in several)
            asked = {wish for each in wishes if isinstance(each, Wishes) for wish in each.wishes}
            assert asked == {Wish(action, asker) for action in Action for asker in Asker}
        roll = next(len(burst) for step, burst in zip(long.steps, long.bursts, strict=True) if step.fault is Fault.ROLL)
        assert roll > 100, "enough for all of its time"


def kinds(plan: Plan) -> set[Kind]:
    return {each.kind for each in plan.submissions}
