"""A month in which HubSpot refuses everybody for a while: in the end each member is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from local_stack.environment import LocalEnvironment, local_environment, new_run_folder
from local_stack.observer import Observer
from local_stack.scenario import ScenarioOptions, play_scenario

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("refusals")]
MEMBERS = 12


@pytest.fixture(scope="module")
def shop() -> Iterator[LocalEnvironment]:
    """Deploy for this month alone: virtual time only goes forward."""
    folder = new_run_folder()
    with local_environment(folder, print) as shop:
        yield shop
    shutil.rmtree(folder, ignore_errors=True)


def test_a_month_with_a_crm_that_refuses_everybody_for_a_while(shop: LocalEnvironment) -> None:
    """HubSpot refuses every write for half of the month, then heals: the mirror is equal and no member is left behind."""
    options = ScenarioOptions(members=MEMBERS, seed=4, faults="refusals")
    verdict = play_scenario(shop, options, print, Observer(shop))
    result = verdict.result
    assert verdict.problems == ()
    assert (result["lost"], result["mirror_mismatches"], result["left_behind"]) == (0, 0, 0)
    assert result["refused_calls"] > 0
