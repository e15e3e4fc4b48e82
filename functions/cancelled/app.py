"""customer.cancelled: the membership has ended. The record says when and why; open incidents are resolved."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from inveterate.webhooks.cancellations import Cancelled
from relay.model.effects import MEMBER, Alert, Effects, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules import cancellation, dunning, dunning_ends
from relay.rules.pairs import is_told, pair_effects
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: Cancelled) -> Facts:
    """Return when and how the membership ended. The tier of this event is the former one, so it sets no tier."""
    source = event.detail.cancellation_source
    kind = cancellation.ending_kind(source)
    return Facts.of(
        event,
        {
            "cancelled_at": event.occurred_at,
            "cancel_type": kind,
            "cancel_reason": cancellation.source(source),
        },
        milestone=Milestone(
            kind="ended",
            detail=kind or ("unknown" if event.unknown_words else ""),
            tier=event.payload.tier_id,
        ),
    )


def decide(event: Cancelled, before: Member, after: Member, rules: Rules) -> Effects:
    """Count the ending by its kind, resolve the incident of a failed fee or a request, and alert on an unannounced loss."""
    ending = cancellation.new_ending(before, after)
    is_new = ending is not None and is_told(
        before, after, "ended"
    )  # else it is the same end, told by two sources
    kind = cancellation.kind_of(after, ending) if ending else "unknown"
    rule, _ = cancellation.ENDINGS[kind]
    if is_new:
        tier_name = event.detail.tier_name or after.text("tier_name")
        amount, currency = _fee(before)
        yield note(
            rule,
            "Membership Cancelled",
            after,
            amount=amount,
            currency=currency,
            type=kind,
            tier_name=tier_name,
            also=dunning.deadlines(after, rules),
        )
    yield from pair_effects(before, after, rules)
    was_announced = cancellation.announced(before) and not cancellation.announced(after)
    if was_announced:
        yield cancellation.ended_alert(before)
    told = cancellation.without_finding(before)
    is_over = told.is_failing and not after.is_failing
    if is_over:
        yield _dunning_alert(event, kind, told, rules)
    yield from dunning_ends.former_ends(before, after)
    if is_over or after.ended_at is None or "cancelled_at" not in after.fields_from(event.id):
        return  # the member has joined again since
    if ending in after.history.foreign:
        return  # it is the end of another tier: the end that stands is an older one
    if is_new and kind == "involuntary":
        level = dunning.level_for(before, rules, otherwise=Level.WARNING, high=Level.ERROR)
        title = f"Lost: {MEMBER} cancelled for failed payments"
        alert = cancellation.ending_alert(rule, title, after, level=level)
        # Where a reading has found the end first, it may have been told: the event belongs to that incident.
        key = alert.incident_key if told is before else cancellation.ending_incident_key(before)
        yield replace(alert, incident_key=key)
    elif told is not before:
        return  # a reading has found the end, and told it
    elif is_new and kind in {"voluntary", "unknown"} and not was_announced and is_high_value(before, rules):
        yield cancellation.ending_alert(rule, f"Left: {MEMBER}", after, level=Level.INFO)


def _fee(before: Member) -> tuple[Decimal | None, str | None]:
    """Return the fee that the programme no longer gets: the open one, else the recurring one of the record before the end."""
    if before.is_failing and before.money("unpaid") is not None:
        return before.money("unpaid"), before.text("unpaid_currency")
    return before.money("fee_amount"), before.text("fee_currency")


def _dunning_alert(event: Cancelled, kind: cancellation.EndingKind, before: Member, rules: Rules) -> Alert:
    if kind != "involuntary":
        return dunning_ends.resolution_alert("ended", event.occurred_at, before)
    level = dunning.level_for(before, rules, otherwise=Level.WARNING, high=Level.ERROR)
    return dunning_ends.resolution_alert("lost", event.occurred_at, before, level=level)


handler = consumer(Cancelled, facts, decide)
