"""What it takes to tell people: what they were told before, the channels, and a place to note how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from relay.errors import ConflictError, TransientError
from relay.model.hold_queue import HoldQueue
from relay.model.incident import Incident
from relay.model.messages import AlertMessage
from relay.model.metrics import Outcome
from relay.ports.alerts import AlertChannel, IncidentStore
from relay.ports.members import MemberStore
from relay.ports.runtime import Clock, Telemetry

_CONFLICTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierContext:
    """The surroundings of whoever tells. `zone` is the shop's."""

    shop: str
    incidents: IncidentStore
    members: MemberStore
    channels: Sequence[AlertChannel]
    clock: Clock
    telemetry: Telemetry
    zone: ZoneInfo

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that are configured."""
        return tuple(channel.name for channel in self.channels)

    def save(self, incident: Incident) -> Incident:
        """Write an incident; return it as written.

        Raises:
            ConflictError: when it was written since.

        """
        self.incidents.save(incident)
        return replace(incident, version=incident.version + 1)

    def change(self, key: str, change: Callable[[Incident], Incident]) -> Incident:
        """Change an incident, whatever others write meanwhile; return it as written."""
        return self.change_known(self.incidents.load(key), change)

    def change_known(self, known: Incident, change: Callable[[Incident], Incident]) -> Incident:
        """Change an incident that was just read, likewise."""
        for _ in range(_CONFLICTS):
            after = change(known)
            try:
                return after if after == known else self.save(after)
            except ConflictError:
                known = self.incidents.load(known.key)
        raise TransientError("table incidents: too many writers")

    def change_room(self, change: Callable[[HoldQueue], HoldQueue]) -> HoldQueue:
        """Change the waiting room likewise."""
        for _ in range(_CONFLICTS):
            before = self.incidents.room()
            after = change(before)
            if after == before:
                return before
            try:
                self.incidents.keep(after)
            except ConflictError:
                continue
            return replace(after, version=after.version + 1)
        raise TransientError("table incidents: too many writers")

    def log(self, outcome: Outcome, alert_message: AlertMessage, **about: object) -> None:
        """Log one outcome, by event and rule; whom it is about stays out of the log."""
        self.telemetry.outcome(
            outcome,
            event_id=alert_message.event_id,
            topic=alert_message.topic,
            rule=alert_message.alert.rule,
            **about,
        )
