"""Decides what people are told about a reading of the API: what has ended, is lost, or was denied.

No topic reports a reactivation, and the event of an end may have been lost. So a reading resolves the incidents that
the record no longer implies, and tells late what the missing event would have told, under the incident of that
event. The event itself, if it still comes, has then nothing more to tell (`functions/cancelled`).
"""

from __future__ import annotations

from collections.abc import Iterator

from relay.model.effects import MEMBER, Effect, Effects, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.model.messages import EventEffects
from relay.reconcile.api_facts import TOPIC
from relay.reconcile.erasure import denied_alert
from relay.rules import cancellation, dunning, dunning_ends
from relay.rules.catalog import apply_settings
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules


def events_of(before: Member, after: Member, facts: Facts, rules: Rules) -> tuple[EventEffects, ...]:
    """Return what one reading tells, as the rules' settings have it: none or one event."""
    effects = tuple(apply_settings(_effects(before, after, rules), rules))
    if not effects or facts.at is None:
        return ()
    return (EventEffects(event_id=facts.event_id, topic=TOPIC, at=facts.at, effects=effects),)


def _effects(before: Member, after: Member, rules: Rules) -> Iterator[Effect]:
    yield from resolved_incidents(before, after, rules)
    yield from dunning.found_alert(before, after, rules)
    yield from late_ending(before, after, rules)
    yield from denied_alert(before, after)


def resolved_incidents(before: Member, after: Member, rules: Rules) -> Effects:
    """Yield what resolves the incidents that the record implied before the reading, and does not after it.

    A membership that ended while its fee was open is lost: the reading says nothing of the cause.
    """
    if before.is_failing and not after.is_failing:
        if after.ended_at:
            level = dunning.level_for(before, rules, otherwise=Level.WARNING, high=Level.ERROR)
            yield dunning_ends.resolution_alert("lost", None, before, level=level)
        else:
            yield dunning_ends.resolution_alert(
                "found_ended" if after.is_gone else "found_paid", None, before
            )
    if cancellation.incident_key(before) and not cancellation.incident_key(after):
        if after.ended_at:
            yield cancellation.ended_alert(before)
        else:
            yield cancellation.resumed_alert(before, f"{MEMBER} stays: the cancellation was taken back")


def late_ending(before: Member, after: Member, rules: Rules) -> Effects:
    """Yield the late alert of an ending that nothing has announced: of a high-value member, as its event would."""
    was_running = before.status not in {"none", "cancelled"}
    is_told = before.is_failing or cancellation.incident_key(before)
    if was_running and after.ended_at and not is_told and is_high_value(before, rules):
        yield cancellation.ending_alert("cancel.voluntary", f"Left: {MEMBER}", after, level=Level.INFO)
