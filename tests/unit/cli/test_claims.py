"""Claims in a log: however several people's commands fall together, one at a time may send a record again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from laurel.cli.claims import CLAIM, SENT, VOID_AFTER, Claims
from laurel.contracts.audit import AdminActionRecorded, AuditOutcome

PLACE = "completions.v1/3/17"
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
SKEW = timedelta(minutes=1)
ENDS = timedelta(seconds=160)
"""When a command that has claimed has come to its end: after two minutes, and what its producer may still send."""


def entry(action: str, at: datetime, place: str = PLACE) -> AdminActionRecorded:
    return AdminActionRecorded(operator="desk", action=action, target=place, outcome=AuditOutcome.DONE, at=at)


@given(
    st.lists(
        st.tuples(
            st.timedeltas(timedelta(), timedelta(minutes=8)), st.timedeltas(-SKEW, SKEW),
            st.sampled_from(("sends and says so", "breaks off", "breaks off")),
        ),
        max_size=20,
    )
)  # fmt: skip
def test_one_at_a_time_may_send_and_what_breaks_off_stops_nobody_for_good(
    commands: list[tuple[timedelta, timedelta, str]],
) -> None:
    """Commands that follow each other after some time, each on a machine whose clock is a minute wrong at most."""
    log = Claims()
    now, entered = START, False
    winners = [START - timedelta(days=1)]
    for number, (pause, skew, fate) in enumerate(commands):
        now += pause
        log.take(str(number), entry(CLAIM, now + skew))
        if log.is_for(PLACE, str(number)):
            assert not entered
            assert now - winners[-1] > ENDS
            winners.append(now)
            if fate == "sends and says so":
                log.take(f"{number}, sent", entry(SENT, now))
                entered = True
        else:
            assert entered or now - winners[-1] < VOID_AFTER + 2 * SKEW
    assert log.was_sent(PLACE) is entered


def test_places_are_apart() -> None:
    log = Claims()
    log.take("one", entry(CLAIM, START))
    log.take("other", entry(CLAIM, START, "completions.v1/3/18"))
    log.take("one, sent", entry(SENT, START))

    assert log.is_for("completions.v1/3/18", "other")
    assert not log.is_for(PLACE, "one")


def test_other_actions_are_no_claims() -> None:
    log = Claims()
    log.take("foreign", entry("status.revoke", START))

    assert not log.is_for(PLACE, "foreign")
    assert not log.was_sent(PLACE)
