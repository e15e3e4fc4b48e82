"""`relay status`: deliveries by topic, what waits, open incidents and the CRMs; a part that fails hides no other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from relay.adapters.aws.boto import client
from relay.adapters.dynamodb.incidents import DynamoIncidents
from relay.alerts.transitions import apply
from relay.model.effects import MEMBER, Alert, Level
from relay.model.incident import Incident
from relay.model.messages import AlertMessage
from relay_cli.commands import status
from relay_cli.overview.crms import crm_row
from relay_cli.overview.deliveries import UNPLACED

from tests.functional.mirror_command.conftest import MirrorSetup, filled, mirror
from tests.support.command_line import parsed
from tests.support.small_stack import NAME, SHOP, FakeCloudFormation, MotoStack, deploy, log_line

__all__ = ["mirror"]

NOW = datetime.now(UTC)


@pytest.fixture
def stack() -> MotoStack:
    """Deploy a stack."""
    return deploy(FakeCloudFormation())


def shown(stack: MotoStack, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    """Run `relay status` with and without `--json`; return both outputs."""
    assert status.main(parsed(status.configure, "--json", *words), lambda _: stack) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert status.main(parsed(status.configure, *words), lambda _: stack) == 0
    return value, capsys.readouterr().out


def accepted(hours: float, topic: str | None, **more: object) -> None:
    """Log a delivery of so many hours ago, as the receiver does."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    log_line(round(at.timestamp() * 1000), level="INFO", message="accepted", topic=topic, **more)


def test_deliveries(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts and the last by topic; probes and other lines are none; a topic without any is listed."""
    for hours in (0.5, 2, 20):
        accepted(hours, "customer.cancelled")
    accepted(30, "customer.updated")
    accepted(1, "relay.probe")
    accepted(3, None, reason="not_json")
    log_line(round(NOW.timestamp() * 1000), message="applied", note="accepted", topic="customer.ordered")
    value, text = shown(stack, capsys)
    counts = {one["topic"]: one["count"] for one in value["deliveries"]["topics"]}
    assert counts["customer.cancelled"] == 3
    assert counts["customer.updated"] == 0
    assert counts["customer.ordered"] == 0
    assert counts[UNPLACED] == 1
    assert "relay.probe" not in counts
    assert "30 min ago" in text
    assert ": 4\n" in text
    value, _ = shown(stack, capsys, "--hours", "48")
    assert {one["topic"]: one["count"] for one in value["deliveries"]["topics"]}["customer.updated"] == 1


def test_what_waits(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """A queue with messages is listed with the age that CloudWatch measured; empty ones are not."""
    client("sqs").send_message(QueueUrl=stack.outputs["DeadLettersUrl"], MessageBody="{}")
    client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": f"{NAME}-dead-letters"}],
                "Timestamp": NOW - timedelta(minutes=7),
                "Value": 7_500.0,
            }
        ],
    )
    value, text = shown(stack, capsys)
    [queue] = value["waiting"]["queues"]
    assert (queue["queue"], queue["waiting"], queue["oldest_seconds"]) == ("dead-letters", 1, 7_500)
    assert "2 h 5 min" in text


def deferred(service: str, minutes: float, reason: str | None, **more: object) -> None:
    """Log what a function defers, as it does."""
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    log_line(
        round(at.timestamp() * 1000), level="INFO", message="deferred", service=service, reason=reason, **more
    )


def test_why_messages_are_deferred(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest reason that the queue's own function logged; what nothing was logged of waits by plan."""
    for name in ("unclaimed", "dead-letters"):
        url = client("sqs").get_queue_url(QueueName=f"{NAME}-{name}")["QueueUrl"]
        client("sqs").send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=600)
    deferred("unclaimed", 12, "slack: HTTP 500")
    deferred("unclaimed", 2, "slack: HTTP 503")
    deferred("unclaimed", 7, "slack: HTTP 502")
    deferred("hubspot", 1, "hubspot: HTTP 401")
    value, text = shown(stack, capsys)
    assert {one["queue"]: one["why"] for one in value["waiting"]["queues"]} == {
        "unclaimed": "slack: HTTP 503",
        "dead-letters": "by plan: it is not due yet",
    }
    assert "why deferred" in text
    assert "slack: HTTP 503" in text


def test_an_incident_that_goes_on(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The title is what people read first, and an outcome that was told later follows it, sent already or not."""
    store = DynamoIncidents(stack.outputs["IncidentsTable"], lambda: NOW)
    first = opened("dun:1", Level.WARNING, 3, "7001")
    [pending] = first.pending
    first = replace(first, pending=())  # it was sent
    lost = Alert(
        rule="dunning.lost",
        incident_key="dun:1",
        level=Level.WARNING,
        title="Another title",
        outcome="failed_for_good",
    )
    later = replace(pending.alert_message, id="2", event_id="e2", at=NOW, alert=lost)
    store.save(apply(first, later, ("email",)))
    value, text = shown(stack, capsys)
    assert [one["title"] for one in value["incidents"]] == ["A member paid nothing; then: failed for good"]
    assert "Another title" not in text


def opened(key: str, level: Level, hours: float, customer: str, *details: tuple[str, str]) -> Incident:
    """Return an incident that opened so many hours ago, about a customer."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    alert = Alert(
        rule="dunning.lost", incident_key=key, level=level, title=f"{MEMBER} paid nothing", details=details
    )
    message = AlertMessage(
        id="1",
        event_id="e1",
        topic="customer.payment_failed",
        member=f"{SHOP}:{customer}",
        at=at,
        alert=alert,
    )
    return apply(Incident(key=key), message, ("email",))


def test_incidents(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """The most severe first, then the oldest: title, customer, amount, age and link."""
    store = DynamoIncidents(stack.outputs["IncidentsTable"], lambda: NOW)
    store.save(opened("dun:1", Level.WARNING, 50, "7001", ("Amount", "24.99 USD")))
    store.save(opened("dun:2", Level.ERROR, 1, "7002"))
    store.save(opened("dun:3", Level.ERROR, 5, "7003; drop"))
    value, text = shown(stack, capsys)
    assert [one["incident"] for one in value["incidents"]] == ["dun:3", "dun:2", "dun:1"]
    last = value["incidents"][-1]
    assert (last["amount"], last["customer"]) == ("24.99 USD", "7001")
    assert last["link"] == "https://admin.shopify.com/store/acme/customers/7001"
    assert value["incidents"][0]["link"] is None
    assert "2 d 2 h" in text
    assert last["title"] == "A member paid nothing"
    lines = text[text.index("Open incidents: 3") :].splitlines()[1:7]
    assert [line.split()[0] for line in lines[::2]] == ["error", "error", "warning"]
    assert lines[5] == f"         open for 2 d 2 h, customer 7001, 24.99 USD, {last['link']}"
    assert "{" not in text


class Broken:
    """A service with a defect."""

    def __getattr__(self, name: str) -> Any:
        """Fail with a text that may not be shown."""
        raise RuntimeError("xoxb-a-secret")


@pytest.mark.parametrize("service", ["logs", "sqs", "cloudwatch"])
def test_a_part_that_fails(stack: MotoStack, capsys: pytest.CaptureFixture[str], service: str) -> None:
    """The other parts are shown, and the failure by its class."""
    broken = replace(stack, clients={**stack.clients, service: Broken()})
    value, text = shown(broken, capsys)
    assert list(value["failed"].values()) == ["RuntimeError"]
    assert value["incidents"] == []
    assert "could not be read: RuntimeError" in text
    assert "xoxb" not in text


def test_a_crm(mirror: MirrorSetup) -> None:
    """Refused members are counted, all or a part that is said to be one; the lag is CloudWatch's."""
    row = crm_row(filled(mirror).target, 90.0)
    assert (row["circuit"], row["lag_seconds"], row["messages_waiting"], row["complete"]) == (
        "closed",
        90.0,
        0,
        True,
    )
    assert (row["mirrored"], row["waiting"], row["refused"]) == (11, 0, 0)


def test_a_crm_that_is_not_deployed(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    """A target without its function is a line, and no traceback."""

    class NoLambda:
        """Lambda without functions."""

        def get_function_configuration(self, **_: Any) -> Any:
            raise RuntimeError("not there")

    stack.client("cloudformation").stacks[NAME].parameters["Targets"] = "hubspot"
    value, text = shown(replace(stack, clients={**stack.clients, "lambda": NoLambda()}), capsys)
    assert value["crms"] == [{"target": "hubspot"}]
    assert "could not be read" in text
