"""The checks of `relay doctor` in their good and their bad states: what is green, and what a person is told to do."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from inveterate import WebhookSubscription
from inveterate.webhooks.topics import ALIASES, TOPICS
from relay.ports.crm_state import CircuitRecord
from relay_cli.checks.account import (
    RUNTIME_ENDS,
    alarm_lines,
    event_source_lines,
    lambda_limit_line,
    runtime_line,
)
from relay_cli.checks.channels import email_line, hook_line, pagerduty_line, token_line
from relay_cli.checks.crms import circuit_lines, version_lines
from relay_cli.checks.line import Check, CheckLine
from relay_cli.checks.platform import subscription_lines
from relay_cli.checks.probe import probe_lines
from relay_cli.checks.queues import queue_lines
from relay_cli.commands.mirror.target import REMOVED, Target
from relay_cli.deployment.probe import ProbeResult
from relay_cli.email_subscriptions import counted
from relay_cli.errors import CliError
from relay_cli.resources import QueueDepth

BASE = "https://abc.execute-api.eu-central-1.amazonaws.com/webhooks"
KEY = "key-1"
DIGESTS = (hashlib.sha256(KEY.encode()).hexdigest(), hashlib.sha256(b"key-0").hexdigest())
TODAY = date(2026, 11, 27)


def subscription(topic: str, url: str = f"{BASE}/{KEY}", number: int = 1) -> WebhookSubscription:
    return WebhookSubscription.model_validate(
        {"id": f"s{number}", "topic": topic, "name": "relay relay-acme", "callbackUrl": url}
    )


def states(lines: Any) -> dict[str, str]:
    return {line.name: line.state for line in lines}


def test_every_topic_leads_here() -> None:
    """All 15 topics with either of two valid keys, under either name of a topic that has two: one green line."""
    listed = [subscription(topic) for topic in TOPICS]
    alias, name = next(iter(ALIASES.items()))
    listed = [one for one in listed if one.topic != name] + [subscription(alias, f"{BASE}/key-0")]
    assert states(subscription_lines(listed, BASE, DIGESTS)) == {"subscriptions": "ok"}


def test_subscriptions_that_do_not_lead_here() -> None:
    """Missing, at another URL, with a refused key, twice: a line each; none of them shows a key."""
    first, second, third, fourth, *others = TOPICS
    listed = [
        *(subscription(topic) for topic in others),
        subscription(second, "https://old.example.com/webhooks/key-1"),
        subscription(third, f"{BASE}/stolen-key"),
        subscription(fourth),
        subscription(fourth, f"{BASE}/key-0"),
    ]
    lines = list(subscription_lines(listed, BASE, DIGESTS))
    assert states(lines) == {
        f"subscription {first}": "bad",
        f"subscription {second}": "bad",
        f"subscription {third}": "bad",
        f"subscription {fourth}": "warning",
    }
    assert "a key that the stack refuses" in lines[2].text
    assert not any("key-" in str(line.value()) or "stolen" in str(line.value()) for line in lines)


def test_a_url_that_only_begins_like_the_stacks() -> None:
    """`…/webhooks-old/key` is another URL."""
    listed = [subscription(topic, f"{BASE}-old/{KEY}") for topic in TOPICS]
    [line] = subscription_lines(listed, BASE, DIGESTS)
    assert (line.name, line.state) == ("subscriptions", "bad")
    assert len(list(subscription_lines([subscription(TOPICS[0])], BASE, DIGESTS))) == len(TOPICS) - 1


@pytest.mark.parametrize(("limit", "state"), [(10, "warning"), (100, "warning"), (101, "ok"), (1000, "ok")])
def test_the_lambda_limit(limit: int, state: str) -> None:
    """Up to 100 none can be kept for the receiver, and the line has the request."""
    line = lambda_limit_line(limit)
    assert line.state == state
    assert ("L-B99A9384" in line.remedy) == (state == "warning")


@pytest.mark.parametrize(
    ("runtime", "today", "state"),
    [
        ("python3.13", TODAY, "ok"),
        ("python3.13", date(2029, 3, 1), "warning"),
        ("python3.13", date(2029, 6, 30), "warning"),
        ("python3.13", date(2029, 7, 1), "bad"),
        ("python3.10", TODAY, "bad"),
        ("python3.99", TODAY, "unknown"),
    ],
)
def test_the_end_of_a_runtime(runtime: str, today: date, state: str) -> None:
    """Green until half a year before the end; an unknown runtime is said to be one."""
    assert runtime_line(runtime, today).state == state


def test_the_default_runtime_is_known() -> None:
    """The table has the runtime that the template proposes."""
    from tests.support.template_data import TEMPLATE

    assert TEMPLATE["Parameters"]["Runtime"]["Default"] in RUNTIME_ENDS


def test_alarms() -> None:
    """None raised is one green line; raised, switched off and deleted are a line each, by their short names."""
    names = ["relay-acme-refused", "relay-acme-clock", "relay-acme-late"]
    quiet = [{"AlarmName": name, "StateValue": "OK", "ActionsEnabled": True} for name in names]
    assert states(alarm_lines("relay-acme", names, quiet)) == {"alarms": "ok"}
    raised = {
        **quiet[0],
        "StateValue": "ALARM",
        "StateUpdatedTimestamp": datetime(2026, 11, 27, 3, tzinfo=UTC),
    }
    off = {**quiet[1], "ActionsEnabled": False}
    lines = list(alarm_lines("relay-acme", names, [raised, off]))
    assert states(lines) == {"alarm refused": "bad", "alarm clock": "warning", "alarm late": "bad"}
    assert "2026-11-27 03:00" in lines[0].text
    assert states(alarm_lines("relay-acme", [], [])) == {"alarms": "bad"}


def test_event_sources() -> None:
    """Every mapping enabled is green; a disabled one is named; none at all is no green line."""
    assert states(event_source_lines({"a": "Enabled", "b": "Updating"})) == {"event sources": "ok"}
    assert states(event_source_lines({"a": "Enabled", "b": "Disabled"})) == {"event source b": "bad"}
    assert states(event_source_lines({})) == {"event sources": "bad"}


def depth(name: str, waiting: int = 0, delayed: int = 0, in_flight: int = 0) -> QueueDepth:
    return QueueDepth(name=name, url=name, waiting=waiting, delayed=delayed, in_flight=in_flight)


def test_queues() -> None:
    """A thousand messages, deferred ones counted, are a line; one dead letter is bad, one unclaimed is to look at."""
    quiet = [depth("cancelled", 3), depth("dead-letters"), depth("unclaimed")]
    assert states(queue_lines(quiet)) == {"queues": "ok", "dead letters": "ok", "unclaimed": "ok"}
    full = [depth("hubspot", 400, 600), depth("dead-letters", in_flight=1), depth("unclaimed", delayed=1)]
    assert states(queue_lines(full)) == {
        "queue hubspot": "warning",
        "dead letters": "bad",
        "unclaimed": "warning",
    }
    assert states(queue_lines([depth("cancelled")]))["dead letters"] == "bad"


ADDRESS = "kim@example.com"


@pytest.mark.parametrize(
    ("subscriptions", "address", "state"),
    [
        ([("arn:1", "email", ADDRESS)], ADDRESS, "ok"),
        ([("arn:1", "email", "Kim@Example.com")], ADDRESS, "ok"),
        ([("PendingConfirmation", "email", ADDRESS)], ADDRESS, "bad"),
        ([("PendingConfirmation", "email", ADDRESS), ("arn:1", "sqs", "arn:q")], ADDRESS, "bad"),
        (
            [("arn:1", "email", ADDRESS), ("pending confirmation", "email", "b@example.com")],
            ADDRESS,
            "warning",
        ),
        ([("Deleted", "email", ADDRESS)], ADDRESS, "bad"),
        ([], ADDRESS, "bad"),
        ([], "", "warning"),
        ([("arn:1", "sqs", "arn:q")], "", "ok"),
        ([("PendingConfirmation", "email", ADDRESS)], "", "bad"),
    ],
)
def test_the_email_subscription(subscriptions: list[tuple[str, str, str]], address: str, state: str) -> None:
    """Green only where the address in AlertEmail is confirmed; the line repeats no address."""
    listed = [
        {"SubscriptionArn": arn, "Protocol": protocol, "Endpoint": end}
        for arn, protocol, end in subscriptions
    ]
    line = email_line(counted(listed, address), has_address=bool(address))
    assert line.state == state
    assert "@" not in line.text + line.remedy


@pytest.mark.parametrize(
    ("status", "answer", "scopes", "state"),
    [
        (200, {"ok": True}, "chat:write,channels:read", "ok"),
        (200, {"ok": True}, "channels:read, chat:write", "ok"),
        (200, {"ok": True}, None, "ok"),
        (200, {"ok": True}, "chat:write.public", "bad"),
        (200, {"ok": False, "error": "invalid_auth"}, None, "bad"),
        (200, ["a page"], None, "bad"),
        (503, {}, None, "unknown"),
        (429, {}, None, "unknown"),
    ],
)
def test_a_bots_token(status: int, answer: Any, scopes: str | None, state: str) -> None:
    """A refused token or a missing scope is bad; an outage of Slack is not known."""
    assert token_line(status, answer, scopes).state == state


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, "ok"), (403, "bad"), (404, "bad"), (410, "bad"), (302, "bad"), (500, "unknown")],
)
def test_an_incoming_webhook(status: int, state: str) -> None:
    """A webhook that exists refuses an empty message; one that does not is not found."""
    assert hook_line(status).state == state


@pytest.mark.parametrize(
    ("key", "state"), [("a1" * 16, "ok"), ("a1" * 15, "bad"), ("a-" * 16, "bad"), ("é1" * 16, "bad")]
)
def test_a_routing_key(key: str, state: str) -> None:
    """32 letters and digits; the line does not repeat it."""
    line = pagerduty_line(key)
    assert line.state == state
    assert key not in line.text


@pytest.mark.parametrize(
    ("parameters", "today", "expected"),
    [
        ({"Targets": "hubspot", "HubSpotVersion": "2026-09"}, TODAY, {"hubspot API": "ok"}),
        ({"Targets": "hubspot", "HubSpotVersion": "v3"}, date(2027, 5, 1), {"hubspot API": "warning"}),
        ({"Targets": "hubspot", "HubSpotVersion": "v3"}, date(2027, 10, 1), {"hubspot API": "bad"}),
        ({"Targets": "klaviyo", "KlaviyoRevision": "2026-07-15"}, TODAY, {"klaviyo API": "ok"}),
        ({"Targets": "klaviyo", "KlaviyoRevision": "2024-02-15"}, TODAY, {"klaviyo API": "bad"}),
        ({"Targets": "webhook, salesforce", "SalesforceVersion": "65.0"}, TODAY, {"salesforce API": "ok"}),
        ({"Targets": ""}, TODAY, {}),
    ],
)
def test_versions_of_apis(parameters: dict[str, str], today: date, expected: dict[str, str]) -> None:
    """An end within half a year is to look at, a past one is bad."""
    assert states(version_lines(parameters, today)) == expected


def target_with(record: CircuitRecord) -> Target:
    fake = SimpleNamespace(name="hubspot", circuits=SimpleNamespace(load=lambda: record))
    return cast("Target", fake)


def test_the_circuit() -> None:
    """A closed circuit says nothing; an open one says until when and why; a removed mirror says how to begin again."""
    until = datetime(2026, 11, 27, 4, tzinfo=UTC)
    assert list(circuit_lines(target_with(CircuitRecord()))) == []
    [open_line] = circuit_lines(target_with(CircuitRecord(state="open", until=until, reason="http_503")))
    assert (open_line.state, "http_503" in open_line.text) == ("warning", True)
    [removed] = circuit_lines(target_with(CircuitRecord(state="open", until=until, reason=REMOVED)))
    assert "relay mirror fill hubspot" in removed.remedy


def test_the_probe() -> None:
    """One line where all arrived; else one for each reason, with its topics."""
    assert states(probe_lines(ProbeResult(seen={"a", "b"}))) == {"probe": "ok"}
    result = ProbeResult(seen={"a"}, missing={"b"}, refused={"c": "HTTP 401", "d": "HTTP 401"})
    refused, missing = probe_lines(result)
    assert (refused.state, missing.state) == ("bad", "bad")
    assert "c, d: HTTP 401" in refused.text
    assert "b: accepted" in missing.text
    [unreachable] = probe_lines(ProbeResult(refused={"c": "ConnectError", "d": "ConnectError"}))
    assert "any topic" in unreachable.text
    assert "network" in unreachable.remedy


def test_a_check_that_fails_is_a_line() -> None:
    """A known error is told with its remedy; an unknown one by its class alone, since its text may repeat a secret."""

    def refused() -> list[CheckLine]:
        raise CliError("AWS cannot be reached", "check the network")

    def defect() -> list[CheckLine]:
        raise KeyError("xoxb-a-secret")

    [line] = Check("queues", refused).lines()
    assert (line.state, line.text, line.remedy) == ("unknown", "AWS cannot be reached", "check the network")
    [line] = Check("queues", defect).lines()
    assert (line.state, "xoxb" in str(line.value()), "KeyError" in line.text) == ("unknown", False, True)


def test_lines_before_a_failure_are_kept() -> None:
    """A check that fails half-way still says what it found."""

    def half() -> Any:
        yield CheckLine("API key", "ok", "Inveterate takes it")
        raise CliError("AWS cannot be reached")

    assert [line.state for line in Check("API key", half).lines()] == ["ok", "unknown"]
