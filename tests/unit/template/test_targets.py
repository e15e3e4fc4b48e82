"""template.yaml deploys each CRM as a block of its own, on the same terms as the others."""

from __future__ import annotations

import re

import pytest
from relay.adapters.hubspot.client import DEFAULT_VERSION, PATHS

from tests.support.template_data import (
    FUNCTIONS,
    RESOURCES,
    TEMPLATE,
    environment,
    text,
)
from tests.unit.template.deployed import TARGETS, queue_events


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_hears_of_changes_raw_and_loses_none(target: str) -> None:
    """SNS hands messages over as they are, and what it cannot hand over goes to the dead letters."""
    subscription = RESOURCES[f"{target}Subscription"]["Properties"]
    assert subscription["RawMessageDelivery"] is True
    assert text(subscription["Endpoint"]) == f"{target}Queue.Arn"
    assert text(subscription["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadLetters.Arn"
    for policy, queue in ((f"{target}QueuePolicy", f"{target}Queue"), ("DeadLettersPolicy", "DeadLetters")):
        [statement] = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert (statement["Action"], text(statement["Resource"])) == ("sqs:SendMessage", f"{queue}.Arn")
        changes, alarms = {"Ref": "Changes"}, {"Ref": "Alarms"}
        sources = [changes, alarms] if policy == "DeadLettersPolicy" else changes
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": sources}}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_like_hubspot(target: str) -> None:
    """The blocks differ by their names and settings alone: what one target needs, every target does."""
    for part in ("Queue", "QueuePolicy", "Subscription", "Role"):
        ours, theirs = RESOURCES[f"{target}{part}"], RESOURCES[f"HubSpot{part}"]
        assert str(ours) == str(theirs).replace("HubSpot", target).replace("hubspot", target.lower())
    assert FUNCTIONS[f"{target}Function"]["CodeUri"] == "functions/crm_sync"


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_a_block_of_its_own(target: str) -> None:
    """Queue, policy, subscription, role and function come with the target and go with it; they read one queue."""
    parts = ("Queue", "QueuePolicy", "Subscription", "Role", "Function")
    block = [f"{target}{part}" for part in parts]
    assert {RESOURCES[name]["Condition"] for name in block} == {f"Has{target}"}
    assert [name for name, each in RESOURCES.items() if each.get("Condition") == f"Has{target}"] == block
    known = environment(f"{target}Function")
    assert known["TARGET"] == known["SOURCE_NAME"] == target.lower()
    [event] = queue_events(f"{target}Function")
    assert text(event["Queue"]) == f"{target}Queue.Arn"
    assert known["SOURCE_URL"] == {"Ref": f"{target}Queue"}
    for name in TARGETS[target]:
        setting = {"Ref": f"{target}{name.title().replace('_', '')}"}
        assert known[f"{target.upper()}_{name}"] == setting


def test_every_version_of_hubspots_api_can_be_chosen() -> None:
    """The parameter offers the versions whose paths the adapter knows, and by default its own."""
    parameter = TEMPLATE["Parameters"]["HubSpotVersion"]
    assert set(parameter["AllowedValues"]) == set(PATHS)
    assert parameter["Default"] == DEFAULT_VERSION


def test_every_target_can_be_named_and_needs_its_secret() -> None:
    """The parameter takes the names that there are and no other; a rule of its own asks for each one's secret."""
    pattern = TEMPLATE["Parameters"]["Targets"]["AllowedPattern"]
    assert set(re.findall(r"[a-z]+", pattern)) == {target.lower() for target in TARGETS}
    asked = {
        rule["RuleCondition"]["Fn::Contains"][1]: str(rule["Assertions"])
        for rule in TEMPLATE["Rules"].values()
        if rule["RuleCondition"].get("Fn::Contains", [None])[0] == {"Ref": "Targets"}
    }
    assert asked.keys() == {target.lower() for target in TARGETS}
    assert all(re.fullmatch(pattern, target) and not re.fullmatch(pattern, f"{target}s") for target in asked)
    for target in TARGETS:
        assert f"'Ref': '{target}Secret'" in asked[target.lower()]
