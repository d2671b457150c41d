"""The fast form: every kind of fault once or more among six hundred completions, and all of it in balance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chaos.plan import FAST, Fault, make_plan
from chaos.run import run
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
    assert figures["issued"] == figures["registered"] == figures["mails"] - figures["mails repeated"] > 0
    assert figures["rejected"] > 0 < figures["duplicates"]
