"""The state machine of an incident: classification, recipients, pending deliveries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from relay.alerts.pending import drop_channel, next_pending, record_delivery, retry_failed
from relay.alerts.transitions import Classification, apply, apply_notice, classify
from relay.model.effects import Level
from relay.model.incident import UNCONFIRMED, ChannelDelivery, DeliveryState
from relay.model.messages import AlertMessage

from tests.support.incident_builders import (
    CHANNELS,
    EMPTY_INCIDENT,
    OPEN,
    RESOLVE,
    alert_message,
    incident_after,
    pending_for,
)


@pytest.mark.parametrize(
    ("before", "message", "expected"),
    [
        ([], OPEN, "opened"),
        ([], RESOLVE, "resolved_before_open"),
        ([OPEN], alert_message("e3", minute=11), "absorbed"),
        ([OPEN], alert_message("e3", minute=9), "absorbed"),
        ([OPEN], alert_message("e3", minute=11, level=Level.INFO), "absorbed"),
        ([OPEN], alert_message("e3", minute=11, level=Level.ERROR), "escalated"),
        ([OPEN], OPEN, "seen"),
        ([OPEN], alert_message("e1", minute=99, level=Level.CRITICAL), "seen"),
        ([OPEN], RESOLVE, "resolved"),
        ([OPEN], alert_message("e2", minute=10, action="resolve"), "resolved"),
        ([OPEN], alert_message("e2", minute=9, action="resolve"), "resolved_before_open"),
        ([OPEN, alert_message("e3", minute=30)], RESOLVE, "resolved_before_open"),
        ([OPEN, RESOLVE], OPEN, "seen"),
        ([OPEN, RESOLVE], alert_message("e3", minute=20, level=Level.CRITICAL), "stale"),
        ([OPEN, RESOLVE], alert_message("e3", minute=21), "opened"),
        ([OPEN, RESOLVE], alert_message("e4", minute=25, action="resolve"), "resolved_before_open"),
        ([RESOLVE], OPEN, "stale"),
        ([RESOLVE], alert_message("e3", minute=21), "opened"),
        (
            [alert_message("e9", minute=30), RESOLVE],
            alert_message("e3", minute=15, level=Level.ERROR),
            "stale",
        ),
        ([], alert_message("e3", minute=11, action="update"), "stale"),
        ([OPEN], alert_message("e3", minute=9, action="update"), "stale"),
        ([OPEN], alert_message("e3", minute=11, action="update"), "updated"),
        ([OPEN, RESOLVE], alert_message("e3", minute=30, action="update"), "stale"),
    ],
)
def test_classification(before: list[AlertMessage], message: AlertMessage, expected: Classification) -> None:
    """It depends on the level, the times of the alert messages, and the event ids seen."""
    assert classify(incident_after(*before), message) == expected


def test_an_incident_in_documented_order() -> None:
    """A notification is sent when it opens, when it escalates, and when it is resolved."""
    incident = incident_after(
        OPEN, alert_message("e3", minute=12), alert_message("e4", minute=14, level=Level.ERROR), RESOLVE
    )
    assert (
        pending_for(incident, "email")
        == pending_for(incident)
        == ["opened e1", "escalated e4", "resolved e2"]
    )
    assert not incident.active


def test_an_update_goes_to_the_channels_notified_before() -> None:
    """It opens nothing, keeps nothing open, and is sent between the opening and the resolution."""
    update = alert_message("m1", minute=15, action="update", level=Level.INFO)
    incident = apply(apply(incident_after(OPEN, channels=["email"]), update, CHANNELS), RESOLVE, CHANNELS)
    assert pending_for(incident, "email") == ["opened e1", "updated m1", "resolved e2"]
    assert pending_for(incident, "slack") == []
    assert apply(incident_after(update), OPEN, CHANNELS).pending_for("e1") is not None
    silent = apply(EMPTY_INCIDENT, OPEN, [])
    assert apply(silent, update, CHANNELS).pending == ()


def test_a_silent_opening_is_sent_as_opened_when_it_escalates() -> None:
    """At the new level, with a resolution to follow; an incident without notifications is resolved silently."""
    silent = apply(EMPTY_INCIDENT, alert_message("e1", minute=10, level=Level.INFO), [])
    assert apply(silent, RESOLVE, CHANNELS).pending == ()
    escalated = apply(silent, alert_message("e3", minute=12), CHANNELS)
    assert pending_for(apply(escalated, RESOLVE, CHANNELS)) == ["opened e3", "resolved e2"]


def test_an_escalation_goes_to_the_channels_of_its_level_too() -> None:
    """The channels notified before get it as well, and all of them the resolution."""
    incident = apply(EMPTY_INCIDENT, OPEN, ["email"])
    incident = apply(incident, alert_message("e3", minute=12, level=Level.CRITICAL), ["slack", "pagerduty"])
    incident = apply(incident, RESOLVE, [])
    assert pending_for(incident, "email") == ["opened e1", "escalated e3", "resolved e2"]
    assert pending_for(incident, "pagerduty") == ["escalated e3", "resolved e2"]


def test_of_a_muted_incident_the_end_is_told_in_the_thread() -> None:
    """Until its time, and nothing else below critical; PagerDuty pages no one for it."""
    incident = apply(EMPTY_INCIDENT, OPEN, ["email", "slack", "pagerduty"])
    muted = replace(incident, muted_until=alert_message(minute=60).at)
    worse = alert_message("e3", minute=12, level=Level.ERROR, outcome="failed_for_good")
    assert apply(muted, worse, CHANNELS).pending == muted.pending
    assert apply(muted, worse, CHANNELS).level is Level.ERROR
    critical = apply(muted, alert_message("e4", minute=13, level=Level.CRITICAL), CHANNELS)
    assert pending_for(critical, "email") == ["opened e1", "escalated e4"]
    resolved = apply(muted, RESOLVE, CHANNELS)
    assert pending_for(resolved, "email") == ["opened e1"]
    assert pending_for(resolved, "slack") == ["opened e1", "resolved e2"]
    assert pending_for(resolved, "pagerduty") == ["opened e1", "resolved e2"]
    assert not resolved.active
    again = apply(resolved, alert_message("e5", minute=30), CHANNELS)
    assert again.active
    assert again.pending == resolved.pending
    later = apply(
        apply(resolved, alert_message("e6", minute=61), CHANNELS),
        alert_message("e7", minute=62, action="resolve"),
        [],
    )
    assert pending_for(later, "email") == ["opened e1", "opened e6", "resolved e7"]


def test_an_acknowledged_incident_does_not_escalate() -> None:
    """Below critical. An outcome and the end are told in the thread, by e-mail where there is none."""
    acknowledged = replace(incident_after(OPEN), acknowledged=True)
    error = alert_message("e3", minute=12, level=Level.ERROR)
    assert apply(acknowledged, error, CHANNELS).pending == acknowledged.pending
    final = alert_message("e4", minute=13, level=Level.ERROR, outcome="failed_for_good")
    for before in (acknowledged, apply(acknowledged, error, CHANNELS)):
        ended = apply(apply(before, final, CHANNELS), RESOLVE, CHANNELS)
        assert pending_for(ended, "email") == ["opened e1"]
        assert [each.split()[1] for each in pending_for(ended, "slack")] == ["e1", "e4", "e2"]
    critical = apply(acknowledged, alert_message("e4", minute=13, level=Level.CRITICAL), CHANNELS)
    assert pending_for(critical, "email") == ["opened e1", "escalated e4"]
    by_mail = replace(incident_after(OPEN, channels=["email"]), acknowledged=True)
    assert pending_for(apply(by_mail, RESOLVE, CHANNELS), "email") == ["opened e1", "resolved e2"]
    reopened = apply(apply(acknowledged, RESOLVE, CHANNELS), alert_message("e5", minute=30), CHANNELS)
    assert not reopened.acknowledged


def test_an_outcome_is_told_once_though_its_level_was_reached() -> None:
    """To the channels that were notified and to those of its level; as an update, and as the opening where none was."""
    final = alert_message("e3", minute=12, outcome="failed_for_good")
    assert classify(incident_after(OPEN), final) == "outcome"
    told = apply(incident_after(OPEN, channels=["slack"]), final, CHANNELS)
    assert pending_for(told, "slack") == ["opened e1", "updated e3"]
    assert pending_for(told, "email") == ["updated e3"]
    assert classify(told, alert_message("e4", minute=13, outcome="failed_for_good")) == "absorbed"
    silent = apply(EMPTY_INCIDENT, OPEN, [])
    assert pending_for(apply(silent, final, CHANNELS), "email") == ["opened e3"]
    first = apply(EMPTY_INCIDENT, final, CHANNELS)
    assert classify(first, alert_message("e4", minute=13, outcome="failed_for_good")) == "absorbed"
    again = apply(apply(told, RESOLVE, CHANNELS), alert_message("e5", minute=30), CHANNELS)
    assert classify(again, alert_message("e6", minute=31, outcome="failed_for_good")) == "outcome"


def test_a_later_cycle_is_the_next_incident() -> None:
    """Though nothing resolved the one before; a late attempt of the same cycle is no next one."""
    first = incident_after(OPEN, alert_message("e3", minute=12, level=Level.ERROR))
    at = alert_message(minute=30).at
    second = alert_message("e4", minute=30, cycle_at=at)
    assert classify(first, second) == "opened"
    after = apply(first, second, CHANNELS)
    assert after.level is second.alert.level
    assert classify(after, alert_message("e5", minute=31, level=Level.ERROR, cycle_at=at)) == "escalated"
    assert classify(after, alert_message("e6", minute=29, cycle_at=at)) == "absorbed"
    assert classify(first, alert_message("e7", minute=13, cycle_at=alert_message(minute=10).at)) == "absorbed"


def test_what_is_told_late_of_the_cycle_before_leaves_the_incident_of_the_next() -> None:
    """An outcome is a notice of its own, in no thread; the rest is silent; a resolution ends the newer incident."""
    at = alert_message(minute=30).at
    next_one = incident_after(
        OPEN, alert_message("e4", minute=30, level=Level.INFO, cycle_at=at), channels=["slack"]
    )
    final = alert_message("e5", minute=12, level=Level.ERROR, outcome="failed_for_good", next_cycle_at=at)
    attempt = alert_message("e6", minute=11, level=Level.ERROR, next_cycle_at=at)
    assert [classify(next_one, each) for each in (final, attempt)] == ["overtaken", "overtaken"]
    assert apply(next_one, attempt, CHANNELS).pending == next_one.pending
    told = apply(next_one, final, CHANNELS)
    assert pending_for(told, "email")[-1] == "notice e5"
    assert told.pending[-1].thread_id == ""
    assert told.seen_event_ids[-1] == "e5"
    for name in (
        "active",
        "level",
        "opened_at",
        "last_opened_at",
        "told",
        "channels",
        "thread_id",
        "deferred",
    ):
        assert getattr(told, name) == getattr(next_one, name), name
    muted = replace(next_one, muted_until=alert_message(minute=59).at)
    assert apply(muted, final, CHANNELS).pending == next_one.pending


def test_the_final_failure_parts_the_next_cycle_from_the_one_before() -> None:
    """Without it the next cycle's first attempt was taken for one of the same; with it, that cycle is open by itself.

    Nothing was told of it, so its next alert begins a thread, and the end of the cycle before leaves it open.
    """
    at = alert_message(minute=30).at
    joined = incident_after(OPEN, alert_message("e4", minute=30))
    final = alert_message("e5", minute=12, outcome="failed_for_good", next_cycle_at=at)
    assert classify(joined, final) == "outcome"
    parted = apply(joined, final, CHANNELS)
    assert pending_for(parted, "email") == ["opened e1", "updated e5"]
    ended = alert_message("e8", minute=13, action="resolve", next_cycle_at=at)
    assert classify(parted, ended) == "overtaken"
    assert apply(parted, ended, CHANNELS).active
    assert pending_for(apply(parted, ended, CHANNELS), "email")[-1] == "resolved e8"
    warned = apply(parted, alert_message("e6", minute=31, cycle_at=at), CHANNELS)
    assert (pending_for(warned, "email")[-1], warned.thread_id) == ("opened e6", "e6")
    assert classify(parted, alert_message("e7", minute=40, action="resolve")) == "resolved"


def test_what_was_told_of_the_next_cycle_stays_told_when_the_final_failure_parts_it() -> None:
    """Its warning was added to the thread of the cycle before: the same level is not told again, and its end is."""
    at = alert_message(minute=30).at
    quiet = alert_message("q1", level=Level.INFO)
    joined = incident_after(
        quiet, alert_message("e4", minute=30, level=Level.INFO), alert_message("e5", minute=31)
    )
    parted = apply(
        joined, alert_message("e6", minute=12, outcome="failed_for_good", next_cycle_at=at), CHANNELS
    )
    assert (parted.opened_at, parted.level, parted.told) == (at, Level.WARNING, ())
    assert classify(parted, alert_message("e7", minute=32, cycle_at=at)) == "absorbed"
    over = apply(parted, alert_message("e8", minute=13, action="resolve", next_cycle_at=at), CHANNELS)
    assert over.active
    assert pending_for(apply(over, alert_message("e9", minute=40, action="resolve"), CHANNELS), "email")[
        -2:
    ] == [
        "resolved e8",
        "resolved e9",
    ]


def test_a_resolution_ends_what_was_told_a_moment_after_its_event() -> None:
    """Whichever of the two arrives first."""
    ended = alert_message("e2", minute=9, action="resolve", as_of=OPEN.at)
    assert classify(incident_after(OPEN), ended) == "resolved"
    assert classify(incident_after(ended), OPEN) == "stale"
    assert classify(incident_after(ended), alert_message("e3", minute=11)) == "opened"


def test_a_notice_is_sent_once_and_opens_nothing() -> None:
    """A digest, a roll-up, a channel test."""
    incident = apply_notice(apply_notice(EMPTY_INCIDENT, OPEN, CHANNELS), OPEN, CHANNELS)
    assert pending_for(incident) == ["notice e1"]
    assert not incident.active


def test_threads_are_kept_as_long_as_a_reply_can_be_added() -> None:
    """Each opening has its own; the resolution is added to it, and then it is removed."""
    sent = ChannelDelivery(state=DeliveryState.SENT)
    incident = record_delivery(incident_after(OPEN, channels=["slack"]), "e1", "slack", sent, "C1/1.0")
    assert incident.threads["e1"].refs == {"slack": "C1/1.0"}
    resolved = apply(incident, RESOLVE, CHANNELS)
    reopened = apply(resolved, alert_message("e3", minute=30), ["slack"])
    assert [pending.thread_id for pending in reopened.pending] == ["e1", "e3"]
    assert set(reopened.threads) == {"e1", "e3"}
    done = record_delivery(reopened, "e2", "slack", sent, "C1/1.0")
    assert set(done.threads) == {"e3"}


def test_a_resolution_goes_to_the_channels_with_the_opening() -> None:
    """A channel that was configured in between does not get it."""
    incident = apply(incident_after(OPEN, channels=["email"]), RESOLVE, CHANNELS)
    assert pending_for(incident, "email") == ["opened e1", "resolved e2"]
    assert pending_for(incident, "slack") == []


def test_without_a_channel_nothing_is_pending() -> None:
    """An incident without channels is remembered all the same."""
    incident = incident_after(OPEN, channels=[])
    assert (incident.active, incident.pending) == (True, ())


def test_channels_of_an_earlier_opening_only() -> None:
    """They do not get the resolution of a later opening."""
    incident = apply(incident_after(OPEN, RESOLVE), alert_message("e3", minute=30), ["email"])
    incident = apply(incident, alert_message("e4", minute=40, action="resolve"), CHANNELS)
    assert pending_for(incident, "slack") == ["opened e1", "resolved e2"]
    assert pending_for(incident, "email") == ["opened e1", "resolved e2", "opened e3", "resolved e4"]


def test_a_channel_that_refused_an_escalation_gets_the_resolution() -> None:
    """It has the opening."""
    escalated = incident_after(OPEN, alert_message("e3", minute=12, level=Level.ERROR))
    refused = record_delivery(
        escalated, "e3", "slack", ChannelDelivery(state=DeliveryState.FAILED, reason="slack_no_text")
    )
    assert pending_for(apply(refused, RESOLVE, CHANNELS), "slack") == ["opened e1", "resolved e2"]


def test_a_channel_that_refused_the_opening_gets_no_resolution() -> None:
    """Nor is the opening sent when it is redriven after the resolution."""
    refused = record_delivery(
        incident_after(OPEN),
        "e1",
        "slack",
        ChannelDelivery(state=DeliveryState.FAILED, reason="slack_invalid_blocks"),
    )
    resolved = apply(refused, RESOLVE, CHANNELS)
    assert pending_for(resolved, "slack") == []
    assert pending_for(resolved, "email") == ["opened e1", "resolved e2"]
    assert retry_failed(resolved, "e1") == resolved


def test_a_channel_that_may_have_the_opening_gets_the_resolution() -> None:
    """An opening that was unconfirmed twice is not repeated after the resolution, but the resolution is sent."""
    unconfirmed = record_delivery(
        incident_after(OPEN), "e1", "slack", ChannelDelivery(state=DeliveryState.FAILED, reason=UNCONFIRMED)
    )
    assert pending_for(apply(unconfirmed, RESOLVE, CHANNELS), "slack") == ["resolved e2"]


def test_a_notification_that_all_channels_have_is_removed() -> None:
    """The item does not grow with what was sent."""
    incident = incident_after(OPEN)
    for channel in CHANNELS:
        incident = record_delivery(incident, "e1", channel, ChannelDelivery(state=DeliveryState.SENT))
    assert incident.pending == ()
    assert incident.channels == CHANNELS


def test_a_reopened_incident_is_sent_again() -> None:
    """A level that was sent before the resolution is sent again after it."""
    incident = incident_after(
        OPEN, RESOLVE, alert_message("e3", minute=30), alert_message("e4", minute=40, action="resolve")
    )
    assert pending_for(incident) == ["opened e1", "resolved e2", "opened e3", "resolved e4"]


def test_delivery_in_order_up_to_the_own_event() -> None:
    """Each channel gets the opening first; notifications after the event's own are the work of other messages."""
    incident = incident_after(OPEN, RESOLVE, alert_message("e3", minute=30))
    first = next_pending(incident, "e2")
    assert first is not None
    assert (first[0].alert_message.event_id, first[1]) == ("e1", "email")
    skipping = next_pending(incident, "e2", skip=["email"])
    assert skipping is not None
    assert (skipping[0].alert_message.event_id, skipping[1]) == ("e1", "slack")
    assert next_pending(incident, "e2", skip=CHANNELS) is None
    failed = ChannelDelivery(state=DeliveryState.FAILED, reason="slack_no_text")
    done = record_delivery(record_delivery(incident, "e1", "email", failed), "e1", "slack", failed)
    assert next_pending(done, "e1") is None
    assert next_pending(apply(incident, alert_message("e5", minute=31), CHANNELS), "e5") is None


def test_a_redrive_retries_failed_deliveries() -> None:
    """A refused one starts anew; an unconfirmed one is marked as a possible repeat when it is sent."""
    incident = record_delivery(
        incident_after(OPEN),
        "e1",
        "slack",
        ChannelDelivery(state=DeliveryState.FAILED, reason="slack_no_text"),
    )
    incident = record_delivery(
        incident, "e1", "email", ChannelDelivery(state=DeliveryState.FAILED, reason=UNCONFIRMED)
    )
    deliveries = retry_failed(incident, "e1").pending[0].deliveries
    assert deliveries == {"slack": ChannelDelivery(), "email": ChannelDelivery(state=DeliveryState.SENDING)}


def test_deliveries_to_a_removed_channel_are_dropped() -> None:
    """Without Slack in the configuration nothing stays pending for it."""
    incident = drop_channel(incident_after(OPEN, RESOLVE), "slack")
    assert pending_for(incident, "slack") == []
    assert pending_for(incident, "email") == ["opened e1", "resolved e2"]


def test_a_one_off_incident_is_never_open() -> None:
    """A grant is sent once per level, however often it comes; it needs no resolution, and updates may follow."""
    grant = alert_message("e1", minute=10, one_off=True)
    incident = incident_after(grant, grant, alert_message("e3", minute=12, one_off=True))
    assert pending_for(incident) == ["opened e1"]
    assert not incident.is_open
    worse = apply(incident, alert_message("e4", minute=14, level=Level.ERROR, one_off=True), CHANNELS)
    assert pending_for(apply(worse, RESOLVE, CHANNELS)) == ["opened e1", "escalated e4", "resolved e2"]
    assert not worse.is_open


def test_one_opening_that_needs_a_resolution_makes_it_open() -> None:
    """In either order; a later opening under the same key counts by itself."""
    one_off, open_incident = alert_message("e3", minute=12, one_off=True), OPEN
    assert incident_after(open_incident, one_off).is_open
    assert incident_after(one_off, alert_message("e4", minute=13)).is_open
    assert not incident_after(open_incident, RESOLVE, alert_message("e5", minute=30, one_off=True)).is_open
