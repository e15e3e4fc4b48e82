"""Follows a failed fee from its first attempt to its recovery or loss: one incident per member, and its alerts.

A member has at most one open dunning incident. A failure opens it that is newer than the payment, joining or ending
which resolved the last one; a payment, a joining or the end of the membership resolves it. Both decisions look at
the record, which has the facts of all topics. So every order of events ends with the same incidents open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, Literal, TypeAlias

from inveterate.webhooks.payments import BillingAttemptFailed, PaymentFailed

from relay.model.effects import MEMBER, Alert, Level, Note, Outcome
from relay.model.facts import Facts, known, pick
from relay.model.formats import amount_text, detail_rows, enum_words, moment_text
from relay.model.member import Member
from relay.model.milestones import Cycle, Milestone
from relay.model.timeline_events import PropertyValue
from relay.rules.declines import cannot_succeed as cannot_succeed  # noqa: PLC0414 - the topics ask it of a dunning
from relay.rules.declines import decline_code
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

Closing: TypeAlias = Literal["recovered", "found_paid", "lost", "ended", "found_ended", "rejoined", "moved"]

_BY_OUTCOME: Final[Mapping[str, Closing]] = {"recovered": "recovered", "lost": "lost", "rejoined": "rejoined"}

_CLOSINGS: Final[Mapping[Closing, tuple[str, Outcome, str]]] = {
    "recovered": ("dunning.recovered", "recovered", f"Recovered: the fee of {MEMBER} is paid"),
    "found_paid": ("dunning.recovered", "recovered", f"Recovered: the fee of {MEMBER} was found to be paid"),
    "lost": ("dunning.lost", "lost", f"Lost: {MEMBER} cancelled after failed payments"),
    "ended": ("dunning.ended", "lost", f"Lost: {MEMBER} left by request, and the fee stays open"),
    "found_ended": ("dunning.ended", "lost", f"Lost: the membership of {MEMBER} was found to have ended"),
    "rejoined": ("dunning.rejoined", "rejoined", f"Back: {MEMBER} joined anew while the fee was open"),
    "moved": ("dunning.rejoined", "rejoined", f"No longer billed: {MEMBER} moved to a free tier"),
}
"""The rule, the outcome and the title of each way in which a dunning is over."""

_WHAT_IS_LEFT: Final[Mapping[Closing, str]] = {
    "recovered": "Nothing is left to do.",
    "found_paid": "Nothing is left to do.",
    "lost": "Invite the member back: a new payment method is all that was missing.",
    "ended": "Nothing more is tried. Ask why, and invite the member back.",
    "found_ended": "Nothing more is tried. Look the member up in Inveterate, and invite the member back.",
    "rejoined": "Nothing is left to do: the new membership is billed by itself.",
    "moved": "Nothing more is tried. An offer may bring the member back to a paid tier.",
}
"""What a person does next, for each way in which a dunning is over."""

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


def incident_key(member: Member) -> str:
    """Return the key of the incident of a member's failed fee."""
    return f"dun:{member.key}"


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


def open_cycle(member: Member) -> Cycle | None:
    """Return the failures of the fee that is open; None where none is."""
    cycles = member.history.cycles
    return cycles[-1] if member.is_failing and cycles and cycles[-1].end is None else None


def unsettled_cycle(member: Member, failure: Milestone | None) -> Cycle | None:
    """Return the cycle of a failure whose fee is open, or was followed by the next failing one; None where it was settled.

    What settles the newest fee settles those before it: their incident is over too.
    """
    for cycle in reversed(member.history.cycles if member.is_failing else ()):
        if cycle.outcome not in {"open", "next"}:
            return None
        if failure in cycle.failures:
            return cycle
    return None


def tells_final(cycle: Cycle, failure: Milestone | None) -> bool:
    """Return whether the final failure of a cycle is to be told: the newest of an open one, the first to arrive of an older one.

    The incident of an open cycle knows what was told. That of an older one may be over.
    """
    finals = [each for each in cycle.failures if each.is_final]
    return failure == finals[-1] if cycle.end is None and finals else finals == [failure]


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
    is_shown_late = cycle.end is None and _shown_until(member, failed_at) > failed_at
    return replace(
        _followed(alert, next_at),
        cycle_at=_cycle_at(cycle, member),
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
        cycle_at=_cycle_at(cycle, after),
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


def decided_at(member: Member, failed_at: datetime) -> datetime:
    """Return the moment as of which the record shows a failed fee as open or over, where its events alone do not say it."""
    return member.as_known(_shown_until(member, failed_at))


def _shown_until(member: Member, failed_at: datetime) -> datetime:
    """Return the newest of a failure and what may have resolved its incident, and did not: by what is known now, it was none.

    An ending of another tier was taken for the member's own, and a part of the fee for the whole.
    """
    cycle = open_cycle(member)
    parts = (
        each.at
        for each in member.milestones
        if cycle and each.kind == "paid" and each.number > cycle.failures[0].number
    )
    return max([failed_at, *parts, *(each.at for each in member.history.foreign)])


def _cycle_at(cycle: Cycle, member: Member) -> datetime | None:
    """Return when a cycle began, where nothing closed the one before: the incident of that one is still open."""
    begun = cycle.failures[0]
    is_next = any(each.outcome == "next" and each.end == begun for each in member.history.cycles)
    return begun.at if is_next else None


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


def closing(before: Member, after: Member) -> Closing:
    """Return how the fee that was open in `before` is over in `after`."""
    open_before = open_cycle(before)
    for cycle in after.history.cycles if open_before else ():
        if open_before and cycle.end and open_before.failures[-1] in cycle.failures:
            return closing_of(cycle)
    return "ended"


def closing_of(cycle: Cycle) -> Closing:
    """Return how the fee of a cycle that has an end is over."""
    is_move = cycle.end is not None and cycle.end.kind == "moved"
    return "moved" if is_move else _BY_OUTCOME.get(cycle.outcome, "ended")


def resolution_alert(
    how: Closing, at: datetime | None, before: Member, *, level: Level = Level.INFO
) -> Alert:
    """Return the alert that a dunning is over; above the level info it is sent even if no channel got the failure.

    `before` is the record in which the fee was still open. It is over for every failure known by then, those dated
    a moment after the event of `at` included.
    """
    failed_at = before.moment("last_failure_at")
    as_of = decided_at(before, failed_at) if failed_at else None
    alert = replace(
        _end_alert(how, before, level=level), as_of=as_of if as_of and (at is None or as_of > at) else None
    )
    cycle = open_cycle(before)
    return _with_figures(alert, cycle) if cycle else alert


def former_ends(before: Member, after: Member) -> Iterator[Alert]:
    """Yield the end of a fee that is heard of only after the next one has failed, which is open still.

    It goes to those who were told of the former incident. The end of the newest fee settles those before it.
    """
    for former in reversed(before.history.cycles if after.is_failing else ()):
        if former.outcome != "next" or former.end is None:
            continue
        for cycle in after.history.cycles:
            if former.failures[-1] in cycle.failures and cycle.end and cycle.outcome != "next":
                alert = _with_figures(_end_alert(closing_of(cycle), before), cycle)
                yield _followed(alert, former.end.at)
                return


def _end_alert(how: Closing, member: Member, *, level: Level = Level.INFO) -> Alert:
    rule, outcome, title = _CLOSINGS[how]
    return Alert(
        rule=rule,
        incident_key=incident_key(member),
        action="resolve",
        level=level,
        title=title,
        immediate=level > Level.INFO,
        outcome=outcome,
        tone="bad" if outcome == "lost" else "neutral" if how == "moved" else "good",
        advice=_WHAT_IS_LEFT[how],
    )


def _followed(alert: Alert, next_at: datetime | None) -> Alert:
    """Return an alert of a fee with what the next one did, where that has failed as well."""
    following = detail_rows(("Next fee", f"failed as well, on {moment_text(next_at)}" if next_at else None))
    return replace(alert, details=(*alert.details, *following), next_cycle_at=next_at)


def with_figures(alert: Alert, at: datetime, member: Member) -> Alert:
    """Return an alert with the figures of the record as it is now: the attempts may have come after the alert.

    An alert without an outcome stays as it is.
    """
    if alert.outcome is None:
        return alert
    until = max(at, alert.as_of or at)
    cycles = [cycle for cycle in member.history.cycles if cycle.failures[0].at <= until]
    return _with_figures(alert, cycles[-1]) if cycles else alert


def _with_figures(alert: Alert, cycle: Cycle) -> Alert:
    charged = next((each for each in reversed(cycle.failures) if each.amount is not None), None)
    amount = amount_text(charged.amount, charged.currency) if charged else ""
    number = cycle.attempts
    title = alert.title
    if alert.rule == "dunning.recovered" and amount:
        title = f"Recovered: {amount}, {MEMBER}"
    if alert.rule == "dunning.lost":
        title = f"Lost: {MEMBER} cancelled after {number} failed payment{'s' * (number > 1)}"
    shown = {"Amount", "Attempt", "Failed attempts"}
    return replace(
        alert,
        title=title,
        details=(
            *detail_rows(("Amount", amount), ("Failed attempts", str(number))),
            *(row for row in alert.details if row[0] not in shown),
        ),
    )


def level_for(member: Member, rules: Rules, *, otherwise: Level, high: Level) -> Level:
    """Return the level `high` for a member of high value, else `otherwise`."""
    return high if is_high_value(member, rules) else otherwise
