"""What a reading of the API ends that no event has: a cancellation taken back, a membership that is gone.

A reactivation is told by no topic, and an end may have been lost on its way. What people were told of would
stay open for good, if the reading that finds it out did not close it.
"""

from __future__ import annotations

from relay.model.effects import Effects
from relay.model.member import Member
from relay.rules import cancellation, dunning


def found(before: Member, after: Member) -> Effects:
    """Yield what closes matters that the record knew of before the reading, and does not after it."""
    if before.is_failing and not after.is_failing:
        yield dunning.resolution_alert("dunning.ended", "The membership was found to have ended", before)
    if cancellation.incident_key(before) and not cancellation.incident_key(after):
        if after.ended_at:
            yield cancellation.ended_alert(before)
        else:
            yield cancellation.resumed_alert(before, "The member stays: the cancellation was taken back")
