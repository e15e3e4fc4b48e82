"""Telling people: once, through crashes, outages, repeats and company."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from relay.batch import Answers
from relay.changes import Telling
from relay.effects import Level
from relay.errors import (
    MisconfiguredError,
    PermanentError,
    TransientError,
    UnansweredError,
)
from relay.occasions import State
from relay.ports.telling import Channel
from relay.rules import Rules
from relay.telling.notifier import KnownRules
from relay.telling.serving import LEASE

from tests.fakes import FakeContext
from tests.tellings import OCCASION, Crash, Desk, FakeChannel, message, telling

OPEN = telling("e1", minute=10)
RISE = telling("e3", minute=15, level=Level.ERROR)
CLOSE = telling("e2", minute=20, action="close", title="Payment recovered")


def hear(desk: Desk, *tellings: Telling, deferrals: int = 0, receives: int = 1) -> Answers:
    messages = [message(told, deferrals=deferrals, receives=receives) for told in tellings]
    return desk.notifier().work(messages, FakeContext())


def desk_with(*channels: Channel) -> Desk:
    return Desk(channels=channels)


def code(error: Exception | None) -> tuple[str, str]:
    return type(error).__name__, str(error)


def test_one_matter_from_beginning_to_end() -> None:
    """Every channel hears the opening, the rise and the end, each once."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    for told in (OPEN, OPEN, RISE, OPEN, CLOSE, RISE, CLOSE):
        assert hear(desk, told) == {told.event_id: None}
    assert email.heard == slack.heard == ["opening WARNING", "rise ERROR", "closing WARNING"]
    assert desk.occasions.items[OCCASION].owed == ()


def test_a_batch_is_told_by_time() -> None:
    """Within a batch an opening goes ahead of its end, however the queue mixed them."""
    email = FakeChannel()
    hear(desk_with(email), CLOSE, RISE, OPEN)
    assert email.heard == ["opening WARNING", "rise ERROR", "closing WARNING"]


def test_an_end_that_overtakes_its_beginning() -> None:
    """Leaves nothing open and tells nobody."""
    email = FakeChannel()
    desk = desk_with(email)
    assert hear(desk, CLOSE) == {"e2": None}
    assert hear(desk, OPEN) == {"e1": None}
    assert email.heard == []
    assert not desk.occasions.items[OCCASION].open
    assert [(name, about["verdict"]) for name, about in desk.telemetry.outcomes] == [
        ("kept_quiet", "tombstone"),
        ("kept_quiet", "stale"),
    ]


def test_who_is_named_as_known_now() -> None:
    """The announcement carries the member's record."""
    email = FakeChannel()
    hear(desk_with(email), OPEN)
    who = email.had[0].member
    assert who is not None
    assert who.text("first_name") == "Mia"


def test_an_alert_does_not_wait_for_a_name() -> None:
    """With the members table down, people are told without the name by the rules last read, and the log says why."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.known = KnownRules(Rules())
    desk.members.failure = TransientError("table members")
    assert hear(desk, OPEN) == {"e1": None}
    assert email.had[0].member is None
    assert [name for name, _ in desk.telemetry.outcomes] == ["nameless", "told"]


def test_without_any_rules_an_alert_waits() -> None:
    """A merchant who chose other channels must not be told by the defaults."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.members.failure = TransientError("table members")
    assert code(hear(desk, OPEN)["e1"]) == ("TransientError", "table members")
    desk.members.failure = None
    assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert desk.known.rules == Rules()
    assert email.heard == ["opening WARNING"]


def test_outcomes_name_the_event_and_the_rule_and_nobody() -> None:
    """One line for each channel told, and a count by channel; no name, no address, no customer."""
    desk = desk_with(FakeChannel("email"))
    hear(desk, OPEN)
    about = {
        "event_id": "e1",
        "topic": "customer.payment_failed",
        "rule": "payment_failed",
        "channel": "email",
        "kind": "opening",
        "repeat": False,
    }
    assert desk.telemetry.outcomes == [("told", about)]
    assert desk.telemetry.figures == [("AlertsTold channel=email", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"alert": null}',
        message(OPEN).body.replace("2025-07-01T09:10:00Z", "2025-07-01T09:10:00"),
        message(OPEN).body.replace(OCCASION, ""),
        message(OPEN).body.replace(OCCASION, "x" * 1025),
        message(OPEN).body.replace('"level":20', '"level":21'),
    ],
)
def test_what_is_no_alert_is_given_up_alone(body: str) -> None:
    """A malformed message is answered as such, and the rest of its batch is told."""
    email = FakeChannel()
    bad = message(body)
    answers = desk_with(email).notifier().work([bad, message(RISE)], FakeContext())
    error = answers[bad.id]
    assert isinstance(error, PermanentError)
    assert error.reason == "unreadable_message"
    assert answers["e3"] is None
    assert email.heard == ["opening ERROR"]


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
    slack = FakeChannel("slack", [UnansweredError("slack: ReadTimeout")])
    desk = desk_with(slack)
    tellings = [telling(f"e{number}", occasion=f"dun:{number}", minute=number) for number in range(10)]
    answers = hear(desk, *tellings)
    assert {code(error) for error in answers.values()} == {("UnansweredError", "slack: ReadTimeout")}
    assert slack.asked == 1
    hear(desk, *tellings, deferrals=1)
    assert slack.heard == ["opening WARNING again", *["opening WARNING"] * 9]


@pytest.mark.parametrize("late", [True, False])
def test_no_answer_leads_to_one_marked_repeat(late: bool) -> None:  # noqa: FBT001 - parametrised
    """A message that may have arrived is sent once more and says so; there is no third."""
    slack = FakeChannel("slack", [UnansweredError("slack: ReadTimeout")], late=late)
    desk = desk_with(slack)
    assert code(hear(desk, OPEN)["e1"]) == ("UnansweredError", "slack: ReadTimeout")
    for _ in range(3):
        assert hear(desk, OPEN, deferrals=1) == {"e1": None}
    assert slack.heard == ["opening WARNING"] * late + ["opening WARNING again"]


def test_no_answer_twice_is_given_up_and_a_redrive_tries_again() -> None:
    """It goes to the dead letters with its reason, and only a person sends it once more."""
    silence = UnansweredError("slack: ReadTimeout")
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
    slack = FakeChannel("slack", [UnansweredError("slack"), *[TransientError("slack: 503")] * 3])
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


def test_nothing_is_started_that_would_not_finish() -> None:
    """With little time left the rest is handed back unstarted."""
    email = FakeChannel()
    assert desk_with(email).notifier().work([message(OPEN)], FakeContext(millis=19_000)) == {}
    assert email.asked == 0


# -- crashes: before each save in turn, and right after the sending


@pytest.mark.parametrize("save", range(7))
def test_a_crash_before_any_save(save: int) -> None:
    """Wherever it dies, both channels end with the message once, or once more marked as a repeat."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    desk.occasions.before_save = [*[None] * save, Crash()]
    if save < 6:
        with pytest.raises(Crash):
            hear(desk, OPEN)
    else:
        assert hear(desk, OPEN) == {"e1": None}
    desk.clock.passes(LEASE.total_seconds())
    assert hear(desk, OPEN, receives=2) == {"e1": None}
    # Saves: 0 admitted, 1 judged, 2 email claimed, 3 email sent, 4 slack claimed, 5 slack sent.
    assert email.heard == ["opening WARNING"] + ["opening WARNING again"] * (save == 3)
    assert slack.heard == ["opening WARNING"] + ["opening WARNING again"] * (save == 5)


@pytest.mark.parametrize("late", [True, False])
def test_a_crash_while_sending(late: bool) -> None:  # noqa: FBT001 - parametrised
    """Between the claim and its note nobody knows whether it arrived: it is repeated once, marked."""
    slack = FakeChannel("slack", [Crash()], late=late)
    desk = desk_with(slack)
    with pytest.raises(Crash):
        hear(desk, OPEN)
    desk.clock.passes(LEASE.total_seconds())
    assert hear(desk, OPEN, receives=2) == {"e1": None}
    assert slack.heard == ["opening WARNING"] * late + ["opening WARNING again"]


def test_who_is_told_by_another_run_is_left_alone() -> None:
    """While a claim is fresh its holder may be alive: the message waits for as long as the claim holds."""
    slack = FakeChannel("slack", [Crash()])
    desk = desk_with(slack)
    with pytest.raises(Crash):
        hear(desk, OPEN)
    desk.clock.passes(20)
    answer = hear(desk, OPEN, receives=2)["e1"]
    assert isinstance(answer, TransientError)
    assert answer.retry_after == LEASE.total_seconds() - 20
    assert slack.asked == 1


@pytest.mark.parametrize("save", range(5))
def test_two_runs_with_one_matter(save: int) -> None:
    """A second run that comes in before any save of the first: both end well, nobody hears anything twice."""
    email, slack = FakeChannel("email"), FakeChannel("slack")
    desk = desk_with(email, slack)
    answers: list[Exception | None] = []
    desk.occasions.before_save = [*[None] * save, lambda: answers.extend(hear(desk, RISE).values())]
    answers += hear(desk, OPEN).values()
    for told in (OPEN, RISE):
        desk.clock.passes(LEASE.total_seconds())
        assert hear(desk, told, deferrals=1) == {told.event_id: None}
    for channel in (email, slack):
        assert channel.heard in (["opening WARNING", "rise ERROR"], ["opening ERROR"])
    assert all(error is None or isinstance(error, TransientError) for error in answers)


def test_a_matter_that_everybody_writes_comes_again() -> None:
    """After some tries the message is put off instead of trying for ever."""
    desk = desk_with(FakeChannel())
    desk.occasions.before_save = [lambda: meddle(desk)] * 50
    assert code(hear(desk, OPEN)["e1"]) == ("TransientError", "table occasions: too many writers")


def meddle(desk: Desk) -> None:
    waiting, desk.occasions.before_save = desk.occasions.before_save, []
    desk.occasions.save(desk.occasions.load(OCCASION))
    desk.occasions.before_save = waiting


def test_the_table_down_keeps_only_its_own_matter_waiting() -> None:
    """An error around one matter is that message's answer; the rest of the batch is told."""
    email = FakeChannel()
    desk = desk_with(email)
    desk.occasions.before_save = [TransientError("table occasions")]
    other = telling("e9", minute=30, occasion="dun:other")
    assert hear(desk, OPEN, other)["e9"] is None
    assert email.heard == ["opening WARNING"]


def states(desk: Desk) -> Sequence[State]:
    return [part.state for owed in desk.occasions.items[OCCASION].owed for part in owed.parts.values()]


def test_what_was_surely_not_taken_is_unsent_again() -> None:
    """A refusal for now leaves no doubt behind; silence does."""
    slack = FakeChannel("slack", [TransientError("slack: 429"), UnansweredError("slack")])
    desk = desk_with(slack)
    hear(desk, OPEN)
    assert states(desk) == [State.UNSENT]
    hear(desk, OPEN, deferrals=1)
    assert states(desk) == [State.SENDING]
