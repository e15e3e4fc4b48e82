"""The notifier as deployed: ticks, digests, alarms, channel tests, and the commands about incidents."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fakes.slack_api import TOKEN
from relay.model.effects import Level
from relay.model.header import MessageHeader
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
from relay.wiring.functions import NotifierServices
from relay.wiring.services import service
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
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"}
            for name, value in MessageHeader(topic=topic).attributes.items()
        },
    }
    return batch


@pytest.fixture
def bot(deployed: Aws) -> Aws:
    """Return the stack with a bot's token instead of a webhook's URL."""
    deployed.client("ssm").put_parameter(
        Name="/relay/slack", Value=TOKEN, Type="SecureString", Overwrite=True
    )
    return deployed


def test_a_digest_is_sent_once(bot: Aws) -> None:
    """Whatever its id, a day has one; an empty one is not sent."""
    for number, lines in enumerate((LINES, LINES, ())):
        digest = DailyDigest(id=f"d{number}", at=DAY, day=date(2025, 6, 30 - number // 2), lines=lines)
        assert app.handler(record(dump(digest), DIGEST_TOPIC), CONTEXT) == DONE
    assert bot.slack_texts() == ["📊 The membership programme on Mon 30 Jun 2025"]
    [mail] = bot.emails()
    assert mail["Subject"] == "Relay The membership programme on Mon 30 Jun 2025"
    assert "Joined: 12\nLeft: 4\n" in mail["Message"]
    assert not service(NotifierServices).incidents.load(f"digest:{SHOP}:2025-06-30").active


def test_an_alarm_as_its_topic_sends_it(bot: Aws) -> None:
    """Raw JSON, without attributes; its OK resolves it, in the same thread."""
    for state, minute in (("ALARM", 0), ("OK", 30)):
        alarm = {
            "AlarmName": "relay-acme-dead-letters",
            "AlarmDescription": "error dlq: Messages were given up. Look at them.",
            "NewStateValue": state,
            "StateChangeTime": f"2025-07-01T09:{minute:02}:00.000+0000",
        }
        assert app.handler(record(json.dumps(alarm)), CONTEXT) == DONE
    assert bot.slack_texts() == ["✅ Over: Messages were given up"] * 2
    assert bot.slack.messages[1]["thread_ts"] == bot.slack.messages[0]["ts"]
    assert [mail["Subject"] for mail in bot.emails()] == [
        "Relay Error: Messages were given up",
        "Relay Over: Messages were given up",
    ]


def test_a_flood_and_its_tick(bot: Aws) -> None:
    """The hold queue is in the same table; the roll-up names the known members."""
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
    assert [text.partition(" - ")[0] for text in bot.slack_texts()] == [
        "⚠️ Warning: Payment failed",
        "⚠️ 2 alerts at once, in one message",
    ]
    assert len(bot.emails()) == 2
    assert service(NotifierServices).incidents.load_hold_queue().entries == ()


def put_rules(aws: Aws, rules: Rules) -> None:
    aws.client("dynamodb").put_item(
        TableName="members", Item={"pk": {"S": "rules"}, "document": {"S": rules.model_dump_json()}}
    )


# -- commands of an operator


@pytest.fixture
def stack(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Give the commands the stack's outputs."""
    outputs = {
        "IncidentsTable": "incidents",
        "AlertsUrl": deployed.names["alerts"],
        "EmailTopic": deployed.names["topic"],
    }
    monkeypatch.setattr(Stack, "outputs", outputs)
    monkeypatch.setattr(Stack, "parameters", {"SlackSecret": "/relay/slack", "PagerDutySecret": ""})
    return deployed


def incident() -> Incident:
    return service(NotifierServices).incidents.load(INCIDENT_KEY)


def test_a_muted_incident(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent until then, or until the mute is ended."""
    app.handler(event(alert_message("e1")), CONTEXT)
    capsys.readouterr()
    assert main(["mute", INCIDENT_KEY, "--until", "2099-07-02T09:00+02:00", "--by", "Kim"]) == 0
    assert capsys.readouterr().out == f"{INCIDENT_KEY} is muted until 2099-07-02 07:00 UTC; changed by Kim\n"
    app.handler(event(alert_message("e2", minute=5, level=Level.ERROR)), CONTEXT)
    assert len(stack.slack_texts()) == 1
    assert main(["mute", INCIDENT_KEY, "--days", "0", "--by", "Kim"]) == 0
    app.handler(event(alert_message("e3", minute=6, level=Level.CRITICAL)), CONTEXT)
    assert len(stack.slack_texts()) == 2
    key = {"key": {"S": f"incident#{INCIDENT_KEY}"}}
    item = stack.client("dynamodb").get_item(TableName="incidents", Key=key)["Item"]
    assert int(item["expires"]["N"]) > datetime.now(UTC).timestamp()


def test_a_mute_that_is_over_already(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """A time in the past is an error, and does not end the present mute; `--days 0` does that."""
    app.handler(event(alert_message("e1")), CONTEXT)
    assert main(["mute", INCIDENT_KEY, "--days", "3", "--by", "Kim"]) == 0
    before = incident()
    assert main(["mute", INCIDENT_KEY, "--until", "2025-07-02", "--by", "Kim"]) == 2
    errors = capsys.readouterr().err
    assert "2025-07-02 00:00 UTC is in the past" in errors
    assert "--days 0" in errors
    assert incident() == before


def test_an_acknowledged_incident(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays in the list, with the name of the person."""
    app.handler(event(alert_message("e1")), CONTEXT)
    assert main(["ack", INCIDENT_KEY, "--by", "Kim"]) == 0
    assert capsys.readouterr().out.endswith(f"{INCIDENT_KEY} is open; acknowledged by Kim\n")
    app.handler(event(alert_message("e2", minute=5, level=Level.ERROR)), CONTEXT)
    assert len(stack.slack_texts()) == 1
    capsys.readouterr()
    assert main(["alerts"]) == 0
    told, about, state = capsys.readouterr().out.splitlines()
    assert told.startswith("error  ")
    assert "customer 7001" in about
    assert state.strip() == f"{INCIDENT_KEY}  sent to email, slack; acknowledged by Kim"


def test_a_mute_does_not_change_the_acknowledgement(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has the name of its own person."""
    app.handler(event(alert_message("e1")), CONTEXT)
    assert main(["ack", INCIDENT_KEY, "--by", "Kim"]) == 0
    assert main(["mute", INCIDENT_KEY, "--days", "1", "--by", "Lee"]) == 0
    capsys.readouterr()
    assert main(["alerts", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["acknowledged_by"], row["muted_by"]) == ("Kim", "Lee")


def test_open_incidents_as_json(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The most severe first, without resolved and one-off incidents."""
    assert main(["alerts"]) == 0
    assert capsys.readouterr().out == "no open incidents\n"
    over = alert_message("e9", incident_key="dun:over")
    resolve = alert_message("e10", minute=1, incident_key="dun:over", action="resolve")
    worse = alert_message("e2", incident_key="dun:worse", level=Level.CRITICAL)
    one_off = alert_message("e3", incident_key="cred:one-off", one_off=True)
    app.handler(event(alert_message("e1"), over, resolve, worse, one_off), CONTEXT)
    capsys.readouterr()
    assert main(["alerts", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["incident"], row["level"]) for row in rows] == [
        ("dun:worse", "critical"),
        (INCIDENT_KEY, "warning"),
    ]
    assert rows[0]["channels"] == ["email", "slack"]


def test_an_unknown_incident(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt key is an error, and nothing is written."""
    assert main(["mute", "dun:unknown"]) == 1
    assert main(["mute", "dun:unknown", "--until", "soon"]) == 2
    assert main(["mute", "dun:unknown", "--days", "1000"]) == 2
    errors = capsys.readouterr().err
    for expected in ("no incident dun:unknown", "soon is not a time", "between 0 and 366"):
        assert expected in errors
    assert service(NotifierServices).incidents.load("dun:unknown").version == 0


def deliver(aws: Aws) -> None:
    """Let the notifier work on the message in its queue."""
    [message] = aws.waiting("alerts")
    assert message["header"].topic == CHANNEL_TEST_TOPIC
    app.handler(record(message["body"], CHANNEL_TEST_TOPIC), CONTEXT)


def test_a_channel_test(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message takes the way of every alert; the command waits until the channel has it."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "slack"]) == 0
    assert capsys.readouterr().out.endswith("slack accepted the test message\n")
    assert stack.slack_texts() == ["\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16} A test of this channel"]
    assert stack.emails() == []


def test_a_channel_that_is_not_configured(stack: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the missing parameter, and sends nothing that would end in the dead letters."""
    assert main(["test-alert", "pagerduty"]) == 1
    assert "has no channel pagerduty" in (errors := capsys.readouterr().err)
    assert "PagerDutySecret" in errors
    assert stack.waiting("alerts") == []


def test_an_email_topic_without_subscriptions(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SNS would accept the message; the command says that a subscription must be confirmed, and sends nothing."""
    topic = stack.client("sns").create_topic(Name="without-readers")["TopicArn"]
    monkeypatch.setattr(Stack, "outputs", {"EmailTopic": topic, "AlertsUrl": stack.names["alerts"]})
    assert main(["test-alert", "email"]) == 1
    assert "no subscription to the e-mails" in capsys.readouterr().err
    assert stack.waiting("alerts") == []


def test_an_email_topic_with_a_subscription(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test arrives like every alert."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "email"]) == 0
    assert capsys.readouterr().out.endswith("email accepted the test message\n")
    assert len(stack.emails()) == 1


def test_a_test_of_a_channel_that_was_removed(stack: Aws) -> None:
    """A test that was under way when the channel was removed goes to the dead letters with that reason."""
    body = dump(ChannelTest(id="t1", at=DAY, channel="pagerduty"))
    assert app.handler(record(body, CHANNEL_TEST_TOPIC), CONTEXT) == DONE
    [dead] = stack.waiting("dead")
    assert dead["header"].reason == "channel_not_configured"


def test_a_channel_that_refuses(
    stack: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the channel's error code."""
    stack.fail(status=400, body="no_text")
    monkeypatch.setattr(time, "sleep", lambda _seconds: deliver(stack))
    assert main(["test-alert", "slack"]) == 1
    assert "slack refused the test message: slack_no_text" in capsys.readouterr().err


def test_a_channel_test_that_comes_twice(stack: Aws) -> None:
    """It is sent once."""
    body = dump(ChannelTest(id="t1", at=DAY, channel="email"))
    for _ in range(2):
        assert app.handler(record(body, CHANNEL_TEST_TOPIC), CONTEXT) == DONE
    assert len(stack.emails()) == 1
