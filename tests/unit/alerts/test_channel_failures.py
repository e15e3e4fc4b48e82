"""A channel is down, refuses or does not results: the others do not wait, and each repeat is marked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.model.incident import DeliveryState

from tests.support.in_memory_notifier import FakeChannel, InMemoryNotifier, error_of, notifier_with
from tests.support.incident_builders import ESCALATE, INCIDENT_KEY, OPEN, RESOLVE, alert_message


def test_slack_down_while_email_works() -> None:
    """Each channel gets each message once, in order, however long one of them is down."""
    email, slack = FakeChannel("email"), FakeChannel("slack", [TransientError("slack: 503")] * 3)
    notifier = notifier_with(email, slack)
    assert error_of(notifier.receive(OPEN)["e1"]) == ("TransientError", "slack: 503")
    assert error_of(notifier.receive(ESCALATE)["e3"]) == ("TransientError", "slack: 503")
    assert error_of(notifier.receive(RESOLVE)["e2"]) == ("TransientError", "slack: 503")
    assert notifier.receive(RESOLVE, deferrals=1) == {"e2": None}
    assert notifier.receive(OPEN, deferrals=1) == {"e1": None}
    assert notifier.receive(ESCALATE, deferrals=1) == {"e3": None}
    assert email.sent == slack.sent == ["opened WARNING", "escalated ERROR", "resolved WARNING"]


def test_the_first_channel_down_does_not_silence_the_second() -> None:
    """Whichever fails, and however, the others get the message."""
    for failure in (
        TransientError("x"),
        PermanentError("x"),
        MisconfiguredError("x", setting="x"),
        ValueError("x"),
    ):
        email, slack = FakeChannel("email", [failure]), FakeChannel("slack")
        results = notifier_with(email, slack).receive(OPEN)
        assert type(results["e1"]) is type(failure)
        assert slack.sent == ["opened WARNING"]


def test_a_channel_that_is_down_is_called_once_in_a_batch() -> None:
    """Ten alerts do not wait ten times for a server that hangs; all come again."""
    slack = FakeChannel("slack", [NoReplyError("slack: ReadTimeout")])
    notifier = notifier_with(slack)
    alert_messages = [
        alert_message(f"e{number}", incident_key=f"dun:{number}", minute=number) for number in range(10)
    ]
    results = notifier.receive(*alert_messages)
    assert {error_of(error) for error in results.values()} == {("NoReplyError", "slack: ReadTimeout")}
    assert slack.calls == 1
    notifier.receive(*alert_messages, deferrals=1)
    assert slack.sent == ["opened WARNING again", *["opened WARNING"] * 9]


@pytest.mark.parametrize("late", [True, False])
def test_no_reply_leads_to_one_marked_repeat(late: bool) -> None:  # noqa: FBT001 - parametrised
    """A message that may have arrived is sent once more and says so; there is no third."""
    slack = FakeChannel("slack", [NoReplyError("slack: ReadTimeout")], fails_fails_late=late)
    notifier = notifier_with(slack)
    assert error_of(notifier.receive(OPEN)["e1"]) == ("NoReplyError", "slack: ReadTimeout")
    for _ in range(3):
        assert notifier.receive(OPEN, deferrals=1) == {"e1": None}
    assert slack.sent == ["opened WARNING"] * late + ["opened WARNING again"]


def test_no_reply_twice_fails_and_a_redrive_tries_again() -> None:
    """It goes to the dead letters with its reason, and only a redrive sends it once more."""
    no_reply = NoReplyError("slack: ReadTimeout")
    slack, email = FakeChannel("slack", [no_reply, no_reply]), FakeChannel("email")
    notifier = notifier_with(slack, email)
    notifier.receive(OPEN)
    notifier.receive(OPEN, deferrals=1)
    for receives, deferrals in ((1, 2), (2, 0)):
        results = notifier.receive(OPEN, receives=receives, deferrals=deferrals)["e1"]
        assert error_of(results) == ("PermanentError", "unconfirmed: slack")
    assert slack.calls == 2
    assert notifier.receive(OPEN) == {"e1": None}
    assert slack.sent == ["opened WARNING again"]
    assert email.sent == ["opened WARNING"]


def test_an_outage_after_a_missing_reply_does_not_use_up_the_repeat() -> None:
    """A repeat that certainly did not arrive is still pending, and still marked."""
    slack = FakeChannel("slack", [NoReplyError("slack"), *[TransientError("slack: 503")] * 3])
    notifier = notifier_with(slack)
    for deferrals in range(4):
        assert isinstance(notifier.receive(OPEN, deferrals=deferrals)["e1"], TransientError)
    assert notifier.receive(OPEN, deferrals=4) == {"e1": None}
    assert slack.sent == ["opened WARNING again"]


def test_a_refused_message_goes_to_the_dead_letters_and_blocks_nothing() -> None:
    """The reason is the channel's; the escalation is sent; a redrive of the refused one tries again."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    notifier = notifier_with(slack)
    assert error_of(notifier.receive(OPEN)["e1"]) == ("PermanentError", "slack_invalid_blocks: slack")
    assert notifier.receive(ESCALATE) == {"e3": None}
    assert notifier.receive(OPEN) == {"e1": None}
    assert slack.sent == ["escalated ERROR", "opened WARNING"]


def test_a_message_is_kept_while_any_channel_may_still_take_it() -> None:
    """A refusal by one channel waits until the other is served; the longest wait wins."""
    email = FakeChannel("email", [PermanentError("email_refused"), PermanentError("email_refused")])
    slack = FakeChannel("slack", [TransientError("slack: 429", retry_after=30)])
    notifier = notifier_with(email, slack)
    results = notifier.receive(OPEN)["e1"]
    assert isinstance(results, TransientError)
    assert results.retry_after == 30
    assert error_of(notifier.receive(OPEN, deferrals=1)["e1"]) == ("PermanentError", "email_refused: email")
    assert (email.calls, slack.calls) == (1, 2)


def test_wrong_settings_outrank_a_slow_server() -> None:
    """The error names the setting, so that the alarm can."""
    email = FakeChannel("email", [TransientError("x", retry_after=900)])
    slack = FakeChannel("slack", [MisconfiguredError("slack: 404 no_service", setting="slack-url")])
    results = notifier_with(email, slack).receive(OPEN)["e1"]
    assert isinstance(results, MisconfiguredError)
    assert results.setting == "slack-url"


def test_a_removed_channel_blocks_nothing() -> None:
    """With Slack no longer configured, its deliveries are dropped."""
    slack, email = FakeChannel("slack", [TransientError("slack: 503")]), FakeChannel("email")
    notifier = notifier_with(slack, email)
    notifier.receive(OPEN)
    notifier.channels = [email]
    assert notifier.receive(OPEN, deferrals=1) == {"e1": None}
    assert notifier.receive(RESOLVE) == {"e2": None}
    assert email.sent == ["opened WARNING", "resolved WARNING"]
    assert slack.sent == []


def states(notifier: InMemoryNotifier) -> Sequence[DeliveryState]:
    pending = notifier.incidents.items[INCIDENT_KEY].pending
    return [delivery.state for one in pending for delivery in one.deliveries.values()]


def test_a_message_that_certainly_did_not_arrive_is_unsent_again() -> None:
    """A transient refusal is certain; a missing reply is not."""
    slack = FakeChannel("slack", [TransientError("slack: 429"), NoReplyError("slack")])
    notifier = notifier_with(slack)
    notifier.receive(OPEN)
    assert states(notifier) == [DeliveryState.UNSENT]
    notifier.receive(OPEN, deferrals=1)
    assert states(notifier) == [DeliveryState.SENDING]
