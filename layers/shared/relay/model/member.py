"""One member of the programme: what is known, since when, and from which event.

Every field is a register: value, time, event id. The newer (time, id) wins, field by field, so that
merging is commutative, associative and idempotent: events in any order, any number of times, make the
same record. `status` and its like are worked out from the registers and never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from relay.model.balance_chain import BalanceChain, DatedChange, append
from relay.model.facts import Facts, Lot
from relay.model.fields import EARLIEST_WINS, FIELDS, Value
from relay.model.milestones import Milestone, Milestones, add, recovered_at, recoveries, rejoin_times

Status: TypeAlias = Literal["trialing", "active", "past_due", "pending_cancellation", "cancelled", "none"]
PaymentStatus: TypeAlias = Literal["ok", "past_due", "failed", "none"]

LOTS_KEPT_AFTER_EXPIRY: Final = timedelta(days=40)
"""How long an expired lot is remembered, counted back from the newest fact: reminders look a month back."""

TRIAL_BILLING_SLACK: Final = timedelta(days=1)
"""A payment this close to the trial's end is the first paid one: the documentation names no event for it."""


@dataclass(frozen=True, slots=True)
class Register:
    """A value, the moment from which it holds, and the id of the event that told it."""

    value: Value
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member as the events have told: an empty one is `Member(shop=…, customer_id=…)`.

    `later` holds what a newer version of this code has stored and this one does not know.
    """

    shop: str
    customer_id: str
    registers: Mapping[str, Register] = field(default_factory=dict)
    lots: Mapping[str, Lot] = field(default_factory=dict)
    chain: BalanceChain = ()
    milestones: Milestones = ()
    later: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The member's key everywhere: `{shop}:{customer id}`."""
        return member_key(self.shop, self.customer_id)

    @property
    def newest(self) -> datetime | None:
        """The time of the newest fact."""
        return max((register.at for register in self.registers.values()), default=None)

    def value(self, name: str) -> Value:
        """Return a field's value; None where nothing is known or it was cleared."""
        if name not in FIELDS:
            raise KeyError(name)
        register = self.registers.get(name)
        return register.value if register else None

    def text(self, name: str) -> str | None:
        """Return a field that holds text."""
        value = self.value(name)
        return value if isinstance(value, str) else None

    def money(self, name: str) -> Decimal | None:
        """Return a field that holds an amount."""
        value = self.value(name)
        return value if isinstance(value, Decimal) else None

    def count(self, name: str) -> int | None:
        """Return a field that holds a whole number."""
        value = self.value(name)
        return value if isinstance(value, int) else None

    def moment(self, name: str) -> datetime | None:
        """Return a field that holds a moment."""
        value = self.value(name)
        return value if isinstance(value, datetime) else None

    def day(self, name: str) -> date | None:
        """Return a field that holds a day."""
        value = self.value(name)
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def told_by(self, event_id: str) -> frozenset[str]:
        """Return the fields whose value stands because this event said so."""
        return frozenset(name for name, register in self.registers.items() if register.by == event_id)

    @property
    def status(self) -> Status:
        """Where the membership stands."""
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
        """When the membership ended, as its event says; else when the API was found to say so."""
        found = self.registers.get("found_status")
        found_at = found.at if found and found.value == "cancelled" else None
        return self.moment("cancelled_at") or found_at

    @property
    def payment_status(self) -> PaymentStatus:
        """How the current fee stands."""
        if self.moment("payment_lost_at"):
            return "failed"
        if self.count("failed_attempts"):
            return "past_due"
        return "ok" if self.moment("last_payment_at") else "none"

    @property
    def recovered_at(self) -> datetime | None:
        """When a failed fee was last made good."""
        return recovered_at(self.milestones)

    @property
    def recoveries(self) -> frozenset[tuple[datetime, datetime]]:
        """When fees failed and when they were made good, as far back as the record remembers."""
        return recoveries(self.milestones)

    @property
    def returns(self) -> tuple[datetime, ...]:
        """When the member came back after the membership had ended, the latest last."""
        return rejoin_times(self.milestones)

    @property
    def is_failing(self) -> bool:
        """Whether a fee has failed and was neither made good nor followed by the membership's end."""
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
    """Return the record with what the facts tell, field by field, where they are newer.

    `facts.at` must be set (`Facts.dated`).
    """
    if facts.at is None:
        raise ValueError("facts without a time: date them by their receipt first")
    registers = dict(record.registers)
    for name, value in facts.values.items():
        told = Register(value, facts.at, facts.event_id)
        registers[name] = _newer(name, registers.get(name), told)
    lots = {**record.lots, facts.event_id: facts.lot} if facts.lot else dict(record.lots)
    chain = append(record.chain, DatedChange(facts.at, facts.change)) if facts.change else record.chain
    milestones = record.milestones
    if facts.milestone:
        milestones = add(milestones, Milestone(facts.at, facts.milestone))
    merged = replace(record, registers=registers, lots=lots, chain=chain, milestones=milestones)
    return replace(merged, lots=_still_of_interest(merged))


def _newer(name: str, known: Register | None, told: Register) -> Register:
    if known is None:
        return told
    if name in EARLIEST_WINS:
        return min(known, told, key=_age)
    # The value takes part for the sake of one case: two readings of one event by two versions of the code.
    return max(known, told, key=lambda register: (register.at, register.by, str(register.value)))


def _age(register: Register) -> tuple[bool, str, datetime, str]:
    """Order by the value itself, what is unknown last."""
    value = register.value
    return value is None, value.isoformat() if isinstance(value, datetime) else "", register.at, register.by


def _still_of_interest(member: Member) -> dict[str, Lot]:
    """Drop lots that expired long before the newest fact: the rule looks at times only, so order is no matter."""
    newest = member.newest
    if newest is None:
        return dict(member.lots)
    oldest = newest - LOTS_KEPT_AFTER_EXPIRY
    return {event_id: lot for event_id, lot in member.lots.items() if lot.expires_at >= oldest}
