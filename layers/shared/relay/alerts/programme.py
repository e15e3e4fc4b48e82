"""Gives an alarm about the whole programme its figures: how many of how many, since when, why, and how much money. Pure.

CloudWatch only says that a condition holds. The events behind it are in the table of figures, and the reasons in the
records of their members.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeAlias

from relay.model.formats import amount_text, enum_words, moment_text
from relay.model.kpis import KpiEvent
from relay.model.member import Member
from relay.rules.declines import decline_code

Rows: TypeAlias = Iterator[tuple[str, str]]

LOOK_BACK: Final = timedelta(hours=1, minutes=30)
"""The hour that the clock has measured, with the time that the alarm and its message may take."""

COMMONEST: Final = 3
MOST_MEMBERS: Final = 300
"""Members whose records are read for their reasons: the newest ones show what is wrong now."""

_LEFT: Final[Mapping[str, str]] = {
    "left_voluntarily": "by themselves",
    "left_involuntarily": "for a lost payment",
    "left_by_merchant": "by the shop",
    "left_for_unknown_reason": "for an unknown reason",
}


def members_of(rule: str, events: Sequence[KpiEvent]) -> list[str]:
    """Return the keys of the members behind an alarm whose records its figures need, the newest first."""
    wanted = {"programme.failure_spike": {"failed_attempt"}, "programme.cancel_spike": set(_LEFT)}.get(
        rule, set()
    )
    found = dict.fromkeys(each.member for each in reversed(events) if each.name in wanted)
    return list(found)[:MOST_MEMBERS]


def alarm_rows(rule: str, events: Sequence[KpiEvent], members: Mapping[str, Member]) -> Rows:
    """Yield the figures of an alarm from the events of `LOOK_BACK` and the records of `members_of`; none for other alarms."""
    build = _ROWS.get(rule)
    if build:
        yield from build(events, members)


def silence_rows(webhooks: Mapping[datetime, int], at: datetime) -> Rows:
    """Yield since when no webhook has come, and how many are usual, from the counts by the hour."""
    hours = {hour: number for hour, number in webhooks.items() if number and hour <= at}
    if not hours:
        return
    last = max(hours)
    yield "Last webhook", f"in the hour from {moment_text(last)}"
    week = sum(number for hour, number in hours.items() if hour > last - timedelta(days=7))
    yield "Usual", f"about {round(week / 7):,} a day, in the seven days before"


def _failures(events: Sequence[KpiEvent], members: Mapping[str, Member]) -> Rows:
    failed = [each for each in events if each.name == "failed_attempt"]
    paid = sum(each.name == "payment" for each in events)
    if not failed:
        return
    attempts = len(failed) + paid
    people = len({each.member for each in failed})
    yield (
        "Failed attempts",
        f"{len(failed):,} of {attempts:,} ({_share(len(failed), attempts)}), {people:,} members",
    )
    yield "Since", moment_text(failed[0].at)
    reasons = Counter(
        _reason(members[key].text("last_decline_text"))
        for key in {each.member for each in failed}
        if key in members
    )
    yield from _commonest("Commonest reasons", reasons)
    # The newest attempt of each member: two attempts at one fee are one fee.
    fees = {each.member: each for each in failed}
    yield from _money("Money at risk", ((each.amount, each.currency) for each in fees.values()))


def _reason(text: str | None) -> str:
    code = decline_code(text)
    return code.replace("_", " ") if code else (enum_words(text) or "no reason given")


def _cancellations(events: Sequence[KpiEvent], members: Mapping[str, Member]) -> Rows:
    left = [each for each in events if each.name in _LEFT]
    if not left:
        return
    yield "Left", f"{len(left):,} members"
    yield "Since", moment_text(left[0].at)
    yield from _commonest("Commonest reasons", Counter(_LEFT[each.name] for each in left))
    # The fee of an ended membership is no longer in its record; what it has paid last is in the register of the fee.
    yield from _money(
        "Fees lost", (_last_fee(members[each.member]) for each in left if each.member in members)
    )


def _last_fee(member: Member) -> tuple[Decimal | None, str | None]:
    register, currency = member.registers.get("fee_amount"), member.registers.get("fee_currency")
    amount = register.value if register else None
    return (amount if isinstance(amount, Decimal) else None), str(
        currency.value
    ) if currency and currency.value else None


def _manual(events: Sequence[KpiEvent], _members: Mapping[str, Member]) -> Rows:
    changes = [each for each in events if each.name == "manual_credit"]
    if not changes:
        return
    people = len({each.member for each in changes})
    yield "Changes by hand", f"{len(changes):,}, to {people:,} members"
    yield "Since", moment_text(changes[0].at)
    yield from _money(
        "Granted in all", ((each.amount, each.currency) for each in changes if (each.amount or 0) > 0)
    )


_ROWS: Final[Mapping[str, Callable[[Sequence[KpiEvent], Mapping[str, Member]], Rows]]] = {
    "programme.failure_spike": _failures,
    "programme.cancel_spike": _cancellations,
    "programme.manual_credits": _manual,
}


def _commonest(label: str, counted: Counter[str]) -> Rows:
    named = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:COMMONEST]
    if named:
        yield label, ", ".join(f"{words} ({number:,})" for words, number in named)


def _money(label: str, amounts: Iterable[tuple[Decimal | None, str | None]]) -> Rows:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for amount, currency in amounts:
        sums[currency or ""] += amount or Decimal(0)
    texts = [amount_text(total, currency) for currency, total in sorted(sums.items()) if total]
    if texts:
        yield label, " + ".join(texts)


def _share(part: int, whole: int) -> str:
    return f"{round(100 * part / whole)} %"
