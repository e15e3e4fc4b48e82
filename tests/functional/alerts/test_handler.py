"""The notifier as deployed: tables, topic and queues of AWS, and a fake Slack over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from fakes.local_server import serve
from relay.adapters.aws.boto import BotoAws
from relay.adapters.channels.email import EmailChannel
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.adapters.http import http_client
from relay.alerts.transitions import apply
from relay.errors import ConflictError, MisconfiguredError, PermanentError
from relay.model.incident import Incident
from relay.ports.alerts import Notification
from relay.wiring.functions import NotifierServices
from relay.wiring.services import now, service
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from functions.notifier import app
from tests.functional.alerts.conftest import CONTEXT, Aws, event
from tests.functional.alerts.expected_messages import DONE, EMAIL_SUBJECTS, SLACK_TEXTS, subjects
from tests.support.incident_builders import ESCALATE, INCIDENT_KEY, KEY, MIA, OPEN, RESOLVE
from tests.support.lambda_env import queued_count


def test_an_incident_from_opening_to_resolution(deployed: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Both channels get each step once; the log names events and rules, and no member."""
    for message in (OPEN, OPEN, ESCALATE, RESOLVE, RESOLVE):
        assert app.handler(event(message), CONTEXT) == DONE
    assert subjects(deployed) == EMAIL_SUBJECTS
    assert deployed.slack_texts() == SLACK_TEXTS
    assert deployed.waiting("alerts") == deployed.waiting("dead") == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    sent = [line for line in lines if line.get("message") == "alert_sent"]
    assert [(line["event_id"], line["channel"], line["kind"]) for line in sent] == [
        (event_id, channel, kind)
        for event_id, kind in (("e1", "opened"), ("e3", "escalated"), ("e2", "resolved"))
        for channel in ("email", "slack")
    ]
    counted = [line for line in lines if "AlertsSent" in line]
    assert len(counted) == len(sent)
    assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in counted} == {"Relay"}
    for personal in ("Mia", "Keller", "example.com", "7001", "/services/"):
        assert personal not in json.dumps(lines)


def test_slack_down_while_email_works(deployed: Aws) -> None:
    """E-mails are sent at once; Slack gets everything once when it is back, and in order."""
    deployed.fail(status=503, times=3)
    for message in (OPEN, ESCALATE, RESOLVE):
        assert app.handler(event(message), CONTEXT) == DONE
    assert subjects(deployed) == EMAIL_SUBJECTS
    assert deployed.slack_texts() == []
    copies = deployed.waiting("alerts")
    assert [copy["header"].deferrals for copy in copies] == [1, 1, 1]
    for message in (RESOLVE, OPEN, ESCALATE):
        assert app.handler(event(message, deferrals=1), CONTEXT) == DONE
    assert deployed.slack_texts() == SLACK_TEXTS
    assert subjects(deployed) == []
    assert len(deployed.waiting("alerts")) == 3


def test_slack_answers_429(deployed: Aws) -> None:
    """The message is deferred for at least Retry-After."""
    deployed.fail(status=429, retry_after=120)
    app.handler(event(OPEN), CONTEXT)
    (copy,) = (
        deployed.client("sqs")
        .get_queue_attributes(
            QueueUrl=deployed.names["alerts"], AttributeNames=["ApproximateNumberOfMessagesDelayed"]
        )["Attributes"]
        .values()
    )
    assert copy == "1"
    app.handler(event(OPEN, deferrals=1), CONTEXT)
    assert deployed.slack_texts() == SLACK_TEXTS[:1]


def test_a_wrong_url_is_corrected_without_a_deployment(deployed: Aws) -> None:
    """The alert waits while the secret is wrong, and is sent once after it was corrected."""
    ssm = deployed.client("ssm")
    right = ssm.get_parameter(Name="/relay/slack", WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name="/relay/slack", Value=right + "x", Type="SecureString", Overwrite=True)
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert len(deployed.waiting("alerts")) == 1
    ssm.put_parameter(Name="/relay/slack", Value=right, Type="SecureString", Overwrite=True)
    assert app.handler(event(OPEN, deferrals=1), CONTEXT) == DONE
    assert deployed.slack_texts() == SLACK_TEXTS[:1]
    assert subjects(deployed) == EMAIL_SUBJECTS[:1]


def test_without_slack_email_alone(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty setting means that Slack is not configured."""
    monkeypatch.setenv("SLACK_SECRET", "")
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert subjects(deployed) == EMAIL_SUBJECTS[:1]
    assert deployed.slack_texts() == []


def test_a_missing_setting_costs_no_alert(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alerts wait for a correction, and it costs none of their receives."""
    monkeypatch.delenv("EMAIL_TOPIC")
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert queued_count(deployed.names["alerts"]) == 1
    assert deployed.slack_texts() == []


def test_an_unreadable_message_goes_to_the_dead_letters(deployed: Aws) -> None:
    """With its reason; the rest of the batch is sent."""
    batch = event(OPEN, ESCALATE)
    batch["Records"][0]["body"] = '{"alert": "Mia"}'
    assert app.handler(batch, CONTEXT) == DONE
    (dead,) = deployed.waiting("dead")
    assert dead["body"] == '{"alert": "Mia"}'
    assert dead["header"].reason == "unreadable_message"
    assert dead["header"].source_queue == "alerts"
    assert deployed.slack_texts() == ["🔴 Error: Payment failed - Mia K. (m•••@example.com)"]


def test_the_incident_as_stored(deployed: Aws) -> None:
    """The item has a version and an expiry, and nothing personal; a write on an older version is refused."""
    app.handler(event(OPEN), CONTEXT)
    table = service(NotifierServices).incidents
    incident = table.load(INCIDENT_KEY)
    item = deployed.client("dynamodb").get_item(
        TableName="incidents", Key={"key": {"S": f"incident#{INCIDENT_KEY}"}}
    )["Item"]
    assert int(item["version"]["N"]) == incident.version == 5
    assert item["open"] == {"BOOL": True}
    left = int(item["expires"]["N"]) - now().timestamp()
    assert abs(left - timedelta(days=400).total_seconds()) < 60
    assert "Mia" not in json.dumps(item)
    with pytest.raises(ConflictError):
        table.save(Incident(key=INCIDENT_KEY))
    table.save(incident)
    with pytest.raises(ConflictError):
        table.save(incident)


def test_an_incident_survives_the_table(deployed: Aws) -> None:
    """Pending notifications come back as they were written, and unknown fields of a newer version do no harm."""
    table = service(NotifierServices).incidents
    written = apply(apply(Incident(key=INCIDENT_KEY), OPEN, ["email"]), RESOLVE, ["email"])
    table.save(written)
    stored = table.load(INCIDENT_KEY)
    assert stored.pending == written.pending
    assert (stored.seen_event_ids, stored.resolved_at) == (written.seen_event_ids, written.resolved_at)
    newer = {"key": INCIDENT_KEY, "version": 1, "painted": "green"}
    put(deployed, json.dumps(newer))
    assert table.load(INCIDENT_KEY) == Incident(key=INCIDENT_KEY, version=1)
    with pytest.raises(MisconfiguredError, match="table incidents"):
        DynamoIncidents("elsewhere", now).save(written)
    put(deployed, '{"key": 1}')
    with pytest.raises(PermanentError, match="unreadable_incident"):
        table.load(INCIDENT_KEY)


def put(aws: Aws, incident: str) -> None:
    aws.client("dynamodb").put_item(
        TableName="incidents",
        Item={
            "key": {"S": f"incident#{INCIDENT_KEY}"},
            "version": {"N": "1"},
            "document": {"S": incident},
        },
    )


def test_sns_refuses(deployed: Aws) -> None:
    """A missing topic is a wrong setting; an invalid request is never sent again."""
    notification = Notification(alert_message=OPEN, kind="opened", member=MIA)
    with pytest.raises(MisconfiguredError):
        EmailChannel(deployed.names["topic"] + "x").send(notification)
    sns = deployed.client("sns")
    sns.meta.events.register("before-call.sns.Publish", invalid)
    try:
        with pytest.raises(PermanentError, match="email_refused"):
            EmailChannel(deployed.names["topic"], BotoAws(lambda _service: sns)).send(notification)
    finally:
        sns.meta.events.unregister("before-call.sns.Publish", invalid)


def invalid(**_call: object) -> None:
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "Subject"}}, "Publish")


def test_every_message_has_a_connection_of_its_own() -> None:
    """One kept open may be dead after a pause, and a message lost on it would have to be marked as a repeat."""
    ports = set()

    async def note(request: Request) -> Response:
        ports.add(request.client.port if request.client else None)
        return PlainTextResponse("ok")

    with serve(Starlette(routes=[Route("/", note)])) as url:
        for _ in range(3):
            http_client().get(url)
    assert len(ports) == 3


def test_alert_messages_have_the_keys_of_the_members_table(deployed: Aws) -> None:
    """A member is found by the key in the alert message."""
    records, _ = service(NotifierServices).members.load([KEY])
    assert records[KEY].member.text("first_name") == "Mia"
