"""What a stack costs: within the limits, and every change of the template that costs money changes the figure."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from stack_template.costs import REGION, SERIES, bill, present
from stack_template.expanded import expanded, source

from scripts.cost import BUSY, BUSY_FIXED_AT_MOST, CAPPED, IDLE, IDLE_AT_MOST, figures, size_table
from tests.support.port_fakes import ROOT


@cache
def template() -> dict[str, Any]:
    return expanded(source(), REGION)


def resources(stack: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stack["Resources"]
    return found


def test_the_page_has_the_figures() -> None:
    """docs/cost.md has the very table that `make cost` prints."""
    assert size_table(template()) in (ROOT / "docs/cost.md").read_text()


def test_a_stack_costs_little() -> None:
    """An idle month of a small shop, and the fixed cost of a busy one, at the prices of a date."""
    found = figures(template())
    assert 0 < found["idle_total"] <= IDLE_AT_MOST
    assert found["idle_total"] < found["busy_fixed"] <= BUSY_FIXED_AT_MOST
    assert found["busy_fixed"] < found["busy_total"] < found["busy_total_without_free_tier"]


def test_the_parts_are_those_of_the_template() -> None:
    """19 queues are polled in a small shop: two pollers at the topics', five where the concurrency is limited."""
    parts = {line.part: line.quantity for line in bill(template(), IDLE)}
    assert parts["SQS, idle pollers and ticks"] == (15 * 2 + 4 * 5) * 3 * 43_200 + 2_880 * 6
    assert parts["alarm metrics"] == 18
    assert parts["dashboards"] == 1
    assert figures(template())["busy_topics_capped_fixed"] > figures(template())["busy_fixed"] + 2


def one_more_alarm(stack: dict[str, Any]) -> None:
    stack["Resources"]["Another"] = stack["Resources"]["Refused"]


def three_more_dashboards(stack: dict[str, Any]) -> None:
    for number in range(3):
        stack["Resources"][f"Another{number}"] = stack["Resources"]["Dashboard"]


def a_limit_for_one_topic(stack: dict[str, Any]) -> None:
    stack["Resources"]["UpdatedFunctionQueue"]["Properties"]["ScalingConfig"] = {"MaximumConcurrency": 10}


def a_quick_clock(stack: dict[str, Any]) -> None:
    [tick] = [each for each in resources(stack).values() if each["Type"] == "AWS::Scheduler::Schedule"]
    tick["Properties"]["ScheduleExpression"] = "rate(1 minute)"


def a_key(stack: dict[str, Any]) -> None:
    stack["Resources"]["Key"] = {"Type": "AWS::KMS::Key", "Properties": {}}


def a_provisioned_table(stack: dict[str, Any]) -> None:
    throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    stack["Resources"]["Members"]["Properties"]["ProvisionedThroughput"] = throughput


def a_warm_receiver(stack: dict[str, Any]) -> None:
    kept = {"ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 1}}
    stack["Resources"]["Warm"] = {"Type": "AWS::Lambda::Alias", "Properties": kept}


def quick_periods(stack: dict[str, Any]) -> None:
    stack["Resources"]["Api5xx"]["Properties"]["Period"] = 10


@pytest.mark.parametrize(
    "dearer",
    [
        one_more_alarm,
        three_more_dashboards,
        a_limit_for_one_topic,
        a_quick_clock,
        a_key,
        a_provisioned_table,
        a_warm_receiver,
        quick_periods,
    ],
)
def test_a_dearer_template_is_noticed(dearer: Callable[[dict[str, Any]], None]) -> None:
    """Each costs at least ten cents more in an idle month."""
    changed = copy.deepcopy(template())
    dearer(changed)
    assert figures(changed)["idle_total"] >= figures(template())["idle_total"] + 0.10


def test_a_series_more_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that the functions measure is billed, though the template does not name it."""
    from relay.model.metrics import CRM_LAG, METRICS

    before = figures(template())["idle_total"]
    monkeypatch.setattr("stack_template.costs.METRICS", (*METRICS, CRM_LAG))
    assert figures(template())["idle_total"] == pytest.approx(before + SERIES)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("Nat", {"Type": "AWS::EC2::NatGateway", "Properties": {}}),
        (
            "Provisioned",
            {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "ProvisionedPollerConfig": {},
                    "EventSourceArn": {"Fn::GetAtt": ["Alerts", "Arn"]},
                },
            },
        ),
        (
            "Cron",
            {"Type": "AWS::Scheduler::Schedule", "Properties": {"ScheduleExpression": "cron(0 * * * ? *)"}},
        ),
    ],
)
def test_what_has_no_known_price_is_refused(name: str, resource: dict[str, Any]) -> None:
    """Nothing costs money unseen."""
    changed = copy.deepcopy(template())
    changed["Resources"][name] = resource
    with pytest.raises(ValueError, match=r"no price|cannot be counted"):
        bill(changed, IDLE)


def test_a_stack_has_what_its_parameters_ask_for() -> None:
    """A CRM's queue only with its target; a parameter that the template lacks is an error."""
    idle, busy = present(template(), IDLE.parameters), present(template(), BUSY.parameters)
    assert "HubSpotQueue" in idle
    assert "KlaviyoQueue" not in idle
    assert {"KlaviyoQueue", "SalesforceQueue", "WebhookQueue", "TableThrottled"} <= busy.keys()
    with pytest.raises(ValueError, match="Nonsense"):
        present(template(), {**CAPPED.parameters, "Nonsense": "1"})
