"""The lines of the daily digest: what a day brought, and the state of the programme now. Pure.

The KPI events are those of one calendar day by the shop's clock. What concerns the members as they are now
(money at risk, credits about to expire, the state of the CRMs) comes from the run that was just made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from relay.model.formats import amount_text, number_text
from relay.model.kpis import NO_CURRENCY, DailyTotals, KpiEvent, Total
from relay.model.member import Member
from relay.rules.credits import currency_of
from relay.rules.settings import Rules
from relay.scheduler.reminders import DUNNING, Window, expiring_within, renewal_due

SOON: Final = timedelta(days=7)

Lines: TypeAlias = tuple[tuple[str, str], ...]

_MIRROR_WORDS: Final[Mapping[str, str]] = {
    "mirrored": "up to date",
    "no_email": "without an e-mail address",
    "refused": "refused",
    "waiting": "waiting to be tried again",
}
"""The words for the states of a member in a CRM. An alarm reports what waits to be sent again."""


TARGETS: Final[Mapping[str, str]] = {
    "hubspot": "HubSpot",
    "klaviyo": "Klaviyo",
    "salesforce": "Salesforce",
    "webhook": "the signed webhook",
}

_LEFT: Final[Mapping[str, str]] = {
    "left_voluntarily": "by themselves",
    "left_involuntarily": "for a lost payment",
    "left_by_merchant": "by the shop",
    "left_for_unknown_reason": "for an unknown reason",
}
"""What counts as leaving, and the words for it."""


def add_member(totals: DailyTotals, member: Member, rules: Rules, window: Window) -> DailyTotals:
    """Return the totals with one more member."""
    found, fee = totals, (member.money("fee_amount"), member.text("fee_currency"))
    if is_at_risk(member, window.end):
        unpaid = member.money("unpaid")
        at_risk = fee if unpaid is None else (unpaid, member.text("unpaid_currency") or fee[1])
        found = replace(found, at_risk=found.at_risk.plus(*at_risk))
    amount = expiring_within(member, window.end, SOON)
    if amount and member.status != "cancelled":
        found = replace(found, expiring=found.expiring.plus(amount, currency_of(member, rules)))
    if rules.renewal_notices and renewal_due(member, rules, window):
        found = replace(found, renewing=found.renewing.plus(*fee))
    return found


def is_at_risk(member: Member, at: datetime) -> bool:
    """Return whether the member's fee is being retried, or was given up lately, and the membership goes on."""
    failed = member.moment("last_failure_at")
    overdue = member.payment_status in {"past_due", "failed"} and member.status != "cancelled"
    return overdue and (failed is None or at < failed + DUNNING)


def digest_lines(
    events: Iterable[KpiEvent], totals: DailyTotals | None, week_before: Iterable[KpiEvent] = ()
) -> Lines:
    """Return the day's lines, with those of the present where totals are given; none when there is no news.

    Beside each figure of the day stands that of `week_before`, the same day of the week before, where anything was
    counted then; what was counted only then has a line too. The state of the CRMs is added to other lines and is no
    news by itself.
    """
    found, then = dict(_of_the_day(_by_name(events))), dict(_of_the_day(_by_name(week_before)))
    labels = [label for label in DAY_LABELS if label in found or (found and label in then)]
    day = tuple(
        (label, f"{found.get(label, '0')}{f' · a week before {then.get(label, 0)}' if then else ''}")
        for label in labels
    )
    present = tuple(_of_the_present(totals)) if totals else ()
    news = (*day, *present)
    return (*news, *_of_the_mirrors(totals)) if news and totals else news


def _by_name(events: Iterable[KpiEvent]) -> Mapping[str, Total]:
    by_name: dict[str, list[KpiEvent]] = {}
    for event in events:
        by_name.setdefault(event.name, []).append(event)
    return {name: Total.of(some) for name, some in by_name.items()}


DAY_LABELS: Final = (
    "Joined",
    "Left",
    "Net members",
    "Asked to leave",
    "Changed tier",
    "Fees paid",
    "Recovered",
    "Failed attempts",
    "Lost",
    "Credits expired",
)
"""The figures of a day, in reading order."""


def _of_the_day(by_name: Mapping[str, Total]) -> Iterator[tuple[str, str]]:
    def of(name: str) -> Total:
        return by_name.get(name, Total())

    # Each joining is one of the first two; a rejoining is counted a second time, as such.
    paid, again = of("joined_paid").number, of("rejoined").number
    joined = of("joined").number + paid
    left = tuple(of(name).number for name in _LEFT)
    if joined:
        yield "Joined", f"{joined}{_among((paid, 'paid'), (again, 'again'))}"
    if sum(left):
        yield "Left", f"{sum(left)}{_among(*zip(left, _LEFT.values(), strict=True))}"
    if joined or sum(left):
        yield "Net members", f"{joined - sum(left):+d}" if joined != sum(left) else "0"
    yield from _counts("Asked to leave", of("pending_cancellation"))
    moves = (of("tier_up").number, of("tier_down").number)
    if sum(moves):
        yield "Changed tier", f"{sum(moves)}{_among((moves[0], 'up'), (moves[1], 'down'))}"
    yield from _amounts("Fees paid", of("payment"))
    yield from _amounts("Recovered", of("recovered"))
    yield from _amounts("Failed attempts", of("failed_attempt"))
    yield from _amounts("Lost", of("lost"))
    yield from _amounts("Credits expired", of("credits_expired"))


def _of_the_present(totals: DailyTotals) -> Iterator[tuple[str, str]]:
    yield from _amounts("At risk now", totals.at_risk)
    yield from _amounts("Credits expiring within 7 days", totals.expiring)
    yield from _amounts("Renewals announced", totals.renewing)


def _of_the_mirrors(totals: DailyTotals) -> Iterator[tuple[str, str]]:
    for target, counts in sorted(totals.mirrors.items()):
        counted = [
            f"{counts[state]:,} {words}" for state, words in _MIRROR_WORDS.items() if counts.get(state)
        ]
        if counted:
            yield f"Members in {TARGETS.get(target, target)}", ", ".join(counted)


def _among(*parts: tuple[int, str]) -> str:
    listed = ", ".join(f"{number} {words}" for number, words in parts if number)
    return f" ({listed})" if listed else ""


def _counts(label: str, total: Total) -> Iterator[tuple[str, str]]:
    if total.number:
        yield label, str(total.number)


def _amounts(label: str, total: Total) -> Iterator[tuple[str, str]]:
    """Yield the number of events, and their amount in each currency."""
    amounts = [
        amount_text(amount, currency) if currency != NO_CURRENCY else number_text(amount)
        for currency, amount in sorted(total.amounts.items())
    ]
    if total.number:
        yield label, ": ".join((str(total.number), " + ".join(amounts))) if amounts else str(total.number)
