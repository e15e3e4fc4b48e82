"""customer.pending_cancellation: the membership will end with the cycle. Until then the member can be won back."""

from __future__ import annotations

from inveterate.webhooks.cancellations import PendingCancellation
from relay.model.effects import MEMBER, Alert, Effects, GrantCredits, Kpi, Level
from relay.model.facts import Facts, known, pick
from relay.model.formats import amount_text, detail_rows, moment_text
from relay.model.member import Member
from relay.rules import cancellation, dunning
from relay.rules.segments import high_value_rows, is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer

RULE = "cancel.pending"


def facts(event: PendingCancellation) -> Facts:
    """Return that the membership will end, when, where the event says it, and the source of the cancellation."""
    return Facts.of(
        event,
        {"pending_since": event.occurred_at},
        known(event.detail, effective_cancellation_date="pending_cancel_at"),
        pick(event.detail, cancellation_source="pending_cancel_source"),
        pick(event.detail, cancellation_source="cancel_reason"),
    )


def decide(event: PendingCancellation, before: Member, after: Member, rules: Rules) -> Effects:
    """Open the incident: with an alert if a high-value member asked, and with credits if `retention.on` is set."""
    ends_at, source = (
        event.detail.effective_cancellation_date,
        cancellation.source(event.detail.cancellation_source),
    )
    yield note(
        RULE,
        "Membership Cancellation Pending",
        after,
        amount=after.money("fee_amount"),
        currency=after.text("fee_currency"),
        cancel_at=ends_at,
        reason=source,
        also=dunning.deadlines(after, rules),
    )
    if not before.is_leaving:
        yield Kpi(rule=RULE, name="pending_cancellation")  # the same request with another date counts once
    if "pending_since" not in after.fields_from(event.id) or after.ended_at:
        return
    if cancellation.incident_key(before) not in {None, cancellation.incident_key(after)}:
        yield cancellation.resumed_alert(
            before, f"The cancellation by {MEMBER} has another date now", "neutral"
        )
    if source == "FAILURE":
        return  # the dunning incident covers it, and the member did not ask to leave
    by_member = source != "MERCHANT"
    high_value_leaving = by_member and is_high_value(after, rules)
    yield Alert(
        rule=RULE,
        incident_key=cancellation.incident_key(after) or "",
        level=Level.WARNING if high_value_leaving else Level.INFO,
        title=f"{MEMBER} is about to leave" if by_member else f"The shop cancels the membership of {MEMBER}",
        details=detail_rows(
            ("Ends on", moment_text(ends_at) or "not said"),
            ("Fee", amount_text(after.money("fee_amount"), after.text("fee_currency"))),
            ("Asked by", cancellation.source_text(source)),
            *high_value_rows(after, rules),
        ),
        advice="Until then the member can be won back: write, or offer something."
        if by_member
        else "Nothing to do, if the shop meant it: the membership runs until then.",
    )
    if high_value_leaving and rules.retention.on:
        # One key for a member: the granter decides by its own reading, and by when it last granted.
        yield GrantCredits(rule="retention.credits", key=after.key, amount=rules.retention.amount)


handler = consumer(PendingCancellation, facts, decide)
