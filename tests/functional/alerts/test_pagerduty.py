"""PagerDuty: one key opens, escalates and resolves an incident in its Events API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.pagerduty import ROUTING_KEY, FakePagerDuty, PagerDutyFault, validation_errors
from local_stack.local_http import post
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.pagerduty import PagerDutyChannel
from relay.adapters.http import ssl_context
from relay.alerts.render import pagerduty_event
from relay.alerts.render.pagerduty import dedup_key
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.ports.alerts import Notification

from tests.support.aws.boto_manner import boto_manner
from tests.support.in_memory_notifier import FakeChannel, notifier_with
from tests.support.incident_builders import SHOP, alert_message

KEY = f"inv:{SHOP}:payfail-spike"


def spike(event_id: str = "e1", minute: int = 10, **fields: Any) -> AlertMessage:
    return alert_message(
        event_id, minute=minute, member="", incident_key=KEY, **{"level": Level.CRITICAL, **fields}
    )


@dataclass
class Ssm:
    """SSM with one parameter."""

    value: str = ROUTING_KEY

    def get_parameter(self, **_asked: object) -> dict[str, dict[str, str]]:
        """Return it."""
        return {"Parameter": {"Value": self.value}}


@dataclass
class PagerDuty:
    """A fake PagerDuty and the channel to it."""

    standin: FakePagerDuty
    channel: PagerDutyChannel
    ssm: Ssm


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakePagerDuty, str, httpx.Client]]:
    """Serve PagerDuty for the tests of this module."""
    standin = FakePagerDuty()
    with serve(standin.app) as url, httpx.Client(timeout=0.5, verify=ssl_context()) as client:
        yield standin, url, client


@pytest.fixture
def pager(served: tuple[FakePagerDuty, str, httpx.Client]) -> PagerDuty:
    """Return an empty PagerDuty."""
    standin, url, client = served
    for kept in (standin.incidents, standin.messages, standin.faults):
        kept.clear()
    ssm = Ssm()
    return PagerDuty(
        standin, PagerDutyChannel(url, Secret("/relay/pagerduty", boto_manner(ssm)), SHOP, client), ssm
    )


def opened(message: AlertMessage) -> Notification:
    return Notification(alert_message=message, kind="opened", member=None)


def test_an_incident_from_opening_to_resolution(pager: PagerDuty) -> None:
    """An error pages no one; critical triggers the incident, and the resolution resolves it."""
    email = FakeChannel()
    notifier = notifier_with(email, pager.channel)
    for one in (
        spike("e1", 10, level=Level.ERROR),
        spike("e2", 11),
        spike("e2", 11),
        spike("e3", 12, action="update", level=Level.INFO),
        spike("e4", 40, action="resolve"),
    ):
        assert notifier.receive(one) == {one.event_id: None}
    [incident] = pager.standin.incidents
    assert (incident.dedup_key, incident.severity, incident.open, incident.events) == (
        KEY,
        "critical",
        False,
        1,
    )
    assert email.sent == ["opened ERROR", "escalated CRITICAL", "updated INFO", "resolved CRITICAL"]


def test_a_members_incident_does_not_page(pager: PagerDuty) -> None:
    """Whatever its level."""
    notifier_with(FakeChannel(), pager.channel).receive(alert_message(level=Level.CRITICAL))
    assert pager.standin.messages == []


def test_the_event_of_an_opening(pager: PagerDuty) -> None:
    """It has summary, source, severity, time, rule, details and advice."""
    pager.channel.send(opened(spike()))
    assert pager.standin.messages == [
        {
            "event_action": "trigger",
            "dedup_key": KEY,
            "client": "Relay",
            "payload": {
                "summary": "Payment failed",
                "source": SHOP,
                "severity": "critical",
                "timestamp": "2025-07-01T09:10:00.000+00:00",
                "component": "relay",
                "class": "payment_failed",
                "custom_details": {"Amount": "49.00 USD", "What to do": "Ask the member for another card."},
            },
            "client_url": "https://admin.shopify.com/store/acme",
            "links": [{"href": "https://admin.shopify.com/store/acme", "text": "Open in Shopify"}],
        }
    ]


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (PagerDutyFault(status=429, retry_after=60), TransientError, 60.0),
        (PagerDutyFault(status=500), TransientError, None),
        (PagerDutyFault(status=503), TransientError, None),
        (PagerDutyFault(status=400), PermanentError, None),
        (PagerDutyFault(status=404), MisconfiguredError, None),
    ],
)
def test_what_its_answers_mean(
    pager: PagerDuty, fault: PagerDutyFault, kind: type[Exception], wait: float | None
) -> None:
    """Not now, never, or a wrong setting."""
    pager.standin.faults.append(fault)
    with pytest.raises(kind) as caught:
        pager.channel.send(opened(spike()))
    assert type(caught.value) is kind
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == wait


def test_an_event_without_a_reply_is_sent_again(pager: PagerDuty) -> None:
    """The second event joins the first one's incident, so it is not marked as a repeat."""
    pager.standin.faults.append(PagerDutyFault(hang=0.8))
    with pytest.raises(TransientError) as caught:
        pager.channel.send(opened(spike()))
    assert type(caught.value) is TransientError
    pager.channel.send(opened(spike()))
    [incident] = pager.standin.incidents
    assert incident.events == 2


@pytest.mark.parametrize("key", ["", " ", "too-short", "R" * 33, "Ü" * 32])
def test_a_secret_that_is_no_routing_key(pager: PagerDuty, key: str) -> None:
    """PagerDuty would answer that the event is invalid: the error names the setting instead."""
    pager.ssm.value = key
    with pytest.raises(MisconfiguredError) as caught:
        pager.channel.send(opened(spike()))
    assert caught.value.setting in {"PagerDutySecret", "/relay/pagerduty"}
    assert pager.standin.messages == []


def test_the_longest_event_is_accepted() -> None:
    """Texts are cut; two keys that are too long stay different."""
    long = "x" * 5_000
    message = spike(title=long, advice=long, details=tuple((f"{n}{long}", long) for n in range(80)))
    event = pagerduty_event(opened(message), SHOP)
    assert event is not None
    assert validation_errors({"routing_key": ROUTING_KEY, **event}, 0) == []
    assert len(str(event)) < 100_000
    keys = {dedup_key(f"{long}{number}") for number in range(2)}
    assert len(keys) == 2
    assert max(map(len, keys)) <= 255


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"routing_key": "short", "event_action": "trigger"},
        {"routing_key": ROUTING_KEY, "event_action": "resolve"},
        {"routing_key": ROUTING_KEY, "event_action": "trigger", "dedup_key": "k"},
        {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger",
            "payload": {"summary": "x" * 1_025, "source": "s", "severity": "info"},
        },
        {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger",
            "payload": {"summary": "x", "source": "s", "severity": "bad"},
        },
    ],
)
def test_the_stand_in_is_as_strict_as_pagerduty(pager: PagerDuty, event: dict[str, Any]) -> None:
    """400, and the event is not kept."""
    reply = post(f"{pager.channel.url}/v2/enqueue", json=event)
    assert (reply.status_code, reply.json()["status"]) == (400, "invalid event")
    assert pager.standin.messages == []


def test_an_incident_links_to_the_shop_and_the_runbook(pager: PagerDuty) -> None:
    """Who is called at night opens the shop, and what to do, from the incident."""
    channel = replace(pager.channel, runbook="https://wiki.example/relay")
    channel.send(opened(spike()))
    links = pager.standin.messages[-1]["links"]
    assert [link["text"] for link in links] == ["Open in Shopify", "Runbook"]
    assert links[0]["href"].startswith("https://admin.shopify.com/store/")
    assert links[1]["href"] == "https://wiki.example/relay"
