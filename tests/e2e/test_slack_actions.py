"""A click in Slack on its way through a deployment: to the incident, into the thread, and past what is not Slack's."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.slack import FakeSlack
from fakes.slack_api import TOKEN
from local_stack.deployment import ARCHITECTURE, RUNTIME, DeployedStack, build, deploy
from local_stack.environment import SHOP, new_run_folder
from local_stack.local_aws import LocalAws, local_aws
from local_stack.local_http import get, post
from relay.adapters.aws.boto import BotoAws
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.alerts.slack_requests import ACKNOWLEDGE
from relay.model.effects import Level
from relay.model.header import MessageHeader
from relay.model.incident import Incident
from relay.model.messages import AlertMessage, dump

from tests.support.incident_builders import alert_message
from tests.support.port_fakes import NOW

pytestmark = [pytest.mark.e2e, pytest.mark.stack, pytest.mark.xdist_group("slack-actions")]

STACK = "relay-clicks"
INCIDENT = f"dun:{SHOP}:7001"
SIGNING_SECRET = "made-up"


@dataclass(frozen=True, slots=True)
class Clicked:
    """The deployment and its Slack."""

    aws: LocalAws
    stack: DeployedStack
    slack: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What Slack shows, oldest first."""
        found: list[dict[str, Any]] = get(f"{self.slack}/_standin/messages").json()["messages"]
        return found

    @property
    def texts(self) -> list[str]:
        """The texts of these messages."""
        return [message["payload"]["text"] for message in self.messages]

    @property
    def answers(self) -> list[str]:
        """What people who clicked were told."""
        return [answer["text"] for answer in get(f"{self.slack}/_standin/answers").json()["answers"]]

    def alert(self, one: AlertMessage) -> None:
        """Send an alert to the notifier, as the fan-out does."""
        header = MessageHeader(event_id=one.event_id, topic=one.topic)
        self.aws.client("sqs").send_message(
            QueueUrl=self.stack.outputs["AlertsUrl"],
            MessageBody=dump(one),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in header.attributes.items()
            },
        )

    def click(self, **how: Any) -> dict[str, Any]:
        """Click on *Acknowledge* in the thread's first message; return what Slack got for it."""
        asked = {"ts": self.messages[0]["ts"], "action_id": ACKNOWLEDGE, "user": "kim", **how}
        answer: dict[str, Any] = post(
            f"{self.slack}/_standin/clicks",
            content=json.dumps(asked).encode(),
            headers={"content-type": "application/json"},
            timeout=60,
        ).json()
        return answer

    def incident(self) -> Incident:
        """Return the incident as it is stored."""
        table = self.stack.outputs["IncidentsTable"]
        return DynamoIncidents(table, lambda: NOW, BotoAws(self.aws.client)).load(INCIDENT)


def wait(for_it: Callable[[], object], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not for_it():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def clicked() -> Iterator[Clicked]:
    """Deploy with a bot's token and a signing secret, and tell Slack where clicks go."""
    folder = new_run_folder()
    with local_aws(folder) as aws, serve(FakeSlack().app) as slack:
        names = {"slack": TOKEN, "slack-signing": f"next {SIGNING_SECRET}"}
        for name, value in names.items():
            aws.client("ssm").put_parameter(Name=f"/relay/{STACK}/{name}", Value=value, Type="SecureString")
        parameters = {
            "ShopDomain": SHOP,
            "KeyDigests": hashlib.sha256(secrets.token_bytes(32)).hexdigest(),
            "Runtime": RUNTIME,
            "Architecture": ARCHITECTURE,
            "SlackSecret": f"/relay/{STACK}/slack",
            "SlackChannel": "#members",
            "SlackUrl": f"{slack}/api",
            "SlackSigningSecret": f"/relay/{STACK}/slack-signing",
            "SlackTeamId": "T0RELAY",
        }
        stack = deploy(aws, build(folder / "build"), STACK, parameters)
        app = {
            "url": f"{aws.endpoint}/slack/actions",
            "host": f"{stack.outputs['ApiId']}.execute-api.localhost:{aws.port}",
            "signing_secret": SIGNING_SECRET,
        }
        assert stack.outputs["SlackActionsUrl"].endswith("/slack/actions")
        _put(f"{slack}/_standin/app", app)
        yield Clicked(aws, stack, slack)
    shutil.rmtree(folder, ignore_errors=True)


def _put(url: str, content: object) -> None:
    httpx.put(url, json=content, trust_env=False).raise_for_status()


def test_an_acknowledgement_reaches_the_incident_and_its_thread(clicked: Clicked) -> None:
    """Forged and late clicks do nothing. Then: who has it, no further escalation, the end all the same, and an answer."""
    opened = alert_message("e1", minute=1, incident_key=INCIDENT, member="")
    clicked.alert(opened)
    wait(lambda: clicked.texts)
    [first] = clicked.messages

    assert clicked.click(signing_secret="forged")["status"] == 401
    assert clicked.click(age=400)["status"] == 401
    assert not clicked.incident().acknowledged

    answer = clicked.click()
    assert answer["status"] == 200
    wait(lambda: len(clicked.texts) == 2)
    said = clicked.messages[1]
    assert "kim acknowledged" in said["payload"]["text"]
    assert said["thread_ts"] == first["ts"]
    assert (clicked.incident().acknowledged, clicked.incident().acknowledged_by) == (True, "kim")
    assert "Acknowledged by kim" in str(clicked.messages[0]["payload"]["blocks"])

    clicked.alert(alert_message("e2", minute=2, incident_key=INCIDENT, member="", level=Level.ERROR))
    wait(lambda: clicked.incident().level is Level.ERROR)
    clicked.alert(
        alert_message("e3", minute=3, incident_key=INCIDENT, member="", action="resolve", title="Recovered")
    )
    wait(lambda: len(clicked.texts) == 3)
    last = clicked.messages[2]
    assert "Recovered" in last["payload"]["text"]
    assert last["thread_ts"] == first["ts"]
    assert "escalat" not in str(clicked.texts).lower()
    assert "Escalated" not in str(clicked.texts)


def test_a_click_on_what_is_over_is_answered(clicked: Clicked) -> None:
    """In words that only the person sees: the message was on the screen while the incident ended."""
    clicked.alert(alert_message("e1", minute=1, incident_key="alarm:over", member="", level=Level.ERROR))
    wait(lambda: any(buttons(one) for one in clicked.messages))
    message = next(one for one in clicked.messages if buttons(one))
    value = json.loads(buttons(message)[0]["value"])
    assert value["stack"] == STACK
    incidents = DynamoIncidents(
        clicked.stack.outputs["IncidentsTable"], lambda: NOW, BotoAws(clicked.aws.client)
    )
    known = incidents.load("alarm:over")
    # The end that Slack has not shown yet.
    incidents.save(replace(known, active=False))
    assert clicked.click(ts=message["ts"])["status"] == 200
    wait(lambda: clicked.answers)
    assert "is over" in clicked.answers[-1]


def buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        element
        for block in message["payload"]["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]
