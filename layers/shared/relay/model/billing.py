"""Tells whether fees are due, and which fee it is: it runs until the membership ends, or a tier without a fee is entered.

No event clears a fee, because none knows what another has said. So what has ended is worked out from the numbers of the
stamps: what is newer than the newest end still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from relay.model.milestones import WITHOUT_A_FEE, Milestone, newest_number
from relay.model.registers import Register
from relay.model.stamps import Stamp

if TYPE_CHECKING:
    from relay.model.fields import Value
    from relay.model.member import Member


def is_due(member: Member) -> bool:
    """Return whether fees are due: the membership has not ended, and its tier, as far as is known, has a fee."""
    begun = newest_number(
        each
        for each in member.milestones
        if each.kind in {"joined", "moved", "paid"} and each.detail not in WITHOUT_A_FEE
    )
    over = _over_since(member)
    return member.ended_at is None and (over < 0 or begun > over)


def runs(member: Member, register: Register) -> bool:
    """Return whether a fee of this register's time still runs: nothing has ended it since."""
    return register.stamp.number > _over_since(member)


def told(member: Member, name: str) -> Register | None:
    """Return the register of a field; where a payment of another tier has set it, what the member's own newest payment told."""
    known = member.registers.get(name)
    if known is None or name not in _TOLD_BY:
        return known
    foreign = member.history.foreign
    if not any(each.number == known.stamp.number and each.kind == "paid" for each in foreign):
        return known
    own = (each for each in reversed(member.milestones) if each.kind == "paid" and each not in foreign)
    of_which, value_of = _TOLD_BY[name]
    paid = next(filter(of_which, own), None)
    return Register(value_of(paid), Stamp(paid.number, "")) if paid else None


def _names_next(paid: Milestone) -> bool:
    return paid.days is not None


def _is_recurring(paid: Milestone) -> bool:
    return paid.amount is not None and paid.days is not None


def _is_other_charge(paid: Milestone) -> bool:
    return paid.amount is not None and paid.days is None


_TOLD_BY: Final[Mapping[str, tuple[Callable[[Milestone], bool], Callable[[Milestone], Value]]]] = {
    "last_payment_at": (lambda _: True, lambda paid: paid.at),
    "next_payment_on": (_names_next, lambda paid: paid.at.date() + timedelta(days=paid.days or 0)),
    "fee_amount": (_is_recurring, lambda paid: paid.amount),
    "fee_currency": (_is_recurring, lambda paid: paid.currency),
    "fee_days": (_is_recurring, lambda paid: paid.days),
    "charge_amount": (_is_other_charge, lambda paid: paid.amount),
    "charge_currency": (_is_other_charge, lambda paid: paid.currency),
}
"""The fields that a payment tells: the payments that tell each, and what they tell."""


def fee(member: Member, part: Literal["amount", "currency"]) -> Value:
    """Return the amount or the currency of the recurring fee; of another charge, where no recurring fee is known."""
    known, charge = told(member, "fee_amount"), member.registered("charge_amount")
    failure = member.history.failure_paid_in_part(known.stamp.number) if known else None
    if failure is not None and member.registered("fee_amount") is not None:
        # A part of the fee is not the fee.
        return failure.amount if part == "amount" else failure.currency
    has_fee = known is not None and known.value is not None
    if part == "currency" and not has_fee:
        return member.registered("charge_currency") or member.registered("fee_currency")
    entered = [each for each in member.milestones if each.kind in {"joined", "moved"}]
    is_over = member.ended_at is not None or (bool(entered) and entered[-1].detail in WITHOUT_A_FEE)
    if is_over:
        return member.registered(f"charge_{part}" if _charge_was_the_fee(member) else f"fee_{part}")
    is_known = known is not None and has_fee and (charge is None or runs(member, known))
    return member.registered(f"fee_{part}" if is_known or charge is None else f"charge_{part}")


def _charge_was_the_fee(member: Member) -> bool:
    """Return whether the fee that ended last was another charge: the recurring one had ended before it."""
    known, charge = told(member, "fee_amount"), told(member, "charge_amount")
    if known is None or charge is None or charge.stamp.number > _over_since(member):
        return False
    return any(known.stamp.number < end < charge.stamp.number for end in _ends(member))


def _ends(member: Member) -> list[int]:
    """Return the stamp numbers of what ended the billing: endings, and tiers without a fee."""
    foreign = member.history.foreign
    return [
        each.number
        for each in member.milestones
        if each not in foreign and (each.kind == "ended" or each.detail in WITHOUT_A_FEE)
    ]


def _over_since(member: Member) -> int:
    """Return the stamp number of what ended the billing last; -1 where nothing did."""
    found, cancelled = member.registers.get("found_status"), member.registers.get("cancelled_at")
    ends = _ends(member)
    if found and found.value == "cancelled":
        ends.append(found.stamp.number)
    if cancelled and member.value("cancelled_at") and member.ending is None:
        ends.append(cancelled.stamp.number)
    return max(ends, default=-1)
