"""Opens and resolves what a joining or a move changes: a failed fee, an announced end.

Which ending is the member's own, and which is over, depends on the tiers that were entered. So a joining or a move
that arrives late can show that a fee is open, or is not, and that an announced end is still to come. The record
with the event is compared with the one without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from relay.model.effects import MEMBER, Alert
from relay.model.member import Member
from relay.rules import cancellation, dunning, dunning_ends
from relay.rules.settings import Rules


def standing_alerts(before: Member, after: Member, rules: Rules, *, at: datetime | None) -> Iterator[Alert]:
    """Yield the alerts by which the open incidents become those that the record implies with the event of `at`."""
    yield from dunning.opened_alerts(before, after, rules)
    yield from dunning_ends.settled(before, after, at)
    yield from dunning_ends.former_ends(before, after)
    known, implied = cancellation.announced(before), cancellation.announced(after)
    if implied and not known:
        yield from cancellation.pending_alerts(before, after, rules)
    elif known and not implied:
        if after.ended_at:
            yield cancellation.ended_alert(before)
        else:
            yield cancellation.resumed_alert(before, f"{MEMBER} stays: a tier was entered anew")
    elif known != implied:
        # A tier was entered between two requests of which the later one names no date: they are two incidents.
        yield from cancellation.pending_alerts(before, after, rules)
