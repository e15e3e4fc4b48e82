"""When a channel is down, refuses or does not answer: nobody else waits, and nothing is told twice unmarked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from relay.errors import MisconfiguredError, NoReplyError, PermanentError, TransientError
from relay.model.incident import DeliveryState

from tests.support.incident_builders import INCIDENT_KEY, Desk, FakeChannel, alert_message
from tests.unit.alerts.hearing import CLOSE, OPEN, RISE, code, desk_with, hear


def test_slack_down_while_email_works() -> None:
    """Each channel gets each message once, in order, however long one of them is down."""
    email, slack = FakeChannel("email"), FakeChannel("slack", [TransientError("slack: 503")] * 3)
    desk = desk_with(email, slack)
    assert code(hear(desk, OPEN)["e1"]) == ("TransientError", "slack: 503")
    assert code(hear(desk, RISE)["e3"]) == ("TransientError", "slack: 503")
    assert code(hear(desk, CLOSE)["e2"]) == ("TransientError", "slack: 503")
    assert hear(desk, CLOSE, deferrals=1) == {"e2": None}
    assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert hear(desk, RISE, deferrals=1) == {"e3": None}
    assert email.heard == slack.heard == ["opening WARNING", "rise ERROR", "closing WARNING"]


def test_the_first_channel_down_does_not_silence_the_second() -> None:
    """Whichever fails, and however, the others are told."""
    for failure in (
        TransientError("x"),
        PermanentError("x"),
        MisconfiguredError("x", setting="x"),
        ValueError("x"),
    ):
        email, slack = FakeChannel("email", [failure]), FakeChannel("slack")
        answers = hear(desk_with(email, slack), OPEN)
        assert type(answers["e1"]) is type(failure)
        assert slack.heard == ["opening WARNING"]


def test_a_channel_that_is_down_is_asked_once_in_a_batch() -> None:
    """Ten alerts do not wait ten times for a server that hangs; all come again."""
    slack = FakeChannel("slack", [NoReplyError("slack: ReadTimeout")])
    desk = desk_with(slack)
    alert_messages = [
        alert_message(f"e{number}", incident_key=f"dun:{number}", minute=number) for number in range(10)
    ]
    answers = hear(desk, *alert_messages)
    assert {code(error) for error in answers.values()} == {("NoReplyError", "slack: ReadTimeout")}
    assert slack.asked == 1
    hear(desk, *alert_messages, deferrals=1)
    assert slack.heard == ["opening WARNING again", *["opening WARNING"] * 9]


@pytest.mark.parametrize("late", [True, False])
def test_no_answer_leads_to_one_marked_repeat(late: bool) -> None:  # noqa: FBT001 - parametrised
    """A message that may have arrived is sent once more and says so; there is no third."""
    slack = FakeChannel("slack", [NoReplyError("slack: ReadTimeout")], late=late)
    desk = desk_with(slack)
    assert code(hear(desk, OPEN)["e1"]) == ("NoReplyError", "slack: ReadTimeout")
    for _ in range(3):
        assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert slack.heard == ["opening WARNING"] * late + ["opening WARNING again"]


def test_no_answer_twice_is_given_up_and_a_redrive_tries_again() -> None:
    """It goes to the dead letters with its reason, and only a person sends it once more."""
    silence = NoReplyError("slack: ReadTimeout")
    slack, email = FakeChannel("slack", [silence, silence]), FakeChannel("email")
    desk = desk_with(slack, email)
    hear(desk, OPEN)
    hear(desk, OPEN, deferrals=1)
    for receives, deferrals in ((1, 2), (2, 0)):
        answer = hear(desk, OPEN, receives=receives, deferrals=deferrals)["e1"]
        assert code(answer) == ("PermanentError", "unconfirmed: slack")
    assert slack.asked == 2
    assert hear(desk, OPEN) == {"e1": None}
    assert slack.heard == ["opening WARNING again"]
    assert email.heard == ["opening WARNING"]


def test_an_outage_after_a_lost_answer_does_not_use_up_the_repeat() -> None:
    """Where the repeat was surely not taken, it is still owed, and still marked."""
    slack = FakeChannel("slack", [NoReplyError("slack"), *[TransientError("slack: 503")] * 3])
    desk = desk_with(slack)
    for deferrals in range(4):
        assert isinstance(hear(desk, OPEN, deferrals=deferrals)["e1"], TransientError)
    assert hear(desk, OPEN, deferrals=4) == {"e1": None}
    assert slack.heard == ["opening WARNING again"]


def test_what_is_refused_goes_to_the_dead_letters_and_blocks_nothing() -> None:
    """The reason is the channel's; the rise goes on; a redrive of the refused one tries again."""
    slack = FakeChannel("slack", [PermanentError("slack_invalid_blocks")])
    desk = desk_with(slack)
    assert code(hear(desk, OPEN)["e1"]) == ("PermanentError", "slack_invalid_blocks: slack")
    assert hear(desk, RISE) == {"e3": None}
    assert hear(desk, OPEN) == {"e1": None}
    assert slack.heard == ["rise ERROR", "opening WARNING"]


def test_a_message_stays_alive_while_any_channel_may_still_hear_it() -> None:
    """What one refused waits until the other is served; the longest wait that was asked for wins."""
    email = FakeChannel("email", [PermanentError("email_refused"), PermanentError("email_refused")])
    slack = FakeChannel("slack", [TransientError("slack: 429", retry_after=30)])
    desk = desk_with(email, slack)
    answer = hear(desk, OPEN)["e1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == 30
    assert code(hear(desk, OPEN, deferrals=1)["e1"]) == ("PermanentError", "email_refused: email")
    assert (email.asked, slack.asked) == (1, 2)


def test_wrong_settings_outrank_a_slow_server() -> None:
    """The answer names the setting, so that the alarm can."""
    email = FakeChannel("email", [TransientError("x", retry_after=900)])
    slack = FakeChannel("slack", [MisconfiguredError("slack: 404 no_service", setting="slack-url")])
    answer = hear(desk_with(email, slack), OPEN)["e1"]
    assert isinstance(answer, MisconfiguredError)
    assert answer.setting == "slack-url"


def test_a_channel_taken_out_of_service_holds_nothing_up() -> None:
    """With Slack no longer configured, what it was owed is dropped."""
    slack, email = FakeChannel("slack", [TransientError("slack: 503")]), FakeChannel("email")
    desk = desk_with(slack, email)
    hear(desk, OPEN)
    desk.channels = [email]
    assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert hear(desk, CLOSE) == {"e2": None}
    assert email.heard == ["opening WARNING", "closing WARNING"]
    assert slack.heard == []


def states(desk: Desk) -> Sequence[DeliveryState]:
    return [part.state for owed in desk.incidents.items[INCIDENT_KEY].owed for part in owed.parts.values()]


def test_what_was_surely_not_taken_is_unsent_again() -> None:
    """A refusal for now leaves no doubt behind; silence does."""
    slack = FakeChannel("slack", [TransientError("slack: 429"), NoReplyError("slack")])
    desk = desk_with(slack)
    hear(desk, OPEN)
    assert states(desk) == [DeliveryState.UNSENT]
    hear(desk, OPEN, deferrals=1)
    assert states(desk) == [DeliveryState.SENDING]
