"""What is heard becomes an occasion's next step, and is told at once or waits for a tick of the clock."""

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


def process(round_: BatchDelivery, telling: AlertMessage, *, fresh: bool) -> None:
    """Note what a telling means to its occasion, and serve what it owes."""
    round_.serve(_judged(round_, telling, fresh=fresh), telling.event_id)


def note(round_: BatchDelivery, telling: AlertMessage, channels: Sequence[str], *, fresh: bool) -> None:
    """Tell something that is over at once."""
    round_.serve(noted(round_, telling, channels, fresh=fresh), telling.event_id)


def noted(
    round_: BatchDelivery, telling: AlertMessage, channels: Sequence[str], *, fresh: bool = False
) -> Incident:
    """Note such a thing in its occasion, once."""

    def noted(before: Incident) -> Incident:
        again = retry_failed(before, telling.event_id) if fresh else before
        return notice(again, telling, channels)

    return round_.desk.change(telling.alert.occasion, noted)


def _judged(round_: BatchDelivery, telling: AlertMessage, *, fresh: bool) -> Incident:
    """Note in the occasion what the telling means to it, and in the waiting room if it has to wait."""
    desk, verdict, why = round_.desk, "known", _why_to_wait(round_, telling)

    def judged(before: Incident) -> Incident:
        nonlocal verdict
        verdict = classify(before, telling)
        if verdict == "known":
            return retry_failed(before, telling.event_id) if fresh else before
        return apply(before, telling, channels_for(telling, round_.rules, desk.names), hold=why)

    saved = desk.change(telling.alert.occasion, judged)
    if saved.held and saved.held.telling.event_id == telling.event_id:
        # After the occasion, so that nobody finds in the room what is not held. A crash in between
        # brings the message again, which is known then, and still held.
        entry = _entry(saved, saved.held)
        desk.change_room(lambda room: enter(room, entry))
        desk.log("held_back", telling, verdict=verdict)
    elif saved.owed_by(telling.event_id) is None:
        desk.log("kept_quiet", telling, verdict=verdict)
    return saved


def _why_to_wait(round_: BatchDelivery, telling: AlertMessage) -> DeferReason | None:
    """Say why a telling is not for now; None where it is, or where nobody would hear of it anyway."""
    desk, rules = round_.desk, round_.rules
    occasion = desk.occasions.load(telling.alert.occasion)
    verdict = classify(occasion, telling)
    if not addressees(occasion, telling, channels_for(telling, rules, desk.names)):
        return None
    news = verdict in {"opening", "rise"} or notify_even_if_unannounced(occasion, telling)
    level = telling.alert.level if news else occasion.level or Level.INFO
    if level <= Level.WARNING and is_quiet(telling.at, rules.quiet_hours, desk.zone):
        return "quiet"
    # The programme's own matters explain a flood: they are never part of it.
    if not news or level is Level.CRITICAL or not telling.member:
        return None
    at_once = False

    def admitted(room: HoldQueue) -> HoldQueue:
        nonlocal at_once
        room, at_once = admit(room, telling.id, telling.at, rules.flood)
        return room

    desk.change_room(admitted)
    return None if at_once else "flood"


def _entry(occasion: Incident, held: Deferred) -> HeldEntry:
    return HeldEntry(
        occasion=occasion.key,
        event_id=held.telling.event_id,
        at=held.telling.at,
        level=occasion.level or held.telling.alert.level,
        why=held.why,
    )
