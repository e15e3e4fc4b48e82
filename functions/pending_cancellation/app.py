"""customer.pending_cancellation: the membership will end with the cycle. Until then the member can be won back."""

from __future__ import annotations

from inveterate.webhooks.cancellations import PendingCancellation
from relay.model.effects import Effects, GrantCredits, Kpi
from relay.model.facts import Facts, known
from relay.model.member import Member
from relay.rules import cancellation, dunning
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: PendingCancellation) -> Facts:
    """Return that the membership will end, when, where the event says it, and the source of the cancellation."""
    source = cancellation.source(event.detail.cancellation_source)
    return Facts.of(
        event,
        {"pending_since": event.occurred_at},
        known(event.detail, effective_cancellation_date="pending_cancel_at"),
        dict.fromkeys(("pending_cancel_source", "cancel_reason"), source)
        if event.detail.has("cancellation_source")
        else {},
    )


def decide(event: PendingCancellation, before: Member, after: Member, rules: Rules) -> Effects:
    """Open the incident: with an alert if a high-value member asked, and with credits if `retention.on` is set."""
    request = event.detail
    if not cancellation.is_same_request(before, event.occurred_at):  # else it has another date
        yield note(
            cancellation.PENDING,
            "Membership Cancellation Pending",
            after,
            amount=after.money("fee_amount"),
            currency=after.text("fee_currency"),
            cancel_at=request.effective_cancellation_date,
            reason=cancellation.source(request.cancellation_source),
            also=dunning.deadlines(after, rules),
        )
        yield Kpi(rule=cancellation.PENDING, name="pending_cancellation")
    is_newest = "pending_since" in after.fields_from(event.id) and after.is_leaving
    # An older request may tell the date that the newest one lacks: the incident is of that date then.
    is_of_another_date = cancellation.incident_key(before) != cancellation.incident_key(after)
    if after.ended_at or not (is_newest or is_of_another_date):
        return
    yield from cancellation.pending_alerts(before, after, rules)
    if is_newest and cancellation.is_loss(after, rules) and rules.retention.on:
        # One key for a member: the granter decides by its own reading, and by when it last granted.
        yield GrantCredits(rule="retention.credits", key=after.key, amount=rules.retention.amount)


handler = consumer(PendingCancellation, facts, decide)
