"""Slack with a bot: one thread per incident, with an up-to-date first message, through outages and crashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.slack import FakeSlack
from fakes.slack_api import TOKEN
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.http import ssl_context
from relay.alerts.delivery import CLAIM_DURATION
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.effects import Level
from relay.ports.alerts import Notification

from tests.support.aws.boto_manner import boto_manner
from tests.support.in_memory_notifier import Crash, FakeChannel, notifier_with
from tests.support.incident_builders import INCIDENT_KEY, MIA, alert_message

OPEN = alert_message("e1", minute=10)
UPDATE = alert_message(
    "e2", minute=12, action="update", level=Level.INFO, title="A new card, a retry is expected"
)
ESCALATE = alert_message("e3", minute=15, level=Level.ERROR)
RESOLVE = alert_message("e4", minute=20, action="resolve", title="Payment recovered")


@dataclass
class Ssm:
    """SSM with one parameter."""

    value: str = TOKEN

    def get_parameter(self, **_asked: object) -> dict[str, dict[str, str]]:
        """Return it."""
        return {"Parameter": {"Value": self.value}}


@dataclass
class SlackNotifier:
    """A fake Slack, and a notifier that sends to it."""

    standin: FakeSlack
    url: str
    client: httpx.Client
    ssm: Ssm = field(default_factory=Ssm)
    email: FakeChannel = field(default_factory=FakeChannel)
    channel_name: str = "#members"

    def __post_init__(self) -> None:
        self.notifier = notifier_with(self.email, self.slack_channel())
        self.receive = self.notifier.receive

    def slack_channel(self) -> SlackChannel:
        """Return the channel."""
        secret = Secret("/relay/slack", boto_manner(self.ssm))
        return SlackChannel(secret, self.client, api=f"{self.url}/api", channel=self.channel_name)

    @property
    def first_messages(self) -> list[dict[str, Any]]:
        """The messages that began a thread."""
        return [one for one in self.standin.messages if one.get("thread_ts") is None]

    @property
    def replies(self) -> list[dict[str, Any]]:
        """The messages that were added to a thread."""
        return [one for one in self.standin.messages if one.get("thread_ts") is not None]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeSlack, str, httpx.Client]]:
    """Serve Slack for the tests of this module."""
    standin = FakeSlack()
    with serve(standin.app) as url, httpx.Client(timeout=2, verify=ssl_context()) as client:
        yield standin, url, client


@pytest.fixture
def slack(served: tuple[FakeSlack, str, httpx.Client]) -> SlackNotifier:
    """Return an empty Slack with a notifier."""
    standin, url, client = served
    standin.messages.clear()
    standin.faults.clear()
    return SlackNotifier(standin, url, client)


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [one["payload"]["text"].partition(" - ")[0] for one in messages]


def test_one_incident_is_one_thread(slack: SlackNotifier) -> None:
    """Notifications are replies; the first message has the present state, in the end that it is over and why."""
    slack.receive(OPEN, UPDATE, ESCALATE)
    assert texts(slack.first_messages) == ["🔴 Escalated: Payment failed"]
    slack.receive(replace(RESOLVE, alert=replace(RESOLVE.alert, advice="")))
    [first] = slack.first_messages
    assert texts([first]) == ["✅ Payment recovered"]
    assert first["updates"] == 2
    assert re.search(r"Tue 1 Jul 2025, (09|11):20 (UTC|CEST)", str(first["payload"]["blocks"]))
    assert "Ask the member" not in str(first["payload"]["blocks"])
    assert {one["thread_ts"] for one in slack.replies} == {first["ts"]}
    assert texts(slack.replies) == [
        "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16} A new card, a retry is expected",
        "🔴 Escalated: Payment failed",
        "✅ Payment recovered",
    ]
    # Only an escalation is shown to the whole channel.
    assert [one["payload"]["reply_broadcast"] for one in slack.replies] == [False, True, False]
    assert slack.email.sent == ["opened WARNING", "updated INFO", "escalated ERROR", "resolved WARNING"]


def test_a_reopened_incident_has_a_new_thread(slack: SlackNotifier) -> None:
    """The old one stays over."""
    slack.receive(
        OPEN, RESOLVE, alert_message("e5", minute=30), alert_message("e6", minute=40, action="resolve")
    )
    assert texts(slack.first_messages) == ["✅ Payment recovered", "✅ Payment failed"], "titles of the ends"
    assert [one["thread_ts"] for one in slack.replies] == [one["ts"] for one in slack.first_messages]
    assert slack.notifier.incidents.items[INCIDENT_KEY].threads == {}


def test_slack_down_from_opening_to_resolution(slack: SlackNotifier) -> None:
    """When it is back, it gets the whole thread, each message once."""
    slack.standin.faults += [fault(status=503)] * 4
    for one in (OPEN, ESCALATE, RESOLVE, alert_message("e5", minute=30)):
        assert isinstance(slack.receive(one)[one.event_id], TransientError)
    for one in (alert_message("e5", minute=30), RESOLVE, ESCALATE, OPEN):
        assert slack.receive(one, deferrals=1) == {one.event_id: None}
    assert texts(slack.first_messages) == ["✅ Payment recovered", "⚠️ Warning: Payment failed"]
    assert texts(slack.replies) == ["🔴 Escalated: Payment failed", "✅ Payment recovered"]
    assert slack.email.sent == ["opened WARNING", "escalated ERROR", "resolved WARNING", "opened WARNING"]


def fault(**fields: Any) -> Any:
    from fakes.slack_api import SlackFault

    return SlackFault(**fields)


def test_a_resolution_that_overtakes_its_opening(slack: SlackNotifier) -> None:
    """It leaves nothing open, and nothing in Slack."""
    slack.receive(RESOLVE)
    slack.receive(OPEN)
    assert slack.standin.messages == []
    assert not slack.notifier.incidents.items[INCIDENT_KEY].active


def test_a_resolution_after_the_first_message_was_deleted(slack: SlackNotifier) -> None:
    """It is posted by itself."""
    slack.receive(OPEN)
    slack.standin.messages.clear()
    assert slack.receive(RESOLVE) == {"e4": None}
    assert texts(slack.first_messages) == ["✅ Payment recovered"]


@pytest.mark.parametrize("save", range(15))
def test_a_crash_before_any_save(slack: SlackNotifier, save: int) -> None:
    """One thread, one resolution, and at most one repeat, marked as such."""
    slack.notifier.channels = (slack.slack_channel(),)
    slack.notifier.incidents.before_save = [*[None] * save, Crash()]
    for one in (OPEN, ESCALATE, RESOLVE):
        try:
            slack.receive(one)
        except Crash:
            slack.notifier.clock.advance(CLAIM_DURATION.total_seconds())
            assert slack.receive(one, receives=2) == {one.event_id: None}
    # Saves 3, 7 and 10 record that the opening, the escalation and the resolution were posted.
    assert len(slack.standin.messages) == (4 if save in {3, 7, 10} else 3)
    repeats = [one for one in slack.replies if "may be a repeat" in str(one["payload"])]
    assert len(repeats) == (1 if save in {7, 10} else 0)
    last = slack.first_messages[-1]
    assert last["payload"]["text"].startswith("✅ Payment recovered")
    assert slack.replies[-1]["thread_ts"] == last["ts"]


@pytest.mark.parametrize(
    ("fault_", "kind", "text"),
    [
        ({"status": 429, "retry_after": 30}, TransientError, "slack: 429"),
        ({"status": 503}, TransientError, "slack: 503"),
        ({"body": "ratelimited", "retry_after": 7}, TransientError, "slack: ratelimited"),
        ({"body": "fatal_error"}, TransientError, "slack: fatal_error"),
        ({"body": "token_revoked"}, MisconfiguredError, "slack: token_revoked"),
        ({"body": "missing_scope"}, MisconfiguredError, "slack: missing_scope"),
        ({"body": "is_archived"}, MisconfiguredError, "slack: is_archived"),
        ({"body": "msg_too_long"}, PermanentError, "slack_msg_too_long"),
        ({"body": "Mia Keller"}, TransientError, "slack: unexpected_answer"),
        ({"body": "message_limit_exceeded"}, TransientError, "slack: message_limit_exceeded"),
        ({"body": "external_channel_migrating"}, TransientError, "slack: external_channel_migrating"),
        ({"body": "a_code_of_tomorrow"}, TransientError, "slack: a_code_of_tomorrow"),
    ],
)
def test_what_slacks_errors_mean(
    slack: SlackNotifier, fault_: dict[str, Any], kind: type[Exception], text: str
) -> None:
    """200 is no success by itself; Retry-After is kept; an error has Slack's own code or none."""
    slack.standin.faults.append(fault(**fault_))
    with pytest.raises(kind) as caught:
        slack.slack_channel().send(Notification(alert_message=OPEN, kind="opened", member=MIA))
    assert type(caught.value) is kind
    assert str(caught.value) == text
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == fault_.get("retry_after")
    assert slack.standin.messages == []


@pytest.mark.parametrize(
    ("token", "channel", "setting"),
    [
        (f"{TOKEN}x", "#members", "SlackSecret"),
        (TOKEN, "#nowhere", "SlackChannel"),
        (TOKEN, "C0OTHER", "SlackChannel"),
        (TOKEN, "C0OLD", "SlackChannel"),
        (TOKEN, "", "SlackChannel"),
        ("xoxp-user-token", "#members", "SlackSecret"),
    ],
)
def test_a_wrong_setting_is_named(slack: SlackNotifier, token: str, channel: str, setting: str) -> None:
    """The token's or the channel's, whichever it is; neither is in the error's text."""
    slack.ssm.value, slack.channel_name = token, channel
    with pytest.raises(MisconfiguredError) as caught:
        slack.slack_channel().send(Notification(alert_message=OPEN, kind="opened", member=MIA))
    assert caught.value.setting == setting
    assert token not in str(caught.value)


@pytest.mark.parametrize("channel", ["C0OLD", "C0OTHER", "C0NONE"])
def test_an_earlier_channel_that_cannot_be_used(slack: SlackNotifier, channel: str) -> None:
    """The thread lies in a channel that is archived, left or gone: the update is posted anew to the channel that is set."""
    earlier = Notification(
        alert_message=RESOLVE, kind="resolved", member=MIA, thread_ref=f"{channel}/1700000000.000001"
    )
    ref = slack.slack_channel().send(earlier)
    assert ref is not None
    assert ref.startswith("C0RELAY/")
    assert texts(slack.standin.messages) == ["✅ Payment recovered"]


@pytest.mark.parametrize("code", ["update_failed", "cannot_reply_to_message", "a_code_of_tomorrow"])
def test_whatever_is_wrong_with_the_earlier_thread(slack: SlackNotifier, code: str) -> None:
    """It is no fault of the settings, and holds up nothing."""
    slack.receive(OPEN)
    slack.standin.faults.append(fault(body=code))
    slack.receive(RESOLVE)
    assert len(slack.first_messages) == 2


@pytest.mark.parametrize("code", ["message_limit_exceeded", "ratelimited", "token_revoked"])
def test_what_is_not_about_the_thread(slack: SlackNotifier, code: str) -> None:
    """A limit or revoked credentials are the same in any channel: nothing is posted anew for them."""
    slack.standin.faults.append(fault(body=code))
    earlier = Notification(
        alert_message=RESOLVE, kind="resolved", member=MIA, thread_ref="C0RELAY/1700000000.000001"
    )
    with pytest.raises(TransientError):
        slack.slack_channel().send(earlier)
    assert slack.standin.messages == []


def test_a_webhook_posts_messages_only(slack: SlackNotifier) -> None:
    """The secret decides: a webhook has no threads and changes no message."""
    from fakes.slack import HOOK

    slack.ssm.value = f"{slack.url}{HOOK}"
    slack.receive(OPEN, ESCALATE, RESOLVE)
    assert texts(slack.standin.messages) == [
        "⚠️ Warning: Payment failed",
        "🔴 Escalated: Payment failed",
        "✅ Payment recovered",
    ]
    assert {one["path"] for one in slack.standin.messages} == {HOOK}
