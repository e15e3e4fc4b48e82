"""The notifier as deployed: tables, topic and queues of AWS, and a Slack that answers over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from fakes.local_server import serve
from relay.adapters.channels.email import EmailChannel
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.adapters.http import http_client
from relay.alerts.transitions import apply
from relay.errors import ConflictError, MisconfiguredError, PermanentError
from relay.model.incident import Incident
from relay.ports.alerts import Notification
from relay.wiring import common, people
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from functions.notifier import app
from tests.functional.alerts.conftest import CONTEXT, Aws, event
from tests.functional.alerts.told import CLOSE, DONE, EMAILED, OPEN, RISE, SLACK_TOLD, subjects
from tests.support.incident_builders import INCIDENT_KEY, KEY, MIA
from tests.support.lambda_env import held


def test_one_matter_from_beginning_to_end(deployed: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    """Both channels hear each step once; the log names events and rules, and nobody."""
    for told in (OPEN, OPEN, RISE, CLOSE, CLOSE):
        assert app.handler(event(told), CONTEXT) == DONE
    assert subjects(deployed) == EMAILED
    assert deployed.told() == SLACK_TOLD
    assert deployed.waiting("alerts") == deployed.waiting("dead") == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told_lines = [line for line in lines if line.get("message") == "told"]
    assert [(line["event_id"], line["channel"], line["kind"]) for line in told_lines] == [
        (event_id, channel, kind)
        for event_id, kind in (("e1", "opening"), ("e3", "rise"), ("e2", "closing"))
        for channel in ("email", "slack")
    ]
    counted = [line for line in lines if "AlertsTold" in line]
    assert [line["channel"] for line in counted] == ["email", "slack"] * 3
    assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in counted} == {"Relay"}
    assert any("Told" in line for line in lines)
    for personal in ("Mia", "Keller", "example.com", "7001", "/services/"):
        assert personal not in json.dumps(lines)


def test_slack_down_while_email_works(deployed: Aws) -> None:
    """E-mail goes out at once; Slack has everything once when it is back, and in order."""
    deployed.fail(status=503, times=3)
    for told in (OPEN, RISE, CLOSE):
        assert app.handler(event(told), CONTEXT) == DONE
    assert subjects(deployed) == EMAILED
    assert deployed.told() == []
    copies = deployed.waiting("alerts")
    assert [copy["attributes"]["deferrals"] for copy in copies] == ["1", "1", "1"]
    for told in (CLOSE, OPEN, RISE):
        assert app.handler(event(told, deferrals=1), CONTEXT) == DONE
    assert deployed.told() == SLACK_TOLD
    assert subjects(deployed) == []
    assert len(deployed.waiting("alerts")) == 3


def test_slack_asks_for_patience(deployed: Aws) -> None:
    """A 429 is put off for at least as long as it asks."""
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
    assert deployed.told() == SLACK_TOLD[:1]


def test_a_wrong_url_is_mended_without_a_deployment(deployed: Aws) -> None:
    """The alert waits while the secret is wrong, and goes out once after it was put right."""
    ssm = deployed.client("ssm")
    right = ssm.get_parameter(Name="/relay/slack", WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name="/relay/slack", Value=right + "x", Type="SecureString", Overwrite=True)
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert len(deployed.waiting("alerts")) == 1
    ssm.put_parameter(Name="/relay/slack", Value=right, Type="SecureString", Overwrite=True)
    assert app.handler(event(OPEN, deferrals=1), CONTEXT) == DONE
    assert deployed.told() == SLACK_TOLD[:1]
    assert subjects(deployed) == EMAILED[:1]


def test_without_slack_email_alone(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty setting means that Slack is not configured."""
    monkeypatch.setenv("SLACK_SECRET", "")
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert subjects(deployed) == EMAILED[:1]
    assert deployed.told() == []


def test_a_missing_setting_costs_no_alert(deployed: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alerts wait for a person's mending, and none of their receives is spent."""
    monkeypatch.delenv("EMAIL_TOPIC")
    assert app.handler(event(OPEN), CONTEXT) == DONE
    assert held(deployed.names["alerts"]) == 1
    assert deployed.told() == []


def test_what_is_no_alert_goes_to_the_dead_letters(deployed: Aws) -> None:
    """With its reason; the rest of the batch is told."""
    batch = event(OPEN, RISE)
    batch["Records"][0]["body"] = '{"alert": "Mia"}'
    assert app.handler(batch, CONTEXT) == DONE
    (dead,) = deployed.waiting("dead")
    assert dead["body"] == '{"alert": "Mia"}'
    assert dead["attributes"]["reason"] == "unreadable_message"
    assert dead["attributes"]["source_queue"] == "alerts"
    assert deployed.told() == ["🔴 Error: Payment failed - Mia K. (m•••@example.com)"]


def test_the_incident_as_stored(deployed: Aws) -> None:
    """The item bears its version and its expiry, and nothing personal; an older write is refused."""
    app.handler(event(OPEN), CONTEXT)
    table = people.incidents()
    incident = table.load(INCIDENT_KEY)
    item = deployed.client("dynamodb").get_item(TableName="incidents", Key={"key": {"S": INCIDENT_KEY}})[
        "Item"
    ]
    assert int(item["version"]["N"]) == incident.version == 5
    assert item["open"] == {"BOOL": True}
    left = int(item["expires"]["N"]) - common.now().timestamp()
    assert abs(left - timedelta(days=400).total_seconds()) < 60
    assert "Mia" not in json.dumps(item)
    with pytest.raises(ConflictError):
        table.save(Incident(key=INCIDENT_KEY))
    table.save(incident)
    with pytest.raises(ConflictError):
        table.save(incident)


def test_an_incident_survives_the_table(deployed: Aws) -> None:
    """What is owed comes back as it was written, and what a newer version added does no harm."""
    table = people.incidents()
    owing = apply(apply(Incident(key=INCIDENT_KEY), OPEN, ["email"]), CLOSE, ["email"])
    table.save(owing)
    stored = table.load(INCIDENT_KEY)
    assert stored.owed == owing.owed
    assert (stored.told, stored.closed_at) == (owing.told, owing.closed_at)
    newer = {"key": INCIDENT_KEY, "version": 1, "painted": "green"}
    put(deployed, json.dumps(newer))
    assert table.load(INCIDENT_KEY) == Incident(key=INCIDENT_KEY, version=1)
    with pytest.raises(MisconfiguredError, match="table incidents"):
        DynamoIncidents("elsewhere", common.now).save(owing)
    put(deployed, '{"key": 1}')
    with pytest.raises(PermanentError, match="unreadable_incident"):
        table.load(INCIDENT_KEY)


def put(aws: Aws, incident: str) -> None:
    aws.client("dynamodb").put_item(
        TableName="incidents",
        Item={"key": {"S": INCIDENT_KEY}, "version": {"N": "1"}, "incident": {"S": incident}},
    )


def test_what_sns_refuses(deployed: Aws) -> None:
    """A topic that is gone is a wrong setting; a request that SNS calls invalid is never sent again."""
    announcement = Notification(alert_message=OPEN, kind="opening", member=MIA)
    with pytest.raises(MisconfiguredError):
        EmailChannel(deployed.names["topic"] + "x").announce(announcement)
    sns = deployed.client("sns")
    sns.meta.events.register("before-call.sns.Publish", invalid)
    try:
        with pytest.raises(PermanentError, match="email_refused"):
            EmailChannel(deployed.names["topic"], sns).announce(announcement)
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


def test_members_are_found_under_the_key_that_tellings_bear(deployed: Aws) -> None:
    """The key in an alert message is the members table's own."""
    records, _ = common.members().load([KEY])
    assert records[KEY].member.text("first_name") == "Mia"
