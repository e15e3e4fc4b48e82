"""Leaves out a reminder whose reason is gone by the time at which the CRM takes it.

A note waits with its CRM, for days while that is down. What an event has told stays true. A reminder tells what is to
come: after the renewal, the end of the trial or of the credits, or once there is another date or none, the flow that it
starts would tell the member what is not so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Final

from relay.model.effects import Effect, Note
from relay.model.fields import Value
from relay.model.formats import utc_text
from relay.model.messages import MemberChanged
from relay.rules.crm_profile import CrmProfile

_SHOWN_AS: Final[Mapping[str, tuple[str, str, frozenset[str]]]] = {
    "Renewal Upcoming": ("renews_on", "next_payment_on", frozenset({"active", "trialing"})),
    "Trial Ending": ("trial_ends_at", "trial_ends_at", frozenset({"trialing"})),
}
"""By the note's name: the property with its date, the field that shows the date as it is now, and the statuses in which it counts."""


def without_past_reminders(change: MemberChanged, profile: CrmProfile, now: datetime) -> MemberChanged:
    """Return a change without the reminders that are over, by the member as the CRM has it now."""
    events = tuple(
        replace(
            event_effects,
            effects=tuple(each for each in event_effects.effects if not _is_past(each, profile, now)),
        )
        for event_effects in change.events
    )
    return replace(change, events=events)


def _is_past(effect: Effect, profile: CrmProfile, now: datetime) -> bool:
    if not isinstance(effect, Note):
        return False
    if effect.name == "Store Credit Expiring":
        return profile.values["status"] == "cancelled" or _moment(effect.properties.get("expires_at")) <= now
    if effect.name not in _SHOWN_AS:
        return False
    name, field, statuses = _SHOWN_AS[effect.name]
    is_as_told = _text(profile.values[field]) == effect.properties.get(name)
    if profile.values["status"] not in statuses or not is_as_told:
        return True
    return _moment(effect.properties.get(name)) <= now


def _text(value: Value) -> str | None:
    match value:
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case _:
            return None


def _moment(text: object) -> datetime:
    """Return when what a reminder names is over; a day, at its end."""
    if not isinstance(text, str):
        return datetime.max.replace(tzinfo=UTC)
    if len(text) == len("2026-03-01"):
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    return datetime.fromisoformat(text)
