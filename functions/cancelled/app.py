"""customer.cancelled: the membership has ended. The record says when and of which kind; open matters are closed."""

from __future__ import annotations

from inveterate.webhooks.cancellations import Cancelled
from relay.model.effects import Effects, Kpi, Level
from relay.model.facts import Facts
from relay.model.member import Member
from relay.rules import cancellation, dunning
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note
from relay.wiring.topics import consumer


def facts(event: Cancelled) -> Facts:
    """Tell when it ended and how. The tier in this event is the one that was left, so it says nothing of the present."""
    source = event.detail.cancellation_source
    return Facts.of(
        event,
        {
            "cancelled_at": event.occurred_at,
            "cancel_type": cancellation.kind(source),
            "cancel_reason": source,
            "pending_cancel_at": None,
            "pending_cancel_source": None,
        },
        milestone="ended",
    )


def decide(event: Cancelled, before: Member, after: Member, rules: Rules) -> Effects:
    """Count it by its kind; say what became of a failed fee or of a request, and tell of a loss that nobody expected."""
    kind = cancellation.kind(event.detail.cancellation_source) or (
        "involuntary" if before.is_failing else "voluntary"
    )
    rule, figure = cancellation.ENDINGS[kind]
    yield note(
        rule,
        "Membership Cancelled",
        after,
        type=kind,
        tier_name=event.detail.tier_name or after.text("tier_name"),
    )
    yield Kpi(rule=rule, name=figure)
    if "cancelled_at" not in after.fields_from(event.id):
        return  # the member has joined again since
    asked = cancellation.incident_key(before) and not cancellation.incident_key(after)
    if asked:
        yield cancellation.ended(before)
    if before.is_failing and not after.is_failing:
        yield from _dunning_over(kind, before, rules)
    elif kind == "involuntary":
        level = dunning.severity(before, rules, otherwise=Level.WARNING, high=Level.ERROR)
        yield cancellation.gone(rule, "A membership ended for failed payments", after, level=level)
    elif kind == "voluntary" and not asked and is_high_value(before, rules):
        yield cancellation.gone(rule, "A high-value member left", after, level=Level.INFO)


def _dunning_over(kind: cancellation.EndingKind, before: Member, rules: Rules) -> Effects:
    if kind != "involuntary":
        yield dunning.closing("dunning.ended", "The membership ended by request; the fee stays open", before)
        return
    yield Kpi(
        rule="dunning.lost",
        name="lost",
        amount=before.money("unpaid"),
        currency=before.text("fee_currency"),
    )
    level = dunning.severity(before, rules, otherwise=Level.WARNING, high=Level.ERROR)
    yield dunning.closing("dunning.lost", "Lost: cancelled after failed payments", before, level=level)


handler = consumer(Cancelled, facts, decide)
