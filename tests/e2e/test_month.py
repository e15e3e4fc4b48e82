"""A month on the real template, with everything that can go wrong: `make run FAULTS=all`, a small one."""

from __future__ import annotations

import pytest
from local_stack.environment import LocalEnvironment
from local_stack.observer import Observer
from local_stack.scenario import ScenarioOptions, play_scenario

# It needs a deployment of its own, and more than a minute.
pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("month")]
MEMBERS = 12


def test_a_month_with_all_faults_loses_nothing(stage: LocalEnvironment) -> None:
    """What was accepted is journaled or set aside for a named reason, no alert comes twice, the CRM is true."""
    options = ScenarioOptions(members=MEMBERS, seed=3, faults="all", step_hours=120)
    verdict = play_scenario(stage, options, print, Observer(stage))
    result = verdict.result
    assert verdict.problems == ()
    assert (result["lost"], result["double_alerts"], result["mirror_mismatches"]) == (0, 0, 0)
    assert result["accepted"] >= result["journaled"] > MEMBERS
    # The faults did strike: else this shows nothing.
    assert result["strays"] > 0
    assert result["duplicates"] > 0
    assert set(verdict.set_aside) <= {"unknown_topic", "not_json", "other_shop"}
