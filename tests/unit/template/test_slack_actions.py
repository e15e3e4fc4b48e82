"""template.yaml gives clicks in Slack a route, a throttle and a function of their own, where there is a signing secret."""

from __future__ import annotations

import re

import pytest

from tests.support.template_data import FUNCTIONS, RESOURCES, TEMPLATE, text, timeout

ROUTE = "POST /slack/actions"
NOTHING = {"Ref": "AWS::NoValue"}


def test_clicks_are_taken_where_a_bots_app_has_a_signing_secret() -> None:
    """All of it is there with both secrets, and none of it without."""
    own = [name for name in RESOURCES if name.startswith("SlackActions")]
    assert len(own) == 5
    assert {RESOURCES[name]["Condition"] for name in own} == {"HasSlackActions"}
    assert TEMPLATE["Conditions"]["HasSlackActions"] == {
        "Fn::And": [
            {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]}
            for name in ("SlackSecret", "SlackSigningSecret")
        ]
    }
    output = TEMPLATE["Outputs"]["SlackActionsUrl"]
    assert (output["Condition"], text(output["Value"])) == (
        "HasSlackActions",
        "${Api.ApiEndpoint}/slack/actions",
    )


def test_the_route_has_a_throttle_of_its_own() -> None:
    """A flood of forged clicks takes nothing from the webhooks; and CloudFormation makes the route before the stage names it."""
    stage = RESOURCES["ApiStage"]
    throttle = {ROUTE: {"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 5}}
    assert stage["Properties"]["RouteSettings"] == {"Fn::If": ["HasSlackActions", throttle, NOTHING]}
    waits_for = {"slackActionsRoute": {"Ref": "SlackActionsRoute"}}
    assert stage["Properties"]["StageVariables"] == {"Fn::If": ["HasSlackActions", waits_for, NOTHING]}
    assert RESOURCES["SlackActionsRoute"]["Properties"]["RouteKey"] == ROUTE
    permission = RESOURCES["SlackActionsPermission"]["Properties"]
    assert text(permission["SourceArn"]).endswith(":${Api}/*/POST/slack/actions")
    assert text(permission["FunctionName"]) == "SlackActionsFunction"


def test_the_function_ends_before_the_api_gives_up() -> None:
    """Slack waits three seconds; the function's own answer wins over the API's."""
    integration = RESOURCES["SlackActionsIntegration"]["Properties"]
    assert 3 < timeout("SlackActionsFunction") < integration["TimeoutInMillis"] / 1000
    assert "ReservedConcurrentExecutions" not in FUNCTIONS["SlackActionsFunction"]


@pytest.mark.parametrize(
    ("team", "is_taken"),
    [
        ("", True),
        ("T0RELAY", True),
        ("E0RELAY12", True),
        ("acme", False),
        ("t0relay", False),
        ("C0RELAY", False),
    ],
)
def test_a_team_is_an_id(team: str, *, is_taken: bool) -> None:
    """A workspace's name in its place would refuse every click."""
    pattern = TEMPLATE["Parameters"]["SlackTeamId"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, team)) is is_taken
