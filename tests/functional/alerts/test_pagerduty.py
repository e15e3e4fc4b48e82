"""PagerDuty: incidents that open, grow and end by one key, as its Events API takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.pagerduty import ROUTING_KEY, FakePagerDuty, PagerDutyFault, validation_errors
from local_stack.local_http import post
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.pagerduty import PagerDutyChannel
from relay.adapters.http import ssl_context
from relay.alerts.render import pagerduty
from relay.alerts.render.pagerduty import dedup_key
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.ports.alerts import Notification

from tests.support.incident_builders import SHOP, Desk, FakeChannel, alert_message, message
from tests.support.port_fakes import FakeContext

KEY = f"inv:{SHOP}:payfail-spike"


def spike(event_id: str = "e1", minute: int = 10, **told: Any) -> AlertMessage:
    return alert_message(
        event_id, minute=minute, member="", incident_key=KEY, **{"level": Level.CRITICAL, **told}
    )


@dataclass
class Ssm:
    """SSM with one parameter."""

    value: str = ROUTING_KEY

    def get_parameter(self, **_asked: object) -> dict[str, dict[str, str]]:
        """Return it."""
        return {"Parameter": {"Value": self.value}}


@dataclass
class Bench:
    """A PagerDuty and the channel to it."""

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
def bench(served: tuple[FakePagerDuty, str, httpx.Client]) -> Bench:
    """Return an empty PagerDuty."""
    standin, url, client = served
    for kept in (standin.incidents, standin.messages, standin.faults):
        kept.clear()
    ssm = Ssm()
    return Bench(standin, PagerDutyChannel(url, Secret("/relay/pagerduty", ssm), SHOP, client), ssm)


def opening(told: AlertMessage) -> Notification:
    return Notification(alert_message=told, kind="opening", member=None)


def test_an_incident_from_beginning_to_end(bench: Bench) -> None:
    """An error does not wake anybody; critical opens the incident, and the end resolves it."""
    email = FakeChannel()
    desk = Desk(channels=(email, bench.channel))
    for told in (
        spike("e1", 10, level=Level.ERROR),
        spike("e2", 11),
        spike("e2", 11),
        spike("e3", 12, action="mention", level=Level.INFO),
        spike("e4", 40, action="close"),
    ):
        assert desk.notifier().work([message(told)], FakeContext()) == {told.event_id: None}
    [incident] = bench.standin.incidents
    assert (incident.dedup_key, incident.severity, incident.open, incident.events) == (
        KEY,
        "critical",
        False,
        1,
    )
    assert email.heard == ["opening ERROR", "rise CRITICAL", "mention INFO", "closing CRITICAL"]


def test_a_members_matter_is_no_incident(bench: Bench) -> None:
    """However bad it is for the member."""
    desk = Desk(channels=(FakeChannel(), bench.channel))
    desk.notifier().work([message(alert_message(level=Level.CRITICAL))], FakeContext())
    assert bench.standin.messages == []


def test_what_an_incident_says(bench: Bench) -> None:
    """Summary, where, how bad, when, by which rule, and what to do."""
    bench.channel.announce(opening(spike()))
    assert bench.standin.messages == [
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
    bench: Bench, fault: PagerDutyFault, kind: type[Exception], wait: float | None
) -> None:
    """Not now, never, or a wrong setting."""
    bench.standin.faults.append(fault)
    with pytest.raises(kind) as caught:
        bench.channel.announce(opening(spike()))
    assert type(caught.value) is kind
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == wait


def test_a_lost_answer_is_asked_for_again(bench: Bench) -> None:
    """The second event joins the first one's incident, so nobody has to be told that it may be a repeat."""
    bench.standin.faults.append(PagerDutyFault(hang=0.8))
    with pytest.raises(TransientError) as caught:
        bench.channel.announce(opening(spike()))
    assert type(caught.value) is TransientError
    bench.channel.announce(opening(spike()))
    [incident] = bench.standin.incidents
    assert incident.events == 2


@pytest.mark.parametrize("key", ["", " ", "too-short", "R" * 33, "Ü" * 32])
def test_a_secret_that_is_no_routing_key(bench: Bench, key: str) -> None:
    """PagerDuty would call the event invalid, and it would be given up: the setting is named instead."""
    bench.ssm.value = key
    with pytest.raises(MisconfiguredError) as caught:
        bench.channel.announce(opening(spike()))
    assert caught.value.setting == "/relay/pagerduty"
    assert bench.standin.messages == []


def test_the_longest_event_is_taken() -> None:
    """Lengths are cut; two keys that are too long stay two."""
    long = "x" * 5_000
    told = spike(title=long, advice=long, details=tuple((f"{n}{long}", long) for n in range(80)))
    event = pagerduty(opening(told), SHOP)
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
def test_the_stand_in_is_as_strict_as_pagerduty(bench: Bench, event: dict[str, Any]) -> None:
    """400, and the event is not kept."""
    reply = post(f"{bench.channel.url}/v2/enqueue", json=event)
    assert (reply.status_code, reply.json()["status"]) == (400, "invalid event")
    assert bench.standin.messages == []
