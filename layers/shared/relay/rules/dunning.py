"""Tells people and the CRM of a failed fee: its facts, its alerts and notes, the attempts that are left and their dates.

Which failures are of one fee, `dunning_cycles.py` tells; how it is over, `dunning_ends.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

from inveterate.webhooks.payments import BillingAttemptFailed, PaymentFailed

from relay.model.effects import MEMBER, Alert, Level, Note
from relay.model.facts import Facts, known, pick
from relay.model.formats import amount_text, detail_rows, enum_words, moment_text
from relay.model.member import Member
from relay.model.milestones import Cycle, Milestone
from relay.model.timeline_events import PropertyValue
from relay.rules.declines import cannot_succeed as cannot_succeed  # noqa: PLC0414 - the topics ask it of a dunning
from relay.rules.declines import decline_code
from relay.rules.dunning_cycles import cycle_at, decided_at, followed, incident_key, open_cycle, shown_until
from relay.rules.segments import high_value_rows, is_high_value
from relay.rules.settings import Rules
from relay.rules.timeline import note

Failure: TypeAlias = BillingAttemptFailed | PaymentFailed

RETRY_EVERY: Final = timedelta(days=1)
"""The platform's default, and its shortest interval: a deadline computed from it is never too late."""

_HOW_IT_FAILED: Final = {
    "dunning.attempt": "failed",
    "dunning.last_chance": "failed, and one attempt is left",
    "dunning.more_attempts": "failed once more: it is tried more often than was known",
    "dunning.failed": "failed for good",
}
"""What a title says of the payment, by rule."""

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
        pick(charge, error_message="last_decline_text"),
        {"last_failure_at": event.occurred_at},
        ordinal=charge.billing_attempts or 0,
        milestone=Milestone(kind="failed", amount=charge.amount, currency=charge.currency),
    )


def attempts_left(member: Member, rules: Rules) -> int | None:
    """Return how many attempts follow; None where no fee is open, or where more failed than there should be."""
    failed = member.count("failed_attempts")
    if not failed:
        return None
    if member.payment_status == "failed":
        return 0
    return _left(failed, rules.billing_attempts_for(member.text("tier_id")))


def _left(failed: int, most: int) -> int | None:
    """Return how many attempts follow; None where attempt 4 shows by itself that there are more than three."""
    return None if failed > most else most - failed


def final_attempt_at(member: Member, rules: Rules) -> datetime | None:
    """Return when the last attempt is expected, at the platform's default of one a day: no event gives the time."""
    left, at = attempts_left(member, rules), member.moment("last_failure_at")
    return None if left is None or at is None else at + left * RETRY_EVERY


def next_attempt_at(member: Member, rules: Rules) -> datetime | None:
    """Return when the next attempt is expected, a day after the last one; None where none follows, or none is known to."""
    left, at = attempts_left(member, rules), member.moment("last_failure_at")
    return at + RETRY_EVERY if left and at else None


def is_warned(cycle: Cycle, event: BillingAttemptFailed, after: Member, rules: Rules) -> bool:
    """Return whether an earlier attempt of the cycle was a warning: attempts ran out, as far as was known."""
    most = rules.billing_attempts_for(event.detail.billing_tier_id or after.text("tier_id"))
    return any((each.attempt or 0) >= most - 1 for each in cycle.failures[:-1])


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
        title=_failed_title(
            rule, amount_text(charge.amount, charge.currency), charge.error_message, left, after
        ),
        details=detail_rows(
            ("Amount", amount_text(charge.amount, charge.currency)),
            ("Attempt", None if not number else str(number) if left is None else f"{number} of {most}"),
            (
                "Next attempt expected",
                moment_text(failed_at + RETRY_EVERY) if failed_at and left and left > 1 else None,
            ),
            (
                "Last attempt expected",
                moment_text(failed_at + time_left) if failed_at and time_left else None,
            ),
            (
                "Time left",
                f"about {time_left // timedelta(hours=1)} h before Inveterate cancels" if time_left else None,
            ),
            ("Reason", enum_words(charge.error_message)),
            *high_value_rows(after, rules),
        ),
        advice=_advice(rules, permanent=cannot_succeed(charge.error_message), left=left),
        outcome="failed_for_good" if rule == "dunning.failed" else None,
    )


def of_cycle(alert: Alert, cycle: Cycle, member: Member) -> Alert:
    """Return an alert of a cycle's failure with where that cycle begins and ends, where nothing settled the fee before or this one."""
    next_at = cycle.end.at if cycle.end and cycle.outcome == "next" else None
    failed_at = cycle.failures[-1].at
    is_shown_late = cycle.end is None and shown_until(member, failed_at) > failed_at
    return replace(
        followed(alert, next_at),
        cycle_at=cycle_at(cycle, member),
        as_of=decided_at(member, failed_at) if is_shown_late else None,
    )


def opened_alerts(before: Member, after: Member, rules: Rules) -> Iterator[Alert]:
    """Yield the alert of a failed fee that is open only now: the joining before the failure arrived after it.

    No failure says it again, so it is told by the record: as of the newest failure.
    """
    cycle = open_cycle(after)
    if cycle is None or before.is_failing or cycle.failures[-1] not in before.milestones:
        return
    left, reason = attempts_left(after, rules), after.text("last_decline_text")
    if cycle.is_final:
        rule, levels = "dunning.failed", (Level.WARNING, Level.ERROR)
    elif left is not None and left > 1 and not cannot_succeed(reason):
        rule, levels = "dunning.attempt", (Level.INFO, Level.WARNING)
    else:
        rule, levels = "dunning.last_chance", (Level.WARNING, Level.ERROR)
    yield Alert(
        rule=rule,
        incident_key=incident_key(after),
        level=level_for(after, rules, otherwise=levels[0], high=levels[1]),
        title=_failed_title(
            rule, amount_text(after.money("unpaid"), after.text("unpaid_currency")), reason, left, after
        ),
        details=detail_rows(
            ("Amount", amount_text(after.money("unpaid"), after.text("unpaid_currency"))),
            ("Failed attempts", str(cycle.attempts)),
            ("Reason", enum_words(reason)),
            *high_value_rows(after, rules),
        ),
        advice=_advice(rules, permanent=cannot_succeed(reason), left=left),
        outcome="failed_for_good" if cycle.is_final else None,
        as_of=decided_at(after, cycle.failures[-1].at),
        cycle_at=cycle_at(cycle, after),
    )


def found_alert(before: Member, after: Member, rules: Rules) -> Iterator[Alert]:
    """Yield the late alert of a failed fee that a reading has found, and that no event has told, under the member's incident.

    The platform's word does not say which attempt it was.
    """
    is_final = after.payment_status == "failed"
    if not after.is_failing or (before.is_failing and not (is_final and before.payment_status != "failed")):
        return
    if is_final:
        rule, levels = "dunning.failed", (Level.WARNING, Level.ERROR)
    else:
        rule, levels = "dunning.attempt", (Level.INFO, Level.WARNING)
    left = attempts_left(after, rules)
    yield Alert(
        rule=rule,
        incident_key=incident_key(after),
        level=level_for(after, rules, otherwise=levels[0], high=levels[1]),
        title=_failed_title(rule, "", None, left, after),
        details=detail_rows(
            ("Found", "by comparing with Inveterate: no webhook told of it"), *high_value_rows(after, rules)
        ),
        advice=_advice(rules, permanent=False, left=left),
        outcome="failed_for_good" if is_final else None,
    )


def _failed_title(rule: str, amount: str, reason: str | None, left: int | None, after: Member) -> str:
    how = _HOW_IT_FAILED[rule]
    if rule == "dunning.last_chance" and left != 1:
        # The first failure that is known may name no attempt, or be the only attempt of its tier.
        how = "failed again" if (after.count("failed_attempts") or 1) > 1 else "failed"
        if cannot_succeed(reason):
            how = "failed, and another payment method is needed"
    what = f"A payment of {amount}" if amount else "A membership payment"
    return f"{what} by {MEMBER} {how}"


def _advice(rules: Rules, *, permanent: bool, left: int | None) -> str:
    owner = _OWNERS[rules.dunning_owner]
    if left == 0:
        return f"Inveterate cancels the membership next. Write to the member yourself, even if {owner}."
    if permanent:
        return f"Trying again will not help: the member has to give another card. See that {owner}."
    if left == 1:
        return f"The next attempt is the last: see that {owner}, and write to the member before it."
    return f"Nothing to do yet if {owner}; a personal word helps with a member who matters."


def failure_note(event: Failure, after: Member, rules: Rules, *, rule: str) -> Note:
    """Return the note of a failed attempt."""
    charge, left = event.detail, attempts_left_after(event, after, rules)
    at = event.occurred_at
    return note(
        rule,
        "Membership Payment Failed",
        after,
        amount=charge.amount,
        currency=charge.currency,
        attempt=charge.billing_attempts,
        attempts_left=left,
        next_attempt_at=at + RETRY_EVERY if left and at else None,
        final_attempt_at=None if left is None or at is None else at + left * RETRY_EVERY,
        reason=charge.error_message,
        decline_code=decline_code(charge.error_message),
        manage_url=rules.manage_url_of(after.customer_id),
    )


def deadlines(member: Member, rules: Rules) -> dict[str, PropertyValue | date | None]:
    """Return what a note says of a fee that may be open and where the member mends it: both deadlines and the page."""
    return {
        "next_attempt_at": next_attempt_at(member, rules),
        "final_attempt_at": final_attempt_at(member, rules),
        "manage_url": rules.manage_url_of(member.customer_id),
    }


def attempts_left_after(event: Failure, after: Member, rules: Rules) -> int | None:
    """Return how many attempts follow this one, whatever the record says; None where nothing shows it."""
    if isinstance(event, PaymentFailed):
        return 0
    number = event.detail.billing_attempts
    most = rules.billing_attempts_for(event.detail.billing_tier_id or after.text("tier_id"))
    return None if number is None else _left(number, most)


def level_for(member: Member, rules: Rules, *, otherwise: Level, high: Level) -> Level:
    """Return the level `high` for a member of high value, else `otherwise`."""
    return high if is_high_value(member, rules) else otherwise
