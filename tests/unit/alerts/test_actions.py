"""What people do with an incident: said once in its thread, kept, and answered where it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from relay.alerts.actions import act, result_of
from relay.alerts.transitions import apply
from relay.errors import PermanentError, TransientError
from relay.model.effects import Level
from relay.model.incident import Incident
from relay.model.incident_action import IncidentAction, Verb
from relay.ports.alerts import Notification

from tests.support.in_memory_notifier import FakeChannel, InMemoryNotifier, notifier_with
from tests.support.incident_builders import (
    DAY,
    ESCALATE,
    INCIDENT_KEY,
    OPEN,
    alert_message,
    incident_after,
    pending_for,
    queue_message,
)
from tests.support.port_fakes import FakeContext

URL = "https://hooks.slack.com/actions/T0/1/x"


def action(verb: Verb = "acknowledge", id_: str = "a1", minute: float = 12, **fields: Any) -> IncidentAction:
    at = DAY + timedelta(minutes=minute)
    given = {"by": "kim", "thread_id": "e1", "response_url": URL, **fields}
    until = at + timedelta(days=7) if verb == "mute" else None
    return IncidentAction(id=id_, at=at, incident_key=INCIDENT_KEY, verb=verb, until=until, **given)


class Threads(FakeChannel):
    """A channel with threads, as Slack has for a bot."""

    def send(self, notification: Notification) -> str:  # type: ignore[override] # a channel without threads returns None
        """Keep the notification, or fail; return the thread."""
        super().send(notification)
        return notification.thread_ref or "C0/1.0"


def notifier() -> InMemoryNotifier:
    return notifier_with(FakeChannel("email"), Threads("slack"))


def incident(given: InMemoryNotifier) -> Incident:
    return given.incidents.load(INCIDENT_KEY)


def sent(given: InMemoryNotifier, channel: int = 1) -> list[str]:
    found = given.channels[channel]
    assert isinstance(found, FakeChannel)
    return found.titles


def test_the_thread_says_who_has_it_and_later_escalations_are_quiet() -> None:
    """In Slack alone; how the incident ends is still said."""
    given = notifier()
    given.receive(OPEN, action())
    given.receive(ESCALATE)
    given.receive(alert_message("e9", minute=30, action="resolve", title="Payment recovered"))
    assert sent(given)[:2] == ["opened Payment failed", "action kim acknowledged"]
    assert "escalated" not in str(sent(given))
    assert sent(given)[-1] == "resolved Payment recovered"
    assert "action" not in str(sent(given, channel=0))


def test_an_action_is_kept_with_the_name() -> None:
    """As `relay alerts` shows it."""
    given = notifier()
    given.receive(OPEN, action(), action("mute", "a2", minute=13, by="lee"))
    found = incident(given)
    assert (found.acknowledged, found.acknowledged_by) == (True, "kim")
    assert (found.muted_until, found.muted_by) == (DAY + timedelta(days=7, minutes=13), "lee")
    assert sent(given)[1:] == [
        "action kim acknowledged",
        "action lee muted this until 2025-07-08 09:13 UTC",
    ]
    assert given.responder.answers == []


@pytest.mark.parametrize("verb", ["acknowledge", "mute"])
def test_the_same_action_again_changes_and_says_nothing(verb: Verb) -> None:
    """SQS may deliver a message twice, and a person may send a request twice."""
    given = notifier()
    given.receive(OPEN, action(verb))
    before, said = incident(given), sent(given)
    given.receive(action(verb), receives=2)
    given.receive(action(verb))
    assert (incident(given), sent(given), given.responder.answers) == (before, said, [])


def test_a_second_click_is_answered_in_words() -> None:
    """Of the same person or another one: who has it, and until when."""
    given = notifier()
    given.receive(OPEN, action(), action("mute", "a2"))
    before, said = incident(given), sent(given)
    given.receive(action(id_="a3", by="lee"), action("mute", "a4", by="lee"))
    assert (incident(given), sent(given)) == (before, said)
    assert given.responder.answers == [
        (URL, "kim has acknowledged this incident already."),
        (URL, "kim has muted this incident already, until 2025-07-08 09:12 UTC."),
    ]


def test_a_mute_that_has_ended_can_be_set_again() -> None:
    """And one that lasts can be ended."""
    muted = act(incident_after(OPEN), action("mute"))
    assert result_of(muted, action("mute", "a2", minute=60)) == "no_change"
    assert result_of(muted, action("mute", "a2", minute=8 * 24 * 60)) == "applied"
    ended = act(muted, action("unmute", "a3"))
    assert (ended.muted_until, pending_for(ended)[-1]) == (None, "action a3")


@pytest.mark.parametrize("resolved", [True, False])
def test_an_incident_that_is_over_is_answered(*, resolved: bool) -> None:
    """Also one that is no longer known; nothing is written."""
    given = notifier()
    if resolved:
        given.receive(OPEN, alert_message("e9", minute=11, action="resolve"))
    before, said = dict(given.incidents.items), sent(given)
    given.receive(action())
    assert (given.incidents.items, sent(given)) == (before, said)
    [(url, text)] = given.responder.answers
    assert (url, "is over" in text) == (URL, True)


def test_a_button_of_an_earlier_opening_acts_on_no_later_one() -> None:
    """To people it is another incident, with a thread of its own."""
    given = notifier()
    given.receive(OPEN, alert_message("e9", minute=11, action="resolve"), alert_message("e10", minute=14))
    given.receive(action(minute=15))
    assert not incident(given).acknowledged
    assert "is over" in given.responder.answers[0][1]
    given.receive(action(id_="a2", minute=16, thread_id="e10"))
    assert incident(given).acknowledged


def test_a_channel_without_threads_is_never_told() -> None:
    """Also where its opening waits: e-mail has no use for who has an incident."""
    acknowledged = act(incident_after(OPEN), action())
    assert pending_for(acknowledged, "slack") == ["opened e1", "action a1"]
    assert pending_for(acknowledged, "email") == ["opened e1"]


def test_the_thread_is_told_late_where_slack_is_down() -> None:
    """The action counts at once, and what is said of it comes when Slack does, after the opening."""
    slack = Threads("slack", failures=[TransientError("slack: 503")] * 2)
    given = notifier_with(FakeChannel("email"), slack)
    given.receive(OPEN)
    [(_, error)] = given.receive(action()).items()
    assert isinstance(error, TransientError)
    assert incident(given).acknowledged
    assert given.receive(action(), receives=2, deferrals=1) == {"a1": None}
    assert slack.titles == ["opened Payment failed", "action kim acknowledged"]


def test_what_the_command_did_is_said_by_the_notifier() -> None:
    """`relay ack` writes the incident at once; its message finds the action there, and delivers it."""
    given = notifier()
    given.receive(OPEN)
    done = action(thread_id="", response_url="")
    given.incidents.save(act(incident(given), done))
    assert given.receive(done) == {"a1": None}
    assert sent(given)[-1] == "action kim acknowledged"
    assert given.responder.answers == []


def test_an_escalation_that_waits_is_dropped_by_the_acknowledgement() -> None:
    """It would not be sent now; an opening that waits is news to people, and stays."""
    escalated = incident_after(OPEN)
    waiting = apply(escalated, alert_message("e5", minute=11, level=Level.ERROR), ("slack",), defer="flood")
    assert waiting.deferred
    assert act(waiting, action()).deferred is None
    opening = apply(Incident(key=INCIDENT_KEY), OPEN, ("slack",), defer="quiet_hours")
    assert act(opening, action()).deferred == opening.deferred


def test_a_final_failure_that_waits_is_still_said_after_an_acknowledgement() -> None:
    """In the thread alone, as it would be said now."""
    final = alert_message("e5", minute=11, outcome="failed_for_good")
    waiting = apply(incident_after(OPEN), final, ("email", "slack"), defer="quiet_hours")
    kept = act(waiting, action()).deferred
    assert kept is not None
    assert (kept.alert_message, kept.channels) == (final, ("slack",))


def test_an_incident_that_no_thread_has_is_acknowledged_without_words() -> None:
    """By the command alone: e-mail and an incoming webhook have no thread, and no button."""
    given = notifier_with(FakeChannel("email"), FakeChannel("slack"))
    given.receive(OPEN)
    given.receive(action(thread_id="", response_url=""))
    assert incident(given).acknowledged
    assert sent(given, channel=0) == sent(given) == ["opened Payment failed"]


@pytest.mark.parametrize(
    "change",
    [
        ('"acknowledge"', '"destroy"'),
        (f'"{INCIDENT_KEY}"', '""'),
        (f'"{INCIDENT_KEY}"', f'"{"x" * 1_025}"'),
        ('"by": "kim"', '"by": 5'),
        ('"acknowledge"', '"mute"'),
    ],
)
def test_a_message_that_is_none_is_a_dead_letter(change: tuple[str, str]) -> None:
    """It is named, and holds nothing else up."""
    given = notifier()
    message = queue_message(action())
    assert change[0] in message.body
    changed = replace(message, body=message.body.replace(*change))
    [result] = given.notifier().work([changed], FakeContext()).values()
    assert isinstance(result, PermanentError)
    assert result.reason == "unreadable_message"
