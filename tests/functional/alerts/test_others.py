"""What else comes to the notifier as deployed: ticks, digests, alarms and trials, and what a person says of a matter."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fakes.slack_api import TOKEN
from relay.model.effects import Level
from relay.model.incident import Incident
from relay.model.messages import (
    CHANNEL_TEST_TOPIC,
    DIGEST_TOPIC,
    TICK_TOPIC,
    ChannelTest,
    ClockTick,
    DailyDigest,
    dump,
)
from relay.rules.settings import Flood, Rules
from relay.wiring import people
from relay_cli.main import main
from relay_cli.stack import Stack

from functions.notifier import app
from tests.functional.alerts.conftest import CONTEXT, Aws, event
from tests.support.incident_builders import DAY, INCIDENT_KEY, SHOP, alert_message

DONE: dict[str, Any] = {"batchItemFailures": []}
LINES = (("Joined", "12"), ("Left", "4"))


def record(body: str, topic: str | None = None) -> dict[str, Any]:
    """Return Lambda's event for one message of the alerts queue; an alarm comes without attributes."""
    batch = event(alert_message("other"))
    batch["Records"][0] |= {
        "body": body,
        "messageAttributes": {"topic": {"stringValue": topic, "dataType": "String"}} if topic else {},
    }
    return batch


@pytest.fixture
def bot(deployed: Aws) -> Aws:
    """Return the stack with a bot's token instead of a webhook's URL."""
    deployed.client("ssm").put_parameter(
        Name="/relay/slack", Value=TOKEN, Type="SecureString", Overwrite=True
    )
    return deployed


def test_a_days_digest_is_told_once(bot: Aws) -> None:
    """Whatever its id, a day has one; an empty one is told to nobody."""
    for number, lines in enumerate((LINES, LINES, ())):
        digest = DailyDigest(id=f"d{number}", at=DAY, day=date(2025, 6, 30 - number // 2), lines=lines)
        assert app.handler(record(dump(digest), DIGEST_TOPIC), CONTEXT) == DONE
    assert bot.told() == ["📊 The membership programme on Monday, 2025-06-30"]
    [mail] = bot.emails()
    assert mail["Subject"] == "Relay The membership programme on Monday, 2025-06-30"
    assert "Joined: 12\nLeft: 4\n" in mail["Message"]
    assert not people.incidents().load(f"digest:{SHOP}:2025-06-30").open


def test_an_alarm_as_its_topic_sends_it(bot: Aws) -> None:
    """Raw JSON, without attributes; its OK ends it, in the same thread."""
    for state, minute in (("ALARM", 0), ("OK", 30)):
        alarm = {
            "AlarmName": "relay-acme-dead-letters",
            "AlarmDescription": "error dlq: Messages were given up. Look at them.",
            "NewStateValue": state,
            "StateChangeTime": f"2025-07-01T09:{minute:02}:00.000+0000",
        }
        assert app.handler(record(json.dumps(alarm)), CONTEXT) == DONE
    assert bot.told() == ["✅ Over: Messages were given up"] * 2
    assert bot.slack.messages[1]["thread_ts"] == bot.slack.messages[0]["ts"]
    assert [mail["Subject"] for mail in bot.emails()] == [
        "Relay Error: Messages were given up",
        "Relay Over: Messages were given up",
    ]


def test_a_flood_and_its_tick(bot: Aws) -> None:
    """The room lies in the same table; the one message names who is known."""
    put_rules(bot, Rules(flood=Flood(alerts=1)))
    alert_messages = [
        alert_message(
            f"e{number}", member=f"{SHOP}:{7001 + number}", incident_key=f"dun:{SHOP}:{7001 + number}"
        )
        for number in range(3)
    ]
    assert app.handler(event(*alert_messages), CONTEXT) == DONE
    tick = dump(ClockTick(at=DAY + timedelta(minutes=15)))
    for _ in range(2):
        assert app.handler(record(tick, TICK_TOPIC), CONTEXT) == DONE
    assert [text.partition(" - ")[0] for text in bot.told()] == [
        "⚠️ Warning: Payment failed",
        "⚠️ 2 alerts at once, told in one message",
    ]
    assert len(bot.emails()) == 2
    assert people.incidents().room().entries == ()


def put_rules(aws: Aws, rules: Rules) -> None:
    aws.client("dynamodb").put_item(
        TableName="members", Item={"pk": {"S": "rules"}, "document": {"S": rules.model_dump_json()}}
    )


# -- what a person says, by the command line


@pytest.fixture
def stack(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Let the command find the stack's outputs."""
    outputs = {
        "IncidentsTable": "incidents",
        "AlertsUrl": deployed.names["alerts"],
        "EmailTopic": deployed.names["topic"],
    }
    monkeypatch.setattr(Stack, "outputs", outputs)
    monkeypatch.setattr(Stack, "parameters", {"SlackSecret": "/relay/slack", "PagerDutySecret": ""})
    return deployed


def incident() -> Incident:
    return people.incidents().load(INCIDENT_KEY)


def test_a_muted_matter(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody hears of it until then, or until it is heard again."""
    app.handler(event(alert_message("e1")), CONTEXT)
    capsys.readouterr()
    assert main(["mute", INCIDENT_KEY, "--until", "2099-07-02T09:00+02:00", "--by", "Kim"]) == 0
    assert capsys.readouterr().out == f"{INCIDENT_KEY} is muted until 2099-07-02 07:00 UTC; changed by Kim\n"
    app.handler(event(alert_message("e2", minute=5, level=Level.ERROR)), CONTEXT)
    assert len(stack.told()) == 1
    assert main(["mute", INCIDENT_KEY, "--days", "0", "--by", "Kim"]) == 0
    app.handler(event(alert_message("e3", minute=6, level=Level.CRITICAL)), CONTEXT)
    assert len(stack.told()) == 2
    item = stack.client("dynamodb").get_item(TableName="incidents", Key={"key": {"S": INCIDENT_KEY}})["Item"]
    assert int(item["expires"]["N"]) > datetime.now(UTC).timestamp()


def test_a_mute_that_is_over_already(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the year is said, and does not end the mute that holds; `--days 0` does that."""
    app.handler(event(alert_message("e1")), CONTEXT)
    assert main(["mute", INCIDENT_KEY, "--days", "3", "--by", "Kim"]) == 0
    before = incident()
    assert main(["mute", INCIDENT_KEY, "--until", "2025-07-02", "--by", "Kim"]) == 1
    said = capsys.readouterr().err
    assert "2025-07-02 00:00 UTC is in the past" in said
    assert "--days 0" in said
    assert incident() == before


def test_an_acknowledged_matter(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays in the list, with who has it in hand."""
    app.handler(event(alert_message("e1")), CONTEXT)
    assert main(["ack", INCIDENT_KEY, "--by", "Kim"]) == 0
    assert capsys.readouterr().out.endswith(f"{INCIDENT_KEY} is open; acknowledged by Kim\n")
    app.handler(event(alert_message("e2", minute=5, level=Level.ERROR)), CONTEXT)
    assert len(stack.told()) == 1
    capsys.readouterr()
    assert main(["alerts"]) == 0
    [row] = capsys.readouterr().out.splitlines()
    assert row.startswith(f"error     {INCIDENT_KEY}  2025-07-01T09:00+00:00  sent to email, slack")
    assert row.endswith("acknowledged by Kim")


def test_what_is_open_as_json(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The worst first; what is over is not in it, nor what was over as it was told."""
    assert main(["alerts"]) == 0
    assert capsys.readouterr().out == "no open incidents\n"
    over = alert_message("e9", incident_key="dun:over")
    closing = alert_message("e10", minute=1, incident_key="dun:over", action="close")
    worse = alert_message("e2", incident_key="dun:worse", level=Level.CRITICAL)
    passing = alert_message("e3", incident_key="cred:told", lasting=False)
    app.handler(event(alert_message("e1"), over, closing, worse, passing), CONTEXT)
    capsys.readouterr()
    assert main(["alerts", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["incident"], row["level"]) for row in rows] == [
        ("dun:worse", "critical"),
        (INCIDENT_KEY, "warning"),
    ]
    assert rows[0]["channels"] == ["email", "slack"]


def test_a_matter_that_nobody_knows(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt key is said, and nothing is written."""
    assert main(["mute", "dun:nobody"]) == 1
    assert main(["mute", "dun:nobody", "--until", "soon"]) == 1
    assert main(["mute", "dun:nobody", "--days", "1000"]) == 1
    errors = capsys.readouterr().err
    for said in ("no incident dun:nobody", "soon is not a time", "between 0 and 366"):
        assert said in errors
    assert people.incidents().load("dun:nobody").version == 0


def deliver(aws: Aws) -> None:
    """Let the notifier hear what waits in its queue."""
    [message] = aws.waiting("alerts")
    assert message["attributes"]["topic"] == CHANNEL_TEST_TOPIC
    app.handler(record(message["body"], CHANNEL_TEST_TOPIC), CONTEXT)


def test_a_channel_is_tried_out(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message goes the way of every alert; the command waits until the channel has it."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "slack"]) == 0
    assert capsys.readouterr().out.endswith("slack accepted the test message\n")
    assert stack.told() == ["\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16} A test of this channel"]
    assert stack.emails() == []


def test_a_channel_that_is_not_there(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says which parameter it lacks, and sends nothing that would end in the dead letters."""
    assert main(["test-alert", "pagerduty"]) == 1
    assert "has no channel pagerduty" in (said := capsys.readouterr().err)
    assert "PagerDutySecret" in said
    assert stack.waiting("alerts") == []


def test_e_mails_that_nobody_reads(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SNS takes a message for nobody as well; the command says who has to confirm, and sends nothing."""
    topic = stack.client("sns").create_topic(Name="without-readers")["TopicArn"]
    monkeypatch.setattr(Stack, "outputs", {"EmailTopic": topic, "AlertsUrl": stack.names["alerts"]})
    assert main(["test-alert", "email"]) == 1
    assert "no subscription to the e-mails of relay is confirmed" in capsys.readouterr().err
    assert stack.waiting("alerts") == []


def test_e_mails_that_somebody_reads(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trial arrives like every alert."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "email"]) == 0
    assert capsys.readouterr().out.endswith("email accepted the test message\n")
    assert len(stack.emails()) == 1


def test_a_trial_of_what_was_taken_away(stack: Aws) -> None:
    """One that was on its way when the channel went is given up for that reason."""
    body = dump(ChannelTest(id="t1", at=DAY, channel="pagerduty"))
    assert app.handler(record(body, CHANNEL_TEST_TOPIC), CONTEXT) == DONE
    [dead] = stack.waiting("dead")
    assert dead["attributes"]["reason"] == "channel_not_configured"


def test_a_channel_that_refuses(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own word for it is repeated."""
    stack.fail(status=400, body="no_text")
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "slack"]) == 1
    assert "slack refused the test message: slack_no_text" in capsys.readouterr().err


def test_a_trial_that_comes_twice(stack: Aws) -> None:
    """Is told once."""
    body = dump(ChannelTest(id="t1", at=DAY, channel="email"))
    for _ in range(2):
        assert app.handler(record(body, CHANNEL_TEST_TOPIC), CONTEXT) == DONE
    assert len(stack.emails()) == 1
