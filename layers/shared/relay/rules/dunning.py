"""A fee that failed, from the first attempt to its recovery or loss: one incident per member, and what it says.

A member has one open dunning at most. It opens with a failure that is newer than whatever settled the last
one, and closes with a payment, a joining or the end of the membership. Both decisions are made against the
record, where all topics meet; so in whatever order the events come, none stays open that is over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from inveterate.webhooks.payments import BillingAttemptFailed, PaymentFailed

from relay.model.effects import Alert, Kpi, Level, Note
from relay.model.facts import Facts, pick
from relay.model.formats import amount_text, detail_rows, moment_text
from relay.model.member import Member
from relay.rules.segments import is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note

Failure: TypeAlias = BillingAttemptFailed | PaymentFailed

STATE: Final = (
    "failed_attempts",
    "unpaid",
    "last_failure_at",
    "last_decline_code",
    "payment_lost_at",
)
"""What a payment and a joining clear."""

RETRY_EVERY: Final = timedelta(days=1)
"""The platform's default, and the shortest: a deadline worked out from it is never too late."""

_HOPELESS: Final = re.compile(
    r"expired|stolen|lost card|revoked|do.?not.?hono|no payment method|pick.?up|closed|invalid (card|account)",
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
    """Tell which attempt failed, of how much, and why."""
    return Facts.of(
        event,
        pick(event.contact, email="email", phone_number="phone"),
        pick(
            event.detail,
            billing_attempts="failed_attempts",
            error_message="last_decline_code",
            amount="unpaid",
            currency="fee_currency",
        ),
        {"last_failure_at": event.occurred_at},
        ordinal=event.detail.billing_attempts or 0,
        milestone="failed",
    )


def incident_key(member: Member) -> str:
    """Return the key under which all alert_messages of a member's failed fee meet."""
    return f"dun:{member.key}"


def attempts_left(member: Member, rules: Rules) -> int | None:
    """Return how many attempts will follow; None where no fee is open."""
    failed = member.count("failed_attempts")
    if member.moment("payment_lost_at"):
        return 0
    return max(rules.attempts(member.text("tier_id")) - failed, 0) if failed else None


def final_attempt_at(member: Member, rules: Rules) -> datetime | None:
    """Return when the last attempt is expected: one a day, the platform's default; no event tells it."""
    left, at = attempts_left(member, rules), member.moment("last_failure_at")
    return None if left is None or at is None else at + left * RETRY_EVERY


def is_hopeless(reason: str | None) -> bool:
    """Tell whether trying this payment method again cannot help: it expired, was revoked, or is not there."""
    return bool(_HOPELESS.search(reason or ""))


def failure(rule: str, event: Failure, after: Member, rules: Rules, *, level: Level) -> Alert:
    """Return the alert of a failed attempt: how much, which of how many, by when, and what can be done."""
    charge, left = event.detail, left_after(event, after, rules)
    number, until = charge.billing_attempts, (left or 0) * RETRY_EVERY
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
            ("Last attempt expected", moment_text(failed_at + until) if failed_at and until else None),
            (
                "Time left",
                f"about {until // timedelta(hours=1)} h before Inveterate cancels" if until else None,
            ),
            ("Reason", charge.error_message),
        ),
        advice=_advice(rules, hopeless=is_hopeless(charge.error_message), left=bool(left)),
    )


def _advice(rules: Rules, *, hopeless: bool, left: bool) -> str:
    owner = _OWNERS[rules.dunning_owner]
    if not left:
        return f"Inveterate cancels the membership next. Write to the member yourself, even if {owner}."
    if hopeless:
        return f"Trying again will not help: the member has to give another card. See that {owner}."
    return f"Nothing to do yet if {owner}; a personal word helps with a member who matters."


def failed_note(event: Failure, after: Member, rules: Rules, *, rule: str) -> Note:
    """Return the note of a failed attempt."""
    charge = event.detail
    return note(
        rule,
        "Membership Payment Failed",
        after,
        amount=charge.amount,
        currency=charge.currency,
        attempt=charge.billing_attempts,
        attempts_left=left_after(event, after, rules),
        reason=charge.error_message,
    )


def left_after(event: Failure, after: Member, rules: Rules) -> int | None:
    """Return how many attempts follow this one, whatever else is known; None where it does not tell its number."""
    if isinstance(event, PaymentFailed):
        return 0
    number = event.detail.billing_attempts
    most = rules.attempts(event.detail.billing_tier_id or after.text("tier_id"))
    return None if number is None else max(most - number, 0)


def closing(rule: str, title: str, before: Member, *, level: Level = Level.INFO) -> Alert:
    """Return the alert that a dunning is over; one that is bad news is told to whoever has heard of it or not.

    `before` is the record that knew of it.
    """
    amount = amount_text(before.money("unpaid"), before.text("fee_currency"))
    attempts = before.count("failed_attempts")
    return Alert(
        rule=rule,
        incident_key=incident_key(before),
        action="close",
        level=level,
        title=title,
        details=detail_rows(("Amount", amount), ("Failed attempts", str(attempts) if attempts else None)),
        at_once=level > Level.INFO,
    )


def recovered(
    before: Member, after: Member, amount: Decimal | None, currency: str | None
) -> Iterator[Note | Kpi]:
    """Note and count a failure that is now known to be made good, by whichever of the two events came last.

    Each failure and each payment once: a late failure or payment of the same matter moves the pair, and is no
    other. (An ending or a joining that comes later still, and lies between the two, takes nothing back; a
    failure after it, late as well, would count that payment again.) Dated by the event that came last.
    """
    known = [moment for pair in before.recoveries for moment in pair]
    if any(not {failed_at, paid_at}.intersection(known) for failed_at, paid_at in after.recoveries):
        rule = "dunning.recovered"
        yield note(rule, "Membership Payment Recovered", after, amount=amount, currency=currency)
        yield Kpi(rule=rule, name="recovered", amount=amount, currency=currency)


def severity(member: Member, rules: Rules, *, otherwise: Level, high: Level) -> Level:
    """Return the level for a member: one step up for whom the shop would miss most."""
    return high if is_high_value(member, rules) else otherwise
