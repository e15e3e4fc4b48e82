"""CloudWatch alarms, as their topic sends them, become alert messages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from relay.alerts.cloudwatch import alarm_message, is_alarm
from relay.errors import PermanentError
from relay.model.effects import Level
from relay.model.messages import DailyDigest, dump
from relay.rules.catalog import CATALOG
from relay.rules.settings import Rules, RuleSetting

from tests.support.in_memory_notifier import FakeChannel, notifier_with
from tests.support.incident_builders import DAY, alert_message
from tests.support.port_fakes import ROOT

SHOP = "acme.myshopify.com"


def alarm(state: str = "ALARM", minute: int = 0, **other: Any) -> str:
    """Return what CloudWatch sends, in its order of keys."""
    fields = {
        "AlarmName": "relay-acme-failure-spike",
        "AlarmDescription": "critical payfail-spike: Far more payments fail than usual. Look at the gateway.",
        "AWSAccountId": "123456789012",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed",
        "StateChangeTime": f"2025-07-01T09:{minute:02}:00.123+0000",
        "Region": "US East (N. Virginia)",
        "OldStateValue": "OK",
        "Trigger": {"MetricName": "FailureSpike"},
    }
    return json.dumps(fields | other)


def test_the_description_of_an_alarm() -> None:
    """It has level, condition, title and advice; an alarm concerns no member."""
    message = alarm_message(alarm(), SHOP)
    assert message is not None
    assert (message.member, message.topic) == ("", "relay.alarm")
    assert message.alert.incident_key == "inv:acme.myshopify.com:payfail-spike"
    assert message.alert.level is Level.CRITICAL
    assert message.alert.title == "Far more payments fail than usual"
    assert message.alert.advice == "Look at the gateway."
    assert message.alert.rule == "programme.failure_spike"


def test_every_condition_of_the_programme_is_a_rule_of_the_catalog() -> None:
    """What `relay rules show` lists are the template's alarms; all others are about Relay itself."""
    text = (ROOT / "template.yaml").read_text()
    descriptions = re.findall(r"AlarmDescription: >-\s+((?:info|warning|error|critical) [a-z0-9:-]+: )", text)
    messages = [alarm_message(alarm(AlarmDescription=f"{one}Look."), SHOP) for one in descriptions]
    rules = {one.alert.rule: one.alert.level.name.lower() for one in messages if one}
    catalog = {name: entry.level for name, entry in CATALOG.items() if name.startswith("programme.")}
    assert {name: level for name, level in rules.items() if not name.startswith("alarm.")} == catalog
    assert "alarm.dlq" in rules


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        (RuleSetting(), ["opened CRITICAL", "resolved CRITICAL"]),
        (RuleSetting(level="warning"), ["opened WARNING", "resolved WARNING"]),
        (RuleSetting(on=False), []),
    ],
)
def test_settings_apply_to_a_condition(rule: RuleSetting, sent: list[str]) -> None:
    """Its switch and its level hold as for every other rule; a rule that is off opens nothing."""
    email = FakeChannel("email")
    rules = Rules(rules={"programme.failure_spike": rule})
    notifier = notifier_with(email, rules=rules)
    for body in (alarm(), alarm("OK", 30)):
        notifier.receive(body)
    assert email.sent == sent


def test_the_digest_can_be_switched_off() -> None:
    """By its id, which every digest shows."""
    email = FakeChannel("email")
    digest = DailyDigest(id="d", at=DAY, day=DAY.date(), lines=(("Joined", "1"),))
    for switch, expected in ((RuleSetting(on=False), 0), (RuleSetting(), 1)):
        notifier_with(email, rules=Rules(rules={"digest": switch})).receive(digest)
        assert len(email.notifications) == expected


@pytest.mark.parametrize("description", ["An alarm of the operator.", "", None])
def test_an_alarm_with_another_description_is_an_error(description: str | None) -> None:
    """Its incident has the alarm's name."""
    message = alarm_message(alarm(AlarmDescription=description), SHOP)
    assert message is not None
    assert message.alert.level is Level.ERROR
    assert message.alert.incident_key == "alarm:relay-acme-failure-spike"
    assert message.alert.title in {"An alarm of the operator", "relay-acme-failure-spike"}


def test_opening_and_resolution_reach_pagerduty_too() -> None:
    """A change that CloudWatch delivers twice is sent once; missing data is not sent."""
    email, pager = FakeChannel("email"), FakeChannel("pagerduty")
    notifier = notifier_with(email, pager)
    for body in (
        alarm(),
        alarm(),
        alarm("INSUFFICIENT_DATA", 1),
        alarm("OK", 30),
        alarm("ALARM", 5),
    ):
        assert notifier.receive(body) == {body: None}
    assert email.sent == pager.sent == ["opened CRITICAL", "resolved CRITICAL"]


def test_a_message_that_only_looks_like_an_alarm() -> None:
    """A broken alarm is a permanent error; an alert that mentions one is an alert."""
    with pytest.raises(PermanentError, match="unreadable_message"):
        alarm_message('{"AlarmName": 1}', SHOP)
    assert not is_alarm(dump(alert_message(title='"AlarmName"', advice="x" * 300)))
