"""A tick of the clock: what waited is told now, each by itself, or many in one message; what is over is not told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, ParamSpec

from relay.alerts.delivery import BatchDelivery, urgency
from relay.alerts.holdback import begin, end, tick_key
from relay.alerts.processing import noted
from relay.alerts.routing import channels_for, is_quiet
from relay.alerts.summary import roll_up, rollup_key
from relay.alerts.transitions import drop_deferred, release_deferred
from relay.errors import PermanentError, TransientError
from relay.model.hold_queue import HeldBatch, HeldEntry
from relay.model.incident import Deferred, Incident

AlertResult = ParamSpec("AlertResult")

_MANY: Final = 2


def send_deferred(round_: BatchDelivery, tick: datetime, enough: Callable[[], bool]) -> None:
    """Tell what is due at a tick. It stays in the tick's hands until all of it is told, or never can be.

    Raises:
        TransientError: something could not be told yet; the same tick goes on from there.
        PermanentError: something never can be.

    """
    quiet = is_quiet(tick, round_.rules.quiet_hours, round_.desk.zone)
    room = round_.desk.change_room(lambda room: begin(room, tick, quiet=quiet))
    taken = room.flushes.get(tick_key(tick))
    if taken is None:
        return
    errors = _Tick(round_, tick, taken).tell(enough)
    worst = max(errors, key=urgency, default=None)
    if worst is None or isinstance(worst, PermanentError):
        round_.desk.change_room(lambda room: end(room, tick))
    if worst is not None:
        raise worst


@dataclass(frozen=True, slots=True)
class _Tick:
    """One tick's work on what it took out of the room."""

    round: BatchDelivery
    tick: datetime
    taken: HeldBatch

    def tell(self, enough: Callable[[], bool]) -> list[Exception]:
        """Tell it; return what went wrong."""
        errors: list[Exception] = []
        in_one = self._in_one()
        if in_one:
            errors += _errors(self.round.serve, in_one, in_one.told[-1])
        for entry in self.taken.entries:
            if not enough():
                return [*errors, TransientError("tick: more to tell than time")]
            errors += _errors(self._settle, entry, in_one is not None)
        return errors

    def _in_one(self) -> Incident | None:
        """Return the message that stands for many, noted; None where each is told by itself.

        Noted before anything is let go of: found here, it stands for all that are still held.
        """
        key = rollup_key(self.round.desk.shop, self.tick, self.taken)
        known = self.round.desk.incidents.load(key)
        if known.told:
            return known
        held = [
            (entry, self.round.desk.incidents.load(entry.incident_key).held) for entry in self.taken.entries
        ]
        news = [one.alert_message for entry, one in held if one and one.is_news and _is(one, entry)]
        many = self.taken.flooded or len(news) > self.round.rules.flood.alerts
        if not many or len(news) + self.taken.uncounted < _MANY:
            return None
        who = self.round.names.who({alert_message.member for alert_message in news})
        alert_message = roll_up(self.round.desk.shop, self.tick, self.taken, news, who)
        return noted(
            self.round, alert_message, channels_for(alert_message, self.round.rules, self.round.desk.names)
        )

    def _settle(self, entry: HeldEntry, in_one: bool) -> None:  # noqa: FBT001 - called in one place
        """Let go of one that is held, and tell it unless the one message has."""

        def settled(before: Incident) -> Incident:
            held = before.held
            if held is None or not _is(held, entry):
                return before
            muted = before.muted_until is not None and self.tick < before.muted_until
            return drop_deferred(before) if muted or (in_one and held.is_news) else release_deferred(before)

        self.round.serve(self.round.desk.change(entry.incident_key, settled), entry.event_id)


def _is(held: Deferred, entry: HeldEntry) -> bool:
    return held.alert_message.event_id == entry.event_id


def _errors(
    work: Callable[AlertResult, None], *told: AlertResult.args, **how: AlertResult.kwargs
) -> list[Exception]:
    """Return what went wrong with one: the others are to be told all the same."""
    try:
        work(*told, **how)
    except Exception as error:  # noqa: BLE001 - weighed and raised again by `flush`
        return [error]
    return []
