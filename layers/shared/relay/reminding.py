"""What a member's record alone brings about as time goes by: credits about to expire, a trial that ends, a renewal.

No event tells these. The daily round looks at every member and asks what came due since the round before
(`begin` excluded, `end` included), so nothing is skipped when days are, and nothing comes twice when a
round is made again: what came due has an id that follows from what it is about and how far ahead it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final, TypeAlias

from relay.canonical import profile
from relay.changes import AnyEffect, Happening
from relay.days import DAY, moment
from relay.effects import Alert, Level, Note
from relay.fields import to_millis
from relay.member import Member
from relay.rules import Rules
from relay.wording import amount_text

Property: TypeAlias = str | Decimal | int | bool

TOPIC: Final = "relay.clock"
"""The topic of what no event told."""

EXPIRING: Final = (timedelta(days=30), timedelta(days=7), timedelta(days=1))
"""How long before store credit expires the CRM is told: the longest is also what it counts as expiring."""

TRIAL: Final = timedelta(days=3)
RENEWAL: Final = timedelta(days=3)
ANNUAL_RENEWAL: Final = timedelta(days=15)
WIN_BACK: Final = timedelta(days=7)
DUNNING: Final = timedelta(days=30)
"""Without a further failure for so long, a dunning is over: the platform has given up, and told nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time between two rounds, without its beginning; and the shop's zone, for what falls on a day."""

    begin: datetime
    end: datetime
    zone: tzinfo

    def __contains__(self, at: datetime) -> bool:
        """Tell whether a moment came since the round before."""
        return self.begin < at <= self.end

    def calls_for(self, end: datetime, ahead: timedelta) -> bool:
        """Tell whether it became time to remind of an end so far ahead.

        After an outage of days, what is over since yesterday needs no reminder. A day, because a round's
        span may have 25 hours: what ended in its last hour was never told of before.
        """
        return end - ahead in self and end > self.end - DAY


def is_high_value(member: Member, rules: Rules) -> bool:
    """Tell whether the CRMs show the member as one of high value."""
    return profile(member, rules).values["high_value"] is True


def reminders(
    member: Member, rules: Rules, span: Span, valued: Callable[[Member, Rules], bool] = is_high_value
) -> Iterator[Happening]:
    """Yield what came due for a member, each under an id of its own, dated by when it came due."""
    found = [happening for due in _FOR_ALL for happening in due(member, rules, span)]
    found += (happening for happening in _win_back(member, span) if valued(member, rules))
    for happening in found:
        effects = tuple(_as_set(happening.effects, rules))
        if effects:
            yield replace(happening, effects=effects)


def expiry_moved(member: Member, span: Span) -> bool:
    """Tell whether what the CRM shows as expiring is another amount than at the round before.

    No event tells that a lot is now within a month of its end, or beyond it.
    """
    return any(lot.expires_at - EXPIRING[0] in span or lot.expires_at in span for lot in member.lots.values())


def expiring_within(member: Member, at: datetime, ahead: timedelta) -> Decimal:
    """Return how much of the member's credit ends within a time from `at`."""
    lots = left_of_lots(member, at)
    soon = (left for lot_id, left in lots.items() if member.lots[lot_id].expires_at <= at + ahead)
    return sum(soon, Decimal(0))


def left_of_lots(member: Member, at: datetime) -> Mapping[str, Decimal]:
    """Return what is left at `at` of each lot that has yet to expire, the soonest first.

    A lot tells what was given. What the balance lacks of all of them was spent, of the soonest to expire first.
    """
    lots = sorted(
        ((lot.expires_at, lot_id, lot.amount) for lot_id, lot in member.lots.items() if lot.expires_at > at)
    )
    balance = member.money("credit_balance")
    given = sum((amount for _, _, amount in lots), Decimal(0))
    spent = Decimal(0) if balance is None else max(given - balance, Decimal(0))
    left: dict[str, Decimal] = {}
    for _, lot_id, amount in lots:
        left[lot_id] = amount - min(spent, amount)
        spent -= min(spent, amount)
    return left


def renewal_due(member: Member, rules: Rules, span: Span) -> date | None:
    """Return the day on which the next fee is due, if its notice came due."""
    day = member.value("next_payment_on")
    if not isinstance(day, date) or member.status not in {"active", "trialing"}:
        return None
    return day if span.calls_for(moment(day, time(), span.zone), _notice(member, rules)) else None


def _credits(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    if member.status == "cancelled":
        return
    currency = member.text("fee_currency")
    for lot_id, left in left_of_lots(member, span.begin).items():
        expires_at = member.lots[lot_id].expires_at
        for ahead in EXPIRING:
            worth = left and left >= rules.amounts(currency).expiring_at_least
            if worth and span.calls_for(expires_at, ahead):
                yield _noted(
                    f"exp:{lot_id}:{ahead.days}",
                    expires_at - ahead,
                    member,
                    "credits.expiring",
                    "Store Credit Expiring",
                    amount=left,
                    currency=currency,
                    days=ahead.days,
                    expires_at=expires_at.isoformat(),
                )


def _trial(member: Member, _rules: Rules, span: Span) -> Iterator[Happening]:
    ends = member.moment("trial_ends_at")
    if ends and span.calls_for(ends, TRIAL) and member.status == "trialing":
        event_id = f"trial:{member.key}:{to_millis(ends)}"
        yield _noted(
            event_id,
            ends - TRIAL,
            member,
            "trial.ending",
            "Trial Ending",
            days=TRIAL.days,
            trial_ends_at=ends.isoformat(),
        )


def _renewal(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    """Announce the next fee. That no valid payment method is known cannot be asked for: no event tells it."""
    day = renewal_due(member, rules, span)
    if day is None or not rules.renewal_notices:
        return
    ahead = _notice(member, rules)
    yield _noted(
        f"renew:{member.key}:{day.isoformat()}",
        moment(day, time(), span.zone) - ahead,
        member,
        "renewal.upcoming",
        "Renewal Upcoming",
        amount=member.money("fee_amount"),
        currency=member.text("fee_currency"),
        days=ahead.days,
        renews_on=day.isoformat(),
    )


def _notice(member: Member, rules: Rules) -> timedelta:
    tier = rules.tiers.get(member.text("tier_id") or "")
    return ANNUAL_RENEWAL if tier and tier.billing_interval == "year" else RENEWAL


def _win_back(member: Member, span: Span) -> Iterator[Happening]:
    ends = member.moment("pending_cancel_at")
    if not ends or not span.calls_for(ends, WIN_BACK) or member.status != "pending_cancellation":
        return
    occasion = f"cancel:{member.key}:{ends.astimezone(UTC).date().isoformat()}"
    fee = amount_text(member.money("fee_amount"), member.text("fee_currency"))
    alert = Alert(
        rule="cancel.soon",
        occasion=occasion,
        level=Level.INFO,
        title="A high-value member leaves in a week",
        details=(("Fee", fee),) if fee else (),
        advice="Until then the cancellation can be undone: an offer now is the last chance to win the member back.",
        at_once=True,
    )
    yield _happening(f"{occasion}:7d", ends - WIN_BACK, alert)


def _dunning(member: Member, _rules: Rules, span: Span) -> Iterator[Happening]:
    failed = member.moment("last_failure_at")
    if not failed or failed + DUNNING not in span or member.payment_status not in {"past_due", "failed"}:
        return
    alert = Alert(
        rule="dunning.quiet",
        occasion=f"dun:{member.key}",
        level=Level.INFO,
        title="No further attempt at the fee for 30 days",
        action="close",
        advice="Neither a payment nor a cancellation was told: look the member up in Inveterate.",
    )
    yield _happening(f"dun:{member.key}:{to_millis(failed)}:30d", failed + DUNNING, alert)


_FOR_ALL: Final = (_credits, _trial, _renewal, _dunning)


def _happening(event_id: str, at: datetime, effect: Note | Alert) -> Happening:
    return Happening(event_id=event_id, topic=TOPIC, at=at, effects=(effect,))


def _as_set(effects: Iterable[AnyEffect], rules: Rules) -> Iterator[AnyEffect]:
    """Apply the merchant's switches and levels. A closing cannot be switched off: nobody else would close."""
    for effect in effects:
        rule = rules.of(effect.rule)
        if isinstance(effect, Alert) and effect.action == "close":
            yield effect
        elif rule.on and isinstance(effect, Alert) and rule.level:
            yield replace(effect, level=Level[rule.level.upper()])
        elif rule.on:
            yield effect


def _noted(
    event_id: str, at: datetime, member: Member, rule: str, name: str, **more: Property | None
) -> Happening:
    """Return the happening of a note, which carries what every note does, and more; what is None is left out."""
    told: dict[str, Property | None] = {
        "membership_key": member.key,
        "tier_id": member.text("tier_id"),
        "tier_name": member.text("tier_name"),
        "status": member.status,
        **more,
        "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "inveterate_event_id": event_id,
    }
    properties = {key: value for key, value in told.items() if value is not None}
    return _happening(event_id, at, Note(rule=rule, name=name, properties=properties))
