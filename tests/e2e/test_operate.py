"""`relay doctor` and `relay status` against the deployed stack, with a probe of every topic through its URL."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from local_stack.environment import SHOP, STACK_NAME
from local_stack.local_http import post
from relay.model.metrics import CRM_LAG, NAMESPACE, SERVICE, STACK
from relay.topics import FOLDERS
from relay_cli.main import main

from tests.support.local_stage import Played
from tests.support.port_fakes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("local-aws")]


@pytest.fixture
def _operator(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an operator of the local stack."""
    for name, value in played.stage.aws.environment.items():
        if name.startswith("AWS"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("RELAY_CALLBACK_KEY", played.stage.key)
    monkeypatch.delenv("INVETERATE_API_KEY", raising=False)


def shown(capsys: pytest.CaptureFixture[str], played: Played, *words: str) -> tuple[int, Any]:
    """Run a command with `--json`; return the exit code and its answer."""
    capsys.readouterr()
    code = main([*words, "--json", "--stack", STACK_NAME, "--endpoint-url", played.stage.aws.endpoint])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("_operator")
def test_doctor(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Every topic's probe arrives in the journal; each part of the stack has a line, and none is unknown."""
    played.stage.sim.subscribe(played.stage.callback_by_name)
    _, answer = shown(capsys, played, "doctor")
    states = {one["name"]: one["state"] for one in answer["checks"]}
    assert states["probe"] == "ok"
    assert "unknown" not in states.values()
    for name in (
        "stack",
        "secrets",
        "API key",
        "subscriptions",
        "event sources",
        "queues",
        "e-mail",
        "Slack",
        "hubspot",
        "hubspot API",
        "Lambda limit",
    ):
        assert states[name] == "ok", answer["checks"]
    assert {"runtime", "dead letters", "unclaimed"} < states.keys()
    assert any(name.startswith("alarm") for name in states)


def seen(capsys: pytest.CaptureFixture[str], played: Played, *words: str) -> str:
    """Run a command as it is read; return what it shows."""
    capsys.readouterr()
    assert main([*words, "--stack", STACK_NAME, "--endpoint-url", played.stage.aws.endpoint]) == 0
    return capsys.readouterr().out


@contextmanager
def held(played: Played, queue: str) -> Iterator[None]:
    """Let no function read a queue for a while."""
    functions = played.stage.aws.client("lambda")
    name = f"{STACK_NAME}-{queue}"
    [source] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


def measured(played: Played, namespace: str, name: str, value: float, **dimensions: str) -> None:
    """Put a measurement: the local AWS reads none out of the log, and measures no queue."""
    played.stage.aws.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
                "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
                "Value": value,
            }
        ],
    )


def changed(topic: str, customer: str, **data: str) -> bytes:
    """Return the sample of a topic for another customer, with other data."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = json.loads((ROOT / "events" / f"{topic}.json").read_text())["payload"]
    sampled = payload.get("newData", payload)["customerId"]
    payload = json.loads(json.dumps(payload).replace(sampled, customer))
    payload.get("newData", {}).update({**data, "updatedAt": now})
    event = {"metadata": {"topic": topic, "shopDomain": SHOP}, "payload": {**payload, "createdAt": now}}
    return json.dumps(event).encode()


@pytest.mark.usefixtures("_operator")
def test_status_at_night(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost payment, a change that waits, and members that HubSpot does not take, now or ever: on the screen and in JSON."""
    lost, first, shares, refused, waits = (f"70000000004{number:02}" for number in range(5))
    other = {"email": "two@example.com", "membership_key": "other.myshopify.com:1"}
    post(f"{played.stage.hubspot}/_standin/contacts", json={"properties": other}).raise_for_status()
    assert played.stage.post(changed("customer.payment_failed", lost)).status_code == 202
    assert played.stage.post(changed("customer.updated", first, email="one@example.com")).status_code == 202
    assert f"{SHOP}:{first}" in played.wait(lambda seen: f"{SHOP}:{first}" in seen.contacts).contacts
    assert played.stage.post(changed("customer.updated", shares, email="one@example.com")).status_code == 202
    assert played.stage.post(changed("customer.updated", refused, email="two@example.com")).status_code == 202

    def settled() -> Any:
        value = shown(capsys, played, "status")[1]
        open_ones = [one for one in value["incidents"] if one["customer"] == lost]
        [crm] = value["crms"]
        return value if open_ones and crm["refused"] and crm["waiting"] else None

    until = time.monotonic() + 60
    while not settled() and time.monotonic() < until:
        time.sleep(1)
    with held(played, "hubspot"):
        assert played.stage.post(changed("customer.updated", waits, email="w@example.com")).status_code == 202
        measured(played, "AWS/SQS", "ApproximateAgeOfOldestMessage", 8_100, QueueName=f"{STACK_NAME}-hubspot")
        measured(played, NAMESPACE, CRM_LAG.name, 4_500, **{STACK: STACK_NAME, SERVICE: "hubspot"})
        while not (value := shown(capsys, played, "status")[1])["crms"][0]["messages_waiting"]:
            assert time.monotonic() < until + 60
            time.sleep(1)
        text = seen(capsys, played, "status")
    assert value["failed"] == {}

    topics = {one["topic"]: one for one in value["deliveries"]["topics"]}
    last = datetime.fromisoformat(topics["customer.payment_failed"]["last"])
    assert timedelta() <= datetime.now(UTC) - last < timedelta(minutes=5)
    row = re.search(r"^customer\.payment_failed +(\d+) +\d+ (?:s|min) ago$", text, re.MULTILINE)
    assert row
    assert int(row[1]) == topics["customer.payment_failed"]["count"]

    [queue] = [one for one in value["waiting"]["queues"] if one["queue"] == "hubspot"]
    assert (queue["waiting"] + queue["in_flight"], queue["oldest_seconds"]) == (1, 8_100)
    assert re.search(r"^hubspot +\d +0 +\d +2 h 15 min$", text, re.MULTILINE)

    [incident] = [one for one in value["incidents"] if one["customer"] == lost]
    assert incident["title"]
    assert "{" not in incident["title"]
    assert incident["amount"] in incident["title"]
    assert incident["link"] == f"https://admin.shopify.com/store/inveterate/customers/{lost}"
    assert 0 <= incident["age_seconds"] < 300
    assert f"{incident['level']:<7}  {incident['title']}\n" in text
    assert re.search(rf"open for \d+ (s|min), customer {lost}, .+, {re.escape(incident['link'])}\n", text)

    [crm] = value["crms"]
    figures = [crm[name] for name in ("lag_seconds", "messages_waiting", "waiting", "refused", "complete")]
    assert figures == [4_500, 1, 1, 1, True]
    assert re.search(r"^hubspot +1 h 15 min +1 +1 +1$", text, re.MULTILINE)
    assert "`relay mirror status hubspot --who` says which members" in text
    assert "@" not in text
    # `relay alerts` says the same of the incident, with the key that `relay ack` takes.
    assert f"{incident['incident']}  sent to email, slack" in seen(capsys, played, "alerts")


@pytest.mark.usefixtures("_operator")
def test_status(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    """Every topic of the samples was accepted, the lost payment is open with its link, and the probes count nowhere."""
    code, value = shown(capsys, played, "status")
    assert (code, value["failed"]) == (0, {})
    topics = {one["topic"]: one["count"] for one in value["deliveries"]["topics"]}
    assert set(topics) >= set(FOLDERS)
    assert all(topics[topic] for topic in FOLDERS)
    assert any(one["title"] and one["link"] for one in value["incidents"])
    [crm] = value["crms"]
    assert (crm["target"], crm["circuit"]) == ("hubspot", "closed")
