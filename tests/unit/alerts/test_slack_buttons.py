"""Buttons of Slack messages: where a click is taken, and as long as there is something to do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes.block_kit import validation_error
from relay.alerts.render import slack_first_message, slack_message
from relay.model.effects import Level
from relay.model.incident import NotificationKind
from relay.ports.alerts import Notification
from slack_sdk.models.blocks import Block

from tests.support.incident_builders import CUSTOMER_LINK, DAY, INCIDENT_KEY, alert_message, notification

ALL = ["Acknowledge", "Mute 7 days", "Open in Shopify"]
STACK = "relay-acme"


def buttons(payload: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return a message's buttons, after Slack's own models and the stand-in have accepted it."""
    assert payload is not None
    for block in payload["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    assert validation_error(payload) is None
    return [
        element for block in payload["blocks"] if block["type"] == "actions" for element in block["elements"]
    ]


def labels(payload: dict[str, Any] | None) -> list[str]:
    return [button["text"]["text"] for button in buttons(payload)]


def given(kind: NotificationKind = "opened", **fields: Any) -> Notification:
    first = alert_message("e1") if kind != "opened" else None
    return replace(notification(kind), first_message=first, thread_id="e1", **fields)


def test_an_opening_can_be_acknowledged_muted_and_looked_at() -> None:
    """Each click names its stack, incident and opening; the link is a button and no longer a text."""
    message = slack_message(given(), STACK)
    acknowledge, mute, link = buttons(message)
    assert labels(message) == ALL
    assert json.loads(acknowledge["value"]) == {"stack": STACK, "incident": INCIDENT_KEY, "thread": "e1"}
    assert mute["value"] == acknowledge["value"]
    assert (link["url"], "value" in link) == (CUSTOMER_LINK, False)
    assert "|Open in Shopify" not in str(message)


def test_without_a_stack_there_is_no_button() -> None:
    """An incoming webhook has no app behind it, and an app without a signing secret takes no click."""
    message = slack_message(given())
    assert buttons(message) == []
    assert f"<{CUSTOMER_LINK}|Open in Shopify>" in str(message)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("opened", ALL), ("escalated", ALL), ("updated", []), ("resolved", []), ("notice", []), ("action", [])],
)
def test_what_is_over_or_never_began_has_none(kind: NotificationKind, expected: list[str]) -> None:
    """A digest, a test, an end, and what a person did."""
    assert labels(slack_message(given(kind), STACK)) == expected


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"acknowledged_by": "kim"}, ["Mute 7 days", "Open in Shopify"]),
        ({"muted_until": DAY + timedelta(days=1)}, ["Acknowledge", "Open in Shopify"]),
        ({"muted_until": DAY - timedelta(days=1)}, ALL),
    ],
)
def test_what_was_done_is_no_button_any_more(fields: dict[str, Any], left: list[str]) -> None:
    """The first message has what is left to do, with its escalations and after an action."""
    for kind in ("escalated", "action"):
        first = slack_first_message(given(kind, **fields), STACK)
        assert labels(first) == left
        by = fields.get("acknowledged_by")
        assert (f"_Acknowledged by {by}_" in str(first)) is bool(by)
    assert labels(slack_first_message(given("resolved", **fields), STACK)) == []


@pytest.mark.parametrize(("level", "status"), [(Level.WARNING, "Warning"), (Level.ERROR, "Escalated")])
def test_the_first_message_stays_what_it_was(level: Level, status: str) -> None:
    """An action adds who has the incident, and takes nothing of its state."""
    done = alert_message("a1", title="kim acknowledged", action="update", level=level)
    first = slack_first_message(replace(given("action"), alert_message=done), STACK)
    assert first is not None
    assert f" {status}: Payment failed" in first["text"]
    assert "49.00 USD" in str(first)


def test_an_action_is_one_line_in_the_thread() -> None:
    """A name is no markup, and pings no one."""
    message = alert_message("a1", title="<!channel> & co acknowledged", action="update", advice="")
    payload = slack_message(replace(given("action"), alert_message=message), STACK)
    assert "&lt;!channel&gt; &amp; co acknowledged" in str(payload["blocks"][0])
    assert "<!channel>" not in str(payload)
    assert [block["type"] for block in payload["blocks"]] == ["section", "context"]
    assert buttons(payload) == []


def test_a_key_that_slack_would_refuse_has_the_link_alone() -> None:
    """A message without two buttons is better than none."""
    long = alert_message(incident_key='"' * 1_024)
    assert labels(slack_message(replace(given(), alert_message=long), STACK)) == ["Open in Shopify"]


def test_an_incident_of_the_programme_has_no_customer_to_open() -> None:
    """An alarm is acknowledged and muted."""
    alarm = replace(given(), alert_message=alert_message(member="", level=Level.CRITICAL))
    assert labels(slack_message(alarm, STACK)) == ALL[:2]
