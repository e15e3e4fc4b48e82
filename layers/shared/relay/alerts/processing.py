"""What is heard becomes an incident's next step, and is told at once or waits for a tick of the clock."""

from __future__ import annotations

from collections.abc import Sequence

from relay.alerts.classification import addressees, classify, notify_even_if_unannounced
from relay.alerts.delivery import BatchDelivery
from relay.alerts.holdback import admit, enter
from relay.alerts.pending import retry_failed
from relay.alerts.routing import channels_for, is_quiet
from relay.alerts.transitions import apply, notice
from relay.model.effects import Level
from relay.model.hold_queue import HeldEntry, HoldQueue
from relay.model.incident import DeferReason, Deferred, Incident
from relay.model.messages import AlertMessage


def process(round_: BatchDelivery, alert_message: AlertMessage, *, fresh: bool) -> None:
    """Note what an alert message means to its incident, and serve what it owes."""
    round_.serve(_judged(round_, alert_message, fresh=fresh), alert_message.event_id)


def note(round_: BatchDelivery, alert_message: AlertMessage, channels: Sequence[str], *, fresh: bool) -> None:
    """Tell something that is over at once."""
    round_.serve(noted(round_, alert_message, channels, fresh=fresh), alert_message.event_id)


def noted(
    round_: BatchDelivery, alert_message: AlertMessage, channels: Sequence[str], *, fresh: bool = False
) -> Incident:
    """Note such a thing in its incident, once."""

    def noted(before: Incident) -> Incident:
        again = retry_failed(before, alert_message.event_id) if fresh else before
        return notice(again, alert_message, channels)

    return round_.desk.change(alert_message.alert.incident_key, noted)


def _judged(round_: BatchDelivery, alert_message: AlertMessage, *, fresh: bool) -> Incident:
    """Note in the incident what the alert message means to it, and in the waiting room if it has to wait."""
    desk, verdict, why = round_.desk, "known", _why_to_wait(round_, alert_message)

    def judged(before: Incident) -> Incident:
        nonlocal verdict
        verdict = classify(before, alert_message)
        if verdict == "known":
            return retry_failed(before, alert_message.event_id) if fresh else before
        return apply(before, alert_message, channels_for(alert_message, round_.rules, desk.names), hold=why)

    saved = desk.change(alert_message.alert.incident_key, judged)
    if saved.held and saved.held.alert_message.event_id == alert_message.event_id:
        # After the incident, so that nobody finds in the room what is not held. A crash in between
        # brings the message again, which is known then, and still held.
        entry = _entry(saved, saved.held)
        desk.change_room(lambda room: enter(room, entry))
        desk.log("alert_deferred", alert_message, verdict=verdict)
    elif saved.owed_by(alert_message.event_id) is None:
        desk.log("alert_suppressed", alert_message, verdict=verdict)
    return saved


def _why_to_wait(round_: BatchDelivery, alert_message: AlertMessage) -> DeferReason | None:
    """Say why an alert message is not for now; None where it is, or where nobody would hear of it anyway."""
    desk, rules = round_.desk, round_.rules
    incident = desk.incidents.load(alert_message.alert.incident_key)
    verdict = classify(incident, alert_message)
    if not addressees(incident, alert_message, channels_for(alert_message, rules, desk.names)):
        return None
    news = verdict in {"opening", "rise"} or notify_even_if_unannounced(incident, alert_message)
    level = alert_message.alert.level if news else incident.level or Level.INFO
    if level <= Level.WARNING and is_quiet(alert_message.at, rules.quiet_hours, desk.zone):
        return "quiet"
    # The programme's own matters explain a flood: they are never part of it.
    if not news or level is Level.CRITICAL or not alert_message.member:
        return None
    at_once = False

    def admitted(room: HoldQueue) -> HoldQueue:
        nonlocal at_once
        room, at_once = admit(room, alert_message.id, alert_message.at, rules.flood)
        return room

    desk.change_room(admitted)
    return None if at_once else "flood"


def _entry(incident: Incident, held: Deferred) -> HeldEntry:
    return HeldEntry(
        incident_key=incident.key,
        event_id=held.alert_message.event_id,
        at=held.alert_message.at,
        level=incident.level or held.alert_message.alert.level,
        why=held.why,
    )
