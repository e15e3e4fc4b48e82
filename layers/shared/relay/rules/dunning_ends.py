"""Says how a failed fee is over: what ended it, the closing message of each way, and its figures by the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from relay.model.effects import MEMBER, Alert, Level, Outcome
from relay.model.formats import amount_text, detail_rows
from relay.model.member import Member
from relay.model.milestones import Cycle
from relay.rules.dunning_cycles import decided_at, followed, incident_key, open_cycle

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


def settled(before: Member, after: Member, at: datetime | None) -> Iterator[Alert]:
    """Yield the alert that a failed fee is over, where the event of `at` settles it, or shows that it was settled before.

    A failure shows it as well: of the smaller amount that was tried last, a payment is the whole and no part.
    """
    if before.is_failing and not after.is_failing:
        yield resolution_alert(closing(before, after), at, before)


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
                yield followed(alert, former.end.at)
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
