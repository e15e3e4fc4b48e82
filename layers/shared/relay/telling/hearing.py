"""What is heard becomes an occasion's next step, and is told at once or waits for a tick of the clock."""

from __future__ import annotations

from collections.abc import Sequence

from relay.changes import Telling
from relay.effects import Level
from relay.occasions import Held, Occasion, Why
from relay.telling.addressing import addressed, is_quiet
from relay.telling.judging import addressees, judge, speaks_for_itself
from relay.telling.owing import revive
from relay.telling.serving import Round
from relay.telling.stepping import notice, step
from relay.waiting import Entry, Room, admit, enter


def tell(round_: Round, telling: Telling, *, fresh: bool) -> None:
    """Note what a telling means to its occasion, and serve what it owes."""
    round_.serve(_judged(round_, telling, fresh=fresh), telling.event_id)


def note(round_: Round, telling: Telling, channels: Sequence[str], *, fresh: bool) -> None:
    """Tell something that is over at once."""
    round_.serve(noted(round_, telling, channels, fresh=fresh), telling.event_id)


def noted(round_: Round, telling: Telling, channels: Sequence[str], *, fresh: bool = False) -> Occasion:
    """Note such a thing in its occasion, once."""

    def noted(before: Occasion) -> Occasion:
        again = revive(before, telling.event_id) if fresh else before
        return notice(again, telling, channels)

    return round_.desk.change(telling.alert.occasion, noted)


def _judged(round_: Round, telling: Telling, *, fresh: bool) -> Occasion:
    """Note in the occasion what the telling means to it, and in the waiting room if it has to wait."""
    desk, verdict, why = round_.desk, "known", _why_to_wait(round_, telling)

    def judged(before: Occasion) -> Occasion:
        nonlocal verdict
        verdict = judge(before, telling)
        if verdict == "known":
            return revive(before, telling.event_id) if fresh else before
        return step(before, telling, addressed(telling, round_.rules, desk.names), hold=why)

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


def _why_to_wait(round_: Round, telling: Telling) -> Why | None:
    """Say why a telling is not for now; None where it is, or where nobody would hear of it anyway."""
    desk, rules = round_.desk, round_.rules
    occasion = desk.occasions.load(telling.alert.occasion)
    verdict = judge(occasion, telling)
    if not addressees(occasion, telling, addressed(telling, rules, desk.names)):
        return None
    news = verdict in {"opening", "rise"} or speaks_for_itself(occasion, telling)
    level = telling.alert.level if news else occasion.level or Level.INFO
    if level <= Level.WARNING and is_quiet(telling.at, rules.quiet_hours, desk.zone):
        return "quiet"
    # The programme's own matters explain a flood: they are never part of it.
    if not news or level is Level.CRITICAL or not telling.member:
        return None
    at_once = False

    def admitted(room: Room) -> Room:
        nonlocal at_once
        room, at_once = admit(room, telling.id, telling.at, rules.flood)
        return room

    desk.change_room(admitted)
    return None if at_once else "flood"


def _entry(occasion: Occasion, held: Held) -> Entry:
    return Entry(
        occasion=occasion.key,
        event_id=held.telling.event_id,
        at=held.telling.at,
        level=occasion.level or held.telling.alert.level,
        why=held.why,
    )
