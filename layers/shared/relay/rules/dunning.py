"""Follows a failed fee from its first attempt to its recovery or loss: one incident per member, and its alerts.

A member has at most one open dunning incident. A failure opens it that is newer than the payment, joining or ending
which resolved the last one; a payment, a joining or the end of the membership resolves it. Both decisions look at
the record, which has the facts of all topics. So every order of events ends with the same incidents open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from inveterate.webhooks.payments import BillingAttemptFailed, PaymentFailed

from relay.model.effects import Alert, Kpi, Level, Note
from relay.model.facts import Facts, known, pick
from relay.model.formats import amount_text, detail_rows, moment_text
from relay.model.member import Member
from relay.model.milestones import Milestone
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note

Failure: TypeAlias = BillingAttemptFailed | PaymentFailed

RETRY_EVERY: Final = timedelta(days=1)
"""The platform's default, and its shortest interval: a deadline computed from it is never too late."""

_PERMANENT: Final = re.compile(
    r"expired|stolen|do.?not.?hono|no (valid )?(payment )?method",
    re.IGNORECASE,
)

_TITLES: Final = {
    "dunning.attempt": "A membership payment failed",
    "dunning.last_chance": "A membership payment failed, and time is running out",
    "dunning.failed": "A membership payment failed for good",
}

_OWNERS: Final = {
    "inveterate": "Inveterate's own messages ask the member for another card",
    "churnbuster": "Churn Buster asks the member for another card",
    "esp": "your e-mail flows ask the member for another card",
}


def failure_facts(event: Failure) -> Facts:
    """Return the facts of a failed attempt: its number, the amount with its currency, and the reason."""
    charge = event.detail
    return Facts.of(
        event,
        known(event.contact, email="email", phone_number="phone"),
        known(charge, billing_attempts="failed_attempts", amount="unpaid", currency="unpaid_currency"),
        pick(charge, error_message="last_decline_code"),
        {"last_failure_at": event.occurred_at},
        ordinal=charge.billing_attempts or 0,
        milestone=Milestone(kind="failed", amount=charge.amount, currency=charge.currency),
    )


def incident_key(member: Member) -> str:
    """Return the key of the incident of a member's failed fee."""
    return f"dun:{member.key}"


def attempts_left(member: Member, rules: Rules) -> int | None:
    """Return how many attempts follow; None where no fee is open."""
    failed = member.count("failed_attempts")
    if member.moment("payment_lost_at"):
        return 0
    return max(rules.billing_attempts_for(member.text("tier_id")) - failed, 0) if failed else None


def final_attempt_at(member: Member, rules: Rules) -> datetime | None:
    """Return when the last attempt is expected, at the platform's default of one a day: no event gives the time."""
    left, at = attempts_left(member, rules), member.moment("last_failure_at")
    return None if left is None or at is None else at + left * RETRY_EVERY


def cannot_succeed(reason: str | None) -> bool:
    """Return whether no further attempt with this payment method can succeed: it has expired, was stolen, is refused for good or is missing."""
    return bool(_PERMANENT.search(reason or ""))


def failure_alert(rule: str, event: Failure, after: Member, rules: Rules, *, level: Level) -> Alert:
    """Return the alert of a failed attempt: the amount, the number, the time left, and what a person can do."""
    charge, left = event.detail, attempts_left_after(event, after, rules)
    number, time_left = charge.billing_attempts, (left or 0) * RETRY_EVERY
    most = (number or 0) + (left or 0)
    failed_at = after.moment("last_failure_at")
    return Alert(
        rule=rule,
        incident_key=incident_key(after),
        level=level,
        title=_TITLES[rule],
        details=detail_rows(
            ("Amount", amount_text(charge.amount, charge.currency)),
            ("Attempt", f"{number} of {most}" if number else None),
            (
                "Last attempt expected",
                moment_text(failed_at + time_left) if failed_at and time_left else None,
            ),
            (
                "Time left",
                f"about {time_left // timedelta(hours=1)} h before Inveterate cancels" if time_left else None,
            ),
            ("Reason", charge.error_message),
        ),
        advice=_advice(rules, permanent=cannot_succeed(charge.error_message), left=bool(left)),
    )


def _advice(rules: Rules, *, permanent: bool, left: bool) -> str:
    owner = _OWNERS[rules.dunning_owner]
    if not left:
        return f"Inveterate cancels the membership next. Write to the member yourself, even if {owner}."
    if permanent:
        return f"Trying again will not help: the member has to give another card. See that {owner}."
    return f"Nothing to do yet if {owner}; a personal word helps with a member who matters."


def failure_note(event: Failure, after: Member, rules: Rules, *, rule: str) -> Note:
    """Return the note of a failed attempt."""
    charge = event.detail
    return note(
        rule,
        "Membership Payment Failed",
        after,
        amount=charge.amount,
        currency=charge.currency,
        attempt=charge.billing_attempts,
        attempts_left=attempts_left_after(event, after, rules),
        reason=charge.error_message,
    )


def attempts_left_after(event: Failure, after: Member, rules: Rules) -> int | None:
    """Return how many attempts follow this one, whatever the record says; None where the event has no number."""
    if isinstance(event, PaymentFailed):
        return 0
    number = event.detail.billing_attempts
    most = rules.billing_attempts_for(event.detail.billing_tier_id or after.text("tier_id"))
    return None if number is None else max(most - number, 0)


def resolution_alert(rule: str, title: str, before: Member, *, level: Level = Level.INFO) -> Alert:
    """Return the alert that a dunning is over; above the level info it is sent even if no channel got the failure.

    `before` is the record in which the fee was still open.
    """
    amount = amount_text(before.money("unpaid"), before.text("unpaid_currency"))
    attempts = before.count("failed_attempts")
    return Alert(
        rule=rule,
        incident_key=incident_key(before),
        action="resolve",
        level=level,
        title=title,
        details=detail_rows(("Amount", amount), ("Failed attempts", str(attempts) if attempts else None)),
        immediate=level > Level.INFO,
    )


def recovery_effects(
    before: Member, after: Member, amount: Decimal | None, currency: str | None
) -> Iterator[Note | Kpi]:
    """Yield the note and the KPI of a recovery, from the failure or the payment, whichever arrives last.

    Each failure and each payment counts once: a late failure or payment of the same recovery moves the pair and is no
    second one. (An ending or a joining between the two that arrives later still takes nothing back; a failure
    after it that is late as well would count the payment again.) The event that arrives last gives the date.
    """
    told = {pair.key for pair in before.recoveries}
    if any(pair.key not in told for pair in after.recoveries):
        rule = "dunning.recovered"
        yield note(rule, "Membership Payment Recovered", after, amount=amount, currency=currency)
        yield Kpi(rule=rule, name="recovered", amount=amount, currency=currency)


def level_for(member: Member, rules: Rules, *, otherwise: Level, high: Level) -> Level:
    """Return the level `high` for a member of high value, else `otherwise`."""
    return high if is_high_value(member, rules) else otherwise
