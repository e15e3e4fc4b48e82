"""CloudWatch's alarms, as they come from their topic, are told like everything else."""

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

from tests.support.incident_builders import DAY, Desk, FakeChannel, alert_message, message
from tests.support.port_fakes import ROOT, FakeContext, FakeMembers

SHOP = "acme.myshopify.com"


def alarm(state: str = "ALARM", minute: int = 0, **other: Any) -> str:
    """Return what CloudWatch sends, in its order of keys."""
    said = {
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
    return json.dumps(said | other)


def test_an_alarm_says_how_it_is_to_be_told() -> None:
    """Level, matter, title and what to do are the description's words; it concerns no member."""
    told = alarm_message(alarm(), SHOP)
    assert told is not None
    assert (told.member, told.topic) == ("", "relay.alarm")
    assert told.alert.incident_key == "inv:acme.myshopify.com:payfail-spike"
    assert told.alert.level is Level.CRITICAL
    assert told.alert.title == "Far more payments fail than usual"
    assert told.alert.advice == "Look at the gateway."
    assert told.alert.rule == "programme.failure_spike"


def test_every_condition_of_the_programme_is_a_rule_in_the_book() -> None:
    """What `relay rules show` lists is what the template's alarms tell; all others are about Relay itself."""
    text = (ROOT / "template.yaml").read_text()
    matters = re.findall(r"AlarmDescription: >-\s+((?:info|warning|error|critical) [a-z0-9:-]+: )", text)
    told = [alarm_message(alarm(AlarmDescription=f"{matter}Look."), SHOP) for matter in matters]
    rules = {one.alert.rule: one.alert.level.name.lower() for one in told if one}
    book = {name: entry.level for name, entry in CATALOG.items() if name.startswith("programme.")}
    assert {name: level for name, level in rules.items() if not name.startswith("alarm.")} == book
    assert "alarm.dlq" in rules


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (RuleSetting(), ["opening CRITICAL", "closing CRITICAL"]),
        (RuleSetting(level="warning"), ["opening WARNING", "closing WARNING"]),
        (RuleSetting(on=False), []),
    ],
)
def test_a_condition_is_told_as_the_merchant_has_set_it(rule: RuleSetting, told: list[str]) -> None:
    """Its switch and its level hold as for every other rule; what is off opens nothing."""
    email = FakeChannel("email")
    rules = Rules(rules={"programme.failure_spike": rule})
    desk = Desk(channels=(email,), members=FakeMembers(rules=rules))
    for body in (alarm(), alarm("OK", 30)):
        desk.notifier().work([message(body)], FakeContext())
    assert email.heard == told


def test_the_digest_can_be_switched_off() -> None:
    """By its id, which every digest shows."""
    email = FakeChannel("email")
    digest = DailyDigest(id="d", at=DAY, day=DAY.date(), lines=(("Joined", "1"),))
    for switch, heard in ((RuleSetting(on=False), 0), (RuleSetting(), 1)):
        members = FakeMembers(rules=Rules(rules={"digest": switch}))
        Desk(channels=(email,), members=members).notifier().work([message(digest)], FakeContext())
        assert len(email.had) == heard


@pytest.mark.parametrize("description", ["Somebody's own alarm.", "", None])
def test_an_alarm_of_somebody_elses_making_is_an_error(description: str | None) -> None:
    """Without the words it goes by its name."""
    told = alarm_message(alarm(AlarmDescription=description), SHOP)
    assert told is not None
    assert told.alert.level is Level.ERROR
    assert told.alert.incident_key == "alarm:relay-acme-failure-spike"
    assert told.alert.title in {"Somebody's own alarm", "relay-acme-failure-spike"}


def test_beginning_and_end_reach_pagerduty_too() -> None:
    """A change that CloudWatch delivers twice is told once; a lost figure is nobody's business."""
    email, pager = FakeChannel("email"), FakeChannel("pagerduty")
    desk = Desk(channels=(email, pager))
    for body in (
        alarm(),
        alarm(),
        alarm("INSUFFICIENT_DATA", 1),
        alarm("OK", 30),
        alarm("ALARM", 5),
    ):
        assert desk.notifier().work([message(body)], FakeContext()) == {body: None}
    assert email.heard == pager.heard == ["opening CRITICAL", "closing CRITICAL"]


def test_what_only_looks_like_an_alarm() -> None:
    """A broken one is given up; an alert that speaks of one is an alert."""
    with pytest.raises(PermanentError, match="unreadable_message"):
        alarm_message('{"AlarmName": 1}', SHOP)
    assert not is_alarm(dump(alert_message(title='"AlarmName"', advice="x" * 300)))
