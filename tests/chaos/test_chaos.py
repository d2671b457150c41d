"""The fast form: every kind of fault once or more among eight hundred completions, and all of it in balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.balance import Evidence, balance_of
from chaos.plan import FAST, Fault, make_plan
from chaos.repeats import causes_of
from chaos.run import Report, run
from laurel_local.broker import Unavailable, obtain_kafka
from support.missing import not_here

SEED = 4
"""`make chaos SEED=4 ARGS=--fast` is this very run."""


@pytest.mark.kafka
def test_nothing_is_lost_and_nothing_doubled_whatever_fails(tmp_path: Path) -> None:
    try:
        obtain_kafka()
    except Unavailable as reason:
        not_here(str(reason), tests="the chaos suite")
    plan = make_plan(SEED, FAST)
    said: list[str] = []
    report = run(plan, tmp_path, said.append)
    assert report.wrong == [], "\n".join(said)
    assert [each.step for each in report.injected] == list(plan.steps)
    assert set(Counter(each.step.fault for each in report.injected)) == set(Fault)
    figures = report.balance.figures
    assert figures["published"] == figures["issued"] + figures["rejected"] + figures["duplicates"]
    assert figures["issued"] == figures["registered"] > 0
    needed = figures["issued"] + figures["revoked"] - figures["mails that a revocation made needless"]
    assert figures["mails"] - figures["mails repeated"] == needed
    assert figures["status changes"] == sum(map(len, plan.asked.values()))
    assert report.rebuilt.hash
    assert figures["rejected"] > 0 < figures["duplicates"]
    assert_it_would_be_noticed(report)


def assert_it_would_be_noticed(report: Report) -> None:
    """The same evidence with a little missing, or a little too much of it, is not in balance."""

    def wrong(change: Callable[[Evidence], object]) -> list[str]:
        changed = deepcopy(report.evidence)
        change(changed)
        return balance_of(changed, report.plan.submissions, causes_of(report.injected)).wrong

    def mail_again(evidence: Evidence) -> None:
        evidence.mails += [evidence.mails[0]] * (len(report.injected) + 1)

    def mail_changed(**changes: Any) -> Callable[[Evidence], None]:
        def change(evidence: Evidence) -> None:
            evidence.mails.append(replace(evidence.mails[0], **changes))

        return change

    assert wrong(lambda _: None) == []
    assert any("completion-lost" in each for each in wrong(lambda it: it.facts.intents.popitem()))
    assert any("without a credential" in each for each in wrong(lambda it: it.facts.intents.popitem()))
    assert any("registration-missing" in each for each in wrong(lambda it: it.facts.registered.popitem()))
    assert any("delivery-missing" in each for each in wrong(lambda it: it.facts.deliveries.popitem()))
    assert any("not refused" in each for each in wrong(lambda it: it.rejections.clear()))
    assert any("dead letters" in each for each in wrong(lambda it: it.dead_letters.append("given up")))
    assert any("mails repeated that no fault" in each for each in wrong(mail_again))
    assert any("not the same" in each for each in wrong(mail_changed(digest="")))
    assert any("astray" in each for each in wrong(mail_changed(to=("mallory@example.org",))))
    assert any("without a mail" in each for each in wrong(lambda it: it.mails.clear()))
