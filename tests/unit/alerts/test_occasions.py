"""When people are told, and when they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from relay.alerts.classification import Classification, classify
from relay.alerts.pending import drop, mark, next_pending, retry_failed
from relay.alerts.transitions import apply, notice
from relay.model.effects import Level
from relay.model.incident import UNCONFIRMED, ChannelDelivery, DeliveryState
from relay.model.messages import AlertMessage

from tests.support.incident_builders import alert_message
from tests.unit.alerts.matters import CHANNELS, CLOSE, NEW, OPEN, after, owed


@pytest.mark.parametrize(
    ("before", "told", "verdict"),
    [
        ([], OPEN, "opening"),
        ([], CLOSE, "tombstone"),
        ([OPEN], alert_message("e3", minute=11), "joined"),
        ([OPEN], alert_message("e3", minute=9), "joined"),
        ([OPEN], alert_message("e3", minute=11, level=Level.INFO), "joined"),
        ([OPEN], alert_message("e3", minute=11, level=Level.ERROR), "rise"),
        ([OPEN], OPEN, "known"),
        ([OPEN], alert_message("e1", minute=99, level=Level.CRITICAL), "known"),
        ([OPEN], CLOSE, "closing"),
        ([OPEN], alert_message("e2", minute=10, action="close"), "closing"),
        ([OPEN], alert_message("e2", minute=9, action="close"), "tombstone"),
        ([OPEN, alert_message("e3", minute=30)], CLOSE, "tombstone"),
        ([OPEN, CLOSE], OPEN, "known"),
        ([OPEN, CLOSE], alert_message("e3", minute=20, level=Level.CRITICAL), "stale"),
        ([OPEN, CLOSE], alert_message("e3", minute=21), "opening"),
        ([OPEN, CLOSE], alert_message("e4", minute=25, action="close"), "tombstone"),
        ([CLOSE], OPEN, "stale"),
        ([CLOSE], alert_message("e3", minute=21), "opening"),
        ([alert_message("e9", minute=30), CLOSE], alert_message("e3", minute=15, level=Level.ERROR), "stale"),
        ([], alert_message("e3", minute=11, action="mention"), "stale"),
        ([OPEN], alert_message("e3", minute=9, action="mention"), "stale"),
        ([OPEN], alert_message("e3", minute=11, action="mention"), "mention"),
        ([OPEN, CLOSE], alert_message("e3", minute=30, action="mention"), "stale"),
    ],
)
def test_verdicts(before: list[AlertMessage], told: AlertMessage, verdict: Classification) -> None:
    """What an alert message means depends on the level, on the times in the alert_messages and on the ids told."""
    assert classify(after(*before), told) == verdict


def test_one_matter_from_beginning_to_end() -> None:
    """In documented order a matter is told when it opens, when it grows worse, and when it is over."""
    incident = after(
        OPEN, alert_message("e3", minute=12), alert_message("e4", minute=14, level=Level.ERROR), CLOSE
    )
    assert owed(incident, "email") == owed(incident) == ["opening e1", "rise e4", "closing e2"]
    assert not incident.open


def test_a_mention_is_for_those_who_have_heard_of_the_matter() -> None:
    """It opens nothing, keeps nothing open, and is told between the beginning and the end."""
    mention = alert_message("m1", minute=15, action="mention", level=Level.INFO)
    incident = apply(apply(after(OPEN, channels=["email"]), mention, CHANNELS), CLOSE, CHANNELS)
    assert owed(incident, "email") == ["opening e1", "mention m1", "closing e2"]
    assert owed(incident, "slack") == []
    assert apply(after(mention), OPEN, CHANNELS).owed_by("e1") is not None
    silent = apply(NEW, OPEN, [])
    assert apply(silent, mention, CHANNELS).owed == ()


def test_a_matter_that_began_in_silence_begins_for_people_when_it_grows() -> None:
    """They hear of a beginning, at its level, and of the end; a silent matter ends in silence."""
    silent = apply(NEW, alert_message("e1", minute=10, level=Level.INFO), [])
    assert apply(silent, CLOSE, CHANNELS).owed == ()
    risen = apply(silent, alert_message("e3", minute=12), CHANNELS)
    assert owed(apply(risen, CLOSE, CHANNELS)) == ["opening e3", "closing e2"]


def test_a_rise_is_for_the_channels_of_its_level_too() -> None:
    """Those that have heard of the matter hear of the rise as well, and all of them of the end."""
    incident = apply(NEW, OPEN, ["email"])
    incident = apply(incident, alert_message("e3", minute=12, level=Level.CRITICAL), ["slack", "pagerduty"])
    incident = apply(incident, CLOSE, [])
    assert owed(incident, "email") == ["opening e1", "rise e3", "closing e2"]
    assert owed(incident, "pagerduty") == ["rise e3", "closing e2"]


def test_a_muted_matter_is_told_to_nobody() -> None:
    """Until its time; only an incident is closed, which wakes nobody."""
    incident = apply(NEW, OPEN, ["email", "pagerduty"])
    muted = replace(incident, muted_until=alert_message(minute=60).at)
    worse = alert_message("e3", minute=12, level=Level.CRITICAL)
    assert apply(muted, worse, CHANNELS).owed == muted.owed
    assert apply(muted, worse, CHANNELS).level is Level.CRITICAL
    closed = apply(muted, CLOSE, CHANNELS)
    assert owed(closed, "email") == ["opening e1"]
    assert owed(closed, "pagerduty") == ["opening e1", "closing e2"]
    assert not closed.open
    again = apply(closed, alert_message("e5", minute=30), CHANNELS)
    assert again.open
    assert again.owed == closed.owed
    later = apply(
        apply(closed, alert_message("e6", minute=61), CHANNELS),
        alert_message("e7", minute=62, action="close"),
        [],
    )
    assert owed(later, "slack") == ["opening e6", "closing e7"]


def test_an_acknowledged_matter_is_told_when_it_is_critical_or_over() -> None:
    """Somebody has it in hand; anew, it is news again."""
    acked = replace(after(OPEN), acked=True)
    error = alert_message("e3", minute=12, level=Level.ERROR)
    assert apply(acked, error, CHANNELS).owed == acked.owed
    critical = apply(
        apply(acked, error, CHANNELS), alert_message("e4", minute=13, level=Level.CRITICAL), CHANNELS
    )
    assert owed(apply(critical, CLOSE, CHANNELS)) == ["opening e1", "rise e4", "closing e2"]
    anew = apply(apply(acked, CLOSE, CHANNELS), alert_message("e5", minute=30), CHANNELS)
    assert not anew.acked


def test_what_is_over_at_once_is_told_once_and_opens_nothing() -> None:
    """A digest, a roll-up, a test."""
    told = notice(notice(NEW, OPEN, CHANNELS), OPEN, CHANNELS)
    assert owed(told) == ["notice e1"]
    assert not told.open


def test_threads_are_kept_as_long_as_something_can_be_added() -> None:
    """Each beginning has its own; the end knows it, and then it is forgotten."""
    sent = ChannelDelivery(state=DeliveryState.SENT)
    incident = mark(after(OPEN, channels=["slack"]), "e1", "slack", sent, "C1/1.0")
    assert incident.episodes["e1"].threads == {"slack": "C1/1.0"}
    closed = apply(incident, CLOSE, CHANNELS)
    reopened = apply(closed, alert_message("e3", minute=30), ["slack"])
    assert [owing.episode for owing in reopened.owed] == ["e1", "e3"]
    assert set(reopened.episodes) == {"e1", "e3"}
    done = mark(reopened, "e2", "slack", sent, "C1/1.0")
    assert set(done.episodes) == {"e3"}


def test_a_closing_is_for_those_who_had_the_opening() -> None:
    """A channel that was set up in between does not hear the end of what it never heard of."""
    incident = apply(after(OPEN, channels=["email"]), CLOSE, CHANNELS)
    assert owed(incident, "email") == ["opening e1", "closing e2"]
    assert owed(incident, "slack") == []


def test_without_a_channel_nothing_is_owed() -> None:
    """A matter that no channel is to hear of is remembered all the same."""
    incident = after(OPEN, channels=[])
    assert (incident.open, incident.owed) == (True, ())


def test_who_had_an_earlier_opening_only() -> None:
    """The end of a second time is not told to a channel that heard of the first time alone."""
    incident = apply(after(OPEN, CLOSE), alert_message("e3", minute=30), ["email"])
    incident = apply(incident, alert_message("e4", minute=40, action="close"), CHANNELS)
    assert owed(incident, "slack") == ["opening e1", "closing e2"]
    assert owed(incident, "email") == ["opening e1", "closing e2", "opening e3", "closing e4"]


def test_a_channel_that_refused_a_rise_hears_the_end() -> None:
    """It had the opening."""
    risen = after(OPEN, alert_message("e3", minute=12, level=Level.ERROR))
    refused = mark(
        risen, "e3", "slack", ChannelDelivery(state=DeliveryState.GIVEN_UP, reason="slack_no_text")
    )
    assert owed(apply(refused, CLOSE, CHANNELS), "slack") == ["opening e1", "closing e2"]


def test_a_channel_that_refused_the_opening_does_not_hear_the_end() -> None:
    """Nor is the opening announced when somebody redrives it after the end."""
    refused = mark(
        after(OPEN),
        "e1",
        "slack",
        ChannelDelivery(state=DeliveryState.GIVEN_UP, reason="slack_invalid_blocks"),
    )
    closed = apply(refused, CLOSE, CHANNELS)
    assert owed(closed, "slack") == []
    assert owed(closed, "email") == ["opening e1", "closing e2"]
    assert retry_failed(closed, "e1") == closed


def test_a_channel_that_may_have_had_the_opening_hears_the_end() -> None:
    """What was unclear twice is not repeated after the end, but the end is told."""
    unclear = mark(
        after(OPEN), "e1", "slack", ChannelDelivery(state=DeliveryState.GIVEN_UP, reason=UNCONFIRMED)
    )
    assert owed(apply(unclear, CLOSE, CHANNELS), "slack") == ["closing e2"]


def test_what_all_channels_have_is_forgotten() -> None:
    """The item does not grow with what is done."""
    incident = after(OPEN)
    for channel in CHANNELS:
        incident = mark(incident, "e1", channel, ChannelDelivery(state=DeliveryState.SENT))
    assert incident.owed == ()
    assert incident.reached == CHANNELS


def test_a_reopened_matter_is_told_again() -> None:
    """A level that was told before the closing is told again after it."""
    incident = after(
        OPEN, CLOSE, alert_message("e3", minute=30), alert_message("e4", minute=40, action="close")
    )
    assert owed(incident) == ["opening e1", "closing e2", "opening e3", "closing e4"]


def test_an_event_is_served_in_order_and_no_further_than_itself() -> None:
    """Each channel hears the beginning first; what comes after an event's own alert_message is not its work."""
    incident = after(OPEN, CLOSE, alert_message("e3", minute=30))
    first = next_pending(incident, "e2")
    assert first is not None
    assert (first[0].alert_message.event_id, first[1]) == ("e1", "email")
    skipping = next_pending(incident, "e2", skip=["email"])
    assert skipping is not None
    assert (skipping[0].alert_message.event_id, skipping[1]) == ("e1", "slack")
    assert next_pending(incident, "e2", skip=CHANNELS) is None
    given_up = ChannelDelivery(state=DeliveryState.GIVEN_UP, reason="slack_no_text")
    done = mark(mark(incident, "e1", "email", given_up), "e1", "slack", given_up)
    assert next_pending(done, "e1") is None
    assert next_pending(apply(incident, alert_message("e5", minute=31), CHANNELS), "e5") is None


def test_a_redrive_tries_again_what_was_given_up() -> None:
    """What was refused starts afresh; what was unclear is marked as a repeat when it is sent."""
    incident = mark(
        after(OPEN), "e1", "slack", ChannelDelivery(state=DeliveryState.GIVEN_UP, reason="slack_no_text")
    )
    incident = mark(
        incident, "e1", "email", ChannelDelivery(state=DeliveryState.GIVEN_UP, reason=UNCONFIRMED)
    )
    parts = retry_failed(incident, "e1").owed[0].parts
    assert parts == {"slack": ChannelDelivery(), "email": ChannelDelivery(state=DeliveryState.SENDING)}


def test_a_channel_that_is_gone_is_owed_nothing() -> None:
    """Taking Slack out of the configuration leaves nothing behind that nobody can serve."""
    incident = drop(after(OPEN, CLOSE), "slack")
    assert owed(incident, "slack") == []
    assert owed(incident, "email") == ["opening e1", "closing e2"]


def test_what_is_over_as_it_is_told_never_stands() -> None:
    """A grant is told once for each level, however often it comes; nobody waits for its end, and more may be said of it."""
    grant = alert_message("e1", minute=10, lasting=False)
    told = after(grant, grant, alert_message("e3", minute=12, lasting=False))
    assert owed(told) == ["opening e1"]
    assert not told.stands
    worse = apply(told, alert_message("e4", minute=14, level=Level.ERROR, lasting=False), CHANNELS)
    assert owed(apply(worse, CLOSE, CHANNELS)) == ["opening e1", "rise e4", "closing e2"]
    assert not worse.stands


def test_what_lasts_stands_whatever_else_was_told_of_it() -> None:
    """One lasting beginning is enough, in either order; a new matter under the same key is judged by itself."""
    passing, lasting = alert_message("e3", minute=12, lasting=False), OPEN
    assert after(lasting, passing).stands
    assert after(passing, alert_message("e4", minute=13)).stands
    assert not after(lasting, CLOSE, alert_message("e5", minute=30, lasting=False)).stands
