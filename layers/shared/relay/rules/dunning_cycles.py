"""Tells which failed fee is open, which one a failure is of, and as of when the record shows it: the base of a dunning's alerts.

A member has at most one open dunning incident. A failure opens it that is newer than the payment, joining or ending
which resolved the last one; a payment, a joining or the end of the membership resolves it. Both decisions look at
the record, which has the facts of all topics. So every order of events ends with the same incidents open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from relay.model.effects import Alert
from relay.model.formats import detail_rows, moment_text
from relay.model.member import Member
from relay.model.milestones import Cycle, Milestone


def incident_key(member: Member) -> str:
    """Return the key of the incident of a member's failed fee."""
    return f"dun:{member.key}"


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


def decided_at(member: Member, failed_at: datetime) -> datetime:
    """Return the moment as of which the record shows a failed fee as open or over, where its events alone do not say it."""
    return member.as_known(shown_until(member, failed_at))


def shown_until(member: Member, failed_at: datetime) -> datetime:
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


def cycle_at(cycle: Cycle, member: Member) -> datetime | None:
    """Return when a cycle began, where nothing closed the one before: the incident of that one is still open."""
    begun = cycle.failures[0]
    is_next = any(each.outcome == "next" and each.end == begun for each in member.history.cycles)
    return begun.at if is_next else None


def followed(alert: Alert, next_at: datetime | None) -> Alert:
    """Return an alert of a fee with what the next one did, where that has failed as well."""
    following = detail_rows(("Next fee", f"failed as well, on {moment_text(next_at)}" if next_at else None))
    return replace(alert, details=(*alert.details, *following), next_cycle_at=next_at)
