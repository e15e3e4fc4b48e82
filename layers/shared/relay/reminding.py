"""What a member's record alone brings about as time goes by: credits about to expire, a trial that ends, a renewal.

No event tells these. The daily round looks at every member and asks what came due since the round before
(`begin` excluded, `end` included), so nothing is skipped when days are, and nothing comes twice when a
round is made again: what came due has an id that follows from what it is about and how far ahead it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final, TypeAlias

from relay.canonical import profile
from relay.changes import Happening
from relay.days import moment
from relay.effects import Alert, Level, Note
from relay.facts import Lot
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


def reminders(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    """Yield what came due for a member, each under an id of its own, dated by when it came due."""
    for due in (_credits, _trial, _renewal, _win_back, _dunning):
        # A rule that the merchant has switched off brings about nothing.
        yield from (happening for happening in due(member, rules, span) if rules.of(_rule(happening)).on)


def expiry_moved(member: Member, span: Span) -> bool:
    """Tell whether what the CRM shows as expiring is another amount than at the round before.

    No event tells that a lot is now within a month of its end, or beyond it.
    """
    return any(lot.expires_at - EXPIRING[0] in span or lot.expires_at in span for lot in member.lots.values())


def expiring_within(member: Member, at: datetime, ahead: timedelta) -> Decimal:
    """Return how much of the member's credit ends within a time from `at`.

    Lots say what was given, the balance what is left of all together; so it is never more than that.
    """
    lots = [lot.amount for lot in member.lots.values() if at < lot.expires_at <= at + ahead]
    return _at_most_the_balance(member, sum(lots, Decimal(0)))


def renewal_due(member: Member, rules: Rules, span: Span) -> date | None:
    """Return the day on which the next fee is due, if its notice came due."""
    day = member.value("next_payment_on")
    if not isinstance(day, date) or member.status not in {"active", "trialing"}:
        return None
    return day if moment(day, time(), span.zone) - _notice(member, rules) in span else None


def _credits(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    for lot_id, lot in sorted(member.lots.items()):
        for ahead in EXPIRING:
            at = lot.expires_at - ahead
            if at in span and _worth_telling(member, lot, rules):
                properties: dict[str, Property] = {
                    "days": ahead.days,
                    "amount": _at_most_the_balance(member, lot.amount),
                    "expires_at": lot.expires_at.isoformat(),
                }
                note = Note(rule="credits.expiring", name="Store Credit Expiring", properties=properties)
                yield _happening(f"exp:{lot_id}:{ahead.days}", at, note)


def _worth_telling(member: Member, lot: Lot, rules: Rules) -> bool:
    least = rules.amounts(member.text("fee_currency")).expiring_at_least
    amount = _at_most_the_balance(member, lot.amount)
    return member.status != "cancelled" and amount > 0 and amount >= least


def _at_most_the_balance(member: Member, amount: Decimal) -> Decimal:
    balance = member.money("credit_balance")
    return amount if balance is None else max(min(amount, balance), Decimal(0))


def _trial(member: Member, _rules: Rules, span: Span) -> Iterator[Happening]:
    ends = member.moment("trial_ends_at")
    if ends and ends - TRIAL in span and member.status == "trialing":
        properties: dict[str, Property] = {"days": TRIAL.days, "trial_ends_at": ends.isoformat()}
        note = Note(rule="trial.ending", name="Trial Ending", properties=properties)
        yield _happening(f"trial:{member.key}:{to_millis(ends)}", ends - TRIAL, note)


def _renewal(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    """Announce the next fee. That no valid payment method is known cannot be asked for: no event tells it."""
    day = renewal_due(member, rules, span)
    if day is None or not rules.renewal_notices:
        return
    ahead = _notice(member, rules)
    fee, currency = member.money("fee_amount"), member.text("fee_currency")
    properties: dict[str, Property] = {"days": ahead.days, "on": day.isoformat()}
    properties |= {} if fee is None else {"amount": fee}
    properties |= {} if currency is None else {"currency": currency}
    note = Note(rule="renewal.upcoming", name="Renewal Upcoming", properties=properties)
    at = moment(day, time(), span.zone) - ahead
    yield _happening(f"renew:{member.key}:{day.isoformat()}", at, note)


def _notice(member: Member, rules: Rules) -> timedelta:
    tier = rules.tiers.get(member.text("tier_id") or "")
    return ANNUAL_RENEWAL if tier and tier.billing_interval == "year" else RENEWAL


def _win_back(member: Member, rules: Rules, span: Span) -> Iterator[Happening]:
    ends = member.moment("pending_cancel_at")
    if not ends or ends - WIN_BACK not in span or member.status != "pending_cancellation":
        return
    if profile(member, rules).values["high_value"] is not True:
        return
    occasion = f"cancel:{member.key}:{ends.date().isoformat()}"
    fee = amount_text(member.money("fee_amount"), member.text("fee_currency"))
    alert = Alert(
        rule="pending_cancellation.7d",
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
        rule="dunning.timeout",
        occasion=f"dun:{member.key}",
        level=Level.INFO,
        title="No further attempt at the fee for 30 days",
        action="close",
        advice="Neither a payment nor a cancellation was told: look the member up in Inveterate.",
    )
    yield _happening(f"dun:{member.key}:{to_millis(failed)}:30d", failed + DUNNING, alert)


def _happening(event_id: str, at: datetime, effect: Note | Alert) -> Happening:
    return Happening(event_id=event_id, topic=TOPIC, at=at, effects=(effect,))


def _rule(happening: Happening) -> str:
    return happening.effects[0].rule
