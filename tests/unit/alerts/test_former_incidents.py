"""What an incident remembers of those before it under its key whose end was not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from relay.alerts.transitions import apply, classify
from relay.model.effects import Level
from relay.model.incident import MAX_FORMER, Incident
from relay.model.messages import AlertMessage, json_adapter

from tests.support.incident_builders import CHANNELS, DAY, OPEN, alert_message, incident_after, pending_for

NEXT_AT = DAY + timedelta(minutes=30)
NEXT = alert_message("n1", minute=30, level=Level.INFO, cycle_at=NEXT_AT)
LATE_END = alert_message("l1", minute=20, action="resolve", level=Level.INFO, next_cycle_at=NEXT_AT)
END = alert_message("r1", minute=40, action="resolve", level=Level.INFO)


def overtaken() -> Incident:
    """Return an incident that the next one, which was silent, has overtaken."""
    return apply(incident_after(OPEN, channels=["email"]), NEXT, [])


def test_the_end_of_a_former_incident_goes_to_those_who_were_told_of_it() -> None:
    """In its own thread; the incident stays open, and its own end is not told, since its beginning was not."""
    incident = overtaken()
    assert incident.channels == ()
    assert classify(incident, LATE_END) == "overtaken"
    after = apply(incident, LATE_END, CHANNELS)
    ended = after.pending_for("l1")
    assert ended is not None
    assert (ended.kind, list(ended.deliveries), ended.thread_id) == ("resolved", ["email"], "e1")
    assert after.active
    assert after.threads["e1"].first_message == OPEN
    assert pending_for(apply(after, END, CHANNELS), "email") == ["opened e1", "resolved l1"]


def test_the_end_of_the_newest_incident_ends_those_before_it() -> None:
    """Those who were told of the former one hear of it in that thread, and once."""
    ended = apply(overtaken(), END, CHANNELS)
    own = ended.pending_for("r1")
    assert own is not None
    assert (list(own.deliveries), own.thread_id) == (["email"], "e1")
    assert pending_for(apply(ended, LATE_END, CHANNELS), "email") == ["opened e1", "resolved r1"]
    silent = apply(ended, alert_message("n2", minute=50, level=Level.INFO), [])
    again = apply(silent, alert_message("r2", minute=60, action="resolve", level=Level.INFO), CHANNELS)
    assert pending_for(again, "email") == ["opened e1", "resolved r1"]


def test_an_incident_that_was_told_ends_in_its_own_thread() -> None:
    """The channels of the one before it get that end as well."""
    told = apply(incident_after(OPEN, channels=["email"]), replace_level(NEXT), ["slack"])
    own = apply(told, END, CHANNELS).pending_for("r1")
    assert own is not None
    assert (sorted(own.deliveries), own.thread_id) == (["email", "slack"], "n1")


def replace_level(message: AlertMessage) -> AlertMessage:
    """Return the opening as a warning."""
    return replace(message, alert=replace(message.alert, level=Level.WARNING))


def test_an_outcome_that_was_told_of_a_former_incident_has_its_end() -> None:
    """The final failure of an older fee, heard of late: who was told of it hears how it ended."""
    incident = apply(Incident(key=NEXT.alert.incident_key), replace_level(NEXT), ["email"])
    final = alert_message("f1", minute=15, outcome="failed_for_good", next_cycle_at=NEXT_AT)
    told = apply(apply(incident, final, CHANNELS), LATE_END, CHANNELS)
    assert pending_for(told, "slack") == ["notice f1", "resolved l1"]
    assert told.active


def test_of_a_muted_incident_the_former_one_ends_in_the_thread() -> None:
    """As any end does: by no channel that disturbs a person."""
    incident = apply(incident_after(OPEN), NEXT, [])
    muted = replace(incident, muted_until=DAY + timedelta(minutes=60))
    assert pending_for(apply(muted, LATE_END, CHANNELS), "email") == ["opened e1"]
    assert pending_for(apply(muted, LATE_END, CHANNELS), "slack") == ["opened e1", "resolved l1"]


def test_former_incidents_are_bounded_and_stored() -> None:
    """The latest stay, and an incident is read as it was written."""
    incident = incident_after(OPEN)
    for number in range(1, MAX_FORMER + 3):
        at = DAY + timedelta(days=number)
        incident = apply(incident, alert_message(f"n{number}", at=at, cycle_at=at), CHANNELS)
    assert [one.opened_at.day for one in incident.former] == [DAY.day + n for n in range(2, MAX_FORMER + 2)]
    adapter = json_adapter(Incident)
    assert adapter.validate_json(adapter.dump_json(incident, exclude_defaults=True)) == incident


def test_an_end_by_silence_is_denied_by_what_is_newer_than_the_silence() -> None:
    """It is said thirty days later, and holds as of the last thing heard."""
    quiet = alert_message("q1", minute=90, action="resolve", level=Level.INFO, silent_since=OPEN.at)
    incident = apply(incident_after(OPEN), quiet, CHANNELS)
    assert not incident.active
    assert classify(incident, alert_message("e5", minute=11)) == "opened"
    assert classify(incident, alert_message("e6", minute=10)) == "stale"
