"""customer.pending_cancellation: the member asked to go, and can be won back until the cycle ends."""

from __future__ import annotations

from inveterate.webhooks.cancellations import PendingCancellation
from relay.consumer import consumer
from relay.deciding import leaving
from relay.deciding.noting import note
from relay.deciding.worth import is_high_value
from relay.effects import Alert, Effects, Figure, GrantCredits, Level
from relay.facts import Facts, told
from relay.member import Member
from relay.rules import Rules
from relay.wording import day_text, shown

RULE = "cancel.pending"


def facts(event: PendingCancellation) -> Facts:
    """Tell when the membership will end, and who wanted it."""
    return Facts.of(
        event,
        told(
            event.detail,
            effective_cancellation_date="pending_cancel_at",
            cancellation_source="pending_cancel_source",
        ),
        told(event.detail, cancellation_source="cancel_reason"),
    )


def decide(event: PendingCancellation, before: Member, after: Member, rules: Rules) -> Effects:
    """Open the win-back window: aloud for a high-value member who asked, and with credits if the shop wants that."""
    ends_at, source = (
        event.detail.effective_cancellation_date,
        leaving.source(event.detail.cancellation_source),
    )
    yield note(RULE, "Membership Cancellation Pending", after, cancel_at=ends_at, reason=source)
    yield Figure(rule=RULE, name="pending_cancellation")
    if "pending_cancel_at" not in after.told_by(event.id) or leaving.is_over(after):
        return
    if leaving.occasion(before) not in {None, leaving.occasion(after)}:
        yield leaving.resumed(before, "The cancellation has another date now")
    if source == "FAILURE":
        return  # the dunning has told it, and there is nobody to win back who did not mean to go
    by_member = source != "MERCHANT"
    precious = by_member and is_high_value(after, rules)
    yield Alert(
        rule=RULE,
        occasion=leaving.occasion(after) or "",
        level=Level.WARNING if precious else Level.INFO,
        title="A member is about to leave" if by_member else "The shop has cancelled a membership for later",
        details=shown(("Ends on", day_text(ends_at)), ("Asked by", source)),
        advice="Until then the member can be won back: write, or offer something." if by_member else "",
    )
    if precious and rules.retention.on and ends_at:
        key = f"{after.key}:{day_text(ends_at)}"
        yield GrantCredits(rule="retention.credits", key=key, amount=rules.retention.amount)


handler = consumer(PendingCancellation, facts, decide)
