"""The record of one member: what is known, since when, and from which event.

Every field is a register: a value and its stamp. The larger stamp wins, field by field, so merging is
commutative, associative and idempotent: events in any order, any number of times, make the same record.
`status` and its like are computed from the registers and never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from relay.model import erasure
from relay.model.balance_chain import BalanceChain, BalanceChange, append
from relay.model.facts import Facts, Lot
from relay.model.fields import EARLIEST_WINS, FIELDS, LATEST_WINS, Value
from relay.model.milestones import Milestone, Milestones, add, recovered_at, recoveries, rejoin_times
from relay.model.stamps import Stamp

Status: TypeAlias = Literal["trialing", "active", "past_due", "pending_cancellation", "cancelled", "none"]
PaymentStatus: TypeAlias = Literal["ok", "past_due", "failed", "none"]

LOTS_KEPT_AFTER_EXPIRY: Final = timedelta(days=40)
"""How long a record keeps an expired lot, counted back from the newest fact: reminders look a month back."""

TRIAL_BILLING_SLACK: Final = timedelta(days=1)
"""A payment this close to the trial's end is the first paid one: the documentation names no event for it."""


@dataclass(frozen=True, slots=True)
class Register:
    """A value, and the stamp of the event that set it; None is a value too, and says that the field was cleared."""

    value: Value
    stamp: Stamp

    @property
    def at(self) -> datetime:
        """The moment since which the value is known."""
        return self.stamp.at

    @property
    def event_id(self) -> str:
        """The event that set the value."""
        return self.stamp.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member as all events so far describe it; `Member(shop=…, customer_id=…)` is one without any event.

    `lots` are by the event id of the grant. `unknown` holds what a newer version of this code has stored and
    this one does not know.
    """

    shop: str
    customer_id: str
    registers: Mapping[str, Register] = field(default_factory=dict)
    lots: Mapping[str, Lot] = field(default_factory=dict)
    balance_chain: BalanceChain = ()
    milestones: Milestones = ()
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The member's key everywhere: `{shop}:{customer id}`."""
        return member_key(self.shop, self.customer_id)

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest fact."""
        newest = max((register.stamp for register in self.registers.values()), default=None)
        return newest.at if newest else None

    def value(self, name: str) -> Value:
        """Return a field's value; None where nothing is known or the field was cleared.

        Raises:
            KeyError: there is no field of this name.

        """
        if name not in FIELDS:
            raise KeyError(name)
        register = self.registers.get(name)
        return register.value if register else None

    def text(self, name: str) -> str | None:
        """Return the value of a field that holds text."""
        value = self.value(name)
        return value if isinstance(value, str) else None

    def money(self, name: str) -> Decimal | None:
        """Return the value of a field that holds an amount."""
        value = self.value(name)
        return value if isinstance(value, Decimal) else None

    def count(self, name: str) -> int | None:
        """Return the value of a field that holds a whole number."""
        value = self.value(name)
        return value if isinstance(value, int) else None

    def moment(self, name: str) -> datetime | None:
        """Return the value of a field that holds a moment."""
        value = self.value(name)
        return value if isinstance(value, datetime) else None

    def day(self, name: str) -> date | None:
        """Return the value of a field that holds a day."""
        value = self.value(name)
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def fields_from(self, event_id: str) -> frozenset[str]:
        """Return the names of the fields whose present value this event has set."""
        return frozenset(name for name, register in self.registers.items() if register.event_id == event_id)

    @property
    def status(self) -> Status:
        """The state of the membership."""
        if self.ended_at:
            return "cancelled"
        if self.moment("pending_cancel_at") or self.text("found_status") == "pending_cancellation":
            return "pending_cancellation"
        if self.payment_status in {"past_due", "failed"}:
            return "past_due"
        if self._on_trial:
            return "trialing"
        known = any(self.value(name) for name in ("joined_at", "tier_id", "last_payment_at"))
        return "active" if known else "none"

    @property
    def ended_at(self) -> datetime | None:
        """When the membership ended, by its event; else the date of the reading of the API that shows it as ended."""
        found = self.registers.get("found_status")
        found_at = found.at if found and found.value == "cancelled" else None
        return self.moment("cancelled_at") or found_at

    @property
    def payment_status(self) -> PaymentStatus:
        """The state of the current fee."""
        if self.moment("payment_lost_at"):
            return "failed"
        if self.count("failed_attempts"):
            return "past_due"
        return "ok" if self.moment("last_payment_at") else "none"

    @property
    def is_erased(self) -> bool:
        """Whether the member's personal data is erased."""
        return erasure.is_erased(self)

    @property
    def recovered_at(self) -> datetime | None:
        """When a failed fee was last paid after all."""
        return recovered_at(self.milestones)

    @property
    def recoveries(self) -> frozenset[tuple[datetime, datetime]]:
        """The times of failures and of the payments that made them good, as far back as the record remembers."""
        return recoveries(self.milestones)

    @property
    def rejoin_times(self) -> tuple[datetime, ...]:
        """When the member joined again after an ending, the latest last, as far back as the record remembers."""
        return rejoin_times(self.milestones)

    @property
    def is_failing(self) -> bool:
        """Whether a failed fee is open: not paid since, and not followed by the membership's end."""
        since = self.moment("last_failure_at")
        return since is not None and (self.ended_at is None or self.ended_at < since)

    @property
    def _on_trial(self) -> bool:
        ends, paid = self.moment("trial_ends_at"), self.moment("last_payment_at")
        return ends is not None and (paid is None or paid < ends - TRIAL_BILLING_SLACK)


def member_key(shop: str, customer_id: str) -> str:
    """Return a member's key: `{shop}:{customer id}`, the shop in lower case."""
    return f"{shop.lower()}:{customer_id}"


def merge(record: Member, facts: Facts) -> Member:
    """Return the record after the facts: each field takes the value with the larger stamp.

    Raises:
        ValueError: the facts have no time (`Facts.dated`).

    """
    stamp = facts.stamp
    registers = dict(record.registers)
    for name, value in facts.values.items():
        registers[name] = _newer(name, registers.get(name), Register(value, stamp))
    merged = replace(
        record,
        registers=registers,
        lots={**record.lots, facts.event_id: facts.lot} if facts.lot else record.lots,
        balance_chain=append(record.balance_chain, BalanceChange(stamp.at, *facts.balances))
        if facts.balances
        else record.balance_chain,
        milestones=add(record.milestones, Milestone(stamp.at, facts.milestone))
        if facts.milestone
        else record.milestones,
    )
    return erasure.without_erased(replace(merged, lots=_lots_kept(merged)))


def _newer(name: str, known: Register | None, other: Register) -> Register:
    if known is None:
        return other
    if name in EARLIEST_WINS:
        return min(known, other, key=_by_value)
    if name in LATEST_WINS:
        return max(known, other, key=_latest)
    # The value takes part for one case: two versions of the code read the same event differently.
    return max(known, other, key=lambda register: (register.stamp, str(register.value)))


def _by_value(register: Register) -> tuple[bool, str, Stamp]:
    """Return the sort key of a register by its value, an unknown value last."""
    value = register.value
    return value is None, value.isoformat() if isinstance(value, datetime) else "", register.stamp


def _latest(register: Register) -> tuple[str, Stamp]:
    """Return the sort key of a register by its moment, an unknown one first."""
    value = register.value
    return value.isoformat() if isinstance(value, datetime) else "", register.stamp


def _lots_kept(member: Member) -> dict[str, Lot]:
    """Return the lots without those that expired long before the newest fact. The order of events takes no part."""
    newest = member.newest_at
    if newest is None:
        return dict(member.lots)
    oldest = newest - LOTS_KEPT_AFTER_EXPIRY
    return {event_id: lot for event_id, lot in member.lots.items() if lot.expires_at >= oldest}
