"""Computes the reminders that come due as time passes: credits about to expire, a trial that ends, a renewal.

No event reports these. The daily run reads every member and computes what came due since the run before
(`begin` excluded, `end` included), so nothing is skipped when days are, and nothing comes twice when a run is
repeated: what came due has an id made of its subject and of how far ahead it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from relay.model.calendar import DAY, day_in, moment
from relay.model.effects import MEMBER, Alert, Level, Note
from relay.model.fields import to_millis
from relay.model.formats import amount_text, detail_rows, moment_text
from relay.model.member import Member
from relay.model.messages import EventEffects
from relay.rules import cancellation, dunning, dunning_cycles
from relay.rules.catalog import apply_settings
from relay.rules.credits import currency_of, remaining_lots
from relay.rules.segments import billing_interval, high_value_rows
from relay.rules.settings import Rules
from relay.rules.timeline import note

TOPIC: Final = "relay.clock"
"""The topic of what no event reports."""

EXPIRING: Final = (timedelta(days=30), timedelta(days=7), timedelta(days=1))
"""How long before store credit expires the CRM gets a note; the longest is also what counts as expiring there."""

TRIAL: Final = timedelta(days=3)
RENEWAL: Final = timedelta(days=3)
ANNUAL_RENEWAL: Final = timedelta(days=15)
WIN_BACK: Final = timedelta(days=7)
DUNNING: Final = timedelta(days=30)
"""After so long without a further failure a dunning is over: the platform has given up without an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time between two runs, without its beginning; and the shop's zone, for what falls on a day."""

    begin: datetime
    end: datetime
    zone: tzinfo

    def __contains__(self, at: datetime) -> bool:
        """Return whether a moment came since the run before."""
        return self.begin < at <= self.end

    def calls_for(self, end: datetime, ahead: timedelta) -> bool:
        """Return whether a reminder of an end so far ahead came due.

        After an outage of days, what is over since yesterday needs no reminder. A day, because a window may have
        25 hours: what ended in its last hour had no reminder before.
        """
        return end - ahead in self and end > self.end - DAY


def reminders(member: Member, rules: Rules, window: Window) -> Iterator[EventEffects]:
    """Yield what came due for a member, each under an id of its own, dated by when it came due."""
    for due in _REMINDERS:
        for event_effects in due(member, rules, window):
            effects = tuple(apply_settings(event_effects.effects, rules))
            if effects:
                yield replace(event_effects, effects=effects)


def expiring_within(member: Member, at: datetime, ahead: timedelta) -> Decimal:
    """Return how much of the member's credit ends within a time from `at`."""
    lots = remaining_lots(member, at).values()
    return sum((lot.amount for lot in lots if lot.expires_at <= at + ahead), Decimal(0))


def renewal_due(member: Member, rules: Rules, window: Window) -> date | None:
    """Return the day on which the next fee is due, if its notice came due."""
    day = day_in(member.value("next_payment_on"), window.zone)
    if day is None or member.status not in {"active", "trialing"}:
        return None
    return day if window.calls_for(moment(day, time(), window.zone), _notice(member, rules)) else None


def _credits(member: Member, rules: Rules, window: Window) -> Iterator[EventEffects]:
    if member.status == "cancelled":
        return
    currency = currency_of(member, rules)
    least = rules.amount_set("expiring_at_least", currency) or Decimal(0)
    for lot_id, lot in remaining_lots(member, window.begin).items():
        for ahead in EXPIRING:
            if lot.amount >= least and window.calls_for(lot.expires_at, ahead):
                reminder = note(
                    "credits.expiring",
                    "Store Credit Expiring",
                    member,
                    amount=lot.amount,
                    currency=currency,
                    days=ahead.days,
                    expires_at=lot.expires_at,
                    also=dunning.deadlines(member, rules),
                )
                yield _due(f"exp:{lot_id}:{ahead.days}", lot.expires_at - ahead, reminder)


def _trial(member: Member, _rules: Rules, window: Window) -> Iterator[EventEffects]:
    ends = member.moment("trial_ends_at")
    if ends and window.calls_for(ends, TRIAL) and member.status == "trialing":
        reminder = note("trial.ending", "Trial Ending", member, days=TRIAL.days, trial_ends_at=ends)
        yield _due(f"trial:{member.key}:{to_millis(ends)}", ends - TRIAL, reminder)


def _renewal(member: Member, rules: Rules, window: Window) -> Iterator[EventEffects]:
    """Announce the next fee. It does not depend on a valid payment method: no event reports one."""
    day = renewal_due(member, rules, window)
    if day is None or not rules.renewal_notices:
        return
    ahead = _notice(member, rules)
    reminder = note(
        "renewal.upcoming",
        "Renewal Upcoming",
        member,
        amount=member.money("fee_amount"),
        currency=member.text("fee_currency"),
        days=ahead.days,
        renews_on=day,
    )
    at = moment(day, time(), window.zone) - ahead
    yield _due(f"renew:{member.key}:{day.isoformat()}", at, reminder)


def _notice(member: Member, rules: Rules) -> timedelta:
    return ANNUAL_RENEWAL if billing_interval(member, rules) == "year" else RENEWAL


def _win_back(member: Member, rules: Rules, window: Window) -> Iterator[EventEffects]:
    ends, incident_key = member.moment("pending_cancel_at"), cancellation.incident_key(member)
    if not ends or not incident_key or not window.calls_for(ends, WIN_BACK):
        return
    # Where a failed fee or the shop ends it, there is no one to win back.
    if member.status != "pending_cancellation" or not cancellation.is_loss(member, rules):
        return
    fee = amount_text(member.money("fee_amount"), member.text("fee_currency"))
    alert = Alert(
        rule="cancel.soon",
        incident_key=incident_key,
        action="update",
        level=Level.INFO,
        title=f"{MEMBER} leaves in a week",
        details=detail_rows(("Ends on", moment_text(ends)), ("Fee", fee), *high_value_rows(member, rules)),
        advice="Until then the cancellation can be undone: an offer now is the last chance to win the member back.",
        immediate=True,
    )
    yield _due(f"{incident_key}:7d", ends - WIN_BACK, alert)


def _dunning(member: Member, _rules: Rules, window: Window) -> Iterator[EventEffects]:
    failed = member.moment("last_failure_at")
    if not failed or failed + DUNNING not in window or not member.is_failing:
        return
    alert = Alert(
        rule="dunning.quiet",
        incident_key=dunning_cycles.incident_key(member),
        level=Level.INFO,
        title=f"No further attempt at the fee of {MEMBER} for 30 days",
        action="resolve",
        tone="neutral",
        details=detail_rows(
            ("Amount", amount_text(member.money("unpaid"), member.text("unpaid_currency"))),
            ("Last failure", moment_text(failed)),
        ),
        advice="Neither a payment nor a cancellation was reported: look the member up in Inveterate.",
        silent_since=dunning_cycles.decided_at(member, failed),
    )
    yield _due(f"dun:{member.key}:{to_millis(failed)}:30d", failed + DUNNING, alert)


_REMINDERS: Final = (_credits, _trial, _renewal, _dunning, _win_back)


def _due(event_id: str, at: datetime, effect: Note | Alert) -> EventEffects:
    return EventEffects(event_id=event_id, topic=TOPIC, at=at, effects=(effect,))
