"""Slack with a bot: one thread for each matter, its first message kept up to date, through outages and crashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fakes.local_server import serve
from fakes.slack import FakeSlack
from fakes.slack_api import TOKEN
from relay.adapters.aws.ssm import Secret
from relay.adapters.channels.slack import SlackChannel
from relay.adapters.http import ssl_context
from relay.alerts.delivery import LEASE
from relay.errors import MisconfiguredError, PermanentError, TransientError
from relay.model.effects import Level
from relay.model.messages import AlertMessage
from relay.ports.alerts import Notification
from relay.queues.batch import Results

from tests.support.incident_builders import (
    INCIDENT_KEY,
    MIA,
    Crash,
    Desk,
    FakeChannel,
    alert_message,
    message,
)
from tests.support.port_fakes import FakeContext

OPEN = alert_message("e1", minute=10)
CARD = alert_message(
    "e2", minute=12, action="mention", level=Level.INFO, title="A new card, a retry is expected"
)
RISE = alert_message("e3", minute=15, level=Level.ERROR)
CLOSE = alert_message("e4", minute=20, action="close", title="Payment recovered")


@dataclass
class Ssm:
    """SSM with one parameter."""

    value: str = TOKEN

    def get_parameter(self, **_asked: object) -> dict[str, dict[str, str]]:
        """Return it."""
        return {"Parameter": {"Value": self.value}}


@dataclass
class Bench:
    """A Slack, and a notifier that talks to it."""

    standin: FakeSlack
    url: str
    client: httpx.Client
    ssm: Ssm = field(default_factory=Ssm)
    email: FakeChannel = field(default_factory=FakeChannel)
    channel_name: str = "#members"

    def __post_init__(self) -> None:
        self.desk = Desk(channels=(self.email, self.slack()))

    def slack(self) -> SlackChannel:
        """Return the channel."""
        secret = Secret("/relay/slack", self.ssm)
        return SlackChannel(secret, self.client, api=f"{self.url}/api", channel=self.channel_name)

    def hear(self, *said: AlertMessage, deferrals: int = 0, receives: int = 1) -> Results:
        """Let the notifier hear something."""
        messages = [message(told, deferrals=deferrals, receives=receives) for told in said]
        return self.desk.notifier().work(messages, FakeContext())

    @property
    def roots(self) -> list[dict[str, Any]]:
        """The messages that began something."""
        return [one for one in self.standin.messages if one.get("thread_ts") is None]

    @property
    def replies(self) -> list[dict[str, Any]]:
        """Those that were added to one."""
        return [one for one in self.standin.messages if one.get("thread_ts") is not None]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeSlack, str, httpx.Client]]:
    """Serve Slack for the tests of this module."""
    standin = FakeSlack()
    with serve(standin.app) as url, httpx.Client(timeout=2, verify=ssl_context()) as client:
        yield standin, url, client


@pytest.fixture
def bench(served: tuple[FakeSlack, str, httpx.Client]) -> Bench:
    """Return an empty Slack with a notifier."""
    standin, url, client = served
    standin.messages.clear()
    standin.faults.clear()
    return Bench(standin, url, client)


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [one["payload"]["text"].partition(" - ")[0] for one in messages]


def test_one_matter_is_one_thread(bench: Bench) -> None:
    """What follows is added below; the first message says how it stands, in the end that it is over and why."""
    bench.hear(OPEN, CARD, RISE)
    assert texts(bench.roots) == ["🔴 Now error: Payment failed"]
    bench.hear(CLOSE)
    [root] = bench.roots
    assert texts([root]) == ["✅ Over: Payment failed"]
    assert root["updates"] == 2
    assert "Payment recovered, 2025-07-01 09:20 UTC" in str(root["payload"]["blocks"])
    assert "Ask the member" not in str(root["payload"]["blocks"])
    assert {one["thread_ts"] for one in bench.replies} == {root["ts"]}
    assert texts(bench.replies) == [
        "\N{INFORMATION SOURCE}\N{VARIATION SELECTOR-16} Info: A new card, a retry is expected",
        "🔴 Now error: Payment failed",
        "✅ Over: Payment recovered",
    ]
    # Only what grew worse is shown to the whole channel.
    assert [one["payload"]["reply_broadcast"] for one in bench.replies] == [False, True, False]
    assert bench.email.heard == ["opening WARNING", "mention INFO", "rise ERROR", "closing WARNING"]


def test_a_matter_that_opens_anew_has_a_new_thread(bench: Bench) -> None:
    """The old one stays closed."""
    bench.hear(OPEN, CLOSE, alert_message("e5", minute=30), alert_message("e6", minute=40, action="close"))
    assert texts(bench.roots) == ["✅ Over: Payment failed"] * 2
    assert [one["thread_ts"] for one in bench.replies] == [one["ts"] for one in bench.roots]
    assert bench.desk.incidents.items[INCIDENT_KEY].episodes == {}


def test_slack_down_from_beginning_to_end(bench: Bench) -> None:
    """Back again, it has the whole thread, each message once."""
    bench.standin.faults += [fault(status=503)] * 4
    for told in (OPEN, RISE, CLOSE, alert_message("e5", minute=30)):
        assert isinstance(bench.hear(told)[told.event_id], TransientError)
    for told in (alert_message("e5", minute=30), CLOSE, RISE, OPEN):
        assert bench.hear(told, deferrals=1) == {told.event_id: None}
    assert texts(bench.roots) == ["✅ Over: Payment failed", "⚠️ Warning: Payment failed"]
    assert texts(bench.replies) == ["🔴 Now error: Payment failed", "✅ Over: Payment recovered"]
    assert bench.email.heard == ["opening WARNING", "rise ERROR", "closing WARNING", "opening WARNING"]


def fault(**how: Any) -> Any:
    from fakes.slack_api import SlackFault

    return SlackFault(**how)


def test_an_end_that_overtakes_its_beginning(bench: Bench) -> None:
    """Leaves nothing open, and nothing in Slack."""
    bench.hear(CLOSE)
    bench.hear(OPEN)
    assert bench.standin.messages == []
    assert not bench.desk.incidents.items[INCIDENT_KEY].open


def test_a_deleted_first_message_does_not_swallow_the_end(bench: Bench) -> None:
    """It is told by itself then."""
    bench.hear(OPEN)
    bench.standin.messages.clear()
    assert bench.hear(CLOSE) == {"e4": None}
    assert texts(bench.roots) == ["✅ Over: Payment recovered"]


@pytest.mark.parametrize("save", range(15))
def test_a_crash_before_any_save(bench: Bench, save: int) -> None:
    """Wherever it dies: one thread, one end, and at most one message twice, which says so."""
    bench.desk.channels = (bench.slack(),)
    bench.desk.incidents.before_save = [*[None] * save, Crash()]
    for told in (OPEN, RISE, CLOSE):
        try:
            bench.hear(told)
        except Crash:
            bench.desk.clock.passes(LEASE.total_seconds())
            assert bench.hear(told, receives=2) == {told.event_id: None}
    # Saves 3, 7 and 10 are the notes that the opening, the rise and the end were posted.
    assert len(bench.standin.messages) == (4 if save in {3, 7, 10} else 3)
    repeats = [one for one in bench.replies if "may be a repeat" in str(one["payload"])]
    assert len(repeats) == (1 if save in {7, 10} else 0)
    last = bench.roots[-1]
    assert last["payload"]["text"].startswith("✅ Over: Payment failed")
    assert bench.replies[-1]["thread_ts"] == last["ts"]


@pytest.mark.parametrize(
    ("fault_", "kind", "text"),
    [
        ({"status": 429, "retry_after": 30}, TransientError, "slack: 429"),
        ({"status": 503}, TransientError, "slack: 503"),
        ({"body": "ratelimited", "retry_after": 7}, TransientError, "slack: ratelimited"),
        ({"body": "fatal_error"}, TransientError, "slack: fatal_error"),
        ({"body": "token_revoked"}, MisconfiguredError, "slack: 200 token_revoked"),
        ({"body": "missing_scope"}, MisconfiguredError, "slack: 200 missing_scope"),
        ({"body": "is_archived"}, MisconfiguredError, "slack: is_archived"),
        ({"body": "msg_too_long"}, PermanentError, "slack_msg_too_long"),
        ({"body": "Mia Keller"}, MisconfiguredError, "slack: 200 unexpected_answer"),
    ],
)
def test_what_slacks_errors_mean(
    bench: Bench, fault_: dict[str, Any], kind: type[Exception], text: str
) -> None:
    """200 is no success by itself; a wait that is asked for is kept; no text but Slack's own words goes on."""
    bench.standin.faults.append(fault(**fault_))
    with pytest.raises(kind) as caught:
        bench.slack().announce(Notification(alert_message=OPEN, kind="opening", member=MIA))
    assert type(caught.value) is kind
    assert str(caught.value) == text
    if isinstance(caught.value, TransientError):
        assert caught.value.retry_after == fault_.get("retry_after")
    assert bench.standin.messages == []


@pytest.mark.parametrize(
    ("token", "channel", "setting"),
    [
        (f"{TOKEN}x", "#members", "/relay/slack"),
        (TOKEN, "#nowhere", "SLACK_CHANNEL"),
        (TOKEN, "C0OTHER", "SLACK_CHANNEL"),
        (TOKEN, "C0OLD", "SLACK_CHANNEL"),
        (TOKEN, "", "SLACK_CHANNEL"),
        ("xoxp-somebody", "#members", "/relay/slack"),
    ],
)
def test_a_wrong_setting_is_named(bench: Bench, token: str, channel: str, setting: str) -> None:
    """The token's or the channel's, whichever it is; neither is in the error's text."""
    bench.ssm.value, bench.channel_name = token, channel
    with pytest.raises(MisconfiguredError) as caught:
        bench.slack().announce(Notification(alert_message=OPEN, kind="opening", member=MIA))
    assert caught.value.setting == setting
    assert token not in str(caught.value)


def test_with_a_webhooks_url_there_are_messages_only(bench: Bench) -> None:
    """The same secret decides: nothing is kept, nothing is changed later."""
    from fakes.slack import HOOK

    bench.ssm.value = f"{bench.url}{HOOK}"
    bench.hear(OPEN, RISE, CLOSE)
    assert texts(bench.standin.messages) == [
        "⚠️ Warning: Payment failed",
        "🔴 Now error: Payment failed",
        "✅ Over: Payment recovered",
    ]
    assert {one["path"] for one in bench.standin.messages} == {HOOK}
