"""`relay ack` and `relay mute` act at once, and let the notifier say so in the incident's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.model.incident import Incident
from relay.model.incident_action import INCIDENT_ACTION_TOPIC, IncidentAction
from relay.model.messages import load
from relay_cli.commands import ack, mute
from relay_cli.errors import CliError
from relay_cli.stack import Stack

from tests.support.command_line import parsed
from tests.support.incident_builders import INCIDENT_KEY, OPEN, RESOLVE, incident_after
from tests.support.lambda_env import header_of
from tests.support.moto_tables import make_table
from tests.support.port_fakes import NOW

STACK = "relay-acme"


@dataclass(frozen=True)
class StackWithIncidents(Stack):
    """A stack with the outputs that the commands read."""

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The incidents and the notifier's queue."""
        url = client("sqs").create_queue(QueueName=f"{STACK}-alerts")["QueueUrl"]
        return {"IncidentsTable": "incidents", "AlertsUrl": url}


@pytest.fixture
def store() -> DynamoIncidents:
    """Return the table of incidents, with none."""
    make_table("incidents")
    return DynamoIncidents("incidents", lambda: NOW)


def relay(command: str, *words: str) -> int:
    """Run `relay ack …` or `relay mute …` with that stack."""
    module = {"ack": ack, "mute": mute}[command]
    arguments = parsed(module.configure, INCIDENT_KEY, *words, "--stack", STACK)
    return int(module.main(arguments, lambda given: StackWithIncidents(given.stack)))


def queued() -> list[IncidentAction]:
    """Take what was sent to the notifier."""
    url = client("sqs").create_queue(QueueName=f"{STACK}-alerts")["QueueUrl"]
    found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    messages = found.get("Messages", [])
    assert all(header_of(message).topic == INCIDENT_ACTION_TOPIC for message in messages)
    return [load(IncidentAction, message["Body"]) for message in messages]


def put(store: DynamoIncidents, incident: Incident) -> None:
    store.save(replace(incident, version=0))


def test_an_acknowledgement_is_written_and_said_in_the_thread(
    store: DynamoIncidents, capsys: pytest.CaptureFixture[str]
) -> None:
    """The incident has it at once, with what its thread will say; the message is for its delivery."""
    put(store, incident_after(OPEN))
    assert relay("ack", "--by", "kim") == 0
    assert "open; acknowledged by kim" in capsys.readouterr().out
    found = store.load(INCIDENT_KEY)
    assert (found.acknowledged, found.acknowledged_by) == (True, "kim")
    [action] = queued()
    pending = found.pending_for(action.id)
    assert pending
    assert pending.alert_message.alert.title == "kim acknowledged"
    assert list(pending.deliveries) == ["slack"]


def test_a_mute_is_said_and_so_is_its_end(store: DynamoIncidents, capsys: pytest.CaptureFixture[str]) -> None:
    """With the time until which it lasts."""
    put(store, incident_after(OPEN))
    assert relay("mute", "--until", "2100-01-01T00:00", "--by", "kim") == 0
    assert relay("mute", "--days", "0", "--by", "lee") == 0
    assert "no longer muted; changed by lee" in capsys.readouterr().out
    titles = [one.alert_message.alert.title for one in store.load(INCIDENT_KEY).pending]
    assert titles[1:] == ["kim muted this until 2100-01-01 00:00 UTC", "lee ended the mute"]
    assert [action.verb for action in queued()] == ["mute", "unmute"]


@pytest.mark.parametrize(
    "incident", [incident_after(OPEN, RESOLVE), incident_after(OPEN, channels=("email",))]
)
def test_without_a_thread_nothing_is_sent(store: DynamoIncidents, incident: Incident) -> None:
    """An incident that is over, or that no Slack has, is changed all the same."""
    put(store, incident)
    assert relay("mute", "--by", "kim") == 0
    assert store.load(INCIDENT_KEY).muted_by == "kim"
    assert queued() == []


def test_an_unknown_incident_is_named(store: DynamoIncidents) -> None:
    """And nothing is written."""
    with pytest.raises(CliError, match="there is no incident"):
        relay("ack")
    assert store.load(INCIDENT_KEY).version == 0
    assert queued() == []
