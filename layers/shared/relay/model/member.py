"""The record of one member: what is known, since when, and from which event.

Every field is a register: a value and its stamp. The larger stamp wins, field by field, so merging is
commutative, associative and idempotent: events in any order, any number of times, make the same record.
`status` and its like are computed and never stored. What ends is computed as well: `value` shows a fee, a failure and their
dates only while they are newer than what ended them. No event clears them, because none knows what another
event has said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from relay.model import billing, endings, erasure, open_fee, together
from relay.model.balance_chain import BalanceChain, BalanceChange, append, balance
from relay.model.calendar import day_in
from relay.model.facts import Facts, Lot
from relay.model.fields import FIELDS, UNTIL_BILLING_ENDS, UNTIL_ENDED, UNTIL_SETTLED, Value
from relay.model.lots import lots_kept
from relay.model.milestones import (
    FOUND,
    WITHOUT_A_FEE,
    History,
    Milestone,
    Milestones,
    Pair,
    add,
    newest_number,
    read,
    tier_at,
    tier_key,
)
from relay.model.registers import Register, newer

Status: TypeAlias = Literal[
    "trialing", "active", "past_due", "pending_cancellation", "cancelled", "unknown", "none"
]
PaymentStatus: TypeAlias = Literal["ok", "past_due", "failed", "none"]

PLATFORM_STATUSES: Final[Mapping[str, frozenset[Status]]] = {
    # The platform calls trials and late payments active as well. For a member without any other fact, "active"
    # is no reason to read the API.
    "ACTIVE": frozenset({"active", "trialing", "past_due", "none"}),
    "PENDING_CANCELLATION": frozenset({"pending_cancellation"}),
    "CANCELLED": frozenset({"cancelled"}),
    "PAST_DUE": frozenset({"past_due"}),
    "FAILED": frozenset({"past_due", "cancelled"}),
}
"""The platform's statuses, each with Relay's that agree with it. It documents the first three, as examples only."""

LAST_MIDNIGHT: Final = timedelta(hours=12)
"""After noon of the next day (UTC) a day is past in every time zone."""

TRIAL_BILLING_SLACK: Final = timedelta(days=1)
"""A payment this close to the trial's end is the first paid one: the documentation names no event for it."""


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
    # Nearly every field asks what the milestones say. Finding it by the milestones means hashing all of them, which was
    # half of the time of an event. A record after a change is another object, and reads anew.
    _history: History | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """The member's key everywhere: `{shop}:{customer id}`."""
        return member_key(self.shop, self.customer_id)

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest fact."""
        newest = max((register.stamp for register in self.registers.values()), default=None)
        return newest.at if newest else None

    def registered(self, name: str) -> Value:
        """Return a register's value, as long as it holds."""
        register = billing.told(self, name)
        if register is None or register.value is None:
            return None
        if name in UNTIL_SETTLED and not open_fee.is_of(self, register):
            return None
        if name in UNTIL_ENDED and register.stamp.number < newest_number(self._own_endings):
            return None
        if name in UNTIL_BILLING_ENDS and not billing.runs(self, register):
            return None
        return register.value

    def value(self, name: str) -> Value:
        """Return what holds for a field; None where nothing is known, the field was cleared, or its time is over.

        Raises:
            KeyError: there is no field of this name.

        """
        if name not in FIELDS:
            raise KeyError(name)
        if name in _COMPUTED:
            return _COMPUTED[name](self)
        return self.registered(name)

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
        """Return the value of a field that holds a day; of a moment, its day in UTC."""
        return day_in(self.value(name), UTC)

    def fields_from(self, event_id: str) -> frozenset[str]:
        """Return the names of the fields whose present value this event has set."""
        return frozenset(name for name, register in self.registers.items() if register.event_id == event_id)

    @property
    def history(self) -> History:
        """What the milestones say together: cycles of failures, rejoinings, what is of another tier."""
        known = self._history
        if known is None:
            known = read(self.milestones)
            object.__setattr__(self, "_history", known)
        return known

    @property
    def status(self) -> Status:
        """The state of the membership."""
        if self.is_gone or self.ended_at:
            return "none" if self.is_gone else "cancelled"
        if self.is_leaving:
            return "pending_cancellation"
        if self.is_failing:
            return "past_due"
        if self._on_trial:
            return "trialing"
        return self._running_status

    @property
    def is_gone(self) -> bool:
        """Whether a reading found no such member, and nothing newer has been told: any later fact takes it back."""
        found, newest = self.registers.get("found_status"), self.newest_at
        return found is not None and found.value == "gone" and newest is not None and found.at >= newest

    @property
    def is_leaving(self) -> bool:
        """Whether an end is announced; `pending_cancel_at` is its date, where that is known."""
        announced = self.moment("pending_since") or self.moment("pending_cancel_at")
        return announced is not None or self.text("found_status") == "pending_cancellation"

    @property
    def ended_at(self) -> datetime | None:
        """When the membership ended, by its event; else the date of the first reading of the API that shows it as ended."""
        found = self.registers.get("found_status")
        if self._cancelled_at or found is None or found.value != "cancelled":
            return self._cancelled_at
        return self.moment("found_since") or found.at

    @property
    def payment_status(self) -> PaymentStatus:
        """The state of the current fee."""
        if self.is_failing:
            return "failed" if open_fee.is_lost(self) else "past_due"
        paid = billing.told(self, "last_payment_at")
        return "ok" if paid and paid.value and billing.runs(self, paid) else "none"

    @property
    def currency(self) -> str | None:
        """The currency of the member's fee: of the one that was paid, else of the one that failed."""
        known = self.registers.get("unpaid_currency")
        failed = known.value if known else None
        return self.text("fee_currency") or (failed if isinstance(failed, str) else None)

    @property
    def balance(self) -> Decimal | None:
        """The store credit: the end of the chain of credit events; None where none is known."""
        return balance(self.balance_chain).value

    @property
    def is_erased(self) -> bool:
        """Whether the member's personal data is erased."""
        return erasure.is_erased(self)

    @property
    def recovered_at(self) -> datetime | None:
        """When a failed fee was last paid after all."""
        return max((pair.later.at for pair in self.history.recoveries), default=None)

    @property
    def recoveries(self) -> tuple[Pair, ...]:
        """Each first failure of a fee with the payment that made it good, as far back as the record remembers."""
        return self.history.recoveries

    @property
    def losses(self) -> tuple[Pair, ...]:
        """Each first failure of a fee with the ending that it led to, as far back as the record remembers."""
        return self.history.losses

    @property
    def rejoinings(self) -> tuple[Pair, ...]:
        """Each ending with the joining after it, as far back as the record remembers."""
        return self.history.rejoinings

    @property
    def rejoin_times(self) -> tuple[datetime, ...]:
        """When the member joined again after an ending, the latest last, as far back as the record remembers."""
        return tuple(pair.later.at for pair in self.history.rejoinings)

    @property
    def is_failing(self) -> bool:
        """Whether a failed fee is open: not paid since, and not followed by an end or a new beginning of the membership."""
        return open_fee.is_open(self)

    def as_known(self, at: datetime) -> datetime:
        """Return a moment with the count of milestones in its microseconds, which facts leave at zero.

        What the record shows of that moment changes with each milestone that arrives; so what was decided with more
        knowledge is later, whichever is heard of first.
        """
        return at + len(self.milestones) * timedelta(microseconds=1)

    @property
    def past(self) -> frozenset[str]:
        """What was to come and is past, as of the newest fact or with the membership: names of fields, and the events of expired lots."""
        newest = self.newest_at
        if newest is None:
            return frozenset()
        moments = {name: self.moment(name) for name in ("trial_ends_at", "pending_cancel_at")}
        moments |= {lot_id: lot.expires_at for lot_id, lot in self.lots.items()}
        past = {name for name, moment in moments.items() if moment and moment <= newest}
        if self.ended_at:
            past |= {"trial_ends_at", "pending_cancel_at"}
        day = self.day("next_payment_on")
        return frozenset(
            past | ({"next_payment_on"} if day and day < (newest - LAST_MIDNIGHT).date() else set())
        )

    def tier_before(self, number: int) -> str | None:
        """Return the tier that the member had at a stamp's number, as `tier_key` has it; None where it is not known."""
        register = self.registers.get("tier_id")
        if register and register.stamp.number <= number:
            return tier_key(str(register.value)) if register.value else None
        return tier_at(self.milestones, number)

    @property
    def ending_kind(self) -> str | None:
        """The kind of the ending that stands: told, else involuntary where a fee was open; None where its word is unknown."""
        ending = self.ending
        if ending is None:
            return None
        told = self.registers.get("cancel_type")
        if told is not None and told.value is not None and told.stamp.number == ending.number:
            # A repeat of the same event may bring the word that the first one lacked.
            return str(told.value)
        if any(pair.later == ending for pair in self.losses):
            return "involuntary"
        return None if ending.detail == "unknown" else ending.detail or "voluntary"

    @property
    def ending(self) -> Milestone | None:
        """The ending by an event that stands. The newest one may be of another tier: then the newest own one stands."""
        register = self.registers.get("cancelled_at")
        if register is None or register.value is None:
            return None
        endings = self._own_endings
        entered = newest_number(
            each for each in self.milestones if each.kind == "joined" or each.detail in WITHOUT_A_FEE
        )
        return endings[-1] if endings and endings[-1].number > entered else None

    @property
    def _own_endings(self) -> list[Milestone]:
        return [each for each in self.milestones if each.kind == "ended" and each not in self.history.foreign]

    @property
    def _cancelled_at(self) -> datetime | None:
        register, ending = self.registers.get("cancelled_at"), self.ending
        if ending or register is None or not isinstance(register.value, datetime):
            return ending.at if ending else None
        is_foreign = any(each.number == register.stamp.number for each in self.history.foreign)
        return None if is_foreign else register.value

    @property
    def is_billed(self) -> bool:
        """Whether fees are due: the membership has not ended, and its tier, as far as is known, has a fee."""
        return billing.is_due(self)

    @property
    def _running_status(self) -> Status:
        found = self.text("found_status")
        if self._has_begun:
            return "unknown" if found == "unknown" else "active"
        if (self.text("seen_status") or "").strip().upper() == "ACTIVE":
            return "active"
        # What a snapshot or a reading tells of a member is no reason to take its status for the usual one.
        known = found or any(self.value(name) for name in ("joined_at", "tier_id", "seen_status"))
        return "unknown" if known else "none"

    @property
    def _has_begun(self) -> bool:
        entered = any(each.kind in {"joined", "moved"} and each.detail != FOUND for each in self.milestones)
        return entered or bool(self.moment("last_payment_at"))

    @property
    def _on_trial(self) -> bool:
        ends, paid = self.moment("trial_ends_at"), self.moment("last_payment_at")
        entered = [each for each in self.milestones if each.kind == "joined" or each.detail in WITHOUT_A_FEE]
        trial = entered[-1] if entered and entered[-1].detail == "trial" else None
        if ends is not None and (trial is None or ends > trial.at):
            return paid is None or paid < ends - TRIAL_BILLING_SLACK
        # A trial whose end no event told, or told as what it cannot be: a trial until something is paid.
        return trial is not None and (paid is None or paid < trial.at)


_COMPUTED: Final[Mapping[str, Callable[[Member], Value]]] = {
    "failed_attempts": open_fee.failed_attempts,
    "fee_amount": lambda member: billing.fee(member, "amount"),
    "fee_currency": lambda member: billing.fee(member, "currency"),
    "cancelled_at": lambda member: member._cancelled_at,  # noqa: SLF001 - one class, in one table
    "cancel_type": endings.cancel_type,
    "cancel_reason": endings.cancel_reason,
    "credit_balance": lambda member: member.balance,
    "last_credit_delta": together.last_credit_delta,
    "last_credit_reason": together.last_credit_reason,
    "tier_name": together.tier_name,
}
"""Fields whose registers alone do not say what holds."""


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
        registers[name] = newer(name, registers.get(name), Register(value, stamp))
    merged = replace(
        record,
        registers=registers,
        lots={**record.lots, facts.event_id: facts.lot} if facts.lot else record.lots,
        balance_chain=append(record.balance_chain, BalanceChange(stamp.at, *facts.balances))
        if facts.balances
        else record.balance_chain,
        milestones=add(record.milestones, facts.milestone.stamped(stamp))
        if facts.milestone
        else record.milestones,
    )
    return erasure.without_erased(replace(merged, lots=lots_kept(merged.lots, merged.newest_at)))


def without_event(member: Member, facts: Facts) -> Member:
    """Return the record without what these facts of an event have set. What stood there before the event is not known any more."""
    stamp = facts.stamp
    change = BalanceChange(stamp.at, *facts.balances) if facts.balances else None
    return replace(
        member,
        registers={
            name: register
            for name, register in member.registers.items()
            if register.event_id != facts.event_id
        },
        lots={by: lot for by, lot in member.lots.items() if by != facts.event_id},
        balance_chain=tuple(each for each in member.balance_chain if each != change),
        milestones=tuple(each for each in member.milestones if each.number != stamp.number),
    )
